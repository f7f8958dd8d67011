"""Graph: a network as data. Frozen; it prints and diffs; what can't be is refused as it is built.

    x: input f32[N, T, 16]
    conv: f32[N, T, 32] = conv c16_f32_k3_same_linear_f32 (x) conv/kernel, conv/bias
    norm: f32[N, T, 32] = batch_norm (conv) norm/gamma, norm/beta, norm/mean, norm/variance
    sum: f32[N, T, 32] = add (norm, conv)
    output sum

Batch and lengths are run-time sizes: `N`, and `T` of the only input, or `T_name` of each of several. Weights are named
and kept apart (`Weights`), so that a graph can be compared, and run with others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..number_types import TYPES
from ..symbolic.index import Index, index, var
from .lengths import Parts
from .ops import Combine, Concat, Op, Shape
from .reach import Reach

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """An input of a network: its channels, and its length where that is known beforehand."""

    name: str
    channels: int
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One operation on tensors, by the names of the nodes that make them, and on weights, by their names. `merged` are the
    nodes that became part of it.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    weights: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can be computed. Raises ValueError for what makes no network."""

    sources: tuple[Source, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    dtype: str = "f32"
    shapes: Mapping[str, Shape] = field(init=False, repr=False, compare=False)
    #: How often each tensor is read by a node.
    reads: Mapping[str, int] = field(init=False, repr=False, compare=False)
    #: Pairs of lengths that must be equal at run time, as the formulas do not say that they are; with the node.
    equal: tuple[tuple[str, Index, Index], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in TYPES:
            raise ValueError(f"The dtype of a network is one of {', '.join(TYPES)}. Received: {self.dtype!r}.")
        if not self.sources or not self.outputs:
            raise ValueError("A network has an input and an output, or several.")
        shapes: dict[str, Shape] = {}
        equal: list[tuple[str, Index, Index]] = []
        formulas = Parts()
        for source in self.sources:
            _check_new(source.name, shapes)
            length = index(source.length) if source.length is not None else var(self.length_name(source))
            shapes[source.name] = Shape(length, source.channels)
        for node in self.nodes:
            _check_new(node.name, shapes)
            missing = [name for name in node.inputs if name not in shapes]
            if missing:
                raise ValueError(f"Node {node.name} reads {', '.join(missing)}, which no node before it makes.")
            inputs = [shapes[name] for name in node.inputs]
            try:
                shapes[node.name] = node.op.shape(*inputs)
                formulas.check(shapes[node.name].steps)
                wanted = node.op.weights(*inputs)
            except ValueError as error:
                raise ValueError(f"Node {node.name}: {error}") from error
            if len(node.weights) != len(wanted):
                raise ValueError(
                    f"Node {node.name}: {node.op} has weights {', '.join(wanted) or 'none'}. Received: {', '.join(node.weights) or 'none'}."
                )
            if isinstance(node.op, Combine) or (isinstance(node.op, Concat) and not node.op.steps):
                of_steps = [
                    x.steps for x in inputs if x.steps is not None and (x.steps != 1 or isinstance(node.op, Concat))
                ]
                equal += [(node.name, of_steps[0], other) for other in of_steps[1:] if other != of_steps[0]]
        unknown = [name for name in self.outputs if name not in shapes]
        if unknown:
            raise ValueError(f"The network's outputs {', '.join(unknown)} are made by no node.")
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "reads", Counter(name for node in self.nodes for name in node.inputs))
        object.__setattr__(self, "equal", tuple(equal))

    def length_name(self, source: Source) -> str:
        """The run-time size that is a source's length."""
        return "T" if len(self.sources) == 1 else f"T_{source.name}"

    def shapes_at(self, lengths: Mapping[str, int]) -> dict[str, Shape]:
        """The shape of every tensor for lengths of the inputs, by their names in formulas; steps are numbers, also less
        than 1 where there is no output. Found node by node: formulas of deep networks are deep.
        """
        found = {
            source.name: Shape(index(lengths[self.length_name(source)]), source.channels) for source in self.sources
        }
        for node in self.nodes:
            found[node.name] = node.op.shape(*(found[name] for name in node.inputs))
        return found

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights by name, in the order in which they are first used, with their shapes.

        Raises ValueError where two nodes use one weight in different shapes.
        """
        found: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            wanted = node.op.weights(*(self.shapes[name] for name in node.inputs))
            for name, shape in zip(node.weights, wanted.values(), strict=True):
                if found.setdefault(name, shape) != shape:
                    raise ValueError(
                        f"The weight {name} is used with shapes {found[name]} and {shape} (node {node.name})."
                    )
        return found

    def reaches(self, output: str) -> dict[str, Reach | None]:
        """For each tensor that `output` depends on: which of its steps an output step reads; None: all."""
        found: dict[str, Reach | None] = {output: Reach()}
        for node in reversed(self.nodes):
            if node.name not in found:
                continue
            outer, own = found[node.name], node.op.reach()
            through = None if outer is None or own is None else outer.after(own)
            for name in node.inputs:
                if name in found:
                    other = found[name]
                    found[name] = None if other is None or through is None else other.with_(through)
                else:
                    found[name] = through
        return found

    def __str__(self) -> str:
        lines = [f"{s.name}: input {self.dtype}{self.shapes[s.name]}" for s in self.sources]
        for node in self.nodes:
            weights = f" {', '.join(node.weights)}" if node.weights else ""
            lines.append(
                f"{node.name}: {self.dtype}{self.shapes[node.name]} = {node.op} ({', '.join(node.inputs)}){weights}"
            )
        return "\n".join([*lines, f"output {', '.join(self.outputs)}", ""])


def _check_new(name: str, known: Mapping[str, Any]) -> None:
    if not name or name in known or name != plain_name(name):
        raise ValueError(
            f"Names in a network are not empty, without spaces, brackets, commas and colons, and each is given once. Received: {name!r}."
        )


def checked(graph: Graph, weights: Weights) -> dict[str, NDArray[Any]]:
    """Read-only copies of a graph's weights, in its dtype. Raises ValueError for one that is missing, or of another shape."""
    result = {}
    for name, shape in graph.weight_shapes().items():
        if name not in weights:
            raise ValueError(f"The weight {name} of shape {shape} is missing.")
        if weights[name].shape != shape:
            raise ValueError(f"The weight {name} has shape {shape}. Received: {weights[name].shape}.")
        with np.errstate(over="ignore", invalid="ignore"):
            copy = np.array(weights[name], TYPES[graph.dtype].numpy, order="C")
        copy.flags.writeable = False
        result[name] = copy
    return result


def with_nodes(graph: Graph, weights: Weights, nodes: list[Node]) -> tuple[Graph, Weights]:
    """The network of other nodes, with the weights that these need."""
    graph = replace(graph, nodes=tuple(nodes))
    return graph, {name: weights[name] for name in graph.weight_shapes()}


def plain_name(name: str) -> str:
    """A name as a graph takes it, but that it may be empty."""
    return "".join("_" if c.isspace() or c in "(),:" else c for c in name)


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or where something has it the name with a number: the second call of a layer is `conv.2`."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}.{number}"
    return free
