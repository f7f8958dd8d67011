"""What goes through the steps with a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..ops import fused
from .elementwise import activated

Array = NDArray[Any]


def _steps_of(op: ops.Recurrent, x: Array) -> Iterator[int]:
    if x.shape[1] == 0:
        raise ValueError(f"{op} makes no output of 0 steps.")
    return reversed(range(x.shape[1])) if op.backwards else iter(range(x.shape[1]))


def _simple_rnn(
    op: ops.SimpleRnn, x: Array, *first: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None
) -> Array:
    return _simple_steps(op, x @ kernel if bias is None else x @ kernel + bias, recurrent_kernel, *first)


def _simple_steps(op: ops.SimpleRnn, wide: Array, recurrent_kernel: Array, *first: Array) -> Array:
    (h,) = first or [np.zeros((len(wide), op.units), wide.dtype)]
    states = np.empty((*wide.shape[:2], op.units), wide.dtype)
    for t in _steps_of(op, wide):
        states[:, t] = h = activated(op.activation, wide[:, t] + h @ recurrent_kernel)
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
        state = activated(op.gate, f) * state + activated(op.gate, i) * activated(op.activation, c)
        h = activated(op.gate, o) * activated(op.activation, state)
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
        z, r = np.split(activated(op.gate, wide[:, t, :cut] + of_gates), 2, -1)
        if op.reset_after:
            candidate = wide[:, t, cut:] + r * (h @ recurrent_kernel[:, cut:] + own[cut:])
        else:
            candidate = wide[:, t, cut:] + (r * h) @ recurrent_kernel[:, cut:]
        states[:, t] = h = z * h + (1 - z) * activated(op.activation, candidate)
    return states if op.sequences else h


def _cell_steps(
    op: fused.CellSteps, wide: Array, *first: Array, recurrent_kernel: Array, recurrent_bias: Array | None = None
) -> Array:
    if isinstance(op.cell, ops.Gru):
        return _gru_steps(op.cell, wide, recurrent_kernel, recurrent_bias, *first)
    if isinstance(op.cell, ops.Lstm):
        return _lstm_steps(op.cell, wide, recurrent_kernel, *first)
    assert isinstance(op.cell, ops.SimpleRnn)
    return _simple_steps(op.cell, wide, recurrent_kernel, *first)


#: The meaning of each.
MEANING: dict[type, Callable[..., Array]] = {
    ops.Lstm: _lstm,
    ops.Gru: _gru,
    ops.SimpleRnn: _simple_rnn,
    fused.CellSteps: _cell_steps,
}
