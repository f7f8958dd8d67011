"""transpose_output: where filters are in the lanes but steps lie side by side in memory, a tile is transposed before it is
stored.

    for i, v, lanes l of 16: y[f + v*16 + l, t + i] := act(acc[i, v, l] + b[v, l])      16 stores that lie apart, for each vector

becomes

    for v, for i of 16, lanes l: y[f + v*16 + i, t + l] := act(acc[l, v, i] + b[v, i])

that is, rows and lanes change places, and a column of registers is read (see `emit/transposition.py`). So layers in
channels_first have the loops of those in channels_last, in which a number of the input meets all filters, and no vector
of steps straddles two lines of the cache. Totals that wait in scratch memory are read row by row, into registers,
before.

needs   rows of a tile that are stored to where steps lie side by side
leaves  stores along steps
obeys   `transposed`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ir import (
    Alloc,
    Axis,
    Block,
    Buffer,
    For,
    If,
    Kernel,
    Level,
    Statement,
    Storage,
    Store,
    Value,
    buffer,
    lanes,
    load,
    store,
    written_out,
)
from ..ir.rewrite import loads, map_statements, rewrite_value, substitute
from ..symbolic.index import var
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.transposed:
        return kernel.with_body(map_statements(kernel.body, _turned_tile))
    return kernel


def is_turned(number: Value, vector: For) -> bool:
    """Whether the lanes are the rows of the registers that a value reads."""
    reads = [read.index for read in loads(number) if read.buffer.storage is Storage.REGISTER]
    return any(vector.var in place[0].variables() for place in reads if len(place) > 1)


def _turned_tile(s: Statement) -> Block | None:
    if isinstance(s, For) and s.level is Level.ROW and s.kind == "unrolled":
        leaf = _leaf(s)
        return tuple(_tile(s, leaf)) if isinstance(leaf, Store) and not leaf.buffer.is_local else None
    return None


def _leaf(s: Statement) -> Statement:
    """The innermost statement of a tile's nest."""
    while isinstance(s, For | If):
        s = s.body[-1]
    return s


def _tile(rows: For, leaf: Store) -> Iterator[Statement]:
    """The nest that stores a tile, transposed."""
    count = rows.hi.constant or 0
    totals = next((read.buffer for read in loads(leaf.value) if read.buffer.storage is Storage.SCRATCH), None)
    here = None
    if totals is not None:
        here = buffer(f"{totals.name}_rows", totals.dtype, (count, totals.shape[-1]), "register")
        yield Alloc(here)
    for part in rows.body:
        yield from _turned(part, rows, here)


def _turned(part: Statement, rows: For, totals: Buffer | None) -> Block:
    """The rows of a vector, or of several, transposed; or as they were, where the number of lanes is known only at run
    time.
    """
    assert isinstance(part, For)
    if part.kind == "unrolled":
        return (replace(part, body=tuple(s for vector in part.body for s in _turned(vector, rows, totals))),)
    filters = part.hi.constant
    if filters is None:
        return (replace(rows, body=(part,)),)
    result: Block = ()
    leaf = _leaf(part)
    assert isinstance(leaf, Store)
    if totals is not None:
        result, leaf = _in_registers(leaf, totals, filters)
    count = rows.hi.constant or 0
    for first in range(0, count, part.width):
        some = min(count - first, part.width)
        transposed = substitute((leaf,), {rows.var: var("l") + first, part.var: var("i")})
        in_lanes = lanes(rows.axis, some, transposed, 1 << (some - 1).bit_length())
        result = (*result, written_out(part.axis, Level.ROW, filters, (in_lanes,)))
    return result


def _in_registers(leaf: Store, totals: Buffer, filters: int) -> tuple[Block, Store]:
    """What puts the totals of one vector of filters into registers, and the store that reads them there."""
    place = (var("i"), var("l"))
    # an epilogue may read it several times
    (source,) = {read for read in loads(leaf.value) if read.buffer.storage is Storage.SCRATCH}
    row = lanes(Axis.FILTER, filters, (store(totals, place, source),), totals.shape[1].constant or 0)
    value = rewrite_value(leaf.value, lambda node: load(totals, *place) if node == source else node)
    return (written_out(Axis.STEP, Level.ROW, totals.shape[0], (row,)),), replace(leaf, value=value)
