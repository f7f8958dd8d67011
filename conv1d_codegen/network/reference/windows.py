"""Convolutions and pools."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...problem import padding as pad
from ...reference.convolution import conv1d
from .. import ops

Array = NDArray[Any]


def _check_steps(op: ops.Op, x: Array, steps: int) -> None:
    if steps < 0 or (steps == 0 and x.shape[1] != 0):
        raise ValueError(f"{op} makes no output of {x.shape[1]} steps.")


def conv(op: ops.Conv, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    if x.ndim == 2:
        return conv(op, x[:, None], kernel, bias)[:, 0]
    if op.problem.channels_first:
        last = ops.Conv(op.problem.with_(channels_first=False))
        return conv(last, x.swapaxes(1, 2), kernel, bias).swapaxes(1, 2)
    _check_steps(op, x, op.problem.output_length(x.shape[1]))
    return conv1d(x, kernel, bias, op.problem, float64=x.dtype == np.float64)


def _pool(op: ops.Pool, x: Array) -> Array:
    length = x.shape[1]
    steps = op.output_length(length)
    _check_steps(op, x, steps)
    left = pad.left_padding(length, op.size, op.stride, op.dilation, op.padding)
    extent = pad.extent(op.size, op.dilation)
    last = max(0, (steps - 1) * op.stride + extent - left - length)
    after = op.padding[1] if isinstance(op.padding, tuple) else last if op.padding == "same" else 0
    right = max(after, steps * op.stride + extent - left - length)

    def combined(wide: Array, of_two: Callable[[Array, Array], Array]) -> Array:
        firsts = range(0, op.size * op.dilation, op.dilation)
        taken = (wide[:, j : j + steps * op.stride : op.stride] for j in firsts)
        return functools.reduce(of_two, taken)

    widths = ((0, 0), (left, right), (0, 0))
    if op.kind == "max":
        return combined(np.pad(x, widths, constant_values=-np.inf), np.maximum)
    here = np.ones((1, length, 1), x.dtype)
    if op.count_padding:
        here = np.pad(here, ((0, 0), (left, after), (0, 0)), constant_values=1)
        counted = np.pad(here, ((0, 0), (0, right - after), (0, 0)))
    else:
        counted = np.pad(here, widths)
    return combined(np.pad(x, widths), np.add) / combined(counted, np.add)


_REDUCED: dict[str, Callable[..., Array]] = {"max": np.max, "min": np.min, "average": np.mean, "sum": np.sum}


def _global_pool(op: ops.GlobalPool, x: Array) -> Array:
    if x.shape[1] == 0:
        raise ValueError(f"{op} makes no output of 0 steps.")
    if op.kind in ("first", "last"):
        end = 0 if op.kind == "first" else -1
        return x[:, [end]] if op.keep else x[:, end]
    return _REDUCED[op.kind](x, axis=1, keepdims=op.keep)


def conv_transpose(op: ops.ConvTranspose, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    batch, length, _ = x.shape
    steps = op.output_length(length)
    if length and steps < 1:
        raise ValueError(f"{op} makes no output of {length} steps.")
    steps = max(steps, 0) if length else 0
    full = np.zeros(
        (batch, max(op.left + steps, (length - 1) * op.stride + pad.extent(op.kernel_size, op.dilation)), op.filters),
        x.dtype,
    )
    outputs, inputs = op.filters // op.groups, op.channels // op.groups
    for j in range(op.kernel_size if length else 0):
        for group in range(op.groups):
            own = kernel[j, group * outputs : (group + 1) * outputs]
            products = x[..., group * inputs : (group + 1) * inputs] @ own.T
            places = full[:, j * op.dilation :, group * outputs : (group + 1) * outputs]
            places[:, : (length - 1) * op.stride + 1 : op.stride] += products
    y = full[:, op.left : op.left + steps]
    return y if bias is None else y + bias


#: The meaning of each.
MEANING: dict[type, Callable[..., Array]] = {
    ops.Conv: conv,
    ops.ConvTranspose: conv_transpose,
    ops.Pool: _pool,
    ops.GlobalPool: _global_pool,
    ops.ChannelPool: lambda op, x: _REDUCED[op.kind](x, axis=-1, keepdims=True),
}
