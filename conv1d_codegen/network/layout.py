"""channels_first_where_narrow: the last pass over graphs. Runs of layers of few channels are computed with steps side by
side, which fill vectors where channels leave lanes empty; at their borders tensors are turned.

    conv c8 → conv c8 → conv c64      →      turn, conv c8 first → conv c8 first, turn → conv c64

A run is the convolutions and maps that are reached from each other. A tensor of one channel
is the same in both layouts, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops import Conv
from .ops.fused import ConvThen, Mapped, Turn

#: Steps from which it is worth it, where their number is known: with 64, gates of 8 channels take 1.46 µs instead of 1.51,
#: which no turning pays back; with 256 3.05 instead of 4.72 (avx512).
_LEAST_STEPS = 256
#: Products of a sum. With more, windows of Cook–Toom may be what is fastest with channels last.
_MOST_PRODUCTS = 64
#: How much longer the products of full vectors take than with channels last. With 16 channels, 3 taps and 4096 steps, a
#: gate takes 1.21 times as long, a convolution 1.07 (avx512).
_LONGER = 1.15
#: Cycles to turn one number.
_TURN = 1.5


@dataclass(frozen=True, slots=True)
class _Run:
    """Nodes that are reached from each other, the tensors that they read of others, and those that others read of them."""

    nodes: frozenset[str]
    read: frozenset[str]
    made: frozenset[str]


def channels_first_where_narrow(graph: Graph, weights: Weights, lanes: int) -> tuple[Graph, Weights]:
    """The network with such runs, for vectors of so many lanes."""
    inside = {name for run in _runs(graph, lanes) if _pays(run, graph, lanes) for name in run.nodes}
    if not inside:
        return graph, weights
    outside = {name for node in graph.nodes if node.name not in inside for name in node.inputs} | set(graph.outputs)
    names = set(graph.shapes)
    turned: dict[str, str] = {}  # the names of tensors with channels first
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name not in inside:
            nodes.append(node)
            continue
        for name in (*node.inputs, node.name):
            if name not in turned:
                turned[name] = free_name(f"{name}/first", names)
                names.add(turned[name])
                if name != node.name:
                    nodes.append(Node(turned[name], Turn(True), (name,)))
        nodes.append(_first(node, turned))
        if node.name in outside:
            nodes.append(Node(node.name, Turn(False), (turned[node.name],)))
    return with_nodes(graph, weights, nodes)


def _first(node: Node, turned: Mapping[str, str]) -> Node:
    """The node with channels first."""
    op = node.op
    if isinstance(op, Conv):
        op = replace(op, problem=op.problem.with_(channels_first=True))
    elif isinstance(op, Mapped):
        op = replace(op, channels_first=True)
    inputs = tuple(turned[name] for name in node.inputs)
    return replace(node, name=turned[node.name], op=op, inputs=inputs, merged=(*node.merged, node.name))


def _runs(graph: Graph, lanes: int) -> Iterator[_Run]:
    """The runs of nodes that can have their channels first."""
    nodes = {node.name: node for node in graph.nodes if _can(node, graph, lanes)}
    run_of: dict[str, set[str]] = {}
    for node in nodes.values():
        joined = {node.name}
        for name in node.inputs:
            joined |= run_of.get(name, set())
        for name in joined:
            run_of[name] = joined
    for members in {id(run): run for run in run_of.values()}.values():
        read = {name for member in members for name in nodes[member].inputs}
        others = {name for node in graph.nodes if node.name not in members for name in node.inputs}
        made = members & (others | set(graph.outputs))
        yield _Run(frozenset(members), frozenset(read - members), frozenset(made))


def _can(node: Node, graph: Graph, lanes: int) -> bool:
    """Whether a node can have channels first, and loses little by it."""
    shapes = [graph.shapes[name] for name in (*node.inputs, node.name)]
    if any(shape.steps is None or (shape.steps.constant or _LEAST_STEPS) < _LEAST_STEPS for shape in shapes):
        return False
    if isinstance(node.op, Conv):
        p = node.op.problem
        operands = node.op.expression.inputs if isinstance(node.op, ConvThen) else ()
        few = p.kernel_size * p.channels <= _MOST_PRODUCTS and max(p.channels, p.filters) <= lanes
        return few and p.groups == p.stride == 1 and all(operand.steps for operand in operands)
    if not isinstance(node.op, Mapped) or node.op.channels > lanes:
        return False
    return all(operand.steps for operand in node.op.expression.inputs)


def _pays(run: _Run, graph: Graph, lanes: int) -> bool:
    """Whether the products of full vectors, two a cycle, save more than turning costs."""
    ops = [node.op for node in graph.nodes if node.name in run.nodes]
    saved = sum(_saved(op, lanes) for op in ops if isinstance(op, Conv))
    channels = [graph.shapes[name].channels for name in (*run.read, *run.made)]
    return saved > _TURN * sum(count for count in channels if count > 1)


def _saved(op: Conv, lanes: int) -> float:
    """Cycles that a step takes less."""
    p = op.problem
    convolutions = op.expression.convolutions if isinstance(op, ConvThen) else 1
    vectors = -(-p.filters // lanes) - _LONGER * p.filters / lanes
    return convolutions * p.kernel_size * p.channels * vectors / 2
