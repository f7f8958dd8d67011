"""What the passes over graphs make of several operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ...ir import SUM, Activate, Binary, Const, Expression, Ref, Select, Unary, Value, input_names, sum_names
from ...reference import arithmetic
from .. import ops
from ..ops import fused
from .elementwise import activated
from .windows import conv, conv_transpose

Array = NDArray[Any]


def _mapped(op: fused.Mapped, *inputs: Array, **weights: Array) -> Array:
    if op.channels_first:
        last = replace(op, channels_first=False)
        return _mapped(last, *(x.swapaxes(1, 2) for x in inputs), **weights).swapaxes(1, 2)
    return _value(op.expression, op.channels, inputs, weights, {})


def _conv_then(op: fused.ConvThen, x: Array, *inputs: Array, **weights: Array) -> Array:
    count = op.expression.terms - 1
    terms, inputs = inputs[:count], inputs[count:]
    without = ops.Conv(op.problem.with_(use_bias=False))
    added = [conv(without, term, weights.pop(f"kernel{number}")) for number, term in enumerate(terms, 1)]
    given = {
        name: conv(op, x, weights.pop(f"kernel{number or ''}"), weights.pop(f"bias{number or ''}", None))
        for number, name in enumerate(sum_names(op.expression.sums))
    }
    for term in added:
        given[SUM.name] = given[SUM.name] + term
    if not op.problem.channels_first:
        return _value(op.expression, op.problem.filters, inputs, weights, given)
    others = tuple(other.swapaxes(1, 2) for other in inputs)
    given = {name: total.swapaxes(1, 2) for name, total in given.items()}
    return _value(op.expression, op.problem.filters, others, weights, given).swapaxes(1, 2)


def _transpose_then(
    op: fused.TransposeThen, x: Array, *inputs: Array, kernel: Array, bias: Array | None = None, **weights: Array
) -> Array:
    return _value(op.expression, op.filters, inputs, weights, {SUM.name: conv_transpose(op, x, kernel, bias)})


def _value(
    expression: Expression,
    channels: int,
    inputs: tuple[Array, ...],
    weights: Mapping[str, Array],
    given: dict[str, Array],
) -> Array:
    """An expression of whole arrays."""
    rank = max(x.ndim for x in (*inputs, *given.values()))
    numbers = given | dict(weights)
    for name, x, operand in zip(input_names(len(inputs)), inputs, expression.inputs, strict=True):
        whole = x[:, None] if x.ndim < rank else x
        numbers[name] = whole if operand.channels == 1 else whole[..., operand.first : operand.first + channels]

    def of(node: Value) -> Any:
        match node:
            case Const(number):
                return next(iter(numbers.values())).dtype.type(number)
            case Ref(name):
                return numbers[name]
            case Activate(activation, a):
                return activated(activation, of(a))
            case Unary(op, a):
                return arithmetic.unary(op, of(a))
            case Binary(op, a, b):
                return arithmetic.binary(op, of(a), of(b))
            case Select(compare, a, b, then, other):
                return arithmetic.select(compare, of(a), of(b), of(then), of(other))
        raise TypeError(f"no part of an expression: {node!r}")

    result: Array = of(expression.value)
    return result


#: The meaning of each.
MEANING: dict[type, Callable[..., Array]] = {
    fused.Mapped: _mapped,
    fused.ConvThen: _conv_then,
    fused.TransposeThen: _transpose_then,
    fused.Turn: lambda op, x: x.swapaxes(1, 2),
}
