"""expand_epilogue: activations become arithmetic, in place.

Cheap ones are applied to the accumulators one after another. Those of many operations, written out for every
accumulator of every tile, would take long to compile: there the tile goes to scratch memory first, which stays in L1,
and a loop over its rows activates and stores them.

needs   activations in stores
leaves  arithmetic; for large ones, a loop over the rows of a tile in scratch memory
obeys   `epilogue`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from ..ir import (
    Activate,
    Alloc,
    Bind,
    Block,
    Buffer,
    Compound,
    For,
    Kernel,
    Level,
    Load,
    Ref,
    Statement,
    Store,
    Value,
    buffer,
    load,
    loop,
    store,
)
from ..ir.rewrite import map_statements, nodes, rewrite_value, substitute, walk, with_body, with_operands
from ..lower import activations
from ..symbolic.index import Index, index, var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(expanded(kernel.body, kernel.compute, context.plan.epilogue))


def expanded(body: Block, compute: str, most: int) -> Block:
    """A block without activations. Up to `most` operations of a tile are written out."""
    numbers = count()

    def change(s: Statement) -> Block | None:
        leaf = _activated(s)
        if isinstance(s, Store):
            return _arithmetic(s, compute)
        if (
            leaf
            and isinstance(s, For)
            and s.level is Level.ROW
            and s.kind == "unrolled"
            and _operations(s, leaf) > most
        ):
            return expanded(_through_scratch(s, f"tile_out{next(numbers) or ''}", compute), compute, most)
        return (with_body(s, expanded(s.body, compute, most)),) if isinstance(s, Compound) else None

    return map_statements(body, change)


def _activated(s: Statement) -> list[Activate]:
    """The activations in the innermost store below `s`, if `s` does nothing else."""
    while isinstance(s, For) and s.kind in ("unrolled", "lanes"):
        s = s.body[0]
    return _activations(s.value) if isinstance(s, Store) else []


def _activations(number: Value) -> list[Activate]:
    return [node for node in nodes(number) if isinstance(node, Activate)]


def _operations(rows: For, leaf: list[Activate]) -> int:
    """Of the activations, if they are written out for all vectors of a tile; none for a single row."""
    height = rows.hi.constant or 1
    return sum(activations.cost(node.activation) for node in leaf) * height * _vectors(rows) if height > 1 else 0


def _vectors(rows: For) -> int:
    """Vectors of one row."""
    return sum((part.hi.constant or 1) if part.kind == "unrolled" else 1 for part in rows.body if isinstance(part, For))


def _arithmetic(s: Store, compute: str) -> Block:
    """A store without activations. What occurs several times in it is computed once."""
    names: dict[str, int] = {}
    binds: list[Bind] = []

    def fresh(stem: str) -> str:
        names[stem] = names.get(stem, -1) + 1
        return f"{stem}{names[stem] or ''}"

    occurs = Counter(node for node in nodes(s.value) if node.operands)
    made: dict[Value, Value] = {}

    def arithmetic(node: Value) -> Value:
        if node in made or not node.operands:
            return made.get(node, node)
        result = with_operands(node, tuple(arithmetic(operand) for operand in node.operands))
        if isinstance(result, Activate):
            own, result = activations.expand(result.activation, result.a, compute, fresh)
            binds.extend(own)
        if occurs[node] > 1:
            binds.append(Bind(fresh("common"), result))
            result = Ref(binds[-1].name)
        made[node] = result
        return result

    value = arithmetic(s.value)
    return (*binds, replace(s, value=value))


def _through_scratch(rows: For, name: str, compute: str) -> Block:
    """The nest in two: one that puts what is to be activated into scratch memory, one that takes it from there, row by
    row.

    The array has the nest's own shape, whatever the arrays are that are read: a row for each, and the row's vectors.
    """
    width = next(s.width for s in walk(rows.body) if isinstance(s, For) and s.kind == "lanes")
    tile = buffer(name, compute, (rows.hi, _vectors(rows), width), "scratch")
    save: list[Statement] = []
    finish: list[Statement] = []
    before = 0
    for part in rows.body:
        assert isinstance(part, For)
        vector = var(part.var) + before if part.kind == "unrolled" else index(before)
        before += (part.hi.constant or 1) if part.kind == "unrolled" else 1
        place = (var(rows.var), vector)
        save.append(_in_leaf(part, lambda leaf, at: store(tile, at, _made(leaf.value)), place))
        finish.append(_in_leaf(part, lambda leaf, at: _from(tile, at, leaf), place))
    by_row = substitute(tuple(finish), {rows.var: var("row")})
    return (
        Alloc(tile),
        replace(rows, body=tuple(save)),
        loop("row", 0, rows.hi, by_row, axis=rows.axis, level=Level.ROW),
    )


def _made(number: Value) -> Value:
    """What of a value the tile's accumulators make before the first activation: the largest part with all of them."""
    return next(part for part in nodes(number) if not _activations(part) and not _local(number, but=part))


def _local(number: Value, but: Value) -> bool:
    """Whether a value has numbers of the tile beside those of a part of it."""
    if number == but:
        return False
    if isinstance(number, Load):
        return number.buffer.is_local
    return any(_local(operand, but) for operand in number.operands)


def _from(tile: Buffer, at: tuple[Index, ...], leaf: Store) -> Store:
    """The store, of what it makes of the number that waits in the tile."""
    made = _made(leaf.value)
    return replace(leaf, value=rewrite_value(leaf.value, lambda node: load(tile, *at) if node == made else node))


def _in_leaf(part: For, change: Callable[[Any, tuple[Index, ...]], Store], at: tuple[Index, ...]) -> For:
    """A nest with its store changed; the store's place in the tile is `at` and the lane."""
    (inner,) = part.body
    if isinstance(inner, For):
        return replace(part, body=(_in_leaf(inner, change, at),))
    return replace(part, body=(change(inner, (*at, var(part.var))),))
