"""Direct: the formula with every size but batch and length a constant, outputs one after another.

parallel n, for g, for f, for t: y[n, t, g, f] := act(b[g, f] + Σ_{j, c} x[n, t*s + j*d - left, g, c] * w[j, c, g, f])
"""

from __future__ import annotations

from ..ir import Axis, Block, Expression, Kernel, Let, loop
from ..problem import Problem
from ..problem import padding as pad
from ..symbolic.index import Index, Indexable, index, var
from .formula import LENGTH, Formula, Sizes, identifier
from .placement import Placement


def constant_sizes(problem: Problem, grouped: bool, length: Index = LENGTH) -> tuple[Sizes, Block]:
    """The sizes of `problem`, and the `let` for the left padding where that depends on the length."""
    p = problem
    least, most = p.left_paddings()
    left: Indexable = least
    named: Block = ()
    if least < most:
        left = var("left")
        named = (Let("left", pad.left_padding(length, p.kernel_size, p.stride, p.dilation, p.padding)),)
    outputs = index(pad.output_length(length, p.kernel_size, p.stride, p.dilation, p.padding))
    groups = p.groups if grouped else None
    taps = p.kernel_size, p.stride, p.dilation
    return Sizes(p.group_channels, p.group_filters, *taps, groups, outputs, left, (least, most), length), named


def lower(problem: Problem, epilogue: Expression | None = None, placement: Placement | None = None) -> Kernel:
    """The loops of the formula: the weights of some filters go over all steps before the next ones are read."""
    sizes, named = constant_sizes(problem, grouped=problem.groups > 1)
    formula = Formula(problem, sizes, epilogue, placement)
    n, t, f = var("n"), var("t"), var("f")
    group = (var("g"),) if problem.groups > 1 else ()
    steps = loop("t", 0, sizes.outputs, formula.output(n, t, group, f), axis=Axis.STEP)
    nest: Block = (loop("f", 0, sizes.filters, (steps,), axis=Axis.FILTER),)
    if group:
        nest = (loop("g", 0, problem.groups, nest, axis=Axis.GROUP),)
    body = (*named, loop("n", 0, var("N"), nest, "parallel", axis=Axis.SEQUENCE))
    return Kernel(identifier(f"direct_{problem}"), problem.compute, (("N", 1), ("T", 0)), formula.buffers, body)
