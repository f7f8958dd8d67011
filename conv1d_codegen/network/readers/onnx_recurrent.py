"""LSTM, GRU and RNN of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...problem import Activation
from ..ops import Concat, GlobalPool, Gru, Lstm, Recurrent, SimpleRnn
from .onnx_builder import Builder
from .onnx_elementwise import Inputs, tensor_of
from .onnx_moves import cut
from .onnx_node import OnnxNode
from .onnx_values import Array, Fill, Tensor, Unsupported, Value, numbers

_ACTIVATIONS = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu", "Softsign": "softsign", "Softplus": "softplus"}
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}  # of ONNX, in the order that they have here
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}


def _recurrent(b: Builder, node: OnnxNode, inputs: Inputs) -> tuple[Tensor, ...]:
    x = tensor_of(inputs)
    given = [*inputs, *[None] * 8][:8]
    kernel, recurrent = numbers(given[1], "weights"), numbers(given[2], "weights")
    directions = _DIRECTIONS[node.attribute("direction", "forward")]
    units = recurrent.shape[-1]
    gates = len(_GATES[node.op_type])
    if recurrent.shape != (len(directions), gates * units, units) or kernel.shape[:2] != recurrent.shape[:2]:
        raise ValueError(f"weights of shapes {kernel.shape} and {recurrent.shape}")
    if given[4] is not None or given[7] is not None or node.attribute("clip", 0) or node.attribute("input_forget", 0):
        raise Unsupported("sequence_lens, peepholes (P), clip or input_forget")
    bias = None if given[3] is None else numbers(given[3], "a bias").reshape(len(directions), 2, gates * units)
    batch_first = bool(node.attribute("layout", 0))
    x = b.sequence(b.arranged(x, "NTC" if batch_first else "TNC"))
    wanted = [name != "" for name in [*node.outputs, "", "", ""][:3]]
    made: list[list[Tensor]] = [[], [], []]
    for number, backwards in enumerate(directions):
        cell, gate = _activations(node, number)
        after = node.op_type == "LSTM" or bool(node.attribute("linear_before_reset", 0))
        weights = _weights(
            b, node.op_type, kernel[number], recurrent[number], None if bias is None else bias[number], after
        )
        states = [_state(b, v, number, batch_first) for v in given[5 : 5 + _STATES[node.op_type]]]
        if any(s is None for s in states) and any(s is not None for s in states):
            raise Unsupported("one first state that is given, and one that is 0")
        read = [x, *(s for s in states if s is not None)]
        common: dict[str, Any] = {"units": units, "activation": cell, "gate": gate, "use_bias": bias is not None}
        common["backwards"] = backwards

        def op(
            sequences: bool, common: dict[str, Any] = common, after: bool = after, of_cell: bool = False
        ) -> Recurrent:
            if node.op_type == "LSTM":
                return Lstm(sequences=sequences, cell=of_cell, **common)
            if node.op_type == "RNN":
                return SimpleRnn(sequences=sequences, **common)
            return Gru(sequences=sequences, reset_after=after, **common)

        if wanted[0]:
            made[0].append(b.made(op(True), *read, axes=x.axes, weights=weights))
        if wanted[1] and wanted[0]:
            made[1].append(b.made(GlobalPool("first" if backwards else "last"), made[0][-1], axes=x.axes))
        elif wanted[1]:
            made[1].append(b.made(op(False), *read, axes=x.axes, weights=weights))
        if wanted[2]:
            made[2].append(b.made(op(False, of_cell=True), *read, axes=x.axes, weights=weights))
    return tuple(_joined(b, parts, units, place == 0, batch_first) for place, parts in enumerate(made) if parts)


def _activations(node: OnnxNode, direction: int) -> tuple[Activation, Activation]:
    """Of the candidate and output, and of the gates."""
    default = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[node.op_type]
    count = len(default)
    given = node.attribute("activations", None)
    names = default if given is None else [n.decode("utf-8", "replace") for n in given][direction * count :][:count]
    if any(n not in _ACTIVATIONS for n in names) or len(names) != count or names[-1] != names[-2 if count == 3 else -1]:
        raise Unsupported(f"activations {', '.join(map(str, names))[:200]}")
    return Activation(_ACTIVATIONS[names[-1]]), Activation(_ACTIVATIONS[names[0]])


def _weights(
    b: Builder, op_type: str, kernel: Array, recurrent: Array, bias: Array | None, two: bool
) -> dict[str, Array]:
    order = _GATES[op_type]

    def sorted_(array: Array) -> Array:
        if order == tuple(sorted(order)):
            return array
        b.budget.take(array.nbytes, "Weights")
        parts = np.split(array, len(order))
        return np.concatenate([parts[gate] for gate in order])

    weights = {"kernel": sorted_(kernel).T, "recurrent_kernel": sorted_(recurrent).T}
    if bias is not None:
        weights["bias"] = bias if two and op_type == "GRU" else sorted_(bias.sum(0))
    return weights


def _state(b: Builder, value: Value | None, direction: int, batch_first: bool) -> Tensor | None:
    """The first state of a direction as a vector; None where it is zero."""
    if value is None or (isinstance(value, Fill) and value.value == 0):
        return None
    if isinstance(value, np.ndarray) and not value.any():
        return None
    if not isinstance(value, Tensor):
        raise Unsupported("a first state that is a constant other than 0")
    one = cut(b, value, int(batch_first), direction, direction + 1, 1)
    one = b.arranged(one, "N1C" if batch_first else "1NC")
    return b.vector(one)


def _joined(b: Builder, parts: list[Tensor], units: int, sequence: bool, batch_first: bool) -> Tensor:
    """The directions side by side, with the axes of an output."""
    x = parts[0] if len(parts) == 1 else b.made(Concat(), *parts, axes=parts[0].axes)
    both = len(parts) == 2
    direction, steps = ((0,) if both else ()), [("T",)] if sequence else []
    inner = (1,) if both else (0,)
    axes = [("N",), *steps, direction, inner] if batch_first else [*steps, direction, ("N",), inner]
    return Tensor(x.node, x.shape, tuple(axes), (2, units) if both else (units,))


OPERATORS: dict[str, Callable[[Builder, OnnxNode, Inputs], tuple[Tensor, ...]]] = dict.fromkeys(_GATES, _recurrent)
