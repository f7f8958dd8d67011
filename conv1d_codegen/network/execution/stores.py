"""What the kernels of a network have to do with each other: where they store, most each to a tensor of its own, and how
many weights they read between two calls of one.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from ...number_types import TYPES
from .. import ops
from ..graph import Graph, Node
from ..ops import Shape
from .along import along
from .beside import Beside, beside
from .within import Within


@dataclass(frozen=True, slots=True)
class Stores:
    """Nodes whose kernels store into a concatenation are `beside` others there. Maps `along` with another node are stored
    by the kernel of that. Others lie `within` another tensor. All kernels together read so many bytes of `weights`.
    """

    beside: Mapping[str, Beside]
    along: Mapping[str, str]
    within: Within
    weights: int

    @classmethod
    def of(cls, graph: Graph, batch: int, shapes: Mapping[str, Shape]) -> Stores:
        """Those of a graph for a batch and tensors of known shapes."""
        places = beside(graph)
        maps = along(graph, places)
        weights = sum(math.prod(shape) for shape in graph.weight_shapes().values()) * TYPES[graph.dtype].bytes
        return cls(places, maps, Within.of(graph, batch, shapes, {*places, *maps}), weights)

    def of_batch(self, graph: Graph, batch: int, shapes: Mapping[str, Shape]) -> Stores:
        """The same for another batch."""
        return replace(self, within=Within.of(graph, batch, shapes, {*self.beside, *self.along}))

    def has_kernel(self, node: Node) -> bool:
        """Whether anything is left to do for a node."""
        if isinstance(node.op, ops.Concat):
            written: Container[str] = self.within.joined if node.op.steps else self.beside
            if all(name in written for name in node.inputs):
                return False
        return node.name not in self.within.views and node.name not in self.along

    def roots(self, graph: Graph) -> dict[str, tuple[str, int]]:
        """For each tensor the one whose memory it is, its own or another's, and how many numbers of this lie before it."""
        views = self.within.views
        of = {node.name: (node.inputs[0], views[node.name]) for node in graph.nodes if node.name in views}
        of |= {name: (place.concat, 0) for name, place in self.beside.items()} | dict(self.within.joined)
        found: dict[str, tuple[str, int]] = {}
        for name in graph.shapes:
            root, before = name, 0
            while root in of:
                root, more = of[root]
                before += more
            found[name] = root, before
        return found

    def others(self, node: Node, graph: Graph) -> Sequence[Node]:
        """The maps that a node's kernel stores too."""
        return [other for other in graph.nodes if self.along.get(other.name) == node.name]
