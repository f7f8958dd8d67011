"""Register tiles of steps by filters: the one in the rows, the other in the lanes, as the plan says.

    for f, for t:                              for panel, for tile:
      acc := 0                                   for i, v, lanes l: acc[i, v, l] := 0
      for j, for c: acc += x * w        →        for j, for c, for i, v, lanes l: acc[i, v, l] += x * w
      y[t, f] := act(acc + b)                    for i, v, lanes l: y[...] := act(acc[i, v, l] + b[...])

The windows of a Cook–Toom kernel are rows like steps. Of the two loops, the one that stood outside stays outside. An
output keeps one accumulator and takes its terms in the order of the formula, so that its bits do not depend on the tile
that it falls in. Steps that share the weights of each tap store their outputs after all sums: one by one, or where
tiles are transposed (`transpose_output.py`) as many at once as a vector has lanes, since a step alone goes to as many
lines of memory as there are filters. In channels_first c32_f32_k3_d512_causal@1x1016 takes 27 us so, and 41 one by one;
at 1024 steps, where those lines fall into one set of L1, 38 and 139 (Xeon with AVX-512 and AMX, `python -m bench
lengths`). A straight-line program, which sums up nothing in a loop, is computed vector by vector, all of it for
one before the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...ir import (
    Accumulate,
    Alloc,
    Axis,
    Bind,
    Block,
    Buffer,
    For,
    Kernel,
    Level,
    Part,
    Statement,
    Store,
)
from ...ir.rewrite import is_guarded, loads_of, map_statements, walk
from ...schedule.plan import Plan
from ...symbolic.index import index
from . import cut
from .cut import Piece
from .register_tile import RegisterTile, Side


def run(kernel: Kernel, plan: Plan) -> Kernel:
    return kernel.with_body(_Tiling(plan).block(kernel.body))


class _Tiling:
    """The pass over one kernel."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._arrays: dict[Buffer, Buffer] = {}  # of what is kept for one filter: the array for all filters of a piece
        self._count = 0

    def block(self, body: Block, outer: Side | None = None) -> Block:
        def tiled(s: Statement) -> Block | None:
            match s:
                case For(axis=Axis.WINDOW, level=Level.ELEMENT) if outer:
                    return self._tiles(s, outer)
                case For(axis=Axis.STEP | Axis.FILTER, level=Level.ELEMENT):
                    return self._tiles(s, outer) if outer else self._for(s)._pieces(s)
                case Alloc(own) if outer:
                    return (Alloc(self._for_all(own, outer)),)
            return None

        return map_statements(body, tiled)

    def _for(self, s: For) -> _Tiling:
        """What cuts a loop and those within: another plan's tiles where there are steps that no window covers."""
        steps = self._plan.of_steps
        has_windows = any(isinstance(inner, For) and inner.axis is Axis.WINDOW for inner in walk((s,)))
        return self if steps is self._plan or has_windows else _Tiling(steps)

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
            tile = RegisterTile(rows, lanes, outer.in_lanes, self._arrays)
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
        if plan.transposed and _stores_outputs(s.body):
            # Enough steps to be transposed, and no more than an edge has at least.
            height = min(plan.width, plan.borrow or plan.width)
            if height == 1:
                return (), cut.single(s), 0
            if s.part is Part.INTERIOR or not plan.outputs:
                return (), cut.overlapping(s.lo, s, height), 0
            # Steps beside windows: of a tile that is moved back, it is not proved that no other block has its steps.
            self._count += 1
            return (*cut.steps_once(s, (height, 1), f"_{self._count}"), 0)
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


def _stores_outputs(body: Block) -> bool:
    """Whether a loop's body is the stores of one output to the caller's arrays, made from what its array holds."""
    return all(isinstance(s, Store) and not s.buffer.is_local for s in body)


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
