"""A kernel's value after each pass, by the interpreter, on random data, beside the formula's in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Kernel
from ..number_types import TYPES
from ..problem import Activation, Problem
from ..reference import conv1d, error_bound
from ..reference.interpreter import interpret
from ..runtime.kernel import sizes_of
from .pass_log import Step

#: Products that are interpreted for each pass where no size is given: some seconds for all passes together.
_PRODUCTS = 100_000
#: Steps from which tiles of all heights, and more than one of the tallest, are met in most kernels.
_STEPS = 64
#: What an activation may err beside its argument, in unit roundoffs of 1 and of its value.
_ACTIVATION = 32


@dataclass(frozen=True, slots=True)
class Check:
    """The value at one stage: how far it is from the formula's at most, as a share of what may be; at most 1 is right."""

    stage: str
    outputs: int
    share: float

    @property
    def right(self) -> bool:
        """A value that is no number where one should be is wrong too."""
        return self.share <= 1.0


def usual_length(problem: Problem) -> int:
    """Steps of an input that does not take long to interpret, and has an output."""
    a_step = problem.kernel_size * problem.group_channels * problem.filters
    wanted = max(1, min(_STEPS, _PRODUCTS // a_step))
    left, right = problem.padding if isinstance(problem.padding, tuple) else (0, 0)
    least = problem.extent - left - right if problem.padding not in ("same", "causal") else 1
    return max(1, least + (wanted - 1) * problem.stride)


def checks(
    problem: Problem, lowered: Kernel, found: Sequence[Step], batch: int, length: int, error: float = 1.0
) -> Iterator[Check]:
    """The formula as loops, and the kernel after each pass that changed it, run on the same random numbers. `error`: the
    bound of a sum's error, as a share of the direct algorithm's.
    """
    dtype, rng = TYPES[problem.dtype].numpy, np.random.default_rng(0)

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    x, w = drawn(problem.input_shape(batch, length)), drawn(problem.kernel_shape)
    b = drawn((problem.filters,)) if problem.use_bias else None
    wanted = conv1d(x, w, b, problem)
    sums, bound = conv1d(x, w, b, problem.with_(activation=Activation())), error_bound(x, w, b, problem)
    roundoff = 2.0 ** -TYPES[problem.dtype].significand
    # An activation changes by no more than its argument does, times what it is itself where it grows exponentially.
    allowed = 2 * (max(1.0, error) * bound + _ACTIVATION * roundoff * (1 + np.abs(sums))) * (1 + np.abs(wanted))
    for stage, kernel in (("the formula", lowered), *((step.name, step.after) for step in found if step.changed)):
        y = np.full(problem.output_shape(batch, length), np.nan, dtype)
        arrays = {"x": x, "w": w, "y": y} | ({} if b is None else {"b": b})
        interpret(kernel, arrays, sizes_of(kernel, problem, batch, length))
        shares = np.abs(y.astype(np.float64) - wanted) / allowed
        yield Check(stage, y.size, float(np.where(np.isnan(shares), np.inf, shares).max()))
