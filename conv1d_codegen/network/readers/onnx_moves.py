"""Operators of ONNX that take steps or channels from tensors, or bring them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ...number_types import TYPES
from ...symbolic.index import Extreme, Index, index, minimum
from ..ops import ChannelSlice, Concat, Crop, GlobalPool, Op, Pad, Repeat, Resize, Shape, Slice, Trim
from .onnx_arrays import clamped, slices, split_sizes
from .onnx_axes import place, target, without
from .onnx_builder import Builder
from .onnx_elementwise import Inputs, tensor_of
from .onnx_node import OnnxNode
from .onnx_values import Axis, Fill, Symbols, Tensor, Unsupported, integers, numbers
from .runs import MOST_RUNS, runs

_MODES = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
_SPLIT: Sequence[Axis] = (("T",), (0,))


def _ready(b: Builder, x: Tensor, axis: int) -> Tensor:
    """The tensor so that an axis can be cut: it is steps, or channels, or the outer part of these."""
    if x.axes[axis] in _SPLIT:
        return x
    x = b.settled(x)
    if x.axes[axis] in _SPLIT:
        return x
    raise Unsupported(f"an axis of an input with axes {b.text(x)} that is neither steps nor channels")


def cut(b: Builder, x: Tensor, axis: int, start: Any, end: Any, step: int) -> Tensor:
    """Elements of an axis, as a Slice takes them."""
    size = x.sizes(b.batch)[axis]
    if size.constant is not None and isinstance(start, int) and isinstance(end, int):
        taken = clamped(start, end, step, size.constant)
        if len(taken) == size.constant and step > 0:
            return x
        if not len(taken):
            raise Unsupported("an empty output")
        x = _ready(b, x, axis)
        if x.axes[axis] == ("T",):
            return _steps(b, x, taken.start, taken[-1] + 1 - size.constant, step, axis)
        return _channels(b, x, taken.start, len(taken), step)
    if isinstance(end, Index) and start == 0 and step == 1 and x.axes[axis] == ("T",):
        like = _with_steps(b, end) or _with_steps(b, index(minimum(end, size)))
        if end != size and like is not None:
            name, shape = b.node(Trim(), x, replace(x, node=like, shape=Shape(end, 1)))
            return Tensor(name, shape, x.axes, x.parts)
    start, end = _from_ends(start, size, False), _from_ends(end, size, True)
    if start == 0 and end == 0 and step == 1:
        return x
    x = _ready(b, x, axis)
    if x.axes[axis] != ("T",):
        raise Unsupported(f"a part from {start} to {end} of an input with axes {b.text(x)}")
    return _steps(b, x, start, end, step, axis)


def _with_steps(b: Builder, steps: Index) -> str | None:
    """A tensor that has so many steps, whichever way round the smaller of two is written."""
    atom = steps.single_atom
    turned = Extreme(atom.kind, atom.b, atom.a) if isinstance(atom, Extreme) else None
    return b.lengths.get(steps) or (b.lengths.get(Index({(turned,): 1})) if turned else None)


def _steps(b: Builder, x: Tensor, start: int, end: int, step: int, axis: int) -> Tensor:
    if step < 1:
        raise Unsupported("steps in reverse")
    if end - start == 1 and x.shape.steps is not None and x.shape.steps.constant is None:
        cropped = _steps(b, x, *((start, 0) if start >= 0 else (0, end)), 1, axis) if end != 0 and start != 0 else x
        name, shape = b.node(GlobalPool("first" if start >= 0 else "last", True), cropped)
        return Tensor(name, shape, x.axes, x.parts)
    op: Op = Crop(start, -end) if start >= 0 and end <= 0 and step == 1 else Slice(start, end, step)
    name, shape = b.node(op, x)
    return Tensor(name, shape, x.axes, x.parts)


def _channels(b: Builder, x: Tensor, start: int, count: int, step: int) -> Tensor:
    inner = x.shape.channels // x.parts[0]
    if inner > 1 and step != 1:
        raise Unsupported("every second part of the channels, or in reverse")
    name, shape = b.node(ChannelSlice(start * inner, count * inner, step), x)
    return Tensor(name, shape, x.axes, (count, *x.parts[1:]))


def _from_ends(value: Any, size: Index, last: bool) -> int:
    """A place on an axis of unknown length as a slice has it: from 0 on, or as negative from the end."""
    if isinstance(value, int):
        if last:
            return 0 if value >= 1 << 31 else value if value != 0 else _empty()
        return max(value, -(1 << 31))
    behind = (value - size).constant
    if behind is None or (behind >= 0 and not last):
        raise Unsupported(f"a part up to {value} of {size} steps")
    return min(int(behind), 0)


def _empty() -> int:
    raise Unsupported("an empty output")


def _slice(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    for axis, (start, end, step) in slices(node, inputs, len(x.axes)).items():
        if step == 0:
            raise ValueError("steps of 0")
        x = cut(b, x, axis, start, end, step)
    return x


def _split(b: Builder, node: OnnxNode, inputs: Inputs) -> tuple[Tensor, ...]:
    x = tensor_of(inputs)
    axis = place(node.attribute("axis", 0), len(x.axes))
    length = x.sizes(b.batch)[axis].constant
    if length is None:
        raise Unsupported(f"parts of an axis of unknown length, of {b.text(x)}")
    sizes = split_sizes(node, inputs, length)
    if 0 in sizes:
        raise Unsupported("an empty output")
    ends = np.cumsum(sizes).tolist()
    return tuple(cut(b, x, axis, end - size, end, 1) for size, end in zip(sizes, ends, strict=True))


def _gather(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, given = tensor_of(inputs), inputs[1]
    axis = place(node.attribute("axis", 0), len(x.axes))
    if isinstance(given, Symbols):
        raise Unsupported("indices that depend on the input's length")
    picked, rank = integers(given, "indices"), numbers(given, "indices").ndim
    size = x.sizes(b.batch)[axis]
    if size.constant is not None:
        picked = [p % size.constant for p in picked]
    if rank > 1 or not picked:
        raise Unsupported("indices of several axes, or none")
    step = picked[1] - picked[0] if len(picked) > 1 else 1
    if len({p < 0 for p in picked}) > 1:
        raise Unsupported("indices from both ends, of an axis of no known length")
    if step == 0 or picked != list(range(picked[0], picked[0] + step * len(picked), step)):
        return _joined(b, x, axis, picked)
    last = picked[-1] + (1 if step > 0 else -1)
    if last == 0 and picked[-1] == -1:
        last = 1 << 62
    x = cut(b, x, axis, picked[0], last if last >= 0 or picked[0] < 0 else -(1 << 62), step)
    return without(x, {axis}) if rank == 0 else x


def _joined(b: Builder, x: Tensor, axis: int, picked: list[int]) -> Tensor:
    """Elements of an axis in any order: parts that are evenly spaced, one after another."""
    found = list(runs(picked))
    if len(found) > MOST_RUNS:
        raise Unsupported(f"indices that are not evenly spaced, in {len(found)} parts")
    x = _ready(b, x, axis)
    parts = [cut(b, x, axis, first, (first + (count - 1) * step) + 1 or 1 << 62, step) for first, count, step in found]
    steps = x.axes[axis] == ("T",)
    name, shape = b.node(Concat(steps), *parts)
    return Tensor(name, shape, x.axes, x.parts if steps else (len(picked), *x.parts[1:]))


def _concat(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    xs = [x for x in inputs if isinstance(x, Tensor)]
    if len(xs) == 1:
        return _beside(b, node, inputs, xs[0])
    if len(xs) != len(inputs):
        raise Unsupported("a constant among its inputs")
    axis, rank = place(node.attribute("axis", None), len(xs[0].axes)), len(xs[0].axes)
    if any(len(x.axes) != rank for x in xs):
        raise ValueError("inputs of different ranks")
    xs = [b.settled(x) for x in xs]
    axes = [next((x.axes[i] for x in xs if x.axes[i]), ()) for i in range(rank)]
    if axes[axis] == () or len(set(axes)) < len(axes):
        axes[axis] = (0,) if not any(0 in a for i, a in enumerate(axes) if i != axis) else ("T",)
    words: dict[Axis, str] = {("N",): "N", ("T",): "T", (0,): "C", (): "1"}
    if any(a not in words for a in axes):
        raise Unsupported(f"inputs with axes {', '.join(b.text(x) for x in xs)}")
    xs = [b.arranged(x, [words[a] for a in axes]) for x in xs]
    if axes[axis] not in _SPLIT:
        raise Unsupported("inputs that come together along the batch")
    if any(x.shape.steps is not None for x in xs):
        xs = [b.sequence(x) for x in xs]
    return b.made(Concat(axes[axis] == ("T",)), *xs, axes=axes)


def _beside(b: Builder, node: OnnxNode, inputs: Inputs, x: Tensor) -> Tensor:
    """A tensor between constants, which are zeros: padding."""
    axis, rank = place(node.attribute("axis", None), len(x.axes)), len(x.axes)
    pads, after = [0, 0], False
    for value in inputs:
        if isinstance(value, Tensor):
            after = True
            continue
        size = index(value.shape[axis]).constant if isinstance(value, np.ndarray | Fill) else None
        zero = not value.any() if isinstance(value, np.ndarray) else isinstance(value, Fill) and value.value == 0
        if size is None or not zero:
            raise Unsupported("a constant among its inputs that is not 0")
        pads[after] += size
    if pads == [0, 0]:
        return x
    x = b.arranged(x, ["T" if i == axis else "?" for i in range(rank)])
    name, shape = b.node(Pad(pads[0], pads[1]), x)
    return Tensor(name, shape, x.axes, x.parts)


def _pad(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, rank = tensor_of(inputs), len(tensor_of(inputs).axes)
    mode = node.attribute("mode", "constant")
    given = [*inputs, None, None, None]
    pads = list(node.attribute("pads", [])) if node.opset < 11 else integers(given[1], "padding")
    value = node.attribute("value", 0.0) if node.opset < 11 else 0.0 if given[2] is None else _number(given[2])
    axes = list(range(rank)) if given[3] is None else [place(a, rank) for a in integers(given[3], "axes")]
    if mode not in _MODES or len(pads) != 2 * len(axes):
        raise ValueError(f"padding {pads[:20]} of {len(axes)} axes, mode {mode!r}")
    for number, axis in enumerate(axes):
        before, after = pads[number], pads[len(axes) + number]
        if before < 0 or after < 0:
            x = cut(b, x, axis, max(0, -before), min(0, after) or 1 << 62, 1)
        before, after = max(before, 0), max(after, 0)
        if not before and not after:
            continue
        if x.axes[axis] != ("T",):
            x = b.arranged(x, ["T" if i == axis else "?" for i in range(rank)])
        if mode == "constant" and value != 0:
            raise Unsupported(f"padding by {value}, and not by 0")
        name, shape = b.node(Pad(before, after, _MODES[mode]), x)
        x = Tensor(name, shape, x.axes, x.parts)
    return x


def _number(value: Any) -> float:
    return float(value.value) if isinstance(value, Fill) else float(numbers(value, "a number").reshape(()))


def _resize(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x, rank = tensor_of(inputs), len(tensor_of(inputs).axes)
    given = [*inputs, None, None, None]
    scales, sizes = (given[1], None) if node.opset < 11 else (given[2], given[3])
    if node.op_type == "Upsample" and node.opset < 9:
        scales = np.array(node.attribute("scales", []), np.float32)
    axes = node.attribute("axes", None)
    axes = list(range(rank)) if axes is None else [place(a, rank) for a in axes]
    mode = node.attribute("mode", "nearest")
    old = node.opset < 11
    coordinates = node.attribute("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = node.attribute("nearest_mode", "floor" if old else "round_prefer_floor")
    if node.attribute("antialias", 0) or node.attribute("exclude_outside", 0):
        raise Unsupported("antialias or exclude_outside")
    if node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("an aspect ratio to keep")
    own = x.sizes(b.batch)
    if sizes is not None and not (isinstance(sizes, np.ndarray) and not sizes.size):
        wanted = target(b, x, sizes, True)
        ratios = [_ratio(size, own[axis]) for size, axis in zip(wanted, axes, strict=True)]
    else:
        ratios = [Fraction(float(s)).limit_denominator(1 << 20) for s in numbers(scales, "scales").reshape(-1)]
    if len(ratios) != len(axes) or min(ratios, default=1) <= 0:
        raise ValueError(f"scales {ratios[:20]} of {len(axes)} axes")
    for axis, ratio in zip(axes, ratios, strict=True):
        if ratio == 1:
            continue
        x = b.arranged(x, ["T" if i == axis else "?" for i in range(rank)])
        up, down = (int(v) for v in (ratio.numerator, ratio.denominator))
        whole = down == 1 and mode == "nearest" and (coordinates, rounding) in _REPEATED
        op = Repeat(up) if whole else Resize(_mode(mode), up, down, coordinates, rounding)
        x = b.made(op, x, axes=x.axes)
    return x


#: Ways to the nearest step that repeat each step, where the factor is whole.
_REPEATED = {("asymmetric", "floor")} | {
    (coordinates, rounding)
    for coordinates in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    for rounding in ("round_prefer_floor", "round_prefer_ceil")
}


def _mode(mode: str) -> str:
    if mode not in ("nearest", "linear"):
        raise Unsupported(f"mode {mode!r}")
    return mode


def _ratio(wanted: Index | None, own: Index) -> Fraction:
    if wanted is None:
        raise ValueError("a size of -1")
    if wanted == own:
        return Fraction(1)
    if wanted.constant is not None and own.constant:
        return Fraction(wanted.constant, own.constant)
    found = dict(wanted.terms)
    ratios = {Fraction(found.pop(m, 0), c) for m, c in own.terms}
    if found or len(ratios) != 1:
        raise Unsupported(f"{wanted} steps of {own}, which is no fixed factor")
    return ratios.pop()


def _expand(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    wanted = target(b, x, inputs[1], True)
    rank = max(len(wanted), len(x.axes))
    x = x.with_axes([()] * (rank - len(x.axes)) + list(x.axes))
    sizes = [index(1)] * (rank - len(wanted)) + [index(-1) if size is None else size for size in wanted]
    if any(size not in (index(1), own) for size, own in zip(sizes, x.sizes(b.batch), strict=True)):
        raise Unsupported(f"an input with axes {b.text(x)}, repeated")
    return x


def _identity(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    return tensor_of(inputs)


def _dropout(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    training = inputs[2] if len(inputs) > 2 else None
    if training is not None and numbers(training, "training_mode").any():
        raise Unsupported("training_mode")
    if len([name for name in node.outputs if name]) > 1:
        raise Unsupported("an output of a mask")
    return tensor_of(inputs)


def _cast(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    if node.dtype("to") != TYPES[b.dtype].numpy:
        raise Unsupported(f"a cast from {b.dtype} to {node.dtype('to')}")
    return tensor_of(inputs)


OPERATORS: dict[str, Callable[[Builder, OnnxNode, Inputs], Tensor | tuple[Tensor, ...]]] = {
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Concat": _concat,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "Expand": _expand,
    "Identity": _identity,
    "Dropout": _dropout,
    "Cast": _cast,
}
