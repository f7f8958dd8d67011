"""Nodes of an ONNX graph whose inputs are known: constants, and the arithmetic of shapes, in symbols where sizes are.

Each takes the node and its inputs, and gives known values. What can't be carried is Unsupported; no result is larger
than the budget of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...problem.padding import ceildiv
from ...symbolic.index import Div, Extreme, Index, index, maximum, minimum
from .onnx_node import OnnxNode
from .onnx_values import Array, Fill, Known, Symbols, Unsupported, as_symbols, integers, numbers, objects, simplest

Folded = Callable[[OnnxNode, Sequence[Known]], Any]


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


def not_negative(value: Index) -> bool:
    """Whether a value is certainly 0 or more, as lengths are."""
    return all(
        coefficient >= 0 and all(not_negative_atom(atom) for atom in monomial) for monomial, coefficient in value.terms
    )


def not_negative_atom(atom: Any) -> bool:
    if isinstance(atom, Div):
        return not_negative(atom.numerator)
    if isinstance(atom, Extreme):
        signs = not_negative(atom.a), not_negative(atom.b)
        return any(signs) if atom.kind == "max" else all(signs)
    return True


def _divided(node: OnnxNode, a: Index, b: Index, dtype: np.dtype[Any]) -> Index:
    """Towards zero of integers, exact of others."""
    if b.constant is None or b.constant <= 0:
        raise Unsupported(f"a division by {b}")
    if dtype.kind in "iu":
        if a.constant is None and not (not_negative(a) or node.is_length(a)):
            raise Unsupported(f"a division of {a}, which may be negative")
        return -(-a // b) if a.constant is not None and a.constant < 0 else a // b
    if any(coefficient % b.constant for _, coefficient in a.terms):
        raise Unsupported(f"a division of {a} by {b} that is not whole")
    return a // b


def _compared(a: Index, b: Index) -> int:
    """The sign of a − b. Raises Unsupported where it is not known."""
    difference = a - b
    if difference.constant is not None:
        return int(np.sign(difference.constant))
    if not_negative(difference - 1):
        return 1
    if not_negative(-difference - 1):
        return -1
    raise Unsupported(
        f"a comparison of {a} with {b}, which depends on the input; give its shape: load(path, inputs={{name: (…)}})"
    )


def _elementwise(of_arrays: Callable[..., Array], of_indices: Callable[..., Any] | None = None) -> Folded:
    """An operation on numbers in pairs, with what it is for indices."""

    def folded(node: OnnxNode, inputs: Sequence[Known]) -> Known:
        known = [_small(x) for x in inputs]
        if all(isinstance(x, np.ndarray) for x in known):
            size = math.prod(np.broadcast_shapes(*(x.shape for x in known if isinstance(x, np.ndarray))))
            node.budget.take(size * 8, "A constant")
            return np.asarray(of_arrays(*known))
        if any(isinstance(x, Fill) for x in known) or of_indices is None:
            raise Unsupported("arithmetic with sizes that are not known")
        dtype = next(x.dtype for x in known if isinstance(x, Symbols))
        arrays = np.broadcast_arrays(*(as_symbols(x) for x in known))
        made = [of_indices(node, dtype, *values) for values in zip(*(a.flat for a in arrays), strict=True)]
        return simplest(objects(made, arrays[0].shape), np.dtype(bool) if node.op_type in _COMPARISONS else dtype)

    return folded


def _small(value: Known) -> Known:
    """A fill as its one number, where it is broadcast anyway."""
    return np.asarray(value.value) if isinstance(value, Fill) and all(s == 1 for s in value.shape) else value


_COMPARISONS = ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.divide(a, b)
    return np.trunc(a / b).astype(a.dtype) if abs(a).max(initial=0) < 1 << 52 else a // b


def _shape(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    return shape_of(node, tuple(index(s) for s in sizes_of(inputs[0])))


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


def axes_of(node: OnnxNode, inputs: Sequence[Any], place: int = 1) -> list[int] | None:
    """The attribute or the input `axes`; None where it is not given."""
    given = node.attribute("axes", None)
    if given is not None:
        return list(given)
    if len(inputs) > place and inputs[place] is not None:
        return integers(inputs[place], "axes")
    return None


def _squeeze(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    axes = axes_of(node, inputs)
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    return np.expand_dims(x, tuple(axes_of(node, inputs) or ()))


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


def _slice(node: OnnxNode, x: Array, inputs: Sequence[Known]) -> Array:
    for axis, (start, end, step) in slices(node, inputs, x.ndim).items():
        if not isinstance(start, int) or not isinstance(end, int) or not step:
            raise Unsupported("a slice of a constant whose ends are not known")
        r = clamped(start, end, step, x.shape[axis])
        stop = None if step < 0 and r.stop < 0 else r.stop
        x = x[(slice(None),) * axis + (slice(r.start, stop, step) if len(r) else slice(0, 0),)]
    return x


def split_sizes(node: OnnxNode, inputs: Sequence[Any], length: int) -> list[int]:
    """The parts of a Split."""
    given = node.attribute("split", None)
    if given is None and len(inputs) > 1 and inputs[1] is not None:
        given = integers(inputs[1], "sizes")
    if given is None:
        count = node.attribute("num_outputs", None) or len(node.outputs)
        part = ceildiv(length, count)
        given = [max(0, min(part, length - i * part)) for i in range(count)]
    if sum(given) != length or any(size < 0 for size in given):
        raise Unsupported(f"parts {list(given)} of {length}")
    return list(given)


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


def _where(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    condition = numbers(inputs[0], "a condition")
    if all(isinstance(x, np.ndarray) for x in inputs):
        chosen: Known = _elementwise(np.where)(node, inputs)
        return chosen
    dtype = next((x.dtype for x in inputs[1:] if isinstance(x, Symbols)), np.dtype(np.int64))
    return simplest(np.where(condition, as_symbols(inputs[1]), as_symbols(inputs[2])), dtype)


def _reduced(of_array: Callable[..., Any]) -> Folded:
    def folded(node: OnnxNode, inputs: Sequence[Known]) -> Known:
        x = inputs[0]
        axes = axes_of(node, inputs)
        if not axes and node.attribute("noop_with_empty_axes", 0):
            return x
        keep = bool(node.attribute("keepdims", 1))
        if isinstance(x, Symbols):
            if node.op_type not in ("ReduceProd", "ReduceSum") or x.values.ndim != 1:
                raise Unsupported("arithmetic with sizes that are not known")
            start = index(node.op_type == "ReduceProd")
            total = math.prod(x.values, start=start) if node.op_type == "ReduceProd" else sum(x.values, start)
            return simplest(objects([total], (1,) if keep else ()), x.dtype)
        array = numbers(x, "an array")
        node.budget.take(array.size * 8, "A constant")
        return np.asarray(of_array(array, axis=tuple(axes) if axes else None, keepdims=keep)).astype(array.dtype)

    return folded


def _matmul(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    a, b = (numbers(x, "a factor") for x in inputs)
    node.budget.take(a.size // max(1, a.shape[-1]) * b.size * 8, "A constant")
    return np.asarray(a @ b)


def _dequantized(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    x, scale, *zero = (numbers(v, "an array") for v in inputs)
    node.budget.take(x.size * 8, "A constant")
    if scale.ndim > 1 or node.attribute("block_size", 0):
        raise Unsupported("scales of blocks")
    shape = [1] * x.ndim
    if scale.size > 1:
        shape[node.attribute("axis", 1)] = -1
    less = x.astype(np.int32) - zero[0].astype(np.int32).reshape(shape) if zero else x.astype(np.int32)
    return np.asarray(less * scale.reshape(shape), scale.dtype)


def _same(node: OnnxNode, dtype: Any, a: Index, *_: Any) -> Index:
    return a


def _clip(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    low, high = (None if node.opset >= 11 else node.attribute(name, None) for name in ("min", "max"))
    x, *ends = (numbers(v, "a bound") for v in inputs)
    bounds = [*ends, None, None]
    return np.asarray(
        np.clip(x, low if bounds[0] is None else bounds[0], high if bounds[1] is None else bounds[1]), x.dtype
    )


def _float(name: str) -> Folded:
    return _elementwise(getattr(np, name))


FOLDED: dict[str, Folded] = {
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
    "Where": _where,
    "MatMul": _matmul,
    "Clip": _clip,
    "DequantizeLinear": _dequantized,
    "Add": _elementwise(np.add, lambda node, dtype, a, b: a + b),
    "Sub": _elementwise(np.subtract, lambda node, dtype, a, b: a - b),
    "Mul": _elementwise(np.multiply, lambda node, dtype, a, b: a * b),
    "Div": _elementwise(_divide, lambda node, dtype, a, b: _divided(node, a, b, dtype)),
    "Mod": _elementwise(np.mod, lambda node, dtype, a, b: a - a // b * b),
    "Pow": _elementwise(lambda a, b: np.power(a, b).astype(a.dtype)),
    "Neg": _elementwise(np.negative, lambda node, dtype, a: -a),
    "Floor": _elementwise(np.floor, _same),
    "Ceil": _elementwise(np.ceil, _same),
    "Round": _elementwise(np.round, _same),
    "Max": _elementwise(
        lambda *xs: np.max(np.broadcast_arrays(*xs), axis=0), lambda node, dtype, a, b: index(maximum(a, b))
    ),
    "Min": _elementwise(
        lambda *xs: np.min(np.broadcast_arrays(*xs), axis=0), lambda node, dtype, a, b: index(minimum(a, b))
    ),
    "Equal": _elementwise(np.equal, lambda node, dtype, a, b: index(_compared(a, b) == 0)),
    "Less": _elementwise(np.less, lambda node, dtype, a, b: index(_compared(a, b) < 0)),
    "Greater": _elementwise(np.greater, lambda node, dtype, a, b: index(_compared(a, b) > 0)),
    "LessOrEqual": _elementwise(np.less_equal, lambda node, dtype, a, b: index(_compared(a, b) <= 0)),
    "GreaterOrEqual": _elementwise(np.greater_equal, lambda node, dtype, a, b: index(_compared(a, b) >= 0)),
    "And": _float("logical_and"),
    "Or": _float("logical_or"),
    "Not": _float("logical_not"),
    "Sqrt": _float("sqrt"),
    "Exp": _float("exp"),
    "Log": _float("log"),
    "Abs": _float("abs"),
    "Reciprocal": _float("reciprocal"),
    "Tanh": _float("tanh"),
    "Sign": _float("sign"),
    "Sin": _float("sin"),
    "Cos": _float("cos"),
    "Relu": _elementwise(lambda x: np.maximum(x, 0)),
    "Sigmoid": _elementwise(lambda x: 1 / (1 + np.exp(-x))),
    "Softplus": _elementwise(lambda x: np.logaddexp(x, 0)),
    "ReduceSum": _reduced(np.sum),
    "ReduceProd": _reduced(np.prod),
    "ReduceMean": _reduced(np.mean),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "ReduceL2": _reduced(lambda x, **given: np.sqrt(np.sum(x * x, **given))),
    "ReduceSumSquare": _reduced(lambda x, **given: np.sum(x * x, **given)),
}
