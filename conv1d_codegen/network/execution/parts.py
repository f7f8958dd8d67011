"""Which tensors are part of another's memory: nothing is computed for these, or they are written where another has them.

views    another shape of a tensor, or of one sequence some steps beside each other
beside   channels of a concatenation, written there (`beside.py`)
joined   of one sequence, steps of what is joined in time, written there
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from .. import ops
from ..graph import Graph, Node
from ..ops import Shape
from .beside import Beside, beside


@dataclass(frozen=True, slots=True)
class Parts:
    """Of the nodes of a graph, for inputs of known sizes. Of `views` and `joined`, the numbers before theirs are known."""

    beside: Mapping[str, Beside]
    views: Mapping[str, int]
    joined: Mapping[str, tuple[str, int]]

    def is_done(self, node: Node) -> bool:
        """Whether nothing is left to do for a node."""
        if node.name in self.views:
            return True
        if not isinstance(node.op, ops.Concat):
            return False
        written: Container[str] = self.joined if node.op.steps else self.beside
        return all(name in written for name in node.inputs)

    def roots(self, graph: Graph) -> dict[str, tuple[str, int]]:
        """For each tensor the one whose memory it is, its own or another's, and how many numbers of this lie before it."""
        of: dict[str, tuple[str, int]] = {
            node.name: (node.inputs[0], self.views[node.name]) for node in graph.nodes if node.name in self.views
        }
        of |= {name: (place.concat, 0) for name, place in self.beside.items()} | dict(self.joined)
        found: dict[str, tuple[str, int]] = {}
        for name in graph.shapes:
            root, before = name, 0
            while root in of:
                root, more = of[root]
                before += more
            found[name] = root, before
        return found


def parts(graph: Graph, batch: int, shapes: Mapping[str, Shape]) -> Parts:
    """Those of a graph, for a batch and tensors of known shapes."""
    views = _views(graph, batch, shapes)
    written = beside(graph)
    joined = _joined(graph, shapes, {*views, *written}) if batch == 1 else {}
    return Parts(written, views, joined)


def _views(graph: Graph, batch: int, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Nodes whose output is what lies in memory already, from a number on. What the network gives is whole: it lies where
    the caller wants it.
    """
    found: dict[str, int] = {}
    given = set(graph.outputs)
    for node in reversed(graph.nodes):
        before = first_number(node.op, shapes[node.inputs[0]])
        if before is None:
            continue
        whole = numbers(shapes[node.name]) == numbers(shapes[node.inputs[0]])
        if whole:
            found[node.name] = 0
            given |= {node.inputs[0]} if node.name in given else set()
        elif batch == 1 and node.name not in given:
            found[node.name] = before
    return found


def first_number(op: ops.Op, x: Shape) -> int | None:
    """Where in its input `x` an operation finds its output, which lies there as it is; None for one that computes it."""
    steps = 1 if x.steps is None else x.steps.constant or 0
    match op:
        case ops.Reshape() | ops.Trim() | ops.GlobalPool("first"):
            return 0
        case ops.Transpose() if 1 in (steps, x.channels):
            return 0
        case ops.Crop(left):
            return left * x.channels
        case ops.Slice(step=1):
            return int(op.bounds(steps)[0]) * x.channels
        case ops.Last(count):
            return (steps - count) * x.channels
        case ops.GlobalPool("last"):
            return (steps - 1) * x.channels
    return None


def numbers(shape: Shape) -> int:
    """How many a sequence has."""
    return shape.channels * (1 if shape.steps is None else shape.steps.constant or 0)


def _joined(graph: Graph, shapes: Mapping[str, Shape], others: set[str]) -> dict[str, tuple[str, int]]:
    """Nodes that write into what is joined in time, which alone reads them; where they make half of it or more, as its
    memory is taken when the first of them writes.
    """
    made = {node.name for node in graph.nodes} - others - set(graph.outputs)
    found: dict[str, tuple[str, int]] = {}
    for concat in graph.nodes:
        if concat.op != ops.Concat(steps=True):
            continue
        own, before = {}, 0
        for name in concat.inputs:
            if name in made and graph.reads[name] == 1:
                own[name] = concat.name, before
            before += numbers(shapes[name])
        if 2 * sum(numbers(shapes[name]) for name in own) >= before:
            found |= own
    return found
