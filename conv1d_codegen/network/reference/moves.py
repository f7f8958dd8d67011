"""Padding, slices, repetition, interpolation, other shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops

Array = NDArray[Any]


def _pad(op: ops.Pad, x: Array) -> Array:
    mode: Any = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[op.mode]
    if op.mode in ("reflect", "circular"):
        most = x.shape[1] - (op.mode == "reflect")
        if max(op.left, op.right) > most:
            raise ValueError(f"{op} takes {max(op.left, op.right)} steps from an input that has {most} for it.")
    return np.pad(x, ((0, 0), (op.left, op.right), (0, 0)), mode)


def _crop(op: ops.Crop, x: Array) -> Array:
    if op.left + op.right > x.shape[1]:
        raise ValueError(f"{op} takes {op.left + op.right} steps from an input of {x.shape[1]}.")
    return x[:, op.left : x.shape[1] - op.right]


def _slice(op: ops.Slice, x: Array) -> Array:
    start, end = op.bounds(x.shape[1])
    return x[:, start : max(start, end) : op.step]


def _place(op: ops.Resize, length: int, steps: int) -> tuple[Array, int]:
    """Where in the input the output steps lie, as whole numbers and what they are divided by: no rounding decides which
    step is the nearest.
    """
    t, up, down = np.arange(steps), op.up, op.down
    if op.coordinates == "align_corners":
        wide = length * up - down
        return (t * (length - 1) * down, wide) if wide > 0 else (0 * t, 1)
    if op.coordinates == "align_ends":
        return t * (length - 1), max(steps - 1, 1)
    if op.coordinates == "asymmetric":
        return t * down, up
    if op.coordinates == "pytorch_half_pixel" and steps == 1:
        return 0 * t, 1
    place = (2 * t + 1) * down - up  # (t + ½)·down ÷ up − ½
    if op.coordinates == "half_pixel_symmetric":
        place += length * up - steps * down
    return place, 2 * up


_ROUNDED: dict[str, Callable[[Array, int], Array]] = {
    "floor": lambda place, parts: place // parts,
    "ceil": lambda place, parts: -(-place // parts),
    "round_prefer_floor": lambda place, parts: -((parts - 2 * place) // (2 * parts)),
    "round_prefer_ceil": lambda place, parts: (2 * place + parts) // (2 * parts),
}


def _resize(op: ops.Resize, x: Array) -> Array:
    length = x.shape[1]
    steps = length * op.up // op.down
    if length and not steps:
        raise ValueError(f"{op} makes no output of {length} steps.")
    last = max(length - 1, 0)
    place, parts = _place(op, length, steps)
    if op.mode == "nearest":
        return x[:, np.clip(_ROUNDED[op.rounding](place, parts), 0, last)]
    place = np.clip(place, 0, last * parts)
    before = place // parts
    part = (place % parts / parts).astype(x.dtype)[:, None]
    between = x[:, before] * (1 - part) + x[:, np.minimum(before + 1, last)] * part
    return np.where(part == 0, x[:, before], between)


def _last(op: ops.Last, x: Array) -> Array:
    if op.count > x.shape[1]:
        raise ValueError(f"{op} takes {op.count} steps from an input of {x.shape[1]}.")
    return x[:, x.shape[1] - op.count :]


#: The meaning of each.
MEANING: dict[type, Callable[..., Array]] = {
    ops.Slice: _slice,
    ops.ChannelSlice: lambda op, x: x[..., op.start + op.step * np.arange(op.count)],
    ops.Transpose: lambda op, x: x.swapaxes(1, 2),
    ops.Shuffle: lambda op, x: x.reshape(*x.shape[:-1], op.groups, -1).swapaxes(-1, -2).reshape(x.shape),
    ops.Trim: lambda op, x, like: x[:, : like.shape[1]],
    ops.Resize: _resize,
    ops.Pad: _pad,
    ops.Crop: _crop,
    ops.Last: _last,
    ops.Repeat: lambda op, x: np.repeat(x, op.times, 1),
    ops.Reshape: lambda op, x: x.reshape(len(x), *(() if op.steps is None else (op.steps,)), op.channels),
}
