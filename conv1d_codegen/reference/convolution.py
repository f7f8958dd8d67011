"""The formula, computed plainly in NumPy: what every kernel is compared with.

    y[n, t, f] = act( b[f] + Σ_{j<k, c<C/g}  x[n, t·s + j·d - left, group(f)·C/g + c] · w[j, c, f] )

A tap that falls beside the input is skipped, not multiplied by zero: a NaN in the weights meets no padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..number_types import TYPES
from ..problem import Activation, Problem
from ..problem.padding import steps_of_tap
from . import activations


def conv1d(
    x: ArrayLike, kernel: ArrayLike, bias: ArrayLike | None, problem: Problem, *, float64: bool = True
) -> NDArray[Any]:
    """The layer's output: `(N, T', F)`, or `(N, F, T')` for channels-first problems; T' = 0 where no output exists.

    `x` is `(N, T, C)` or `(N, C, T)`, `kernel` `(k, C/g, F)`, `bias` `(F,)`, or None where the problem has none.
    Computed and returned in float64; with `float64=False` computed in the dtype that the kernels accumulate in
    (float32, float64 for "f64") and returned in the problem's. Raises ValueError for other shapes.
    """
    working = TYPES["f64" if float64 else problem.compute].numpy
    inputs, weights = np.asarray(x, working), np.asarray(kernel, working)
    if inputs.ndim != 3 or inputs.shape != problem.input_shape(
        inputs.shape[0], inputs.shape[2 if problem.channels_first else 1]
    ):
        raise ValueError(
            f"{problem} takes inputs of shape {problem.input_shape(-1, -1)}, -1 for any. Received: {inputs.shape}."
        )
    if weights.shape != problem.kernel_shape:
        raise ValueError(f"{problem} has a kernel of shape {problem.kernel_shape}. Received: {weights.shape}.")
    if (bias is not None) != problem.use_bias or (bias is not None and np.shape(bias) != (problem.filters,)):
        wanted = f"a bias of shape ({problem.filters},)" if problem.use_bias else "no bias"
        raise ValueError(f"{problem} has {wanted}. Received: {None if bias is None else np.shape(bias)}.")
    if problem.channels_first:
        inputs = inputs.transpose(0, 2, 1)

    batch, length, _ = inputs.shape
    steps, left = max(0, problem.output_length(length)), problem.left_padding(length)
    stride, groups = problem.stride, problem.groups
    # Group first, so that one matmul serves all groups: (g, N, T, C/g) @ (g, 1, C/g, F/g).
    inputs = inputs.reshape(batch, length, groups, problem.group_channels).transpose(2, 0, 1, 3)
    by_group = weights.reshape(problem.kernel_size, problem.group_channels, groups, problem.group_filters).transpose(
        0, 2, 1, 3
    )
    sums = np.zeros((groups, batch, steps, problem.group_filters), working)
    if bias is not None:
        sums += np.asarray(bias, working).reshape(groups, 1, 1, problem.group_filters)
    with np.errstate(all="ignore"):
        for tap in range(problem.kernel_size):
            offset = tap * problem.dilation - left
            begin, end = steps_of_tap(tap, length, left, stride, problem.dilation)
            first, last = max(0, begin), min(steps, end)
            if first < last:
                rows = inputs[:, :, first * stride + offset : (last - 1) * stride + offset + 1 : stride]
                sums[:, :, first:last] += rows @ by_group[tap][:, None]
    y = activations.evaluate(problem.activation, sums.transpose(1, 2, 0, 3).reshape(batch, steps, problem.filters))
    y = y.transpose(0, 2, 1) if problem.channels_first else y
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(y, working if float64 else TYPES[problem.dtype].numpy)


def error_bound(x: ArrayLike, kernel: ArrayLike, bias: ArrayLike | None, problem: Problem) -> NDArray[np.float64]:
    """How far a kernel's values before the activation may be from the exact ones, element by element: float64, the
    output's shape.

    `8·u·(Σ|x||w| + |b|)`, u = 2^-24 (2^-53 for "f64"). Random data of both signs stays within it, for any number of
    products, as the kernels sum them in chunks (`problem/summation.py` has the measurements); products that are
    all of one sign may go 2.5 times as far. For "f16" and "bf16", which accumulate in float32, half an ulp of the
    result in that dtype comes on top.
    """
    linear = problem.with_(activation=Activation())
    magnitude = conv1d(np.abs(x), np.abs(kernel), None if bias is None else np.abs(bias), linear)
    bound = 8.0 * 2.0 ** -TYPES[problem.compute].significand * magnitude
    if problem.dtype != problem.compute:
        stored = TYPES[problem.dtype]
        largest = np.abs(conv1d(x, kernel, bias, linear)) + bound
        bound = bound + np.maximum(2.0**-stored.significand * largest, 2.0 ** (stored.least_exponent - 1))
    return np.asarray(bound)
