"""Pools, padding, means and other lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ....symbolic.index import Index, index
from ... import ops
from .activations import times
from .builder import BATCH_AXIS, Builder, check, described, whole
from .call import Call, Handler
from .convolutions import Windows, mixed
from .layout import BATCH, CHANNELS, TIME, Tensor, channels, kinds, size
from .shapes import sliced, with_steps

_PADDINGS = {"constant": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def _pool(kind: str) -> Handler:
    def read(b: Builder, call: Call) -> Tensor:
        x, taps = call.tensor("self"), call["kernel_size"]
        count = len(x.axes) - 2
        taps = list(taps) * count if len(taps) == 1 else list(taps)
        sizes = {"stride": call["stride"] or taps, "padding": call["padding"], "dilation": call.get("dilation", [1])}
        windows = Windows(x, taps, **sizes)
        plain = all(other["taps"] == 1 and other["padding"] == 0 for other in windows.others)
        check(plain, f"has windows of several steps in an axis of one: {windows.others}")
        check(windows.sizes["dilation"] == 1, f"has dilation {call.get('dilation')}")
        check(call.get("divisor_override") is None, "divides by a number of its own")
        source = b.sequence(x, windows.steps, windows.across)
        return windows.seen(
            b,
            pooled(
                b,
                source,
                kind,
                taps[windows.axis],
                windows.sizes,
                call["ceil_mode"],
                call.get("count_include_pad", False),
            ),
        )

    return read


def pooled(b: Builder, x: str, kind: str, taps: int, sizes: Mapping[str, int], ceil: bool, counted: bool) -> str:
    """With `ceil` there is one more window where steps are left over, if it begins on the input or the padding before it."""
    stride, around = sizes["stride"], sizes["padding"]
    right = min(around + stride - 1, taps - 1) if ceil else around
    if kind == "average" and counted and right != around:  # what lies beyond the padding does not count
        if around:
            x = b.add(ops.Pad(around, around), x, part="pad")
        padding = (0, max(right - around, 0))
        return b.add(ops.Pool(kind, taps, stride, padding if any(padding) else "valid"), x)
    padding = (around, right)
    return b.add(ops.Pool(kind, taps, stride, padding if any(padding) else "valid", counted and kind == "average"), x)


def _adaptive(kind: str) -> Handler:
    def read(b: Builder, call: Call) -> Any:
        x, wanted = call.tensor("self"), call["output_size"]
        made = x
        for number, count in enumerate(wanted):
            made = _to_length(b, made, len(x.axes) - len(wanted) + number, index(count), kind)
        return (made, None) if kind == "max" else made

    return read


def _to_length(b: Builder, x: Tensor, axis: int, wanted: Index, kind: str) -> Tensor:
    """As many steps as wanted, each of as many."""
    steps = size(x.axes[axis])
    if steps == wanted:
        return x
    if wanted == 1:
        return reduced(b, x, [axis], True, kind)
    known = steps.constant
    check(
        known is not None and wanted.constant is not None and known % wanted.constant == 0,
        f"makes {wanted} steps of {steps}, which are not some of each",
    )
    taps = whole(steps, "the length") // whole(wanted, "the length")
    across = x.axes[1]
    name = b.add(ops.Pool(kind, taps, taps), b.sequence(x, x.axes[axis], across))
    return Tensor(name, (BATCH_AXIS, channels(b.shapes[name].channels), *_with_one(b, x, axis, name)))


def _with_one(b: Builder, x: Tensor, axis: int, name: str) -> list[Any]:
    axes: list[Any] = [() for _ in x.axes[2:]]
    axes[axis - 2] = b.steps_axis(name)
    return axes


def reduced(b: Builder, x: Tensor, axes: Sequence[int], keep: bool, kind: str) -> Tensor:
    """The mean or the maximum along axes."""
    found = set().union(*(kinds(x.axes[n]) for n in axes)) if axes else set()
    check(BATCH not in found, "goes over the batch")
    if TIME in found and CHANNELS in found and any(len(kinds(x.axes[n])) > 1 for n in axes):
        x = b.vector(x)
        found = {CHANNELS}
    if TIME in found:
        name = b.add(ops.GlobalPool(kind, keep), x.name)
        x = Tensor(name, tuple(() if n in axes and TIME in kinds(axis) else axis for n, axis in enumerate(x.axes)))
    if CHANNELS in found:
        wide = [n for n in axes if CHANNELS in kinds(x.axes[n])]
        check(len(wide) == 1, f"goes over several axes of channels: {described(x)}")
        count = b.shapes[x.name].channels
        if kind == "max":
            x = _largest(b, x, wide[0])
        else:
            x = mixed(b, x, wide[0], lambda order: b.fixed("mean", np.full((1, count, 1), 1 / count)), None, 1)
    gone = [] if keep else list(axes)
    return x.with_axes(*(axis for n, axis in enumerate(x.axes) if n not in gone))


def _largest(b: Builder, x: Tensor, axis: int) -> Tensor:
    """The largest channel: of two halves, which may share one, and so on."""
    x = b.arranged(x)
    name = x.name
    while (count := b.shapes[name].channels) > 1:
        half = (count + 1) // 2
        parts = [b.add(ops.ChannelSlice(first, half), name, part="half") for first in (0, count - half)]
        name = b.add(ops.Combine("maximum"), *parts)
    return Tensor(name, (*x.axes[:axis], (), *x.axes[axis + 1 :]))


def _axes(call: Call, x: Tensor) -> list[int]:
    given = call.get("dim")
    if given is None or given == []:
        return list(range(len(x.axes)))
    return sorted({n % len(x.axes) for n in (given if isinstance(given, list | tuple) else [given])})


def _mean(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    return reduced(b, x, _axes(call, x), call["keepdim"], "average")


def _sum(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    axes = _axes(call, x)
    count = whole(math.prod((size(x.axes[n]) for n in axes), start=index(1)), "the number of terms")
    return times(b, reduced(b, x, axes, call["keepdim"], "average"), count)


def _amax(b: Builder, call: Call) -> Any:
    x = call.tensor("self")
    made = reduced(b, x, _axes(call, x), call["keepdim"], "max")
    return (made, None) if call.target == "max.dim" else made


def _padded(b: Builder, call: Call) -> Tensor:
    x, given = call.tensor("self"), [whole(n, "the padding") for n in call["pad"]]
    mode, value = call.get("mode", "constant"), call.get("value")
    for number in range(len(given) // 2):
        x = _padded_axis(
            b, x, len(x.axes) - 1 - number, given[2 * number], given[2 * number + 1], mode, float(value or 0)
        )
    return x


def _padded_axis(b: Builder, x: Tensor, axis: int, left: int, right: int, mode: str, value: float) -> Tensor:
    """Padding of one axis; where it is less than none, places are left out."""
    if left < 0 or right < 0:
        length = size(x.axes[axis])
        x = sliced(b, x, axis, index(max(-left, 0)), length - max(-right, 0))
        left, right = max(left, 0), max(right, 0)
    if left == right == 0:
        return x
    zeros = mode == "constant" and value == 0
    if zeros and kinds(x.axes[axis]) <= {CHANNELS} and b.shapes[x.name].channels == size(x.axes[axis]):
        return _padded_channels(b, x, axis, left, right)
    check(zeros or mode != "constant", f"pads with {value}")
    check(kinds(x.axes[axis]) == {TIME}, f"pads axis {axis} of {described(x)}")
    return with_steps(b, x, axis, b.add(ops.Pad(left, right, _PADDINGS[mode]), x.name))


def _padded_channels(b: Builder, x: Tensor, axis: int, left: int, right: int) -> Tensor:
    """Channels of zeros: products with a matrix of zeros and ones."""
    x = b.arranged(x)
    count = b.shapes[x.name].channels
    matrix = np.eye(count, left + count + right, left)[None]
    return mixed(b, x, axis, lambda order: b.fixed("eye", matrix), None, left + count + right)


def _upsampled(mode: str, exact: bool = False) -> Handler:
    def read(b: Builder, call: Call) -> Tensor:
        x = call.tensor("input" if "input" in call.arguments else "self")
        count = len(x.axes) - 2
        wanted, scales = call["output_size"], call.get("scale_factors")
        for number in range(count):
            axis = 2 + number
            scale = None if scales is None else float(scales[number])
            goal = None if wanted is None else index(wanted[number])
            x = _resized(b, x, axis, scale, goal, mode, exact, bool(call.get("align_corners", False)))
        return x

    return read


def _resized(
    b: Builder, x: Tensor, axis: int, scale: float | None, wanted: Index | None, mode: str, exact: bool, corners: bool
) -> Tensor:
    steps = size(x.axes[axis])
    if scale == 1 or (wanted is not None and wanted == steps):
        return x
    check(kinds(x.axes[axis]) == {TIME}, f"makes other lengths of axis {axis} of {described(x)}")
    source = b.sequence(x, x.axes[axis], x.axes[1])
    # Torch copies a linear one whose length stays, of a few steps times a scale below 2: it is then another function.
    ratio = _ratio(steps, scale, wanted)
    if mode == "nearest" and ratio.denominator == 1:
        op: ops.Op = ops.Repeat(ratio.numerator)
    else:
        coordinates = "align_ends" if corners else "half_pixel" if mode == "linear" or exact else "asymmetric"
        rounding = "round_prefer_ceil" if exact else "floor"
        op = ops.Resize(mode, ratio.numerator, ratio.denominator, coordinates, rounding)
    name = b.add(op, source)
    return Tensor(name, (BATCH_AXIS, channels(b.shapes[name].channels), *_with_one(b, x, axis, name)))


def _ratio(steps: Index, scale: float | None, wanted: Index | None) -> Fraction:
    """The lengths' ratio."""
    if scale is not None:
        ratio = Fraction(scale).limit_denominator(1 << 16)
        check(float(ratio) == scale, f"makes {scale} times as many steps, which is no ratio of small numbers")
        return ratio
    assert wanted is not None
    if steps.constant is not None and wanted.constant is not None:
        return Fraction(wanted.constant, steps.constant)
    for times_more in range(2, 1025):
        if steps * times_more == wanted:
            return Fraction(times_more)
    raise ValueError(f"makes {wanted} steps of {steps}, which are not always so many times as many")


OPERATIONS: Mapping[str, Handler] = {
    **dict.fromkeys(("max_pool1d.default", "max_pool2d.default"), _pool("max")),
    **dict.fromkeys(("avg_pool1d.default", "avg_pool2d.default"), _pool("average")),
    **dict.fromkeys(("adaptive_avg_pool1d.default", "adaptive_avg_pool2d.default"), _adaptive("average")),
    **dict.fromkeys(("adaptive_max_pool1d.default", "adaptive_max_pool2d.default"), _adaptive("max")),
    **dict.fromkeys(("mean.default", "mean.dim"), _mean),
    **dict.fromkeys(("sum.default", "sum.dim_IntList"), _sum),
    **dict.fromkeys(("amax.default", "max.dim"), _amax),
    **dict.fromkeys(("pad.default", "constant_pad_nd.default"), _padded),
    **{f"upsample_nearest{n}d.vec": _upsampled("nearest") for n in (1, 2)},
    **{f"_upsample_nearest_exact{n}d.vec": _upsampled("nearest", exact=True) for n in (1, 2)},
    "upsample_linear1d.vec": _upsampled("linear"),
}
