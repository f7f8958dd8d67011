"""split_recurrent: a recurrent cell becomes a convolution of one tap, which multiplies all inputs by their weights, and
the cell's steps, which go on from these products. In float16 and bfloat16 the products are rounded on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import Problem
from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops import Conv, Gru, Recurrent
from .ops.fused import CellSteps


def split_recurrent(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with each recurrent cell in two. Of the two biases of a GRU, each stays where it is added."""
    added = dict(weights)
    names = set(graph.shapes)
    changed: list[Node] = []
    for node in graph.nodes:
        cell = node.op
        if not isinstance(cell, Recurrent):
            changed.append(node)
            continue

        def kept(name: str, array: NDArray[Any], node: Node = node) -> str:
            free = free_name(f"{node.name}/{name}", added)
            added[free] = array
            return free

        channels = graph.shapes[node.inputs[0]].channels
        kernel, recurrent_kernel, *biases = node.weights
        of_inputs = [kept("inputs_kernel", weights[kernel][np.newaxis])]
        of_steps = [recurrent_kernel]
        if isinstance(cell, Gru) and cell.reset_after and biases:
            both = weights[biases[0]]
            biases = [kept("inputs_bias", both[0])]
            of_steps.append(kept("recurrent_bias", both[1]))
        conv = Conv(Problem(channels, cell.wide, 1, dtype=graph.dtype, use_bias=cell.use_bias))
        products = free_name(f"{node.name}/inputs", names)
        names.add(products)
        x, *states = node.inputs
        changed.append(Node(products, conv, (x,), (*of_inputs, *biases)))
        changed.append(Node(node.name, CellSteps(cell), (products, *states), tuple(of_steps), node.merged))
    return with_nodes(graph, added, changed)
