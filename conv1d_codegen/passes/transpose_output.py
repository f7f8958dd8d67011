"""transpose_output: where filters are in the lanes but steps lie side by side in memory, a tile is turned before it is stored.

    for i, v, lanes l of 16: y[f + v*16 + l, t + i] := act(acc[i, v, l] + b[v, l])      16 stores that lie apart, for each vector

becomes

    for v, for i of 16, lanes l: y[f + v*16 + i, t + l] := act(acc[l, v, i] + b[v, i])

that is, rows and lanes change places, and a column of registers is read (see `emit/transposition.py`). So layers in channels_first have
the loops of those in channels_last, in which a number of the input meets all filters, and no vector of steps straddles two lines of the
cache. Totals that wait in scratch memory are read row by row, into registers, before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir import Alloc, Block, Buffer, For, If, Kernel, Statement, Store, Value, buffer, load, loop, store
from ..ir.rewrite import loads, map_statements, rewrite_value, substitute
from ..symbolic.index import var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.problem.channels_first and context.plan.lanes == "filters":
        return kernel.with_body(map_statements(kernel.body, _turned_tile))
    return kernel


def is_turned(number: Value, lanes: For) -> bool:
    """Whether the lanes are the rows of the registers that a value reads."""
    reads = [read.index for read in loads(number) if read.buffer.space == "register"]
    return any(lanes.var in place[0].variables() for place in reads if len(place) > 1)


def _turned_tile(s: Statement) -> Block | None:
    if isinstance(s, For) and s.var == "i" and s.kind == "unrolled":
        leaf = _leaf(s)
        return tuple(_tile(s, leaf)) if isinstance(leaf, Store) and leaf.buffer.space == "output" else None
    return None


def _leaf(s: Statement) -> Statement:
    """The innermost statement of a tile's nest."""
    while isinstance(s, For | If):
        s = s.body[-1]
    return s


def _tile(rows: For, leaf: Store) -> Iterator[Statement]:
    """The nest that stores a tile, turned."""
    count = rows.hi.constant or 0
    totals = next((read.buffer for read in loads(leaf.value) if read.buffer.space == "scratch"), None)
    here = None
    if totals is not None:
        here = buffer(f"{totals.name}_rows", totals.dtype, (count, totals.shape[-1]), "register")
        yield Alloc(here)
    for part in rows.body:
        yield from _turned(part, count, here)


def _turned(part: Statement, rows: int, totals: Buffer | None) -> Block:
    """The rows of a vector, or of several, turned; or as they were, where the number of lanes is known only at run time."""
    assert isinstance(part, For)
    if part.kind == "unrolled":
        return (replace(part, body=tuple(s for vector in part.body for s in _turned(vector, rows, totals))),)
    filters = part.hi.constant
    if filters is None:
        return (loop("i", 0, rows, (part,), "unrolled"),)
    result: Block = ()
    leaf = _leaf(part)
    assert isinstance(leaf, Store)
    if totals is not None:
        result, leaf = _in_registers(leaf, totals, filters)
    for first in range(0, rows, part.width):
        count = min(rows - first, part.width)
        turned = substitute((leaf,), {"i": var("l") + first, "l": var("i")})
        in_lanes = loop("l", 0, count, turned, "lanes", 1 << (count - 1).bit_length())
        result = (*result, loop("i", 0, filters, (in_lanes,), "unrolled"))
    return result


def _in_registers(leaf: Store, totals: Buffer, filters: int) -> tuple[Block, Store]:
    """What puts the totals of one vector of filters into registers, and the store that reads them there."""
    place = (var("i"), var("l"))
    (source,) = (read for read in loads(leaf.value) if read.buffer.space == "scratch")
    row = loop("l", 0, filters, (store(totals, place, source),), "lanes", totals.shape[1].constant or 0)
    value = rewrite_value(leaf.value, lambda node: load(totals, *place) if node == source else node)
    return (loop("i", 0, totals.shape[0], (row,), "unrolled"),), replace(leaf, value=value)
