"""Convolutions, transposed ones and dense layers of torch's. Those of two axes are read where one of these has length 1."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....problem import Problem
from ... import ops
from .builder import BATCH_AXIS, Array, Builder, Constant, check, described
from .call import Call, Handler
from .layout import CHANNELS, TIME, Axis, Tensor, channels, kinds, positions


def kernel_of(weight: Array, column: tuple[int | slice, ...]) -> Array:
    """Torch's `(filters, channels, taps)` as `(taps, channels, filters)`; of a second axis of taps one counts."""
    return np.ascontiguousarray(weight[(slice(None), slice(None), *column)].transpose(2, 1, 0))


def transposed_kernel_of(weight: Array, column: tuple[int | slice, ...], groups: int) -> Array:
    """Torch's `(channels, filters, taps)` as `(taps, filters, channels)`; zeros between groups."""
    taps = weight[(slice(None), slice(None), *column)].transpose(2, 1, 0)
    if groups == 1:
        return np.ascontiguousarray(taps)
    size, filters, wide = taps.shape
    full = np.zeros((size, filters * groups, wide), taps.dtype)
    for group in range(groups):
        own = slice(group * wide // groups, (group + 1) * wide // groups)
        full[:, group * filters : (group + 1) * filters, own] = taps[:, :, own]
    return full


def dense_of(weight: Array, order: Array) -> Array:
    """Torch's `(filters, channels)` as `(1, channels, filters)`, of channels in the order of the tensor."""
    full = np.empty_like(weight.T)
    full[order] = weight.T
    return full[None]


def _each(values: Sequence[Any], count: int) -> list[Any]:
    return list(values) * count if len(values) == 1 else list(values)


class Windows:
    """The sizes of an operation on windows of one axis; others have length 1."""

    def __init__(self, x: Tensor, taps: Sequence[int], **sizes: Any) -> None:
        count = len(taps)
        check(
            len(x.axes) == count + 2 and x.axes[0] == BATCH_AXIS,
            f"takes (batch, channels, …). Received: {described(x)}",
        )
        spatial = x.axes[2:]
        long = [number for number, axis in enumerate(spatial) if axis]
        check(len(long) < 2, f"takes steps in one axis. Received: {described(x)}")
        self.axis = long[0] if long else int(np.argmax(taps))
        each = {name: _each(values, count) for name, values in sizes.items()}
        self.sizes: dict[str, Any] = {name: values[self.axis] for name, values in each.items()}
        self.others: list[dict[str, Any]] = [
            {"taps": taps[n], **{name: values[n] for name, values in each.items()}}
            for n in range(count)
            if n != self.axis
        ]
        self.steps, self.across = spatial[self.axis], x.axes[1]
        self._count = count

    def seen(self, b: Builder, name: str) -> Tensor:
        """What comes out, with as many axes."""
        axes: list[Axis] = [()] * self._count
        axes[self.axis] = b.steps_axis(name)
        return Tensor(name, (BATCH_AXIS, channels(b.shapes[name].channels), *axes))

    def column(self, places: Sequence[int]) -> tuple[int | slice, ...]:
        """The taps of the axis of steps, with one of each of the others."""
        result: list[int | slice] = list(places)
        result.insert(self.axis, slice(None))
        return tuple(result)


def _conv(b: Builder, call: Call) -> Tensor:
    x, weight, bias = call.tensor("input"), call.constant("weight"), call.constant("bias")
    check(weight is not None, "has no kernel")
    assert weight is not None
    filters, _, *taps = weight.array.shape
    given = call["padding"]
    dilation = _each(call["dilation"], len(taps))
    if isinstance(given, str):
        total = [d * (k - 1) if given == "same" else 0 for k, d in zip(taps, dilation, strict=True)]
        pads = [(n // 2, n - n // 2) for n in total]
    else:
        pads = [(p, p) for p in _each(given, len(taps))]
    windows = Windows(x, taps, stride=call["stride"], padding=pads, dilation=dilation)
    for other in windows.others:
        left, right = other["padding"]
        steps = 1 + left + right - (other["taps"] - 1) * other["dilation"] - 1
        check(
            steps // other["stride"] == 0 and left % other["dilation"] == 0,
            f"makes several steps of an axis of one: {other}",
        )
    column = windows.column([other["padding"][0] // other["dilation"] for other in windows.others])
    source = b.sequence(x, windows.steps, windows.across)
    padding = windows.sizes["padding"]
    problem = Problem(
        b.shapes[source].channels,
        filters,
        taps[windows.axis],
        windows.sizes["stride"],
        windows.sizes["dilation"],
        call["groups"],
        padding if any(padding) else "valid",
        dtype=b.dtype,
        use_bias=bias is not None,
    )
    weights = [b.weight("weight", functools.partial(kernel_of, column=column), weight)]
    weights += [b.weight("bias", np.asarray, bias)] if bias is not None else []
    return windows.seen(b, b.add(ops.Conv(problem), source, weights=weights))


def _conv_transpose(b: Builder, call: Call) -> Tensor:
    x, weight, bias = call.tensor("input"), call.constant("weight"), call.constant("bias")
    check(weight is not None, "has no kernel")
    assert weight is not None
    wide, filters, *taps = weight.array.shape
    names = ("stride", "padding", "output_padding", "dilation")
    windows = Windows(x, taps, **{name: call[name] for name in names})
    for other in windows.others:
        plain = other["taps"] == 1 and other["padding"] == other["output_padding"] == 0
        check(plain, f"makes several steps of an axis of one: {other}")
    source = b.sequence(x, windows.steps, windows.across)
    sizes, groups = windows.sizes, call["groups"]
    op = ops.ConvTranspose(
        wide,
        filters * groups,
        taps[windows.axis],
        sizes["stride"],
        sizes["dilation"],
        sizes["padding"],
        sizes["padding"] - sizes["output_padding"],
        bias is not None,
    )
    column = windows.column([0] * len(windows.others))
    weights = [b.weight("weight", functools.partial(transposed_kernel_of, column=column, groups=groups), weight)]
    weights += [b.weight("bias", np.asarray, bias)] if bias is not None else []
    return windows.seen(b, b.add(op, source, weights=weights))


def mixed(b: Builder, x: Tensor, axis: int, kernel: Any, bias: Constant | None, filters: int) -> Tensor:
    """Every step's channels, which are an axis of a tensor, times a matrix. `kernel` makes the weight, for the order of
    the channels.
    """
    if TIME in kinds(x.axes[axis]):
        x = b.vector(x)
    order = positions(x.axes[axis]) if kinds(x.axes[axis]) <= {CHANNELS} else np.zeros(0, np.intp)
    wide = b.shapes[x.name].channels
    check(len(order) == wide, f"takes all {wide} channels in one axis. Received: {described(x)}")
    problem = Problem(wide, filters, 1, dtype=b.dtype, use_bias=bias is not None)
    weights = [kernel(order), *([b.weight("bias", np.asarray, bias)] if bias is not None else [])]
    name = b.add(ops.Conv(problem), x.name, weights=weights)
    return Tensor(name, (*x.axes[:axis], channels(filters), *x.axes[axis + 1 :]))


def _linear(b: Builder, call: Call) -> Tensor:
    x, weight = call.tensor("input"), call.constant("weight")
    assert weight is not None
    return mixed(
        b,
        x,
        len(x.axes) - 1,
        lambda order: b.weight("weight", functools.partial(dense_of, order=order), weight),
        call.constant("bias"),
        weight.array.shape[0],
    )


def _flipped_dense_of(weight: Array, order: Array) -> Array:
    return dense_of(weight.T, order)


def _matmul(b: Builder, call: Call) -> Tensor:
    x, weight = (call[name] for name in list(call.arguments)[:2])
    convert, axis = _flipped_dense_of, -1
    if isinstance(x, Constant):
        x, weight, convert, axis = weight, x, dense_of, -2
    check(
        isinstance(x, Tensor) and isinstance(weight, Constant) and weight.array.ndim == 2 and len(x.axes) > 1,
        "multiplies tensors of which none is a constant matrix",
    )
    return mixed(
        b,
        x,
        axis % len(x.axes),
        lambda order: b.weight("weight", functools.partial(convert, order=order), weight),
        None,
        weight.array.shape[1 if axis == -1 else 0],
    )


OPERATIONS: Mapping[str, Handler] = {
    **dict.fromkeys(("conv1d.default", "conv1d.padding", "conv2d.default", "conv2d.padding"), _conv),
    **dict.fromkeys(("conv_transpose1d.default", "conv_transpose2d.input"), _conv_transpose),
    "linear.default": _linear,
    **dict.fromkeys(("matmul.default", "mm.default"), _matmul),
}
