"""What each operation of a network means, in NumPy: plain, slow, and in whatever dtype the arrays have.

It shares no code with the passes over graphs nor with the compiler, but for the functions of activations.

elementwise.py   activations, norms of the channels, combinations
windows.py       convolutions and pools
moves.py         padding, slices, repetition, other shapes
recurrent.py     LSTM, GRU and the simple cell
expressions.py   what the passes over graphs make of several
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from .. import ops
from ..graph import Graph, Weights
from . import elementwise, expressions, moves, recurrent, windows

Array = NDArray[Any]
_MEANING = elementwise.MEANING | windows.MEANING | moves.MEANING | recurrent.MEANING | expressions.MEANING


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
