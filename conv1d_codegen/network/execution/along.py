"""Which maps are stored by the kernel that makes what they read, beside that: the numbers are in its registers then.

    s = conv(x) + r;   z = relu(s)          one kernel that stores both, where others read `s` too

Without it, a kernel of its own would read all of `s` again.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from ...ir import STORED, SUM, Expression, Operand, Ref, also_names, input_names, weight_names
from ...lower.transposed import takes
from .. import ops
from ..graph import Graph, Node
from ..ops import Conv, ConvTranspose
from ..ops.fused import ConvThen, Mapped, TransposeThen
from .parts import parts

#: Maps along with one node. Each is a nest of stores to every tile.
_MOST = 3
#: How many nodes a map may stand behind the one that it is along with, as its tensor is in use from there on.
_NEAR = 8


def along(graph: Graph, beside: Container[str]) -> dict[str, str]:
    """For each such map, the node whose kernel stores it: it is the last to be made of what the map reads. Those that are
    `beside` others in a concatenation stay.
    """
    nodes = {node.name: node for node in graph.nodes}
    made = dict.fromkeys((source.name for source in graph.sources), -1)  # by the kernel of which node
    found: dict[str, str] = {}
    for number, node in enumerate(graph.nodes):
        made[node.name] = made[node.inputs[0]] if isinstance(node.op, ops.Reshape) else number
        if not isinstance(node.op, Mapped) or node.name in beside:
            continue
        first = nodes.get(max(node.inputs, key=made.__getitem__))
        if first is None or first.name in found or number - made[first.name] > _NEAR:
            continue
        if sum(by == first.name for by in found.values()) == _MOST:
            continue
        if all(made[name] < made[first.name] for name in node.inputs if name != first.name) and _takes(
            first, node, graph
        ):
            found[node.name] = first.name
            made[node.name] = made[first.name]
    return found


def _takes(first: Node, node: Node, graph: Graph) -> bool:
    """Whether the kernel of one node can store a map of what it makes."""
    assert isinstance(node.op, Mapped)
    if graph.shapes[node.name] != graph.shapes[first.name]:
        return False
    read = list(zip(node.inputs, node.op.expression.inputs, strict=True))
    if any(name == first.name and operand != Operand(node.op.channels) for name, operand in read):
        return False
    if isinstance(first.op, ConvTranspose):
        return bool(parts(first.op, graph.dtype)) and takes(node.op.expression, first.op.filters)
    return isinstance(first.op, Conv | Mapped)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the kernel of a node stores, with the maps along with it: the expression, where there is one, the tensors that it
    reads beside a convolution's input, and the tensors and weights that are arrays of these names.
    """

    expression: Expression | None
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    weights: Mapping[str, str]


def stored(node: Node, graph: Graph, others: Sequence[Node]) -> Stored:
    """All that the kernel of a node stores."""
    convolves = isinstance(node.op, Conv | ConvTranspose)
    own = node.op.weights(*(graph.shapes[name] for name in node.inputs))
    weights = dict(zip(({"kernel": "w", "bias": "b"}.get(name, name) for name in own), node.weights, strict=True))
    expression = node.op.expression if isinstance(node.op, ConvThen | TransposeThen | Mapped) else None
    if not others:
        return Stored(expression, node.inputs[convolves:], {"y": node.name}, weights)
    whole = expression or Expression(SUM)
    numbers = {read: k for k, read in enumerate(zip(node.inputs[convolves:], whole.inputs, strict=True))}
    count, also = whole.weights, []
    for other in others:
        assert isinstance(other.op, Mapped)
        then = other.op.expression
        given = {name: Ref(f"channel{count + k}") for k, name in enumerate(weight_names(then.weights))}
        weights |= {given[name].name: weight for name, weight in zip(given, other.weights, strict=True)}
        count += then.weights
        for name, read in zip(input_names(len(then.inputs)), zip(other.inputs, then.inputs, strict=True), strict=True):
            if read[0] == node.name:
                given[name] = STORED
            else:
                given[name] = Ref(f"in{numbers.setdefault(read, len(numbers))}")
        also.append(then.of(given))
    expression = Expression(whole.value, tuple(operand for _, operand in numbers), count, tuple(also))
    outputs = {"y": node.name, **dict(zip(also_names(len(others)), (other.name for other in others), strict=True))}
    return Stored(expression, tuple(name for name, _ in numbers), outputs, weights)
