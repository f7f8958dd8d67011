"""What each operation of a network means, in NumPy: plain, slow, and in whatever dtype the arrays have.

It shares no code with the passes over graphs nor with the compiler, but for the functions of activations.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import SUM, Activate, Binary, Const, Expression, Ref, Select, Unary, Value, input_names
from ..problem import padding as pad
from ..reference import activations, arithmetic
from ..reference.convolution import conv1d
from . import ops
from .graph import Graph, Weights
from .ops import fused

Array = NDArray[Any]


def run(graph: Graph, weights: Weights, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor of a network by name, for inputs `(batch, steps, channels)` by name, all of one dtype. Raises
    ValueError where lengths do not fit each other, or where an operation has no output.
    """
    tensors = dict(inputs)
    for node in graph.nodes:
        read = [tensors[name] for name in node.inputs]
        shapes = [graph.shapes[name] for name in node.inputs]
        own = {name: weights[given] for name, given in zip(node.op.weights(*shapes), node.weights, strict=True)}
        tensors[node.name] = compute(node.op, read, own)
    return tensors


def compute(op: ops.Op, inputs: list[Array], weights: Mapping[str, Array]) -> Array:
    """The output of one operation."""
    return _MEANING[type(op)](op, *inputs, **weights)


def _conv(op: ops.Conv, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    if x.ndim == 2:
        return _conv(op, x[:, None], kernel, bias)[:, 0]
    _check_steps(op, x, op.problem.output_length(x.shape[1]))
    return conv1d(x, kernel, bias, op.problem, float64=x.dtype == np.float64)


def _check_steps(op: ops.Op, x: Array, steps: int) -> None:
    if steps < 0 or (steps == 0 and x.shape[1] != 0):
        raise ValueError(f"{op} makes no output of {x.shape[1]} steps.")


def _activated(activation: Any, x: Array) -> Array:
    function = activations.NAMES[activation.name]
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
    "abs": np.abs,
    "ceil": np.ceil,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "floor": np.floor,
    "log": np.log,
    "reciprocal": np.reciprocal,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
}


def _function(op: ops.Function, x: Array) -> Array:
    return _FUNCTIONS[op.kind](x).astype(x.dtype, copy=False)


def _combine(op: ops.Combine, *inputs: Array) -> Array:
    rank = max(x.ndim for x in inputs)
    made = functools.reduce(_COMBINED[op.kind], (x[:, None] if x.ndim < rank else x for x in inputs))
    return made / np.asarray(len(inputs), made.dtype) if op.kind == "average" else made


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


def _conv_transpose(op: ops.ConvTranspose, x: Array, kernel: Array, bias: Array | None = None) -> Array:
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


def _last(op: ops.Last, x: Array) -> Array:
    if op.count > x.shape[1]:
        raise ValueError(f"{op} takes {op.count} steps from an input of {x.shape[1]}.")
    return x[:, x.shape[1] - op.count :]


def _steps_of(op: ops.Recurrent, x: Array) -> Iterator[int]:
    if x.shape[1] == 0:
        raise ValueError(f"{op} makes no output of 0 steps.")
    return reversed(range(x.shape[1])) if op.backwards else iter(range(x.shape[1]))


def _simple_rnn(
    op: ops.SimpleRnn, x: Array, *first: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None
) -> Array:
    wide = x @ kernel if bias is None else x @ kernel + bias
    (h,) = first or [np.zeros((len(x), op.units), x.dtype)]
    states = np.empty((*x.shape[:2], op.units), x.dtype)
    for t in _steps_of(op, x):
        states[:, t] = h = _activated(op.activation, wide[:, t] + h @ recurrent_kernel)
    return states if op.sequences else h


def _lstm(
    op: ops.Lstm, x: Array, *first: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None
) -> Array:
    return _lstm_steps(op, x @ kernel if bias is None else x @ kernel + bias, recurrent_kernel, *first)


def _lstm_steps(op: ops.Lstm, wide: Array, recurrent_kernel: Array, *first: Array) -> Array:
    h, state = first or [np.zeros((len(wide), op.units), wide.dtype)] * 2
    states = np.empty((*wide.shape[:2], op.units), wide.dtype)
    for t in _steps_of(op, wide):
        i, f, c, o = np.split(wide[:, t] + h @ recurrent_kernel, 4, -1)
        state = _activated(op.gate, f) * state + _activated(op.gate, i) * _activated(op.activation, c)
        h = _activated(op.gate, o) * _activated(op.activation, state)
        states[:, t] = last = state if op.cell else h
    return states if op.sequences else last


def _gru(
    op: ops.Gru, x: Array, *first: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None
) -> Array:
    biases = np.zeros((2, op.wide), x.dtype) if bias is None else np.broadcast_to(bias, (2, op.wide))
    own = biases[1] if op.reset_after else None
    return _gru_steps(op, x @ kernel + biases[0], recurrent_kernel, own, *first)


def _gru_steps(
    op: ops.Gru, wide: Array, recurrent_kernel: Array, recurrent_bias: Array | None = None, *first: Array
) -> Array:
    own = np.zeros(op.wide, wide.dtype) if recurrent_bias is None else recurrent_bias
    (h,) = first or [np.zeros((len(wide), op.units), wide.dtype)]
    states = np.empty((*wide.shape[:2], op.units), wide.dtype)
    cut = 2 * op.units
    for t in _steps_of(op, wide):
        of_gates = h @ recurrent_kernel[:, :cut] + own[:cut]
        z, r = np.split(_activated(op.gate, wide[:, t, :cut] + of_gates), 2, -1)
        if op.reset_after:
            candidate = wide[:, t, cut:] + r * (h @ recurrent_kernel[:, cut:] + own[cut:])
        else:
            candidate = wide[:, t, cut:] + (r * h) @ recurrent_kernel[:, cut:]
        states[:, t] = h = z * h + (1 - z) * _activated(op.activation, candidate)
    return states if op.sequences else h


def _cell_steps(op: fused.CellSteps, wide: Array, **weights: Array) -> Array:
    if isinstance(op.cell, ops.Gru):
        return _gru_steps(op.cell, wide, **weights)
    assert isinstance(op.cell, ops.Lstm)
    return _lstm_steps(op.cell, wide, **weights)


def _mapped(op: fused.Mapped, *inputs: Array, **weights: Array) -> Array:
    return _value(op.expression, op.channels, inputs, weights, {})


def _conv_then(
    op: fused.ConvThen, x: Array, *inputs: Array, kernel: Array, bias: Array | None = None, **weights: Array
) -> Array:
    return _value(op.expression, op.problem.filters, inputs, weights, {SUM.name: _conv(op, x, kernel, bias)})


def _transpose_then(
    op: fused.TransposeThen, x: Array, *inputs: Array, kernel: Array, bias: Array | None = None, **weights: Array
) -> Array:
    return _value(op.expression, op.filters, inputs, weights, {SUM.name: _conv_transpose(op, x, kernel, bias)})


def _value(
    expression: Expression,
    channels: int,
    inputs: tuple[Array, ...],
    weights: Mapping[str, Array],
    given: dict[str, Array],
) -> Array:
    """An expression of whole arrays."""
    rank = max(x.ndim for x in (*inputs, *given.values()))
    numbers = given | dict(weights)
    for name, x, operand in zip(input_names(len(inputs)), inputs, expression.inputs, strict=True):
        whole = x[:, None] if x.ndim < rank else x
        numbers[name] = whole if operand.channels == 1 else whole[..., operand.first : operand.first + channels]

    def of(node: Value) -> Any:
        match node:
            case Const(number):
                return next(iter(numbers.values())).dtype.type(number)
            case Ref(name):
                return numbers[name]
            case Activate(activation, a):
                return _activated(activation, of(a))
            case Unary(op, a):
                return arithmetic.unary(op, of(a))
            case Binary(op, a, b):
                return arithmetic.binary(op, of(a), of(b))
            case Select(compare, a, b, then, other):
                return arithmetic.select(compare, of(a), of(b), of(then), of(other))
        raise TypeError(f"no part of an expression: {node!r}")

    result: Array = of(expression.value)
    return result


_MEANING: dict[type, Callable[..., Array]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    fused.Mapped: _mapped,
    fused.ConvThen: _conv_then,
    fused.TransposeThen: _transpose_then,
    fused.CellSteps: _cell_steps,
    ops.Lstm: _lstm,
    ops.Gru: _gru,
    ops.SimpleRnn: _simple_rnn,
    ops.Activate: lambda op, x: _activated(op.activation, x),
    ops.PRelu: lambda op, x, alpha: np.where(x > 0, x, alpha * x),
    ops.Softmax: _softmax,
    ops.Glu: _glu,
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.RmsNorm: _rms_norm,
    ops.Combine: _combine,
    ops.Concat: lambda op, *inputs: np.concatenate(inputs, 1 if op.steps else -1),
    ops.Function: _function,
    ops.Power: lambda op, x: np.power(x, np.asarray(op.exponent, x.dtype)),
    ops.Clip: lambda op, x: np.minimum(np.maximum(x, np.asarray(op.low, x.dtype)), np.asarray(op.high, x.dtype)),
    ops.Slice: _slice,
    ops.ChannelSlice: lambda op, x: x[..., op.start + op.step * np.arange(op.count)],
    ops.ChannelPool: lambda op, x: _REDUCED[op.kind](x, axis=-1, keepdims=True),
    ops.Transpose: lambda op, x: x.swapaxes(1, 2),
    ops.Shuffle: lambda op, x: x.reshape(*x.shape[:-1], op.groups, -1).swapaxes(-1, -2).reshape(x.shape),
    ops.Trim: lambda op, x, like: x[:, : like.shape[1]],
    ops.Resize: _resize,
    ops.Pad: _pad,
    ops.Crop: _crop,
    ops.Pool: _pool,
    ops.GlobalPool: _global_pool,
    ops.Last: _last,
    ops.Repeat: lambda op, x: np.repeat(x, op.times, 1),
    ops.Reshape: lambda op, x: x.reshape(len(x), *(() if op.steps is None else (op.steps,)), op.channels),
}
