"""Walking and rewriting the loop IR. Every rewrite gives a new tree; what it does not change is shared with the old one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ..symbolic.index import Indexable, constants
from .nodes import Bind, Block, For, Let, Prefetch, Statement, Store
from .values import Activate, Binary, Fma, Load, Select, Unary, Value


def walk(body: Block) -> Iterator[Statement]:
    """Every statement, outside in, in order."""
    for statement in body:
        yield statement
        if isinstance(statement, For):
            yield from walk(statement.body)


def constants_of(body: Block) -> set[int]:
    """The numbers in the bounds of loops and in named integers."""
    bounds = [bound for s in walk(body) if isinstance(s, For) for bound in (s.lo, s.hi)]
    return {number for bound in (*bounds, *(s.value for s in walk(body) if isinstance(s, Let))) for number in constants(bound)}


def operands(node: Value) -> tuple[Value, ...]:
    """The values directly below a value."""
    match node:
        case Unary(_, a) | Activate(_, a):
            return (a,)
        case Binary(_, a, b):
            return (a, b)
        case Fma(a, b, c):
            return (a, b, c)
        case Select(_, a, b, then, other):
            return (a, b, then, other)
    return ()


def rewrite_value(node: Value, change: Callable[[Value], Value]) -> Value:
    """The value with `change` applied to every node, the leaves first."""
    above = operands(node)
    below = tuple(rewrite_value(operand, change) for operand in above)
    if any(new is not old for new, old in zip(below, above, strict=True)):
        match node:
            case Unary() | Activate():
                node = replace(node, a=below[0])
            case Binary():
                node = replace(node, a=below[0], b=below[1])
            case Fma():
                node = Fma(*below)
            case Select():
                node = Select(node.compare, *below)
    return change(node)


def rewrite_values(body: Block, change: Callable[[Value], Value]) -> Block:
    """The block with `change` applied to every value node in it."""
    result: list[Statement] = []
    for statement in body:
        match statement:
            case For():
                statement = replace(statement, body=rewrite_values(statement.body, change))
            case Bind() | Store():
                statement = replace(statement, value=rewrite_value(statement.value, change))
        result.append(statement)
    return tuple(result)


def substitute(body: Block, values: Mapping[str, Indexable]) -> Block:
    """The block with integer variables replaced."""

    def in_load(node: Value) -> Value:
        return replace(node, index=tuple(i.substitute(values) for i in node.index)) if isinstance(node, Load) else node

    result: list[Statement] = []
    for statement in body:
        match statement:
            case For():
                inner = substitute(statement.body, values)
                statement = replace(statement, lo=statement.lo.substitute(values), hi=statement.hi.substitute(values), body=inner)
            case Let():
                statement = replace(statement, value=statement.value.substitute(values))
            case Bind():
                statement = replace(statement, value=rewrite_value(statement.value, in_load))
            case Store():
                place = tuple(i.substitute(values) for i in statement.index)
                statement = replace(statement, index=place, value=rewrite_value(statement.value, in_load))
            case Prefetch():
                statement = replace(statement, index=tuple(i.substitute(values) for i in statement.index))
        result.append(statement)
    return tuple(result)


def loads(node: Value) -> Iterator[Load]:
    """Every load in a value."""
    if isinstance(node, Load):
        yield node
    for operand in operands(node):
        yield from loads(operand)
