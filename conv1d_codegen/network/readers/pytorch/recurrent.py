"""Recurrent layers of torch's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ....problem import Activation
from ... import ops
from .builder import BATCH_AXIS, Array, Builder, Constant, check
from .call import Call, Fill, Handler, Refused
from .layout import Tensor, channels
from .shapes import States

_TANH, _SIGMOID = Activation("tanh"), Activation("sigmoid")


def lstm_kernel(weight: Array) -> Array:
    """Torch's `(4·units, channels)`, transposed; the gates are in one order."""
    return np.ascontiguousarray(weight.T)


def lstm_bias(of_input: Array, of_state: Array) -> Array:
    """The sum of two biases that are always added."""
    total: Array = of_input + of_state
    return total


def _reordered(gates: Array) -> Array:
    """Torch's gates r, z and the candidate as z, r and the candidate."""
    r, z, c = np.split(gates, 3)
    return np.concatenate([z, r, c])


def gru_kernel(weight: Array) -> Array:
    return np.ascontiguousarray(_reordered(weight).T)


def gru_bias(of_input: Array, of_state: Array) -> Array:
    return np.stack([_reordered(of_input), _reordered(of_state)])


Convert = Callable[..., Array]


def _zero(value: Any) -> bool:
    if isinstance(value, Fill):
        return value.value == 0
    return isinstance(value, Constant) and not value.array.any() and value.name is None


def _cells(b: Builder, call: Call, op: type[ops.Recurrent], kernel: Convert, bias: Convert) -> tuple[Tensor, States]:
    x, first = call.tensor("input"), call["hx"]
    check(all(map(_zero, first if isinstance(first, list | tuple) else [first])), "begins with states other than zero")
    check(not call["train"] or not call["dropout"], "is in training mode: call module.eval() first")
    check(len(x.axes) == 3, "takes sequences, each of a batch")
    biases, directions = bool(call["has_biases"]), 2 if call["bidirectional"] else 1
    given: Sequence[Constant] = call["params"]
    each = 4 if biases else 2
    check(len(given) == each * directions * call["num_layers"], "has projections of its states")
    time_axis = 1 if call["batch_first"] else 0
    source = b.sequence(x, x.axes[time_axis], x.axes[2])
    makers = []
    for layer in range(call["num_layers"]):
        states = []
        for direction in range(directions):
            at = (layer * directions + direction) * each
            parts = given[at : at + each]
            units = parts[1].array.shape[1]
            ending = f"l{layer}{'_reverse' if direction else ''}"
            weights = [
                b.weight(f"weight_ih_{ending}", kernel, parts[0]),
                b.weight(f"weight_hh_{ending}", kernel, parts[1]),
            ]
            if biases:
                name = f"{parts[2].name.removesuffix('ih_' + ending)}{ending}" if parts[2].name else None
                weights.append(b.weight(f"bias_{ending}", bias, parts[2], parts[3], name=name))
            cell = functools.partial(op, units, _TANH, _SIGMOID, biases, backwards=bool(direction))
            states.append(b.add(cell(sequences=True), source, weights=weights, part=ending))
            makers.append(functools.partial(_last, cell=cell, source=source, weights=weights, part=f"{ending}/last"))
        source = b.add(ops.Concat(), *states, part=f"l{layer}_both") if directions == 2 else states[0]
    axes = [BATCH_AXIS, channels(b.shapes[source].channels)]
    axes.insert(time_axis, b.steps_axis(source))
    return Tensor(source, tuple(axes)), States(makers)


def _last(b: Builder, cell: Any, source: str, weights: Sequence[str], part: str) -> Tensor:
    name = b.add(cell(sequences=False), source, weights=weights, part=part)
    return Tensor(name, (BATCH_AXIS, channels(b.shapes[name].channels)))


def _lstm(b: Builder, call: Call) -> Any:
    sequence, states = _cells(b, call, ops.Lstm, lstm_kernel, lstm_bias)
    return sequence, states, Refused("takes the states of the cells of an LSTM")


OPERATIONS: Mapping[str, Handler] = {
    "lstm.default": _lstm,
    "gru.default": lambda b, call: _cells(b, call, ops.Gru, gru_kernel, gru_bias),
}
