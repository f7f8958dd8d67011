"""tile: cuts the loops over steps and filters into register tiles, and puts neighbours in the lanes of vectors.

    for t, for f:                              for panel, for tile:
      acc := 0                                   for i, v, lanes l: acc[i, v, l] := 0
      for j, for c: acc += x * w        →        for j, for c, for i, v, lanes l: acc[i, v, l] += x * w
      y[t, f] := act(acc + b)                    for i, v, lanes l: y[...] := act(acc[i, v, l] + b[...])

The rows `i` of a tile are output steps and its lanes filters (or channels), or the other way round, as the plan says. An output keeps
one accumulator and takes its terms in the order of the formula, so that its bits do not depend on the tile that it falls in. What the
tallest tile leaves over goes to the next one; steps whose taps are guarded go one by one, as each has a tap range of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..index import Index, Indexable, index, minimum, var
from ..ir import Alloc, Block, Buffer, For, Kernel, Let, Load, Statement, Store, Value, buffer, load, loop, store
from ..rewrite import rewrite_values, substitute, walk
from .context import Context

STEPS = ("t", "t_left", "t_right")


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.algorithm == "depthwise":  # see tile_channels.py
        return kernel
    return kernel.with_body(_tile(kernel.body, context, kernel.compute))


def _tile(body: Block, context: Context, compute: str) -> Block:
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For) and s.var in STEPS:
            result += _nest(s, context, compute)
        elif isinstance(s, For):
            result.append(replace(s, body=_tile(s.body, context, compute)))
        else:
            result.append(s)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Piece:
    """A loop over pieces of one axis: `count` pieces, the first at `start`, each of `size` numbers.

    On the axis in the lanes, a piece is `panels` panels of `vectors` vectors, and `active` lanes of the last vector are in use.
    """

    name: str
    count: Indexable
    start: Indexable
    size: int
    panels: int = 1
    vectors: int = 1
    active: Indexable = 0
    note: str = ""

    @property
    def base(self) -> Index:
        return var(self.name) * self.size + self.start

    def around(self, body: Block) -> Block:
        return (loop(self.name, 0, self.count, body, note=self.note),)


def _nest(steps: For, context: Context, compute: str) -> Block:
    (other,) = steps.body
    assert isinstance(other, For)
    plan = context.plan
    guarded = any(isinstance(s, For) and steps.var in {*s.lo.variables(), *s.hi.variables()} for s in walk(other.body))
    if plan.lanes == "time" and not guarded:
        pieces = _cut_lanes("tile", steps.lo, steps.hi, plan.width, plan.vectors)
        rows = _cut_constant("panel", other.hi, (plan.panel,))
        tiles = [RegisterTile(row, lanes, plan.width, other, steps, compute) for row in rows for lanes in pieces]
        return tuple(s for tile in tiles for s in tile.row.around(tile.lanes.around(tile.statements())))
    width, vectors = (plan.panel, 1) if plan.lanes == "time" else (plan.width, plan.vectors)
    lets: Block = ()
    if guarded:
        heights = [(Piece("", 1, var(steps.var), 1), 1 if plan.lanes == "time" else plan.tiles[-1].panels)]
    else:
        lets, cut = cut_steps(steps, tuple(tile.rows for tile in plan.tiles))
        heights = list(zip(cut, (tile.panels for tile in plan.tiles), strict=True))
    result: list[Statement] = list(lets)
    for row, panels in heights:
        for lanes in _cut_filters(other.hi, width, vectors, panels):
            tile = RegisterTile(row, lanes, width, steps, other, compute)
            inner = replace(steps, body=tile.statements()) if guarded else row.around(tile.statements())[0]
            result += lanes.around((inner,))
    return tuple(result)


def cut_steps(steps: For, heights: tuple[int, ...]) -> tuple[Block, list[Piece]]:
    """Pieces of descending height over a range known at run time, down to a height of 1."""
    edge = steps.var.removeprefix("t")  # the edges are cut too where they read nothing
    lets: list[Statement] = []
    pieces = []
    start = steps.lo
    for height, after in zip(heights, (*heights[1:], 0), strict=True):
        count = (steps.hi - start) // height
        pieces.append(Piece("tile", count, start, height))
        if after:
            lets.append(Let(f"rest{after}{edge}", start + count * height))
            start = var(f"rest{after}{edge}")
    return tuple(lets), pieces


def _cut_lanes(name: str, lo: Index, hi: Index, width: int, vectors: int) -> list[Piece]:
    """Full tiles of vectors, then single vectors, then what is left in a part of one, over a range known at run time."""
    pieces = []
    start = lo
    for count_vectors in sorted({vectors, 1}, reverse=True):
        size = count_vectors * width
        count = (hi - start) // size
        pieces.append(Piece(name, count, start, size, vectors=count_vectors, active=width))
        start = start + count * size
    left = hi - start
    return [*pieces, Piece(name, minimum(1, left), start, width, active=left, note="a part of a vector")]


def _cut_constant(name: str, count: Index, sizes: tuple[int, ...]) -> list[Piece]:
    """Pieces over a range known now, the last as small as what is left."""
    total, start = count.constant, 0
    assert total is not None
    pieces = []
    for size in (*sizes, 0):
        pieces_here = (total - start) // size if size else 1 if total > start else 0
        if pieces_here:
            pieces.append(Piece(name, pieces_here, start, size or total - start))
            start += pieces_here * (size or total - start)
    return pieces


def _cut_filters(count: Index, width: int, vectors: int, panels: int) -> list[Piece]:
    """The lanes axis where it holds filters or channels: whole panels, `panels` at a time, then a panel that is not full."""
    if count.constant is None:
        return _cut_lanes("panel", index(0), count, width, vectors)
    size = width * vectors
    pieces = []
    for piece in _cut_constant("panel", count, (panels * size, size)):
        whole = piece.size % size == 0
        needed = -(-piece.size // width)
        pieces.append(
            replace(
                piece,
                panels=piece.size // size if whole else 1,
                vectors=vectors if whole else needed,
                active=piece.size - (needed - 1) * width,
            )
        )
    return pieces


@dataclass(frozen=True, slots=True)
class RegisterTile:
    """One register tile: `row.size` rows of the loop `rows` by the vectors of the loop `lanes_loop`."""

    row: Piece
    lanes: Piece
    width: int
    rows: For
    lanes_loop: For
    compute: str

    def statements(self) -> Block:
        """The statements of one output, for all of the tile: what it allocates becomes a tile, each store a nest over the tile."""
        nest = self.lanes_loop.body if self.lanes_loop.var not in STEPS else self.rows.body
        tiles: dict[Buffer, Buffer] = {}

        def inside(body: Block) -> Iterator[Statement]:
            for s in body:
                match s:
                    case Alloc(scalar):
                        shape = (self.row.size, self.lanes.panels * self.lanes.vectors, self.width)
                        tiles[scalar] = buffer(scalar.name, self.compute, shape, scalar.space)
                        yield Alloc(tiles[scalar])
                    case For():
                        yield replace(s, body=tuple(inside(s.body)))
                    case Store():
                        yield from self._over_tile(s, tiles)
                    case _:
                        raise TypeError(f"a nest of one output has no {s}")

        # In the bounds of the loops within, which guard taps of one row only.
        return substitute(tuple(inside(nest)), {self.rows.var: self._base(self.row)})

    @staticmethod
    def _base(piece: Piece) -> Index:
        return piece.base if piece.name else index(piece.start)

    def _over_tile(self, leaf: Store, tiles: Mapping[Buffer, Buffer]) -> Block:
        """A store for one output, for the rows, panels, vectors and lanes of the tile."""
        per_panel, last = self.lanes.vectors, self.lanes.vectors - 1
        full = per_panel if self.lanes.active == self.width else last
        p, v = var("p"), var("v")
        vectors: list[Statement] = []
        if full:
            vectors.append(loop("v", 0, full, (self._vector(leaf, tiles, p, v, self.width),), "unrolled"))
        if full < per_panel:
            vectors.append(self._vector(leaf, tiles, p, index(last), self.lanes.active))
        panels: Block = (loop("p", 0, self.lanes.panels, tuple(vectors), "unrolled"),)
        if self.lanes.panels == 1:
            panels = substitute(tuple(vectors), {"p": 0})
        return (loop("i", 0, self.row.size, panels, "unrolled"),)

    def _vector(self, leaf: Store, tiles: Mapping[Buffer, Buffer], panel: Index, vector: Index, active: Indexable) -> For:
        """The store in the lanes of one vector of row `i`."""
        i, lane = var("i"), var("l")
        at = (i, panel * self.lanes.vectors + vector, lane)
        size = self.lanes.vectors * self.width
        place = self._base(self.lanes) + panel * size + vector * self.width + lane

        def in_tile(node: Value) -> Value:
            return load(tiles[node.buffer], *at) if isinstance(node, Load) and node.buffer in tiles else node

        (moved,) = substitute(rewrite_values((leaf,), in_tile), {self.rows.var: self._base(self.row) + i, self.lanes_loop.var: place})
        assert isinstance(moved, Store)
        moved = store(tiles[leaf.buffer], at, moved.value) if leaf.buffer in tiles else moved
        return loop("l", 0, active, (moved,), "lanes", self.width)
