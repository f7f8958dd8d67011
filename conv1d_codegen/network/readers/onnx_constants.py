"""Nodes of an ONNX graph whose inputs are known: constants, and the arithmetic of shapes, in symbols where sizes are.

Each takes the node and its inputs, and gives known values. What can't be carried is Unsupported; no result is larger
than the budget of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...symbolic.index import Div, Extreme, Index, index, maximum, minimum
from .onnx_arrays import MOVED, Folded, axes_of
from .onnx_node import OnnxNode
from .onnx_values import Array, Fill, Known, Symbols, Unsupported, as_symbols, numbers, objects, simplest


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
    **MOVED,
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
