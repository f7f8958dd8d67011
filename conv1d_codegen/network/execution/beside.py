"""Which tensors are written where a concatenation has them: nothing is copied for these."""

from __future__ import annotations

from dataclasses import dataclass

from ...lower import Placement
from .. import ops
from ..graph import Graph, Node
from ..ops.fused import Mapped


@dataclass(frozen=True, slots=True)
class Beside:
    """The channels, from `first` on, of a concatenation of so many, that a node's output is."""

    concat: str
    first: int
    channels: int

    def placement(self, op: ops.Op) -> Placement:
        """Where the kernel of an operation writes: a convolution, whose output may have fewer steps, or a map."""
        more = op.problem.output_length(0) if isinstance(op, ops.Conv) else 0
        return Placement.beside(self.first, self.channels, more)


def beside(graph: Graph) -> dict[str, Beside]:
    """The nodes that write into a concatenation, which alone reads them; where they make half of it or more, as its
    memory is taken when the first of them writes.
    """
    nodes = {node.name: node for node in graph.nodes}
    found: dict[str, Beside] = {}
    for concat in graph.nodes:
        if concat.op != ops.Concat():
            continue
        own, first, whole = {}, 0, graph.shapes[concat.name].channels
        for name in concat.inputs:
            if name in nodes and _writes(nodes[name]) and graph.reads[name] == 1 and name not in graph.outputs:
                own[name] = Beside(concat.name, first, whole)
            first += graph.shapes[name].channels
        if 2 * sum(graph.shapes[name].channels for name in own) >= whole:
            found |= own
    return found


def _writes(node: Node) -> bool:
    """Whether a node's kernel can write rows that lie apart: where there are as many as steps of input, but for a number."""
    return isinstance(node.op, Mapped) or (isinstance(node.op, ops.Conv) and node.op.problem.stride == 1)
