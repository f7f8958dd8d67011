"""Nodes outside a network, put together to parts that ONNX Runtime runs: each as large as it can be, without a circle.

Two nodes outside are in one part where one reads what the other makes, unless something that is not in the part, a layer of
the network or another part, stands on another way from one to the other: it would have to run in the middle of the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..graph import Node
from .onnx_outside import Made, Outside, tensors_of

_MOST_MERGED = 100  # parts that are tried to be one; each try goes over the network


@dataclass(eq=False)
class Group:
    """Nodes outside that run together."""

    nodes: list[Outside]


Vertex = Group | str


@dataclass(eq=False)
class Grouped:
    """The groups in an order in which they can run, the one of each node, and what reads what: groups, and tensors by name."""

    groups: list[Group]
    of: dict[Outside, Group] = field(default_factory=dict)
    edges: Mapping[Vertex, Iterable[Vertex]] = field(default_factory=dict)


def grouped(nodes: Sequence[Node], found: Sequence[Outside]) -> Grouped:
    """The groups of nodes outside, beside the nodes of the network. A node's level counts the changes between network and
    parts on the longest way to it: nodes of one level that follow each other can run together.
    """
    levels: dict[str, int] = {}
    own: dict[Outside, int] = {}
    roots: dict[Outside, Outside] = {}

    def root(node: Outside) -> Outside:
        while roots[node] is not node:
            roots[node] = roots[roots[node]]
            node = roots[node]
        return node

    for item in _merged(nodes, found):
        if isinstance(item, Node):
            levels[item.name] = max((levels.get(name, 0) for name in item.inputs), default=0)
            continue
        read = [levels.get(name, 0) + 1 for x in item.inputs.values() for name in tensors_of(x)]
        own[item] = max([1, *read, *(own[x.node] for x in item.inputs.values() if isinstance(x, Made))])
        roots[item] = item
        for made in item.outputs.values():
            if made.tensor is not None:
                levels[made.tensor.node] = own[item]
        for x in item.inputs.values():
            if isinstance(x, Made) and own[x.node] == own[item]:
                roots[root(x.node)] = root(item)
    groups: dict[Outside, Group] = {}
    for item in found:
        groups.setdefault(root(item), Group([])).nodes.append(item)
    result = Grouped(list(groups.values()))
    result.of = {item: group for group in result.groups for item in group.nodes}
    _join(result, nodes)
    result.edges = _edges(result, nodes)
    result.groups = [v for v in in_order(result.edges, list(result.groups)) if isinstance(v, Group)]
    return result


def _merged(nodes: Sequence[Node], found: Sequence[Outside]) -> Iterator[Node | Outside]:
    """All nodes, in the order in which they were made."""
    at = 0
    for item in found:
        yield from nodes[at : item.before]
        at = item.before
        yield item
    yield from nodes[at:]


def _edges(result: Grouped, nodes: Sequence[Node]) -> dict[Vertex, dict[Vertex, None]]:
    edges: dict[Vertex, dict[Vertex, None]] = {}
    for node in nodes:
        for name in node.inputs:
            edges.setdefault(name, {})[node.name] = None
    for item, group in result.of.items():
        for made in item.outputs.values():
            if made.tensor is not None:
                edges.setdefault(group, {})[made.tensor.node] = None
        for x in item.inputs.values():
            for name in tensors_of(x):
                edges.setdefault(name, {})[group] = None
            if isinstance(x, Made) and result.of[x.node] is not group:
                edges.setdefault(result.of[x.node], {})[group] = None
    return edges


def _join(result: Grouped, nodes: Sequence[Node]) -> None:
    """Makes one of two groups, where one reads the other and nothing else is on another way between them."""
    again = 1 < len(result.groups) <= _MOST_MERGED
    while again:
        again = False
        edges = _edges(result, nodes)
        for first in result.groups:
            for second in [v for v in edges.get(first, ()) if isinstance(v, Group)]:
                if not _leads(edges, [v for v in edges[first] if v is not second], second):
                    first.nodes += second.nodes
                    result.groups.remove(second)
                    result.of |= dict.fromkeys(second.nodes, first)
                    again = True
                    break
            if again:
                break


def _leads(edges: Mapping[Vertex, Iterable[Vertex]], starts: Iterable[Vertex], end: Vertex) -> bool:
    """Whether a way leads from one of some vertices to another."""
    waiting, seen = list(starts), set()
    while waiting:
        vertex = waiting.pop()
        if vertex is end:
            return True
        if vertex not in seen:
            seen.add(vertex)
            waiting += edges.get(vertex, ())
    return False


def in_order(edges: Mapping[Vertex, Iterable[Vertex]], wanted: Iterable[Vertex]) -> list[Vertex]:
    """The wanted vertices in their order, but each after those that lead to it, which are there too."""
    before: dict[Vertex, list[Vertex]] = {}
    for start, ends in edges.items():
        for end in ends:
            before.setdefault(end, []).append(start)
    found: dict[Vertex, None] = {}
    seen: set[Vertex] = set()
    for vertex in wanted:
        waiting = [(vertex, False)]
        while waiting:
            item, ready = waiting.pop()
            if ready:
                found[item] = None
            elif item not in seen:
                seen.add(item)
                waiting.append((item, True))
                waiting += [(other, False) for other in reversed(before.get(item, []))]
    return list(found)


def needed(nodes: Sequence[Node], outputs: Iterable[str], found: Sequence[Outside]) -> list[Outside]:
    """The nodes outside that outputs need."""
    by_name = {node.name: node for node in nodes}
    makers = {m.tensor.node: item for item in found for m in item.outputs.values() if m.tensor is not None}
    waiting: list[str | Outside] = list(outputs)
    seen: set[str | Outside] = set()
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        if isinstance(item, Outside):
            waiting += [x.node for x in item.inputs.values() if isinstance(x, Made)]
            waiting += [name for x in item.inputs.values() for name in tensors_of(x)]
        elif item in by_name:
            waiting += by_name[item].inputs
        elif item in makers:
            waiting.append(makers[item])
    return [item for item in found if item in seen]
