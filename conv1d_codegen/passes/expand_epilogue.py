"""expand_epilogue: the activation becomes arithmetic, in place.

A cheap one is applied to the accumulators one after another. One of many operations, written out for every accumulator
of every tile, would take long to compile: there the tile goes to scratch memory first, which stays in L1, and a loop
over its rows activates and stores them.

needs   activations in stores
leaves  arithmetic; for large ones, a loop over the rows of a tile in scratch memory
obeys   `epilogue`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from ..ir import Activate, Alloc, Block, Compound, For, Kernel, Level, Statement, Store, buffer, load, loop, store
from ..ir.rewrite import map_statements, substitute, walk
from ..lower import activations
from ..symbolic.index import Index, index, var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(_block(kernel.body, kernel.compute, context.plan.epilogue))


def _block(body: Block, compute: str, most: int) -> Block:
    numbers = count()

    def expanded(s: Statement) -> Block | None:
        leaf = _activated(s)
        if isinstance(s, Store) and leaf:
            return _expanded(s, compute)
        if (
            isinstance(s, For)
            and s.level is Level.ROW
            and s.kind == "unrolled"
            and leaf
            and _operations(s, leaf) > most
        ):
            return _block(_through_scratch(s, f"tile_out{next(numbers) or ''}", compute), compute, most)
        return (replace(s, body=_block(s.body, compute, most)),) if isinstance(s, Compound) else None

    return map_statements(body, expanded)


def _activated(s: Statement) -> Activate | None:
    """The activation in the innermost store below `s`, if `s` does nothing else."""
    while isinstance(s, For) and s.kind in ("unrolled", "lanes"):
        s = s.body[0]
    return s.value if isinstance(s, Store) and isinstance(s.value, Activate) else None


def _operations(rows: For, leaf: Activate) -> int:
    """Of the activation, if it is written out for all vectors of a tile; none for a single row."""
    height = rows.hi.constant or 1
    return activations.cost(leaf.activation) * height * _vectors(rows) if height > 1 else 0


def _vectors(rows: For) -> int:
    """Vectors of one row."""
    return sum((part.hi.constant or 1) if part.kind == "unrolled" else 1 for part in rows.body if isinstance(part, For))


def _expanded(s: Store, compute: str) -> Block:
    assert isinstance(s.value, Activate)
    names: dict[str, int] = {}

    def fresh(stem: str) -> str:
        names[stem] = names.get(stem, -1) + 1
        return f"{stem}{names[stem] or ''}"

    binds, result = activations.expand(s.value.activation, s.value.a, compute, fresh)
    return (*binds, replace(s, value=result))


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
        save.append(_in_leaf(part, lambda leaf, at: store(tile, at, leaf.value.a), (var(rows.var), vector)))
        finish.append(
            _in_leaf(
                part,
                lambda leaf, at: replace(leaf, value=replace(leaf.value, a=load(tile, *at))),
                (var(rows.var), vector),
            )
        )
    by_row = substitute(tuple(finish), {rows.var: var("row")})
    return (
        Alloc(tile),
        replace(rows, body=tuple(save)),
        loop("row", 0, rows.hi, by_row, axis=rows.axis, level=Level.ROW),
    )


def _in_leaf(part: For, change: Callable[[Any, tuple[Index, ...]], Store], at: tuple[Index, ...]) -> For:
    """A nest with its store changed; the store's place in the tile is `at` and the lane."""
    (inner,) = part.body
    if isinstance(inner, For):
        return replace(part, body=(_in_leaf(inner, change, at),))
    return replace(part, body=(change(inner, (*at, var(part.var))),))
