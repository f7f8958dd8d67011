"""Known values of an ONNX graph that are put together anew: shapes, slices, casts, and what fills a shape.

No result is larger than the budget of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...problem.padding import ceildiv
from ...symbolic.index import Index, index
from .onnx_node import OnnxNode
from .onnx_values import Array, Fill, Known, Symbols, Unsupported, as_symbols, integers, numbers, objects, simplest

Folded = Callable[[OnnxNode, Sequence[Known]], Any]


def sizes_of(value: Known) -> tuple[Index | int, ...]:
    if isinstance(value, Symbols):
        return value.values.shape
    return value.shape


def shape_of(node: OnnxNode, sizes: Sequence[Index | int]) -> Known:
    """What Shape is for a tensor of these sizes."""
    taken = sizes[slice(node.attribute("start", 0), node.attribute("end", None))]
    return _listed([index(s) for s in taken])


def size_of(sizes: Sequence[Index | int]) -> Known:
    """What Size is."""
    return simplest(objects([math.prod(map(index, sizes), start=index(1))], ()), np.dtype(np.int64))


def _listed(sizes: Sequence[Index]) -> Known:
    return simplest(objects(sizes, (len(sizes),)), np.dtype(np.int64))


def _shape(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    return shape_of(node, tuple(index(s) for s in sizes_of(inputs[0])))


def axes_of(node: OnnxNode, inputs: Sequence[Any], place: int = 1) -> list[int] | None:
    """The attribute or the input `axes`; None where it is not given."""
    given = node.attribute("axes", None)
    if given is not None:
        return list(given)
    if len(inputs) > place and inputs[place] is not None:
        return integers(inputs[place], "axes")
    return None


def slices(node: OnnxNode, inputs: Sequence[Any], rank: int) -> dict[int, tuple[Any, Any, int]]:
    """What a Slice takes: by axis, the start and the end, which may be indices, and the step."""
    if node.opset < 10:
        parts = [node.attribute("starts", []), node.attribute("ends", []), node.attribute("axes", None), None]
    else:
        parts = [None if x is None else _ends(x, place) for place, x in enumerate([*inputs[1:], None, None][:4])]
    starts, ends, axes, steps = parts
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    given = zip(axes, starts, ends, steps, strict=True)
    return {int(axis) % rank: (start, end, int(step)) for axis, start, end, step in given}


def _ends(value: Any, place: int) -> list[Any]:
    if isinstance(value, Symbols) and place < 2:
        return [v if v.constant is None else v.constant for v in value.values.reshape(-1)]
    return integers(value, ("starts", "ends", "axes", "steps")[place])


def clamped(start: int, end: int, step: int, length: int) -> range:
    """The elements that a Slice takes of an axis."""
    return range(length)[slice(start, None if step < 0 and end < -length else end, step)]


def split_sizes(node: OnnxNode, inputs: Sequence[Any], length: int) -> list[int]:
    """The parts of a Split."""
    given = node.attribute("split", None)
    if given is None and len(inputs) > 1 and inputs[1] is not None:
        given = integers(inputs[1], "sizes")
    if given is None:
        count = node.attribute("num_outputs", None) or node.count
        part = ceildiv(length, count)
        given = [max(0, min(part, length - i * part)) for i in range(count)]
    if sum(given) != length or any(size < 0 for size in given):
        raise Unsupported(f"parts {list(given)} of {length}")
    return list(given)


def fill(node: OnnxNode, value: Any, shape: Array | Symbols) -> Known:
    """One number in a shape."""
    sizes = [index(s) for s in as_symbols(shape).reshape(-1)]
    constants = [size.constant for size in sizes]
    if any(c is None for c in constants):
        return Fill(value, tuple(sizes))
    known = [c for c in constants if c is not None]
    if len(known) > 16 or any(c < 0 for c in known):
        raise Unsupported(f"a shape {known[:20]}")
    node.budget.take(math.prod(known) * value.dtype.itemsize, f"An array of shape {tuple(known)}")
    return np.full(known, value)


def _moved(of_array: Callable[[OnnxNode, Array, Sequence[Known]], Array]) -> Folded:
    """An operation that takes elements from its first input as they are: the same for numbers and for symbols."""

    def folded(node: OnnxNode, inputs: Sequence[Known]) -> Known:
        x = inputs[0]
        if isinstance(x, Fill):
            return _moved_fill(node, x, inputs)
        array = x.values if isinstance(x, Symbols) else x
        made = np.asarray(of_array(node, array, inputs))
        return simplest(made, x.dtype) if isinstance(x, Symbols) else made

    return folded


def _moved_fill(node: OnnxNode, x: Fill, inputs: Sequence[Known]) -> Known:
    """The same for one number in a shape: where its axes go."""
    rank, sizes = len(x.shape), list(x.shape)
    if node.op_type == "Slice":
        for axis, (start, end, step) in slices(node, inputs, rank).items():
            constant = sizes[axis].constant
            if constant is not None and isinstance(start, int) and isinstance(end, int) and step:
                sizes[axis] = index(len(clamped(start, end, step, constant)))
            elif (start, step) != (0, 1) or not isinstance(end, int) or end < 1 << 31:
                raise Unsupported("a part of an array of a size that is not known")
    elif node.op_type == "Transpose":
        sizes = [sizes[axis] for axis in node.attribute("perm", list(range(rank))[::-1])]
    elif node.op_type in ("Squeeze", "Unsqueeze"):
        axes = [axis % (rank + (node.op_type == "Unsqueeze")) for axis in axes_of(node, inputs) or []]
        if len(axes) != 1:
            raise Unsupported("several axes of an array of a size that is not known")
        if node.op_type == "Squeeze":
            sizes.pop(axes[0])
        else:
            sizes.insert(axes[0], index(1))
    else:
        raise Unsupported("an array of a size that is not known")
    return Fill(x.value, tuple(sizes))


def _gather(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    picked = numbers(inputs[1], "indices")
    axis = node.attribute("axis", 0)
    node.budget.take(picked.size * max(1, x.size // max(1, x.shape[axis])) * x.itemsize, "A constant")
    return np.take(x, picked, axis)


def _reshape(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    wanted = integers(inputs[1], "a shape")
    if not node.attribute("allowzero", 0):
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    return x.reshape(wanted)


def _squeeze(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    axes = axes_of(node, inputs)
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    return np.expand_dims(x, tuple(axes_of(node, inputs) or ()))


def _slice(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    for axis, (start, end, step) in slices(node, inputs, x.ndim).items():
        if not isinstance(start, int) or not isinstance(end, int) or not step:
            raise Unsupported("a slice of a constant whose ends are not known")
        r = clamped(start, end, step, x.shape[axis])
        stop = None if step < 0 and r.stop < 0 else r.stop
        x = x[(slice(None),) * axis + (slice(r.start, stop, step) if len(r) else slice(0, 0),)]
    return x


def _split(node: OnnxNode, inputs: Sequence[Known]) -> Known | tuple[Known, ...]:
    x = numbers(inputs[0], "an array")
    axis = node.attribute("axis", 0)
    sizes = split_sizes(node, inputs, x.shape[axis])
    return tuple(np.split(x, np.cumsum(sizes)[:-1].tolist(), axis))


def _concat(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    axis = node.attribute("axis", None)
    if all(isinstance(x, np.ndarray) for x in inputs):
        node.budget.take(sum(x.nbytes for x in inputs if isinstance(x, np.ndarray)), "A constant")
        return np.concatenate([x for x in inputs if isinstance(x, np.ndarray)], axis)
    dtype = next((x.dtype for x in inputs if isinstance(x, Symbols)), np.dtype(np.int64))
    return simplest(np.concatenate([as_symbols(x) for x in inputs], axis), dtype)


def _cast(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    x, dtype = inputs[0], node.dtype("to")
    if isinstance(x, Symbols):
        if dtype.kind not in "iuf":
            raise Unsupported(f"a length cast to {dtype}")
        return Symbols(x.values, dtype)
    if isinstance(x, Fill):
        return Fill(x.value.astype(dtype), x.shape)
    node.budget.take(x.size * dtype.itemsize, "A constant")
    return x.astype(dtype)


def _constant_of_shape(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    value = node.attribute("value", None)
    number = np.float32(0) if value is None else node.tensor(value).reshape(-1)[0]
    if isinstance(inputs[0], Fill):
        raise Unsupported("a shape of unknown rank")
    return fill(node, number, inputs[0])


def _expand(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    x, shape = inputs
    if isinstance(shape, Fill):
        raise Unsupported("a shape of unknown rank")
    if isinstance(x, Fill) or (isinstance(x, np.ndarray) and x.size == 1):
        own = [index(s) for s in x.shape]
        wanted = [index(s) for s in as_symbols(shape).reshape(-1)]
        rank = max(len(own), len(wanted))
        own, wanted = ([index(1)] * (rank - len(sizes)) + sizes for sizes in (own, wanted))
        sizes = objects([b if a == 1 else a for a, b in zip(own, wanted, strict=True)], (rank,))
        value = x.value if isinstance(x, Fill) else x.reshape(-1)[0]
        return fill(node, value, Symbols(sizes, np.dtype(np.int64)))
    array = numbers(x, "an array")
    wanted_shape = np.broadcast_shapes(array.shape, tuple(integers(shape, "a shape")))
    node.budget.take(math.prod(wanted_shape) * array.itemsize, "A constant")
    return np.broadcast_to(array, wanted_shape)


def _tile(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    times = integers(inputs[1], "repeats")
    if any(n < 0 for n in times):
        raise Unsupported(f"repeats {times}")
    node.budget.take(x.nbytes * math.prod(times), "A constant")
    return np.tile(x, times)


def _range(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    start, limit, delta = (numbers(x, "a range").reshape(-1)[0] for x in inputs)
    count = max(0, math.ceil((float(limit) - float(start)) / float(delta)))
    node.budget.take(count * start.dtype.itemsize, "A range")
    return np.asarray(start + np.arange(count) * delta, start.dtype)


MOVED: dict[str, Folded] = {
    "Identity": lambda node, inputs: inputs[0],
    "Shape": _shape,
    "Size": lambda node, inputs: size_of(sizes_of(inputs[0])),
    "Gather": _moved(_gather),
    "Reshape": _moved(_reshape),
    "Squeeze": _moved(_squeeze),
    "Unsqueeze": _moved(_unsqueeze),
    "Slice": _moved(_slice),
    "Transpose": _moved(lambda node, x, inputs: np.transpose(x, node.attribute("perm", None))),
    "Flatten": _moved(
        lambda node, x, inputs: x.reshape(math.prod(x.shape[: node.attribute("axis", 1)]) if x.ndim else 1, -1)
    ),
    "Tile": _moved(_tile),
    "Split": _split,
    "Concat": _concat,
    "Cast": _cast,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Range": _range,
}
