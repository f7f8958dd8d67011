"""add_convolutions: a pass over graphs that makes a sum of convolutions, of inputs of their own, one kernel.

    add(conv(x, w), conv(y, v), z)      →      conv(x, y; w, v) then sum + in0

as the skip connections of a WaveNet are added up. What each of them made is then neither written nor read. All products
of an output are one sum, so that the last bits change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import SUM, Expression, Operand, Ref, Value
from ..number_types import TYPES
from ..problem import Activation, Problem
from ..problem.summation import LONGEST_CHAIN
from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops import Combine, Conv
from .ops.fused import ConvThen

#: Products of one convolution. With more, windows of Cook–Toom may be faster for each.
_MOST_PRODUCTS = 64


def add_convolutions(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with sums of convolutions that differ in their inputs and weights alone, where nothing else reads
    them: as many as have their products added up in one chain.
    """
    if graph.dtype != TYPES[graph.dtype].compute:
        return graph, weights  # the sum of the biases would be rounded to float16 or bfloat16 once more
    made: dict[str, Node] = {}
    added = dict(weights)
    for node in graph.nodes:
        terms = _terms(graph, made, node)
        if len(terms) > 1:
            node = _joined(node, [made.pop(name) for name in terms], graph, added)
        made[node.name] = node
    return with_nodes(graph, added, list(made.values()))


def _terms(graph: Graph, made: dict[str, Node], node: Node) -> list[str]:
    """The inputs of a node that can be terms of one sum."""
    shape = graph.shapes[node.name]
    if node.op != Combine("add") or any(graph.shapes[name] != shape for name in node.inputs):
        return []
    alone = [name for name in node.inputs if name in made and graph.reads[name] == 1 and name not in graph.outputs]
    found = [name for name in alone if type(made[name].op) is Conv and _is_small(_problem(made[name]))]
    alike = [name for name in found if _without_bias(made[name]) == _without_bias(made[found[0]])]
    return alike[: LONGEST_CHAIN // _products(_problem(made[found[0]]))] if found else []


def _problem(node: Node) -> Problem:
    assert isinstance(node.op, Conv)
    return node.op.problem


def _without_bias(node: Node) -> Problem:
    return _problem(node).with_(use_bias=False)


def _products(problem: Problem) -> int:
    return problem.kernel_size * problem.channels


def _is_small(problem: Problem) -> bool:
    return problem.groups == 1 and problem.activation == Activation() and _products(problem) <= _MOST_PRODUCTS


def _joined(node: Node, convs: list[Node], graph: Graph, weights: dict[str, NDArray[Any]]) -> Node:
    """Convolutions as terms of one sum, to which the node's other inputs are added."""
    biases = [weights[conv.weights[1]].astype(np.float64) for conv in convs if _problem(conv).use_bias]
    own = [conv.weights[0] for conv in convs]
    if biases:
        own.insert(1, free_name(f"{node.name}/bias", weights))
        weights[own[1]] = np.sum(biases, axis=0)
    names = {conv.name for conv in convs}
    others = [name for name in node.inputs if name not in names]
    value: Value = SUM
    for number in range(len(others)):
        value = value + Ref(f"in{number}")
    operands = (Operand(graph.shapes[node.name].channels),) * len(others)
    problem = _without_bias(convs[0]).with_(use_bias=bool(biases))
    op = ConvThen(problem, Expression(value, operands, terms=len(convs)))
    inputs = (*(conv.inputs[0] for conv in convs), *others)
    merged = tuple(name for conv in convs for name in (*conv.merged, conv.name))
    return Node(node.name, op, inputs, tuple(own), (*merged, *node.merged))
