"""Walking and rewriting the loop IR. Every rewrite gives a new tree; what it does not change is
shared with the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from operator import is_

from ..symbolic.index import Index, Indexable, constants, var
from .nodes import Accumulate, Bind, Block, Call, Compound, For, If, Let, Nest, Prefetch, Statement, Store
from .values import Activate, Binary, Fma, Load, Select, Unary, Value


def walk(body: Block) -> Iterator[Statement]:
    """Every statement, outside in, in order."""
    for statement in body:
        yield statement
        if isinstance(statement, Compound):
            yield from walk(statement.body)


def map_statements(body: Block, change: Callable[[Statement], Iterable[Statement] | None]) -> Block:
    """The block with each statement, outside in, replaced by those that `change` gives; where that is None, what is
    within is rebuilt.
    """
    result: list[Statement] = []
    for statement in body:
        changed = change(statement)
        if changed is not None:
            result += changed
        elif isinstance(statement, Compound):
            result.append(with_body(statement, map_statements(statement.body, change)))
        else:
            result.append(statement)
    return tuple(result)


def with_body(statement: Compound, body: Block) -> Compound:
    """The statement with another body; itself where it is the same."""
    if len(body) == len(statement.body) and all(map(is_, body, statement.body)):
        return statement
    if isinstance(statement, For):
        return with_bounds(statement, statement.lo, statement.hi, body)
    return replace(statement, body=body)


def with_bounds(s: For, lo: Index, hi: Index, body: Block) -> For:
    """The loop with other bounds and another body: `replace`, which takes three times as long."""
    return For(s.var, lo, hi, body, s.kind, s.width, s.note, s.axis, s.level, s.part)


def told_apart(body: Block) -> Block:
    """The block with every statement an object of its own; rewrites share what they leave as it was."""
    copies: list[Statement] = []
    for statement in body:
        if isinstance(statement, Compound):
            copies.append(replace(statement, body=told_apart(statement.body)))
        else:
            copies.append(replace(statement))
    return tuple(copies)


def map_leaves(body: Block, change: Callable[[Statement], Statement]) -> Block:
    """The block with every statement replaced that has no statements within it."""
    return map_statements(body, lambda s: None if isinstance(s, Compound) else (change(s),))


def values_of(statement: Statement) -> tuple[Value, ...]:
    """The values that a statement computes itself."""
    match statement:
        case Bind(_, value) | Store(_, _, value):
            return (value,)
        case Accumulate(_, _, a, b):
            return (a, b)
    return ()


def indices_of(statement: Statement) -> tuple[Index, ...]:
    """The index expressions of a statement itself, but for those of its values."""
    match statement:
        case For(_, lo, hi):
            return (lo, hi)
        case If(conditions):
            return conditions
        case Let(_, value):
            return (value,)
        case Store(_, place) | Accumulate(_, place) | Prefetch(_, place):
            return place
        case Call(_, arguments):
            return tuple(i for _, place in arguments for i in place)
    return ()


def constants_of(body: Block) -> set[int]:
    """The numbers in the bounds of loops, in conditions and in named integers."""
    bounds = [bound for s in walk(body) if isinstance(s, For | If | Let) for bound in indices_of(s)]
    return {number for bound in bounds for number in constants(bound)}


def nodes(root: Value) -> Iterator[Value]:
    """A value and all within it, outside in."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.operands)


def rewrite_value(node: Value, change: Callable[[Value], Value]) -> Value:
    """The value with `change` applied to every node, the leaves first."""
    return change(with_operands(node, tuple([rewrite_value(operand, change) for operand in node.operands])))


def with_operands(node: Value, below: tuple[Value, ...]) -> Value:
    """The value with others directly below it; itself where they are the same."""
    if all(map(is_, below, node.operands)):
        return node
    match node:
        case Unary():
            return Unary(node.op, *below)
        case Activate():
            return Activate(node.activation, *below)
        case Binary():
            return Binary(node.op, *below)
        case Fma():
            return Fma(*below)
        case Select():
            return Select(node.compare, *below)
    return node


def rewrite_values(body: Block, change: Callable[[Value], Value]) -> Block:
    """The block with `change` applied to every value node in it."""

    def in_leaf(statement: Statement) -> Statement:
        match statement:
            case Bind(name, value):
                return Bind(name, rewrite_value(value, change))
            case Store(buffer, place, value):
                return Store(buffer, place, rewrite_value(value, change))
            case Accumulate(buffer, place, a, b):
                return Accumulate(buffer, place, rewrite_value(a, change), rewrite_value(b, change))
        return statement

    return map_leaves(body, in_leaf)


def substitute(body: Block, values: Mapping[str, Indexable]) -> Block:
    """The block with integer variables replaced."""

    def at(place: tuple[Index, ...]) -> tuple[Index, ...]:
        return tuple([i.substitute(values) for i in place])

    def in_load(node: Value) -> Value:
        if not isinstance(node, Load):
            return node
        place = at(node.index)
        return node if all(map(is_, place, node.index)) else Load(node.buffer, place)

    result: list[Statement] = []
    for s in body:
        match s:
            case For():
                lo, hi = s.lo.substitute(values), s.hi.substitute(values)
                inner = substitute(s.body, values)
                s = with_body(s, inner) if lo is s.lo and hi is s.hi else with_bounds(s, lo, hi, inner)
            case If():
                s = If(at(s.conditions), substitute(s.body, values))
            case Nest():
                s = with_body(s, substitute(s.body, values))
            case Call():
                s = Call(s.instruction, tuple((buffer, at(place)) for buffer, place in s.arguments))
            case Let():
                s = Let(s.name, s.value.substitute(values))
            case Bind():
                s = Bind(s.name, rewrite_value(s.value, in_load))
            case Store():
                s = Store(s.buffer, at(s.index), rewrite_value(s.value, in_load))
            case Accumulate():
                s = Accumulate(s.buffer, at(s.index), rewrite_value(s.a, in_load), rewrite_value(s.b, in_load))
            case Prefetch():
                s = Prefetch(s.buffer, at(s.index), s.level)
        result.append(s)
    return tuple(result)


def shifted(loop: For, base: Indexable) -> Block:
    """The body of a loop whose variable counts from `base` on."""
    return substitute(loop.body, {loop.var: var(loop.var) + base})


def loads(node: Value) -> Iterator[Load]:
    """Every load in a value."""
    return (inner for inner in nodes(node) if isinstance(inner, Load))


def loads_of(statement: Statement) -> Iterator[Load]:
    """Every load in the values that a statement computes itself."""
    for value in values_of(statement):
        yield from loads(value)


def is_guarded(steps: For) -> bool:
    """Whether each step has a range of taps of its own."""
    return any(isinstance(s, For) and steps.var in {*s.lo.variables(), *s.hi.variables()} for s in walk(steps.body))
