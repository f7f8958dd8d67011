"""One convolution as a part of a kernel: some of its output steps, from a view of its input to a view of its output.

    nest name
      for g, for f, for t of the steps:
        y[n, t, g, f] := act(b[g, f] + Σ_{j, c} x[n, t*s + j*d - left, g, c] * w[j, c, g, f])

`x` and `y` are views: of the caller's arrays, or of a block in scratch memory.
"""

from __future__ import annotations

from ..ir import Axis, Block, Nest, View, loop
from ..problem import Problem
from ..symbolic.index import Index, index, var
from .direct import constant_sizes
from .formula import Formula, Sizes


def nest(name: str, problem: Problem, x: View, y: View, n: Index, steps: tuple[Index, Index]) -> tuple[Nest, Formula]:
    """The nest that computes a range of steps of sequence `n` (of the views: a block in scratch memory has one
    sequence, number `n`).

    The formula's weights and bias, `w_name` and `b_name`, are the kernel's parameters. Raises ValueError for a problem
    whose left padding depends on the length.
    """
    least, most = problem.left_paddings()
    if least < most:
        raise ValueError(
            f"The left padding of {problem} depends on the length, from {least} to {most}: no nest knows it."
        )
    sizes = sizes_of(problem, x)
    formula = Formula(problem, sizes).renamed(name, x, y)
    group = (var("g"),) if sizes.groups is not None else ()
    t, f = var("t"), var("f")
    over_steps = loop("t", *steps, formula.output(n, t, group, f), axis=Axis.STEP)
    body: Block = (loop("f", 0, sizes.filters, (over_steps,), axis=Axis.FILTER),)
    if group:
        body = (loop("g", 0, problem.groups, body, axis=Axis.GROUP),)
    return Nest(name, body), formula


def sizes_of(problem: Problem, x: View) -> Sizes:
    """The sizes of a problem whose input is a view."""
    return constant_sizes(problem, grouped=problem.groups > 1, length=index(x.size(Axis.STEP)))[0]
