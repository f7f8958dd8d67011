"""Is it right, before it is fast: a layer's output against the float64 reference.

Large outputs are checked in part: of the first and the last recording of the batch the first steps, the last, and some
between, as many as _FLOPS allow. Of the others it is only seen that they were written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..layers.conv1d import Conv1D
from ..problem import Problem
from ..reference import convolution as reference
from ..schedule.plan import Plan
from .cases import Case

Array = np.ndarray[Any, Any]
_FLOPS = 60e6  # of all that is checked: some 20 ms of the reference
# Of the error bound. "fast" takes Cook–Toom where its error is predicted to be up to 8 times the bound, and errors were
# found up to 2.2 times what is predicted (`python -m bench accuracy`). A forgotten tap is thousands of times off.
_WIDE_ALLOWANCE = 20.0


def allowance(plan: Plan, algorithm: str, accuracy: str) -> float:
    """How many times the error bound a layer of ours may be off: once, as it promises, unless it was asked for a
    Cook–Toom plan that need not keep it."""
    return (
        _WIDE_ALLOWANCE if plan.algorithm == "cook_toom" and (algorithm == "cook_toom" or accuracy == "fast") else 1.0
    )


def wrong(case: Case, layer: Conv1D, x: Array, y: Array, allowance: float = 1.0) -> str | None:
    """What is wrong with `y`, an output of the layer for `x` written into an array of NaN; None if nothing is.

    It may be off by `allowance` times the error bound.
    """
    if not np.isfinite(y).all():
        return f"{case}: {np.count_nonzero(~np.isfinite(y))} of {y.size} outputs are not finite, or were never written"
    for where, share in _shares(case, layer, x, y):
        if not share <= allowance:
            return f"{case}: {where} are off by {share:.3g} times the error bound"
    return None


def largest_share(case: Case, layer: Conv1D, x: Array, y: Array) -> float:
    """The largest error of what is checked, as a share of the bound; infinite where an output is not finite."""
    return max(share for _, share in _shares(case, layer, x, y)) if np.isfinite(y).all() else float("inf")


def _shares(case: Case, layer: Conv1D, x: Array, y: Array) -> Iterator[tuple[str, float]]:
    """The outputs that are checked, in words, and their largest error as a share of the bound."""
    steps = case.problem.output_length(case.length)
    for n in sorted({0, case.batch - 1}):
        for first, last in _ranges(case, steps):
            share = _share_of_bound(case.problem, layer, x[n : n + 1], y[n : n + 1], first, last)
            yield f"outputs {first} to {last} of recording {n}", share


def _ranges(case: Case, steps: int) -> list[tuple[int, int]]:
    """The output steps to check: all of them, or three stretches."""
    affordable = int(_FLOPS / (case.flops / (case.batch * steps)))
    recordings = min(2, case.batch)
    if recordings * steps <= affordable:
        return [(0, steps)]
    stretch = max(8, affordable // (3 * recordings))
    starts = (0, (steps - stretch) // 2, steps - stretch)
    return [(max(0, start), min(steps, max(0, start) + stretch)) for start in starts]


def _share_of_bound(problem: Problem, layer: Conv1D, x: Array, y: Array, first: int, last: int) -> float:
    """The largest error of the output steps `first..last`, as a share of the bound: their part of the input is a
    smaller convolution.
    """
    axis = 2 if problem.channels_first else 1
    left = problem.left_padding(x.shape[axis])
    begin = first * problem.stride - left
    end = (last - 1) * problem.stride - left + problem.extent
    length = x.shape[axis]
    inside = slice(max(0, begin), max(0, min(end, length)))
    window = x[:, :, inside] if problem.channels_first else x[:, inside]
    # All of it may lie beside the input.
    part = problem.with_(padding=(max(0, min(0, end) - begin), max(0, end - max(begin, length))))
    expected = reference.conv1d(window, layer.kernel, layer.bias, part)
    bound = reference.error_bound(window, layer.kernel, layer.bias, part)
    got = y[:, :, first:last] if problem.channels_first else y[:, first:last]
    return float(np.max(np.abs(got - expected) / bound))
