"""Depthwise: every channel is a group of its own, with `filters // channels` filters (the depth multiplier).

    parallel n, for f, for t, for g: y[n, t, g, f] := act(b[g, f] + Σ_j x[n, t*s + j*d - left, g] * w[j, g, f])

The groups are the innermost loop, so that neighbouring channels can share a vector.
"""

from __future__ import annotations

from ..ir import Axis, Block, Expression, Kernel, loop
from ..problem import Problem
from ..symbolic.index import var
from .direct import constant_sizes
from .formula import Formula, identifier
from .placement import Placement


def lower(problem: Problem, epilogue: Expression | None = None, placement: Placement | None = None) -> Kernel:
    """The loops of the formula for a problem with as many groups as channels."""
    sizes, named = constant_sizes(problem, grouped=True)
    formula = Formula(problem, sizes, epilogue, placement)
    n, t, f, g = var("n"), var("t"), var("f"), var("g")
    per_channel = loop("g", 0, problem.groups, formula.output(n, t, (g,), f), axis=Axis.GROUP)
    per_step = loop("t", 0, sizes.outputs, (per_channel,), axis=Axis.STEP)
    per_filter = loop("f", 0, sizes.filters, (per_step,), axis=Axis.FILTER)
    body: Block = (*named, loop("n", 0, var("N"), (per_filter,), "parallel", axis=Axis.SEQUENCE))
    return Kernel(identifier(f"depthwise_{problem}"), problem.compute, (("N", 1), ("T", 0)), formula.buffers, body)
