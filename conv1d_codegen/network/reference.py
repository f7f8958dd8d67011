"""What each operation of a network means, in NumPy: plain, slow, and in whatever dtype the arrays have.

It shares no code with the passes over graphs nor with the compiler, but for the functions of activations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import padding as pad
from ..reference import activations
from ..reference.convolution import conv1d
from . import ops
from .graph import Graph, Weights

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
    moved = x - x.max(-1, keepdims=True)
    total = np.exp(moved).sum(-1, keepdims=True)
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
    "maximum": np.maximum,
    "minimum": np.minimum,
    "divide": np.divide,
}


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


def _pool(op: ops.Pool, x: Array) -> Array:
    length = x.shape[1]
    steps = pad.output_length(length, op.size, op.stride, 1, op.padding)
    _check_steps(op, x, steps)
    left = pad.left_padding(length, op.size, op.stride, 1, op.padding)
    after = op.padding[1] if isinstance(op.padding, tuple) else 0
    right = max(after, steps * op.stride + op.size - left - length)

    def combined(wide: Array, of_two: Callable[[Array, Array], Array]) -> Array:
        taken = (wide[:, j : j + steps * op.stride : op.stride] for j in range(op.size))
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


def _global_pool(op: ops.GlobalPool, x: Array) -> Array:
    if x.shape[1] == 0:
        raise ValueError(f"{op} makes no output of 0 steps.")
    made: Array = x.max(1, keepdims=op.keep) if op.kind == "max" else x.mean(1, keepdims=op.keep)
    return made


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
    for j in range(op.kernel_size if length else 0):
        full[:, j * op.dilation :][:, : (length - 1) * op.stride + 1 : op.stride] += x @ kernel[j].T
    y = full[:, op.left : op.left + steps]
    return y if bias is None else y + bias


def _last(op: ops.Last, x: Array) -> Array:
    if op.count > x.shape[1]:
        raise ValueError(f"{op} takes {op.count} steps from an input of {x.shape[1]}.")
    return x[:, x.shape[1] - op.count :]


def _resize(op: ops.Resize, x: Array) -> Array:
    length = x.shape[1]
    steps = length * op.times_numerator // op.times_denominator
    if steps == 0:
        raise ValueError(f"{op} makes no output of {length} steps.")
    up, down, i = op.times_numerator, op.times_denominator, np.arange(steps)
    # places are whole numbers of 1/parts
    if op.coordinates == "half_pixel":
        places, parts = (2 * i + 1) * down - up, 2 * up
    elif op.coordinates == "asymmetric":
        places, parts = i * down, up
    else:
        places, parts = i * (length - 1), max(steps - 1, 1)
    if op.mode == "nearest":
        nearest = (places + (up if op.coordinates == "half_pixel" else 0)) // parts
        return x[:, np.clip(nearest, 0, length - 1)]
    places = np.clip(places, 0, (length - 1) * parts)
    before, share = places // parts, (places % parts / parts).astype(x.dtype)[:, None]
    after = np.minimum(before + 1, length - 1)
    return np.where(share == 0, x[:, before], x[:, before] * (1 - share) + x[:, after] * share)


def _steps_of(op: ops.Recurrent, x: Array) -> Iterator[int]:
    if x.shape[1] == 0:
        raise ValueError(f"{op} makes no output of 0 steps.")
    return reversed(range(x.shape[1])) if op.backwards else iter(range(x.shape[1]))


def _lstm(op: ops.Lstm, x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None) -> Array:
    wide = x @ kernel if bias is None else x @ kernel + bias
    h = state = np.zeros((len(x), op.units), x.dtype)
    states = np.empty((*x.shape[:2], op.units), x.dtype)
    for t in _steps_of(op, x):
        i, f, c, o = np.split(wide[:, t] + h @ recurrent_kernel, 4, -1)
        state = _activated(op.gate, f) * state + _activated(op.gate, i) * _activated(op.activation, c)
        states[:, t] = h = _activated(op.gate, o) * _activated(op.activation, state)
    return states if op.sequences else h


def _gru(op: ops.Gru, x: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None) -> Array:
    biases = np.zeros((2, 3 * op.units), x.dtype) if bias is None else np.broadcast_to(bias, (2, 3 * op.units))
    wide = x @ kernel + biases[0]
    h = np.zeros((len(x), op.units), x.dtype)
    states = np.empty((*x.shape[:2], op.units), x.dtype)
    cut = 2 * op.units
    for t in _steps_of(op, x):
        of_gates = h @ recurrent_kernel[:, :cut] + (biases[1, :cut] if op.reset_after else 0)
        z, r = np.split(_activated(op.gate, wide[:, t, :cut] + of_gates), 2, -1)
        if op.reset_after:
            candidate = wide[:, t, cut:] + r * (h @ recurrent_kernel[:, cut:] + biases[1, cut:])
        else:
            candidate = wide[:, t, cut:] + (r * h) @ recurrent_kernel[:, cut:]
        states[:, t] = h = z * h + (1 - z) * _activated(op.activation, candidate)
    return states if op.sequences else h


_MEANING: dict[type, Callable[..., Array]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    ops.Lstm: _lstm,
    ops.Gru: _gru,
    ops.Activate: lambda op, x: _activated(op.activation, x),
    ops.PRelu: lambda op, x, alpha: np.where(x > 0, x, alpha * x),
    ops.Softmax: _softmax,
    ops.Glu: _glu,
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.RmsNorm: _rms_norm,
    ops.Combine: _combine,
    ops.Concat: lambda op, *inputs: np.concatenate(inputs, -1),
    ops.Pad: _pad,
    ops.Crop: _crop,
    ops.Pool: _pool,
    ops.GlobalPool: _global_pool,
    ops.Take: lambda op, x: x[..., op.first : op.first + (op.count - 1) * op.step + 1 : op.step],
    ops.Last: _last,
    ops.Resize: _resize,
    ops.Unary: lambda op, x: getattr(np, op.function)(x),
    ops.Repeat: lambda op, x: np.repeat(x, op.times, 1),
    ops.Reshape: lambda op, x: x.reshape(len(x), *(() if op.steps is None else (op.steps,)), op.channels),
}
