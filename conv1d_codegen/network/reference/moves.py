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


_ROUNDED: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
}


def _resize(op: ops.Resize, x: Array) -> Array:
    length = x.shape[1]
    steps = length * op.up // op.down
    if length and not steps:
        raise ValueError(f"{op} makes no output of {length} steps.")
    t, scale = np.arange(steps), op.up / op.down
    wide = length * scale
    if op.coordinates == "align_corners":
        place = t * ((length - 1) / (wide - 1)) if wide > 1 else 0.0 * t
    elif op.coordinates == "align_ends":
        place = t * (length - 1) / max(steps - 1, 1)
    elif op.coordinates == "asymmetric":
        place = t / scale
    elif op.coordinates == "pytorch_half_pixel" and steps == 1:
        place = 0.0 * t
    else:
        offset = length / 2 * (1 - steps / wide) if op.coordinates == "half_pixel_symmetric" else 0.0
        place = offset + (t + 0.5) / scale - 0.5
    if op.mode == "linear":
        place = np.clip(place, 0, max(length - 1, 0))
        before = np.floor(place).astype(int)
        part = (place - before).astype(x.dtype)[:, None]
        between = x[:, before] * (1 - part) + x[:, np.ceil(place).astype(int)] * part
        return np.where(part == 0, x[:, before], between)
    rounded = _ROUNDED[op.rounding](place)
    return x[:, np.clip(rounded, 0, max(length - 1, 0)).astype(int)]


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
