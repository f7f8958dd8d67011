"""Tiles of steps whose channels are summed up, or of which the largest is taken: a row of channels for each step.

    for t:                                    for tile of steps:
      sum := 0                                  for i, lanes l: part[i, l] := 0
      for c: sum += x[t, c]            →        for vector, for i, lanes l: part[i, l] += x[t + i, vector*width + l]
      mean := sum / C                           for lanes l: sum[l] := Σ_q part[l, q];  for lanes l: mean[l] := sum[l] / C
      for c: y[t, c] := x[t, c] - mean          for step, for c: y[t + step, c] := x[t + step, c] - mean[step]

The lanes are channels while they are summed up, and then steps: of the sums of a tile's lanes, columns are read
(`emit/transposition.py`). What is kept for one step is kept for all of a tile, in scratch memory. Channels that fill no
vector have sums of their own.

A sum takes its channels in another order than the formula: vector by vector in each lane, in chains of at most
`LONGEST_CHAIN`, then the lanes in pairs. The order is the same for all steps. The last tile is moved back to end with
the range; single steps are only where there are fewer than a tile has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...ir import (
    Accumulate,
    Alloc,
    Axis,
    Bind,
    Block,
    Buffer,
    For,
    Level,
    Load,
    Ref,
    Statement,
    Storage,
    Store,
    Value,
    buffer,
    lanes,
    load,
    loop,
    written_out,
)
from ...ir.rewrite import loads, map_leaves, map_statements, rewrite_values, substitute, with_operands
from ...problem.summation import LONGEST_CHAIN
from ...symbolic.index import Index, Indexable, index, minimum, var
from . import cut
from .cut import Piece

Reduction = Store | Accumulate
_PLACE = (var("i"), var("l"))  # in registers of a tile: the step, and the lane
#: Numbers that a tile keeps in scratch memory, at most: they stay in L2. Rows of more are taken one by one.
_MOST_KEPT = 1 << 16


def tiled(body: Block, width: int, compute: str) -> Block:
    """A block with its steps in tiles of `width`, where their channels are summed up."""

    def in_tiles(s: Statement) -> Block | None:
        if not (isinstance(s, For) and s.axis is Axis.STEP and s.level is Level.ELEMENT):
            return None
        if not any(_reduction(inner, s.body) for inner in s.body):
            return None
        kept = sum(alloc.buffer.size.constant or 0 for alloc in s.body if isinstance(alloc, Alloc))
        pieces = cut.overlapping(s.lo, s, width) if kept * width <= _MOST_KEPT else cut.single(s)
        return tuple(t for piece in pieces for t in piece.around(_Tile(s, piece, width, compute).statements()))

    return map_statements(body, in_tiles)


def _reduction(s: Statement, row: Block) -> Reduction | None:
    """What a loop over channels takes up in a register of its step, if it does nothing else."""
    own = [alloc.buffer for alloc in row if isinstance(alloc, Alloc)]
    match s:
        case For(axis=Axis.CHANNEL, level=Level.ELEMENT, body=(Store() | Accumulate() as leaf,)):
            return leaf if leaf.buffer in own and leaf.buffer.storage is Storage.REGISTER else None
    return None


class _Tile:
    """The statements of one step, for the steps of a piece."""

    def __init__(self, steps: For, rows: Piece, width: int, compute: str) -> None:
        self._steps, self._rows, self._width, self._compute = steps, rows, width, compute
        kept = [s.buffer for s in steps.body if isinstance(s, Alloc)]
        self._arrays = {
            array: replace(array, shape=(index(rows.size), *array.shape), storage=Storage.SCRATCH) for array in kept
        }

    def statements(self) -> Block:
        row = self._steps.body
        reduced = {leaf.buffer for leaf in (_reduction(s, row) for s in row) if leaf is not None}
        starts: dict[Buffer, Value] = {}
        result: list[Statement] = [Alloc(array) for array in self._arrays.values()]
        leaves: list[Statement] = []
        for s in row:
            leaf = _reduction(s, row)
            if isinstance(s, Store) and s.buffer in reduced:
                starts[s.buffer] = s.value
            elif isinstance(s, Store | Bind):
                leaves.append(s)
            elif isinstance(s, For):
                result += self._of_all(leaves)
                leaves = []
                if leaf is None:
                    result.append(loop("step", 0, self._rows.size, self._of_row((s,), var("step")), axis=Axis.STEP))
                else:
                    result += self._reduced(s, leaf, starts[leaf.buffer])
        return (*result, *self._of_all(leaves))

    def _of_all(self, leaves: list[Statement]) -> Block:
        """Statements of one step, with the steps in the lanes."""
        return (self._in_lanes(self._of_row(tuple(leaves), var("l"))),) if leaves else ()

    def _in_lanes(self, body: Block) -> For:
        size = self._rows.size
        return lanes(self._rows.axis, size, body, 1 << (size - 1).bit_length())

    def _of_row(self, body: Block, row: Index) -> Block:
        """Statements of one step, for one row of the tile."""
        moved = _kept_in(body, self._arrays, (row,))
        return substitute(moved, {self._steps.var: self._rows.base + row})

    def _reduced(self, channels: For, leaf: Reduction, start: Value) -> Block:
        """The loop over channels, vector by vector, and then what its lanes make together."""
        whole, rest = divmod(channels.hi.constant or 0, self._width)
        statements: list[Statement] = []
        sums: list[list[Load]] = []
        for name, first, active in (("part", var("vector"), whole and self._width), ("rest", index(whole), rest)):
            if not active:
                continue
            part = buffer(f"{leaf.buffer.name}_{name}", self._compute, (self._rows.size, self._width), "register")
            (taken,) = _kept_in((leaf,), {leaf.buffer: part}, _PLACE)
            here = substitute(self._of_row((taken,), var("i")), {channels.var: first * self._width + var("l")})
            begun = (Alloc(part), self._over_tile(Store(part, _PLACE, start), active))
            taken_up = self._over_tile(here[0], active)
            if active < self._width:
                statements += [*begun, taken_up]
            elif whole <= LONGEST_CHAIN:
                statements += [*begun, _vectors(0, whole, taken_up)]
            else:
                part, in_chunks = self._in_chunks(leaf, start, part, begun, taken_up, whole)
                statements += in_chunks
            sums.append([load(part, var("l"), q) for q in range(active)])
        binds, total = _joined(leaf, sums)
        (result,) = self._of_row((Store(leaf.buffer, (), total),), var("l"))
        return (*statements, self._in_lanes((*binds, result)))

    def _in_chunks(
        self, leaf: Reduction, start: Value, part: Buffer, begun: Block, taken_up: Statement, whole: int
    ) -> tuple[Buffer, Block]:
        """A sum of sums of at most `LONGEST_CHAIN` vectors."""
        chunks = replace(part, name=f"{leaf.buffer.name}_chunks")
        first = var("chunk") * LONGEST_CHAIN
        joined = Store(chunks, _PLACE, _join(leaf)(Load(chunks, _PLACE), Load(part, _PLACE)))
        chunk = (
            *begun,
            _vectors(first, minimum(first + LONGEST_CHAIN, whole), taken_up),
            self._over_tile(joined, self._width),
        )
        return chunks, (
            Alloc(chunks),
            self._over_tile(Store(chunks, _PLACE, start), self._width),
            loop("chunk", 0, -(-whole // LONGEST_CHAIN), chunk, axis=Axis.CHANNEL, level=Level.CHUNK),
        )

    def _over_tile(self, s: Statement, active: int) -> For:
        vector = lanes(Axis.CHANNEL, active, (s,), self._width)
        return written_out(self._rows.axis, Level.ROW, self._rows.size, (vector,))


def _vectors(first: Indexable, end: Indexable, body: Statement) -> For:
    return loop("vector", first, end, (body,), axis=Axis.CHANNEL, level=Level.CHUNK)


def _kept_in(body: Block, arrays: Mapping[Buffer, Buffer], place: tuple[Index, ...]) -> Block:
    """A block with other arrays for some, whose first indices are `place`."""

    def in_leaf(s: Statement) -> Statement:
        if isinstance(s, Store | Accumulate) and s.buffer in arrays:
            return replace(s, buffer=arrays[s.buffer], index=(*place, *s.index))
        return s

    def in_value(node: Value) -> Value:
        if isinstance(node, Load) and node.buffer in arrays:
            return Load(arrays[node.buffer], (*place, *node.index))
        return node

    return map_leaves(rewrite_values(body, in_value), in_leaf)


def _joined(leaf: Reduction, groups: list[list[Load]]) -> tuple[list[Bind], Value]:
    """What all numbers make together, neighbours first, and what is named on the way."""
    binds: list[Bind] = []
    join = _join(leaf)

    def pairs(terms: list[Value]) -> Value:
        while len(terms) > 1:
            made: list[Value] = []
            for a, b in zip(terms[::2], terms[1::2], strict=False):
                binds.append(Bind(f"both{len(binds)}", join(a, b)))
                made.append(Ref(binds[-1].name))
            terms = made + terms[2 * len(made) :]
        return terms[0]

    return binds, pairs([pairs(list(terms)) for terms in groups])


def _join(leaf: Reduction) -> Callable[[Value, Value], Value]:
    """What takes a number up, for two that have taken up some."""
    if isinstance(leaf, Accumulate):
        return lambda a, b: a + b

    def join(a: Value, b: Value) -> Value:
        def put(node: Value) -> Value:
            if isinstance(node, Load) and node.buffer == leaf.buffer:
                return a
            if not any(inner.buffer == leaf.buffer for inner in loads(node)):
                return b
            return with_operands(node, tuple(put(operand) for operand in node.operands))

        return put(leaf.value)

    return join
