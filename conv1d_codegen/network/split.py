"""split_recurrent: a recurrent cell becomes a convolution of one tap, which multiplies all inputs by their weights, and
the cell's steps, which go on from these products. In float16 and bfloat16 the products are rounded on the way.
"""

from __future__ import annotations

from ..problem import Problem
from .graph import Graph, Node, Weights, with_nodes
from .ops import Conv, Gru, Recurrent
from .ops.fused import CellSteps


def split_recurrent(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with each recurrent cell in two. What each of the two biases of a GRU is added to stays as it is."""
    added = dict(weights)
    changed: list[Node] = []
    names = set(graph.shapes)
    for node in graph.nodes:
        if not isinstance(node.op, Recurrent):
            changed.append(node)
            continue
        cell, x = node.op, graph.shapes[node.inputs[0]]
        own = {name: weights[given] for name, given in zip(cell.weights(x), node.weights, strict=True)}
        biases = [own["bias"]] if cell.use_bias else []
        of_steps = {"recurrent_kernel": own["recurrent_kernel"]}
        if isinstance(cell, Gru) and cell.reset_after and biases:
            biases, of_steps["recurrent_bias"] = [own["bias"][0]], own["bias"][1]
        of_inputs = dict(zip(("kernel", "bias"), (own["kernel"][None], *biases), strict=False))
        name = f"{node.name}/inputs"
        while name in names:
            name += "_"
        names.add(name)
        conv = Conv(Problem(x.channels, cell.wide, 1, dtype=graph.dtype, use_bias=cell.use_bias))
        for op, named, inputs, given in (
            (conv, name, node.inputs, of_inputs),
            (CellSteps(cell), node.name, (name,), of_steps),
        ):
            made = {f"{named}/{weight}": array for weight, array in given.items()}
            added.update(made)
            merged = node.merged if named == node.name else ()
            changed.append(Node(named, op, inputs, tuple(made), merged))
    return with_nodes(graph, added, changed)
