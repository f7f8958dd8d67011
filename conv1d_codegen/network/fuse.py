"""Passes that fuse what is element-wise: chains become one kernel, and what follows a convolution part of it.

    as_maps          activations, norms with known statistics, combinations and gates become expressions
    fuse_maps        an expression of an expression is one expression
    fuse_epilogues   an expression of what a convolution makes is computed where that is stored

A tensor that others read too, or that the network gives, stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import SUM, Activate, Binary, Const, Expression, Operand, Ref, Select, Unary, Value, input_names, weight_names
from ..lower.transposed import takes
from ..problem import Activation
from . import ops
from .graph import Graph, Node, Weights, free_name, with_nodes
from .ops import Conv, ConvTranspose, Shape
from .ops.fused import ConvThen, Mapped, TransposeThen

Array = NDArray[Any]
#: Nodes of the values of one expression. A number that is read twice is written twice, so chains could grow without end.
_LONGEST = 32
_COMBINED: dict[str, Callable[[Value, Value], Value]] = {
    "add": lambda a, b: a + b,
    "average": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    # the IR's maximum gives the second of two numbers with a NaN
    "maximum": lambda a, b: Select("eq", a, a, Binary("max", a, b), a),
    "minimum": lambda a, b: Select("eq", a, a, Binary("min", a, b), a),
}
_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "abs": lambda x: Unary("abs", x),
    "sqrt": lambda x: Unary("sqrt", x),
    "reciprocal": lambda x: 1.0 / x,
}
_POWERS: dict[float, Callable[[Value], Value]] = {
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    -1.0: lambda x: 1.0 / x,
    0.5: lambda x: Unary("sqrt", x),
    -0.5: lambda x: 1.0 / Unary("sqrt", x),
}


def as_maps(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with expressions for what is element-wise."""
    added = dict(weights)
    changed = []
    for node in graph.nodes:
        shapes = [graph.shapes[name] for name in node.inputs]
        made = _expression(node, shapes, graph.shapes[node.name], weights)
        if made is not None:
            expression, own = made
            names = {_kept(f"{node.name}/{name}", array, added): array for name, array in own.items()}
            added.update(names)
            op = Mapped(graph.shapes[node.name].channels, expression)
            node = replace(node, op=op, inputs=node.inputs * _times(node.op), weights=tuple(names))
        changed.append(node)
    return with_nodes(graph, added, changed)


def _kept(name: str, array: Array, weights: Weights) -> str:
    """The name under which a weight is kept: its own, where it has that already."""
    return name if weights.get(name) is array else free_name(name, weights)


def _times(op: ops.Op) -> int:
    """How often an operation reads its inputs."""
    return 2 if isinstance(op, ops.Glu) else 1


def _expression(
    node: Node, shapes: list[Shape], output: Shape, weights: Weights
) -> tuple[Expression, Mapping[str, Array]] | None:
    """What a node computes, with its weights by name, in order; None where that is not element-wise."""
    op = node.op
    operands = tuple(Operand(x.channels, steps=output.steps is None or _has_steps(x, output)) for x in shapes)
    first, *others = [Ref(name) for name in input_names(len(shapes))]
    own = {name: weights[given] for name, given in zip(op.weights(*shapes), node.weights, strict=True)}
    x: Value = first
    match op:
        case ops.Activate():
            return Expression(Activate(op.activation, x), operands), {}
        case ops.PRelu():
            (alpha,) = map(Ref, weight_names(1))
            return Expression(Select("gt", x, Const(0.0), x, alpha * x), operands, 1), own
        case ops.Glu():
            half = output.channels
            gate = Activate(Activation("sigmoid"), Ref("in1"))
            return Expression(x * gate, (Operand(2 * half), Operand(2 * half, half))), {}
        case ops.BatchNorm():
            return _batch_norm(op, operands, own)
        case ops.Clip(low, high):
            x = Binary("max", Const(low), x) if low > -math.inf else x  # NaN stays NaN
            return Expression(Binary("min", Const(high), x) if high < math.inf else x, operands), {}
        case ops.Function(kind):
            return Expression(
                _FUNCTIONS[kind](x) if kind in _FUNCTIONS else Activate(Activation(kind), x), operands
            ), {}
        case ops.Power(exponent):
            power = Activation("power", (("exponent", exponent),))
            return Expression(_POWERS[exponent](x) if exponent in _POWERS else Activate(power, x), operands), {}
        case ops.ChannelSlice(start, _, 1):
            return Expression(x, (Operand(shapes[0].channels, start),)), {}
        case ops.Combine():
            for other in others:
                x = _COMBINED[op.kind](x, other)
            return Expression(x / float(len(shapes)) if op.kind == "average" else x, operands), {}
    return None


def _has_steps(x: Shape, output: Shape) -> bool:
    return x.steps is not None and (x.steps != 1 or output.steps == 1)


def _batch_norm(
    op: ops.BatchNorm, operands: tuple[Operand, ...], own: Mapping[str, Array]
) -> tuple[Expression, Mapping[str, Array]]:
    """(x − mean) · factor + beta."""
    gamma = own.get("gamma", np.ones_like(own["mean"])).astype(np.float64)
    factor = gamma / np.sqrt(own["variance"].astype(np.float64) + op.epsilon)
    given = {"mean": own["mean"], "factor": factor, **({"beta": own["beta"]} if "beta" in own else {})}
    mean, scale, *beta = map(Ref, weight_names(len(given)))
    value = (Ref("in0") - mean) * scale
    return Expression(value + beta[0] if beta else value, operands, len(given)), given


def fuse_maps(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with chains of expressions as one."""
    return with_nodes(graph, weights, _merged(graph, Mapped))


def fuse_epilogues(graph: Graph, weights: Weights) -> tuple[Graph, Weights]:
    """The network with expressions of what a convolution makes as part of it."""
    return with_nodes(graph, weights, _merged(graph, Conv, ConvTranspose))


def _merged(graph: Graph, *kinds: type[ops.Op]) -> list[Node]:
    """The nodes, with each map as part of the last of its inputs that is of one of these kinds, whole, and needed nowhere
    else.
    """
    readers: dict[str, set[str]] = {name: set() for name in graph.shapes}
    made: dict[str, Node] = {}
    place = {node.name: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].add(node.name)
    for node in graph.nodes:
        while (fused := _with_last(node, kinds, made, readers, place, graph.outputs)) is not None:
            node = fused
        made[node.name] = node
    return list(made.values())


def _with_last(
    node: Node,
    kinds: tuple[type[ops.Op], ...],
    made: dict[str, Node],
    readers: dict[str, set[str]],
    place: Mapping[str, int],
    outputs: tuple[str, ...],
) -> Node | None:
    """A map with the last of its inputs that can be part of it, if there is one, which is then made no more."""
    alone = [name for name in node.inputs if name in made and readers[name] == {node.name} and name not in outputs]
    fusable = [name for name in alone if isinstance(made[name].op, kinds)]
    if not fusable or not isinstance(node.op, Mapped):
        return None
    first = made[max(fusable, key=place.__getitem__)]
    fused = _fused(first, node, node.op)
    if fused is not None:
        del made[first.name]
        for name in first.inputs:
            readers[name] = readers[name] - {first.name} | {node.name}
    return fused


def _fused(first: Node, second: Node, outermost: Mapped) -> Node | None:
    """A map with one of its inputs, a map or a convolution, as one node; None where it needs other channels or steps
    of it, where it would be too long, or where a transposed convolution can't have it.
    """
    below, outer = _expression_of(first.op), outermost.expression
    read = list(zip(second.inputs, outer.inputs, strict=True))
    whole = Operand(outermost.channels)
    times = sum(name == first.name for name, _ in read)
    if any(name == first.name and operand != whole for name, operand in read):
        return None
    if outer.size + times * below.size > _LONGEST:
        return None
    numbers: dict[tuple[str, Operand], int] = {}

    def place(name: str, operand: Operand) -> Ref:
        return Ref(f"in{numbers.setdefault((name, operand), len(numbers))}")

    convolved = isinstance(first.op, Conv | ConvTranspose)
    own = first.inputs[convolved:]
    given: dict[str, Value] = {SUM.name: SUM, **{name: Ref(name) for name in weight_names(below.weights)}}
    inner = below.of(given | _placed(zip(own, below.inputs, strict=True), place))
    moved = {name: Ref(f"channel{below.weights + k}") for k, name in enumerate(weight_names(outer.weights))}
    value = outer.of(moved | _placed(read, lambda name, operand: inner if name == first.name else place(name, operand)))
    expression = Expression(value, tuple(operand for _, operand in numbers), below.weights + outer.weights)
    op: ops.Op = Mapped(outermost.channels, expression)
    if isinstance(first.op, Conv):
        op = ConvThen(first.op.problem, expression)
    elif isinstance(first.op, ConvTranspose):
        if not takes(expression, first.op.filters):
            return None
        op = TransposeThen.of(first.op, expression)
    inputs = (*first.inputs[:convolved], *(name for name, _ in numbers))
    merged = (*first.merged, first.name, *second.merged)
    return Node(second.name, op, inputs, (*first.weights, *second.weights), merged)


def _placed(read: Iterable[tuple[str, Operand]], place: Callable[[str, Operand], Value]) -> dict[str, Value]:
    return {f"in{number}": place(name, operand) for number, (name, operand) in enumerate(read)}


def _expression_of(op: ops.Op) -> Expression:
    return op.expression if isinstance(op, Mapped | ConvThen | TransposeThen) else Expression(SUM)
