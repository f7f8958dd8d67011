"""expand_epilogue: the activation becomes arithmetic, in place.

A cheap one is applied to the accumulators one after another. One of many operations, written out for every accumulator of every
tile, would take long to compile: there the tile goes to scratch memory first, which stays in L1, and a loop over its rows activates
and stores them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .. import approximations
from ..index import Index, index, var
from ..ir import Activate, Alloc, Block, Buffer, For, Kernel, Load, Statement, Store, Value, store
from ..rewrite import loads, rewrite_values, substitute, walk
from .context import Context
from .transpose_output import is_turned

#: Operations times vectors of a tile that are still written out. relu on 28 vectors is; tanh on 12 is not.
_MOST_WRITTEN_OUT = 100


def run(kernel: Kernel, context: Context) -> Kernel:
    return kernel.with_body(_block(kernel.body, kernel.compute))


def _block(body: Block, compute: str) -> Block:
    result: list[Statement] = []
    for s in body:
        leaf = _activated(s)
        if isinstance(s, Store) and leaf:
            result += _expanded(s, compute)
        elif isinstance(s, For) and s.var == "i" and s.kind == "unrolled" and leaf and _is_large(s, leaf):
            count = sum(isinstance(before, Alloc) and before.buffer.name.startswith("tile_out") for before in result)
            result += _block(_through_scratch(s, leaf, f"tile_out{count or ''}"), compute)
        elif isinstance(s, For):
            result.append(replace(s, body=_block(s.body, compute)))
        else:
            result.append(s)
    return tuple(result)


def _activated(s: Statement) -> Activate | None:
    """The activation in the innermost store below `s`, if `s` does nothing else."""
    while isinstance(s, For) and s.kind in ("unrolled", "lanes"):
        s = s.body[0]
    return s.value if isinstance(s, Store) and isinstance(s.value, Activate) else None


def _is_large(rows_loop: For, leaf: Activate) -> bool:
    rows, vectors = rows_loop.hi.constant or 1, _tile_of(leaf).shape[-2].constant or 1
    return rows > 1 and approximations.cost(leaf.activation) * rows * vectors > _MOST_WRITTEN_OUT


def _tile_of(leaf: Activate) -> Buffer:
    """The accumulators, or the totals, that are activated."""
    return next(load.buffer for load in loads(leaf.a) if load.buffer.space in ("register", "scratch"))


def _expanded(s: Store, compute: str) -> Block:
    assert isinstance(s.value, Activate)
    names: dict[str, int] = {}

    def fresh(stem: str) -> str:
        names[stem] = names.get(stem, -1) + 1
        return f"{stem}{names[stem] or ''}"

    binds, result = approximations.expand(s.value.activation, s.value.a, compute, fresh)
    return (*binds, replace(s, value=result))


def _through_scratch(rows: For, leaf: Activate, name: str) -> Block:
    of_tile = _tile_of(leaf)
    lanes = next(s for s in walk(rows.body) if isinstance(s, For) and s.kind == "lanes")
    turned = is_turned(leaf, lanes)
    tile = Buffer(name, of_tile.dtype, (rows.hi, *of_tile.shape[1:-1], index(lanes.width)), "scratch")

    def at(value: Value) -> tuple[Index, ...]:
        place = next(load.index for load in loads(value) if load.buffer == of_tile)
        return (var(rows.var), *place[1:-1], var(lanes.var)) if turned else place

    def save(body: Block) -> Iterator[Statement]:
        for s in body:
            if isinstance(s, For):
                yield replace(s, body=tuple(save(s.body)))
            elif isinstance(s, Store) and isinstance(s.value, Activate):
                yield store(tile, at(s.value.a), s.value.a)

    def from_scratch(node: Value) -> Value:
        return replace(node, a=Load(tile, at(node.a))) if isinstance(node, Activate) else node

    finish = rewrite_values(rows.body, from_scratch)
    row = substitute(finish, {"i": var("row")})
    return (Alloc(tile), replace(rows, body=tuple(save(rows.body))), For("row", index(0), rows.hi, row))
