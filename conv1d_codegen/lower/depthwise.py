"""Depthwise: every channel is a group of its own, with `filters // channels` filters (the depth multiplier).

    parallel n, for f, for t, for g: y[n, t, g, f] := act(b[g, f] + Σ_j x[n, t*s + j*d - left, g] * w[j, g, f])

The groups are the innermost loop, so that neighbouring channels can share a vector. In parts, each has some of them.
"""

from __future__ import annotations

from ..ir import Axis, Block, Expression, Kernel, Level, loop
from ..problem import Problem
from ..symbolic.index import var
from .direct import constant_sizes
from .formula import Formula, identifier
from .placement import Placement


def lower(
    problem: Problem, parts: int = 1, epilogue: Expression | None = None, placement: Placement | None = None
) -> Kernel:
    """The loops of the formula for a problem with as many groups as channels, in so many `parts` of these."""
    sizes, named = constant_sizes(problem, grouped=True)
    formula = Formula(problem, sizes, epilogue, placement)
    n, t, f, g = var("n"), var("t"), var("f"), var("g")
    size = problem.groups // parts
    channel = g if parts == 1 else var("part") * size + g
    per_channel = loop("g", 0, size, formula.output(n, t, (channel,), f), axis=Axis.GROUP)
    per_step = loop("t", 0, sizes.outputs, (per_channel,), axis=Axis.STEP)
    per_filter = loop("f", 0, sizes.filters, (per_step,), axis=Axis.FILTER)
    of_sequence: Block = (per_filter,)
    if parts > 1:
        of_sequence = (loop("part", 0, parts, of_sequence, "parallel", axis=Axis.GROUP, level=Level.BLOCK),)
    body: Block = (*named, loop("n", 0, var("N"), of_sequence, "parallel", axis=Axis.SEQUENCE))
    return Kernel(identifier(f"depthwise_{problem}"), problem.compute, (("N", 1), ("T", 0)), formula.buffers, body)
