"""Networks in the words of other libraries: one file each, loaded only once the library is there.

onnx_export.py    a model of ONNX, channels first
torch_module.py   a module of torch.fx, channels first
jax_function.py   a function of JAX, channels last

Each has `OPERATIONS`, from the class of an operation, and `ACTIVATIONS`, from the name of an activation. A translation
is for one batch and one length, as inference engines compile for shapes; so it has the numbers of padding. It takes
networks of one input and one output, which those of the bench are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ...network import ops
from ...network.graph import Graph, Weights
from ...problem import Activation, Problem
from ...problem import padding as pad

Array = np.ndarray[Any, Any]
T = TypeVar("T")

#: Operations that no translation has, each with the reason.
LEFT_OUT: dict[type[ops.Op], str] = dict.fromkeys(
    (
        *(ops.ChannelPool, ops.Clip, ops.Last, ops.Power),
        *(ops.Resize, ops.Shuffle, ops.SimpleRnn, ops.Slice, ops.Transpose, ops.Trim),
    ),
    "only readers make it, and no network of the bench has it",
)
#: The same of activations.
LEFT_OUT_ACTIVATIONS = {
    "sparse_plus": "Keras's alone: no operator of ONNX or torch",
    "sparse_sigmoid": "Keras's alone: no operator of ONNX or torch",
    "squareplus": "no operator of ONNX or torch",
    "threshold": "no layer takes it by its name, as it has no defaults",
}


class Untranslated(Exception):
    """An operation that a library has no words for."""


@dataclass(frozen=True, slots=True)
class Work:
    """One node, with what a translation asks about it: the steps of its inputs and of its output, None of vectors."""

    name: str
    op: Any
    inputs: tuple[str, ...]
    weights: Mapping[str, Array]
    batch: int
    channels: tuple[int, ...]
    steps: tuple[int | None, ...]
    made: int | None

    @property
    def length(self) -> int:
        """The steps of the first input, which has some."""
        steps = self.steps[0]
        assert steps is not None
        return steps

    def column(self, name: str, otherwise: float | None = None) -> Array:
        """A weight with a number a channel, in the shape in which it meets tensors with the channels first."""
        weight = self.weights[name] if otherwise is None else self.row(name, otherwise)
        return weight if self.steps[0] is None else weight[:, None]

    def row(self, name: str, otherwise: float) -> Array:
        """A weight with a number a channel; the same number everywhere where there is none."""
        return self.weights.get(name, np.full(self.channels[0], otherwise, np.float32))


def chosen(work: Work) -> slice:
    """The channels that a slice of them takes."""
    end = work.op.start + work.op.count * work.op.step
    return slice(work.op.start, end if end >= 0 else None, work.op.step)


def works(graph: Graph, weights: Weights, batch: int, length: int) -> list[Work]:
    """The nodes of a network, for an input of so many steps. Raises ValueError for a network of several inputs or outputs,
    or of another dtype than float32.
    """
    if graph.dtype != "f32" or len(graph.sources) > 1 or len(graph.outputs) > 1:
        raise ValueError(
            f"Networks in f32 of one input and one output are translated. Received: {graph.dtype}, {len(graph.sources)} inputs and "
            f"{len(graph.outputs)} outputs."
        )
    sizes = {graph.length_name(graph.sources[0]): length}
    steps = {
        name: None if shape.steps is None else int(shape.steps.evaluate(sizes)) for name, shape in graph.shapes.items()
    }
    found = []
    for node in graph.nodes:
        shapes = [graph.shapes[name] for name in node.inputs]
        names = node.op.weights(*shapes)
        own = {name: weights[given] for name, given in zip(names, node.weights, strict=True)}
        channels = tuple(shape.channels for shape in shapes)
        of_inputs = tuple(steps[name] for name in node.inputs)
        found.append(Work(node.name, node.op, node.inputs, own, batch, channels, of_inputs, steps[node.name]))
    return found


def operation_of(table: Mapping[type[ops.Op], T], op: ops.Op) -> T:
    """A library's translation of an operation. Raises Untranslated, with the reason, where it has none."""
    if type(op) not in table:
        raise Untranslated(f"{op}: {LEFT_OUT.get(type(op), 'it has no translation')}")
    return table[type(op)]


def activation_of(table: Mapping[str, T], activation: Activation) -> T:
    """A library's translation of an activation. Raises Untranslated, with the reason, where it has none."""
    if activation.name not in table:
        raise Untranslated(f"{activation}: {LEFT_OUT_ACTIVATIONS.get(activation.name, 'it has no translation')}")
    return table[activation.name]


def output_shape(graph: Graph, batch: int, length: int) -> tuple[int, ...]:
    """The shape of the output, channels first, for an input of so many steps."""
    shape = graph.shapes[graph.outputs[0]]
    steps = () if shape.steps is None else (int(shape.steps.evaluate({graph.length_name(graph.sources[0]): length})),)
    return (batch, shape.channels, *steps)


def sides(length: int, size: int, stride: int, dilation: int, padding: pad.Padding) -> tuple[int, int]:
    """Steps before and after an input that windows reach into, at this length."""
    steps = pad.output_length(length, size, stride, dilation, padding)
    left = pad.left_padding(length, size, stride, dilation, padding)
    return left, max(0, (steps - 1) * stride + pad.extent(size, dilation) - left - length)


def sides_of(problem: Problem, length: int) -> tuple[int, int]:
    """Those of a convolution."""
    return sides(length, problem.kernel_size, problem.stride, problem.dilation, problem.padding)


def pool_sides(work: Work) -> tuple[int, int]:
    """Those of a pool. Raises Untranslated where padding counts that is not given as a pair."""
    op = work.op
    if op.count_padding and op.padding == "same":
        raise Untranslated(f"{op}: libraries count none of the steps that `same` adds, or all of them")
    return sides(work.length, op.size, op.stride, 1, op.padding)


def parameters(activation: Activation, **defaults: float) -> dict[str, float]:
    """The parameters of an activation. Raises Untranslated where it has others than `defaults`."""
    given = dict(activation.parameters)
    if not given.keys() <= defaults.keys():
        raise Untranslated(
            f"{activation}: libraries have it without {', '.join(sorted(given.keys() - defaults.keys()))}"
        )
    return {**defaults, **given}


def usual_gates(op: ops.Recurrent) -> None:
    """Raises Untranslated for a recurrent cell with other activations than tanh and sigmoid."""
    if (op.activation, op.gate) != (Activation("tanh"), Activation("sigmoid")):
        raise Untranslated(f"{op}: libraries have cells with tanh and sigmoid")
