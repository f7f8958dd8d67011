"""Which tensors lie in another's memory: nothing is computed for these, or they are written where another has them.

    views    another shape of a tensor, or of one sequence some steps beside each other
    joined   of one sequence, steps of what is joined in time, written there

Channels that are written where a concatenation has them are in `beside.py`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from .. import ops
from ..graph import Graph
from ..ops import Shape


@dataclass(frozen=True, slots=True)
class Within:
    """Of the nodes of a graph, for inputs of known sizes. The numbers before theirs are known: of `views` in the memory of
    their first input, of what is `joined` in that of the node which joins it.
    """

    views: Mapping[str, int]
    joined: Mapping[str, tuple[str, int]]

    @classmethod
    def of(cls, graph: Graph, batch: int, shapes: Mapping[str, Shape], others: Container[str]) -> Within:
        """Those for a batch and tensors of known shapes. `others` are written elsewhere."""
        views = _views(graph, batch, shapes)
        joined = _joined(graph, shapes, views, others) if batch == 1 else {}
        return cls(views, joined)


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


def _joined(
    graph: Graph, shapes: Mapping[str, Shape], views: Container[str], others: Container[str]
) -> dict[str, tuple[str, int]]:
    """Nodes that write into what is joined in time, which alone reads them; where they make half of it or more, as its
    memory is taken when the first of them writes.
    """
    made = {node.name for node in graph.nodes if node.name not in views and node.name not in others}
    made -= set(graph.outputs)
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
