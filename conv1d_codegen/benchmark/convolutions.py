"""The convolutions of a network, with the shapes that it gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..network import Network, ops
from ..network.graph import Graph
from ..network.simplify import stages
from ..network.sums import add_convolutions
from ..problem import Problem

#: A convolution, its batch and the length of its input.
Shape = tuple[Problem, int, int]


def convolutions(network: Network, batch: int, length: int) -> Counter[Shape]:
    """How often the network has each convolution, with the activation that becomes part of it, where all inputs have so
    many steps. Of a vector, each of the batch is a step. Raises ValueError for a length at which a tensor has no steps.
    """
    *_, graph = _of_layers(network)
    shapes = graph.shapes_at({graph.length_name(source): length for source in graph.sources})
    found: Counter[Shape] = Counter()
    for node in graph.nodes:
        if isinstance(node.op, ops.Conv):
            steps = shapes[node.inputs[0]].steps
            here = (1, batch) if steps is None else (batch, steps.evaluate({}))
            if node.op.problem.output_length(here[1]) < 1:
                raise ValueError(
                    f"With inputs of {length} steps, {node.name} ({node.op.problem}) gets {here[1]} and makes none: "
                    "measure with longer ones."
                )
            found[(node.op.problem, *here)] += 1
    return found


def _of_layers(network: Network) -> Iterator[Graph]:
    """The network after each pass that looks at one convolution and what is around it, before several become one."""
    for name, graph, _ in stages(network.graph, network.weights, exact=False):
        if name == add_convolutions.__name__:
            return
        yield graph
