"""Each step by itself: activations, norms of the channels, combinations, functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...reference import activations
from ...reference.functions import FUNCTIONS
from .. import ops

Array = NDArray[Any]


def activated(activation: Any, x: Array) -> Array:
    function = activations.NAMES.get(activation.name) or FUNCTIONS[activation.name]
    result: Array = functools.partial(function, **dict(activation.parameters))(x)
    return result


def _scaled(x: Array, gamma: Array | None, beta: Array | None) -> Array:
    x = x if gamma is None else x * gamma
    return x if beta is None else x + beta


def _batch_norm(
    op: ops.BatchNorm, x: Array, mean: Array, variance: Array, gamma: Array | None = None, beta: Array | None = None
) -> Array:
    return _scaled((x - mean) / np.sqrt(variance + np.asarray(op.epsilon, x.dtype)), gamma, beta)


def _layer_norm(op: ops.LayerNorm, x: Array, gamma: Array | None = None, beta: Array | None = None) -> Array:
    return _scaled(_normal(x, -1, op.epsilon), gamma, beta)


def _group_norm(op: ops.GroupNorm, x: Array, gamma: Array | None = None, beta: Array | None = None) -> Array:
    if x.size == 0:  # there is no mean, and nothing to make of it
        return x
    grouped = x.reshape(len(x), -1, op.groups, x.shape[-1] // op.groups)
    return _scaled(_normal(grouped, (1, 3), op.epsilon).reshape(x.shape), gamma, beta)


def _normal(x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array:
    centred = x - x.mean(axes, keepdims=True)
    result: Array = centred / np.sqrt((centred * centred).mean(axes, keepdims=True) + np.asarray(epsilon, x.dtype))
    return result


def _rms_norm(op: ops.RmsNorm, x: Array, gamma: Array) -> Array:
    result: Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.asarray(op.epsilon, x.dtype)) * gamma
    return result


def _softmax(op: ops.Softmax, x: Array) -> Array:
    axis = 1 if op.steps else -1
    if x.shape[axis] == 0:
        return x
    moved = x - x.max(axis, keepdims=True)
    total = np.exp(moved).sum(axis, keepdims=True)
    result: Array = moved - np.log(total) if op.log else np.exp(moved) / total
    return result


def _glu(op: ops.Glu, x: Array) -> Array:
    half = x.shape[-1] // 2
    result: Array = x[..., :half] * activations.sigmoid(x[..., half:])
    return result


_COMBINED: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "average": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    **FUNCTIONS,
    "abs": np.abs,
    "reciprocal": np.reciprocal,
    "sqrt": np.sqrt,
}


def _combine(op: ops.Combine, *inputs: Array) -> Array:
    rank = max(x.ndim for x in inputs)
    made = functools.reduce(_COMBINED[op.kind], (x[:, None] if x.ndim < rank else x for x in inputs))
    return made / np.asarray(len(inputs), made.dtype) if op.kind == "average" else made


#: The meaning of each.
MEANING: dict[type, Callable[..., Array]] = {
    ops.Activate: lambda op, x: activated(op.activation, x),
    ops.PRelu: lambda op, x, alpha: np.where(x > 0, x, alpha * x),
    ops.Softmax: _softmax,
    ops.Glu: _glu,
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.RmsNorm: _rms_norm,
    ops.Combine: _combine,
    ops.Concat: lambda op, *inputs: np.concatenate(inputs, 1 if op.steps else -1),
    ops.Function: lambda op, x: _FUNCTIONS[op.kind](x),
    ops.Power: lambda op, x: FUNCTIONS["power"](x, op.exponent),
    ops.Clip: lambda op, x: np.minimum(np.maximum(x, np.asarray(op.low, x.dtype)), np.asarray(op.high, x.dtype)),
}
