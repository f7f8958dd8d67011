"""What the kernels of a network have to do with each other: where they store, most each to a tensor of its own, and how
many weights they read between two calls of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...number_types import TYPES
from ..graph import Graph, Node
from .along import along
from .beside import Beside, beside, is_renamed, is_written


@dataclass(frozen=True, slots=True)
class Stores:
    """Nodes whose kernels store into a concatenation are `beside` others there. Maps `along` with another node are stored
    by the kernel of that. Nodes that are `renamed` make what they read. All kernels together read so many bytes of
    `weights`.
    """

    beside: Mapping[str, Beside]
    along: Mapping[str, str]
    renamed: frozenset[str]
    weights: int

    @classmethod
    def of(cls, graph: Graph) -> Stores:
        places = beside(graph)
        weights = sum(math.prod(shape) for shape in graph.weight_shapes().values()) * TYPES[graph.dtype].bytes
        renamed = frozenset(node.name for node in graph.nodes if is_renamed(node, graph))
        return cls(places, along(graph, places), renamed, weights)

    def has_kernel(self, node: Node) -> bool:
        """Whether anything is left to do for a node."""
        done = node.name in self.renamed or is_written(node, self.beside) or node.name in self.along
        return not done

    def others(self, node: Node, graph: Graph) -> Sequence[Node]:
        """The maps that a node's kernel stores too."""
        return [other for other in graph.nodes if self.along.get(other.name) == node.name]
