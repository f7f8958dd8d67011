"""Where the kernels of a network store: most each to a tensor of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import ops
from ..graph import Graph, Node
from .along import along
from .beside import Beside, beside, is_written


@dataclass(frozen=True, slots=True)
class Stores:
    """Nodes whose kernels store into a concatenation are `beside` others there. Maps `along` with another node are stored
    by the kernel of that.
    """

    beside: Mapping[str, Beside]
    along: Mapping[str, str]

    @classmethod
    def of(cls, graph: Graph) -> Stores:
        places = beside(graph)
        return cls(places, along(graph, places))

    def has_kernel(self, node: Node) -> bool:
        """Whether anything is left to do for a node."""
        done = isinstance(node.op, ops.Reshape) or is_written(node, self.beside) or node.name in self.along
        return not done

    def others(self, node: Node, graph: Graph) -> Sequence[Node]:
        """The maps that a node's kernel stores too."""
        return [other for other in graph.nodes if self.along.get(other.name) == node.name]
