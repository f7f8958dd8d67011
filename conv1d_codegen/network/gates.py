"""fuse_gates: a pass over graphs that makes the two halves of a gate, and what is made of them, one kernel.

    tanh(conv(x, w)) * sigmoid(conv(x, v))                  →  conv(x; w, v) then tanh(sum) * sigmoid(sum1)
    conv(x, w)[:f] * sigmoid(conv(x, w)[f:])                →  conv(x; w[:f], w[f:]) then sum * sigmoid(sum1)

Both sums of an output wait in registers for each other, so neither half is written to memory. Each keeps its weights and
the order of its products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from numpy.typing import NDArray

from ..ir import Activate, Expression, Operand, Ref, Value, input_names, sum_names, weight_names
from ..problem import Activation, Problem
from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops import Conv
from .ops.fused import ConvThen, Mapped

#: Products of a sum. With more, windows of Cook–Toom are faster for each half alone: with 24 channels and 3 taps, 3.3 ms
#: for both halves, and 3.6 as one kernel; with 16 channels 1.63 and 1.39 (48,000 steps, avx512).
_MOST_PRODUCTS = 64


@dataclass(frozen=True, slots=True)
class _Half:
    """What a map reads of a convolution's output: the filters from `first` on."""

    conv: Node
    whole: Problem
    first: int
    filters: int

    @property
    def problem(self) -> Problem:
        """What sums it up, without the activation."""
        return self.whole.with_(filters=self.filters, activation=Activation())

    def value(self, total: Ref) -> Value:
        """The number that the map reads, of the sum."""
        activation = self.whole.activation
        return total if activation == Activation() else Activate(activation, total)

    def weights(self, known: dict[str, NDArray[Any]]) -> tuple[str, ...]:
        """The names of its weights; new ones, where it has some of the filters."""
        if self.filters == self.whole.filters:
            return self.conv.weights
        own = {name: known[name][..., self.first : self.first + self.filters] for name in self.conv.weights}
        names = {free_name(f"{name}[{self.first}:{self.first + self.filters}]", known): own[name] for name in own}
        known.update(names)
        return tuple(names)


def fuse_gates(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with maps of two convolutions of one input as part of these, where nothing else reads them."""
    made: dict[str, Node] = {}
    added = dict(weights)
    for node in graph.nodes:
        gate = _gate(graph, made, node, added)
        if gate is not None:
            for name in gate.merged:
                made.pop(name, None)
        made[node.name] = gate or node
    return with_nodes(graph, added, list(made.values()))


def _gate(graph: Graph, made: Mapping[str, Node], node: Node, weights: dict[str, NDArray[Any]]) -> Node | None:
    """A map and two of its inputs as one node, if it has such."""
    if not isinstance(node.op, Mapped):
        return None
    read = list(zip(node.inputs, node.op.expression.inputs, strict=True))
    for pair in combinations(range(len(read)), 2):
        names = {read[number][0] for number in pair}
        if any(graph.reads[name] * len(names) != 2 or name in graph.outputs for name in names):
            continue
        halves = [_half(made.get(read[number][0]), read[number][1], node.op.channels) for number in pair]
        first, second = halves
        if first is not None and second is not None and _are_alike(first, second):
            return _joined(node, node.op.expression, dict(zip(pair, (first, second), strict=True)), weights)
    return None


def _half(conv: Node | None, operand: Operand, channels: int) -> _Half | None:
    """What an operand of a map of so many channels reads, if a convolution makes it."""
    if conv is None or type(conv.op) is not Conv or operand.channels < operand.first + channels:
        return None
    return _Half(conv, conv.op.problem, operand.first, channels)


def _are_alike(first: _Half, second: _Half) -> bool:
    """Whether two halves differ in weights and activations alone, and are sums of few products."""
    problem = first.problem
    few = problem.groups == 1 and problem.kernel_size * problem.channels <= _MOST_PRODUCTS
    return few and problem == second.problem and first.conv.inputs == second.conv.inputs


def _joined(node: Node, map_: Expression, halves: Mapping[int, _Half], weights: dict[str, NDArray[Any]]) -> Node:
    """The convolutions of two inputs of a map, by their numbers, then the map."""
    first, second = halves.values()
    totals = dict(zip(halves, map(Ref, sum_names(2)), strict=True))
    given: dict[str, Value] = {name: Ref(name) for name in weight_names(map_.weights)}
    kept = [number for number in range(len(map_.inputs)) if number not in halves]
    for number, name in enumerate(input_names(len(map_.inputs))):
        half = halves.get(number)
        given[name] = Ref(f"in{kept.index(number)}") if half is None else half.value(totals[number])
    operands = tuple(map_.inputs[number] for number in kept)
    expression = Expression(map_.of(given), operands, map_.weights, sums=2)
    own = (*first.weights(weights), *second.weights(weights), *node.weights)
    inputs = (*first.conv.inputs, *(node.inputs[number] for number in kept))
    convs = dict.fromkeys((*first.conv.merged, first.conv.name, *second.conv.merged, second.conv.name))
    return Node(node.name, ConvThen(first.problem, expression), inputs, own, (*convs, *node.merged))
