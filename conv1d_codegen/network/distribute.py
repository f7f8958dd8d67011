"""A pass over graphs: an expression of channels that were put beside each other is an expression of each part.

    relu(concat(a, b) + c)      →      concat(relu(a + c[:k]), relu(b + c[k:]))

where k is how many channels `a` has. So what follows a concatenation can become part of the kernels before it.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Operand
from . import ops
from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops.fused import Mapped


def distribute_maps(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with expressions before concatenations that nothing else needs, and not behind them."""
    made: dict[str, Node] = {}
    added = dict(weights)
    for node in graph.nodes:
        concat = made.get(node.inputs[0])
        if concat is None or not _distributes(graph, concat, node):
            made[node.name] = node
            continue
        del made[concat.name]
        parts, first = [], 0
        for number, name in enumerate(concat.inputs):
            channels = graph.shapes[name].channels
            free = free_name(f"{node.name}[{number}]", {*graph.shapes, *made})
            part, own = _part(node, free, name, range(first, first + channels), added)
            added.update(own)
            made[part.name] = part
            parts.append(part.name)
            first += channels
        made[node.name] = replace(concat, name=node.name, inputs=tuple(parts), merged=(*concat.merged, concat.name))
    return with_nodes(graph, added, list(made.values()))


def _distributes(graph: Graph, concat: Node, node: Node) -> bool:
    """Whether a node is an expression of a whole concatenation, which nothing else reads, as its first input."""
    if not isinstance(node.op, Mapped) or concat.op != ops.Concat() or concat.name in graph.outputs:
        return False
    whole = node.op.expression.inputs[0] == Operand(node.op.channels)
    return whole and graph.reads[concat.name] == 1


def _part(node: Node, name: str, first: str, channels: range, weights: Weights) -> tuple[Node, Weights]:
    """The expression for some channels, the first input of which is a tensor of these; and its weights."""
    assert isinstance(node.op, Mapped)
    operands = [
        operand if operand.channels == 1 else replace(operand, first=operand.first + channels.start)
        for operand in node.op.expression.inputs[1:]
    ]
    expression = replace(node.op.expression, inputs=(Operand(len(channels)), *operands))
    own = {
        free_name(f"{weight}[{channels.start}:{channels.stop}]", weights): weights[weight][
            channels.start : channels.stop
        ]
        for weight in node.weights
    }
    op = Mapped(len(channels), expression)
    return Node(name, op, (first, *node.inputs[1:]), tuple(own), node.merged), own
