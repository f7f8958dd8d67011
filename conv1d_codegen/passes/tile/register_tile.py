"""Widens the statements that compute one output so that they compute a register tile: rows × vectors × lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...ir import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    For,
    If,
    Level,
    Load,
    Statement,
    Store,
    Value,
    lanes,
    loop,
    written_out,
)
from ...ir.rewrite import map_leaves, map_statements, rewrite_values, substitute
from ...symbolic.index import Index, Indexable, index, var
from .cut import Piece


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a register tile: one of the two loops that tiles are cut from, and a piece of it."""

    var: str
    piece: Piece
    in_lanes: bool
    width: int


@dataclass(frozen=True, slots=True)
class RegisterTile:
    """One register tile: a piece of the axis in the rows by a piece of the one in the lanes."""

    rows: Side
    lanes: Side
    lanes_outside: bool  # whether the loop over the axis in the lanes stood outside the one over the rows
    arrays: Mapping[Buffer, Buffer]  # of what the outer loop kept for one element: the array for all of a piece

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

            def kept(s: Statement) -> Statement:
                if isinstance(s, Store) and s.buffer in self.arrays:
                    return replace(s, buffer=self.arrays[s.buffer], index=(*s.index, vector, var("l")))
                return s

            here = {self.lanes.var: piece.base + vector * width + var("l"), **rows}
            body = map_leaves(rewrite_values(program, moved), kept)
            return lanes(piece.axis, active, substitute(body, here), width)

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
