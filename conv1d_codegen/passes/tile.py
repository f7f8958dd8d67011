"""tile: cuts the loops over steps and filters into register tiles, and puts neighbours in the lanes of vectors.

    for f, for t:                              for panel, for tile:
      acc := 0                                   for i, v, lanes l: acc[i, v, l] := 0
      for j, for c: acc += x * w        →        for j, for c, for i, v, lanes l: acc[i, v, l] += x * w
      y[t, f] := act(acc + b)                    for i, v, lanes l: y[...] := act(acc[i, v, l] + b[...])

The rows `i` of a tile are output steps and its lanes filters (or channels), or the other way round, as the plan says;
the windows of a Cook–Toom kernel are rows like steps. Of the two loops, the one that stood outside stays outside. An
output keeps one accumulator and takes its terms in the order of the formula, so that its bits do not depend on the tile
that it falls in. Where the loops are cut is in `cut.py`. A straight-line program, which sums up nothing in a loop, is
computed vector by vector, all of it for one before the next.

needs   loops over steps or windows, and over filters, one inside the other
leaves  register tiles: rows, vectors and lanes
obeys   `lanes`, `width`, `vectors`, `rows`, `rest`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..ir import (
    Accumulate,
    Alloc,
    Axis,
    Bind,
    Block,
    Buffer,
    For,
    If,
    Kernel,
    Level,
    Load,
    Statement,
    Store,
    Value,
    lanes,
    loop,
    written_out,
)
from ..ir.rewrite import loads_of, map_statements, rewrite_values, substitute, walk
from ..schedule.plan import Plan
from ..symbolic.index import Index, Indexable, index, var
from . import cut
from .context import Context
from .cut import Piece


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.lanes == "channels":  # see tile_channels.py and tile_sums.py
        return kernel
    return kernel.with_body(_Tiling(context.plan, kernel.compute).block(kernel.body))


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a register tile: one of the two loops that tiles are cut from, and a piece of it."""

    var: str
    piece: Piece
    in_lanes: bool
    width: int


class _Tiling:
    """The pass over one kernel."""

    def __init__(self, plan: Plan, compute: str) -> None:
        self._plan = plan
        self._compute = compute
        self._arrays: dict[Buffer, Buffer] = {}  # of what is kept for one filter: the array for all filters of a piece
        self._count = 0

    def block(self, body: Block, outer: Side | None = None) -> Block:
        def tiled(s: Statement) -> Block | None:
            match s:
                case For(axis=Axis.WINDOW, level=Level.ELEMENT) if outer:
                    return self._tiles(s, outer)
                case For(axis=Axis.STEP | Axis.FILTER, level=Level.ELEMENT):
                    return self._tiles(s, outer) if outer else self._pieces(s)
                case Alloc(own) if outer:
                    return (Alloc(self._for_all(own, outer)),)
            return None

        return map_statements(body, tiled)

    def _pieces(self, s: For) -> Block:
        """The outer of the two loops."""
        in_lanes = (s.axis is Axis.STEP) == (self._plan.lanes == "time") and not is_guarded(s)
        lets, pieces, width = self._cut(s, in_lanes)
        kind = s.kind if len(pieces) == 1 else "serial"
        parts = [piece.around(self.block(s.body, Side(s.var, piece, in_lanes, width)), kind) for piece in pieces]
        return (*lets, *(statement for part in parts for statement in part))

    def _tiles(self, s: For, outer: Side) -> Block:
        """The inner of the two loops."""
        lets, pieces, width = self._cut(s, not outer.in_lanes)
        result: list[Statement] = list(lets)
        for piece in pieces:
            inner = Side(s.var, piece, not outer.in_lanes, width)
            rows, lanes = (inner, outer) if outer.in_lanes else (outer, inner)
            tile = RegisterTile(rows, lanes, outer.in_lanes, self._compute, self._arrays)
            straight = any(isinstance(statement, Bind) for statement in s.body)
            result += piece.around(tile.vector_by_vector(s.body) if straight else tile.statements(s.body))
        return tuple(result)

    def _cut(self, s: For, in_lanes: bool) -> tuple[Block, list[Piece], int]:
        """The pieces of a loop, the names they use, and the lanes of a vector."""
        plan = self._plan
        if s.axis is Axis.FILTER:
            width, vectors = (plan.width, plan.vectors) if plan.lanes != "time" else (plan.panel, 1)
            return (
                (),
                cut.cut_filters(s.axis, s.hi, width, vectors) if in_lanes else cut.cut_rows(s.axis, s.hi, plan.panel),
                width,
            )
        if in_lanes and is_guarded(s):  # in a lane of their own, each with its taps
            return (), [replace(one, active=1) for one in cut.single(s)], 1
        if in_lanes:
            return (), cut.cut_lanes(s.axis, Level.TILE, s.lo, s.hi, plan.width, plan.vectors), plan.width
        reduces = any(isinstance(inner, For) for inner in s.body)
        if is_guarded(s) or not reduces:
            return (), cut.single(s), 0
        self._count += 1
        adds = _adds(s.body, self._arrays)
        rows = plan.rows
        if plan.outputs and s.axis is Axis.STEP:  # that windows leave over
            rows = (plan.rest, 1) if plan.rest > 1 else (1,)
        return (*(cut.steps_once if adds else cut.repeatable_steps)(s, rows, f"_{self._count}"), 0)

    def _for_all(self, own: Buffer, outer: Side) -> Buffer:
        """The array that holds, for each filter of a piece, what `own` holds for one."""
        filters = (outer.piece.vectors, outer.width) if outer.in_lanes else (outer.piece.size,)
        shape = (*own.shape, *filters) if outer.in_lanes else (*filters, *own.shape)
        self._arrays[own] = replace(own, shape=tuple(index(size) for size in shape))
        return self._arrays[own]


def is_guarded(steps: For) -> bool:
    """Whether each step has a range of taps of its own."""
    return any(isinstance(s, For) and steps.var in {*s.lo.variables(), *s.hi.variables()} for s in walk(steps.body))


def _adds(nest: Block, arrays: Mapping[Buffer, Buffer]) -> bool:
    """Whether a nest takes up what one of the arrays holds before it, and so must not be done twice."""
    written: set[Buffer] = set()
    for s in walk(nest):
        if isinstance(s, Store | Accumulate):
            reads = {read.buffer for read in loads_of(s)} | ({s.buffer} if isinstance(s, Accumulate) else set())
            if any(read in arrays and read not in written for read in reads):
                return any(isinstance(other, Store | Accumulate) and other.buffer in arrays for other in walk(nest))
            written.add(s.buffer)
    return False


@dataclass(frozen=True, slots=True)
class RegisterTile:
    """One register tile: a piece of the axis in the rows by a piece of the one in the lanes."""

    rows: Side
    lanes: Side
    lanes_outside: bool
    compute: str
    arrays: Mapping[Buffer, Buffer]

    def statements(self, nest: Block) -> Block:
        """The statements of one output, for all of the tile: what it allocates becomes a tile, each store a nest over
        the tile.
        """
        tiles: dict[Buffer, Buffer] = {}

        def over_tile(s: Statement) -> Block | None:
            match s:
                case Alloc(scalar):
                    shape = (self.rows.piece.size, self.lanes.piece.vectors, self.lanes.width)
                    tiles[scalar] = replace(scalar, shape=tuple(index(size) for size in shape))
                    return (Alloc(tiles[scalar]),)
                case For() | If():
                    return None
                case Store() | Accumulate():
                    return (self._over_tile(s, tiles),)
            raise TypeError(f"a nest of one output has no {s}")

        # In the bounds of the loops within, which guard taps of one step only.
        single = [side for side in (self.rows, self.lanes) if not side.in_lanes or side.piece.size == 1]
        return substitute(map_statements(nest, over_tile), {side.var: side.piece.base for side in single})

    def vector_by_vector(self, program: Block) -> Block:
        """A straight-line program for one output, for a tile of one row: its numbers are in the lanes of vectors."""
        piece, width = self.lanes.piece, self.lanes.width
        full = piece.vectors if piece.active == width else piece.vectors - 1
        rows = {self.rows.var: self.rows.piece.base}

        def vector_of(vector: Index, active: Indexable) -> For:
            def moved(node: Value) -> Value:
                if isinstance(node, Load) and node.buffer in self.arrays:
                    return Load(self.arrays[node.buffer], (*node.index, vector, var("l")))
                return node

            here = {self.lanes.var: piece.base + vector * width + var("l"), **rows}
            return lanes(piece.axis, active, substitute(rewrite_values(program, moved), here), width)

        whole: Block = ()
        if full:
            whole = (loop("v", 0, full, (vector_of(var("v"), width),), axis=piece.axis, level=Level.VECTOR),)
        return (*whole, vector_of(index(full), piece.active)) if full < piece.vectors else whole

    def _over_tile(self, leaf: Store | Accumulate, tiles: Mapping[Buffer, Buffer]) -> For:
        """A store for one output, for the rows, vectors and lanes of the tile."""
        piece = self.lanes.piece
        last = piece.vectors - 1
        full = piece.vectors if piece.active == self.lanes.width else last
        vectors: list[Statement] = []
        if full:
            vectors.append(
                written_out(piece.axis, Level.VECTOR, full, (self._vector(leaf, tiles, var("v"), self.lanes.width),))
            )
        if full < piece.vectors:
            vectors.append(self._vector(leaf, tiles, index(last), piece.active))
        return written_out(self.rows.piece.axis, Level.ROW, self.rows.piece.size, tuple(vectors))

    def _vector(
        self, leaf: Store | Accumulate, tiles: Mapping[Buffer, Buffer], vector: Index, active: Indexable
    ) -> For:
        """The store in the lanes of one vector of row `i`."""
        i, lane = var("i"), var("l")

        def moved(buffer: Buffer, place: tuple[Index, ...]) -> tuple[Buffer, tuple[Index, ...]]:
            if buffer in tiles:
                return tiles[buffer], (i, vector, lane)
            if buffer in self.arrays:
                return self.arrays[buffer], (*place, vector, lane) if self.lanes_outside else (i, *place)
            return buffer, place

        def in_tile(node: Value) -> Value:
            return Load(*moved(node.buffer, node.index)) if isinstance(node, Load) else node

        target, place = moved(leaf.buffer, leaf.index)
        (here,) = rewrite_values((replace(leaf, buffer=target, index=place),), in_tile)
        step = {
            self.rows.var: self.rows.piece.base + i,
            self.lanes.var: self.lanes.piece.base + vector * self.lanes.width + lane,
        }
        return lanes(self.lanes.piece.axis, active, substitute((here,), step), self.lanes.width)
