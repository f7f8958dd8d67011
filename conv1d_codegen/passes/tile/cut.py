"""How a loop is cut into pieces: the arithmetic of `tile`.

Steps go into tiles of the plan's heights. With heights 13, 12, 4, 1, a range of `n` steps is cut into

    tiles of 13 and 12     as many as have room, as even as can be: n // 12 of them, of which n % 12 (or all) are the taller ones
    tiles of 4             over what is left; the last is moved back to end with the range, where it computes some steps a second time
    single steps           where the whole range has fewer than 4

A tile of one step has two chains of multiply-adds for two pipes of latency 4, and so takes as long as one of 4 steps:
hence the overlap. Loops that add to memory must not do a step twice; there what is left goes to shorter and shorter
tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...ir import Axis, Block, For, If, Let, Level, Part, loop
from ...symbolic.index import Index, Indexable, index, minimum, var


@dataclass(frozen=True, slots=True)
class Piece:
    """A loop over pieces of one axis: `count` pieces, the first at `start`, each of `size` numbers, none beyond `end`.

    On the axis in the lanes, a piece is `vectors` vectors, and `active` lanes of the last are in use. Where a
    `condition` is negative, there are no pieces.
    """

    axis: Axis | None
    level: Level | None
    count: Indexable
    start: Indexable
    size: int
    vectors: int = 1
    active: Indexable = 0
    end: Index | None = None
    condition: Index | None = None

    @property
    def base(self) -> Index:
        """Where a piece starts."""
        if self.level is None:
            return index(self.start)
        start = var(self.level.value) * self.size + self.start
        return start if self.end is None else index(minimum(start, self.end - self.size))

    def around(self, body: Block, kind: str = "serial") -> Block:
        """The loop over the pieces, on their condition; without a level there is one piece, and no loop."""
        pieces = body
        if self.level is not None:
            pieces = (loop(self.level.value, 0, self.count, body, kind, axis=self.axis, level=self.level),)
        return pieces if self.condition is None else (If((self.condition,), pieces),)


def suffix(steps: For) -> str:
    """What the names end with that are made for these steps: those of the edges differ from those between."""
    return "" if steps.part is Part.INTERIOR else steps.part.value


def single(steps: For) -> list[Piece]:
    """One step after another."""
    return [_tiles(steps, steps.hi - steps.lo, steps.lo, 1)]


def _tiles(steps: For, count: Indexable, start: Indexable, height: int) -> Piece:
    return Piece(steps.axis, Level.TILE, count, start, height)


def repeatable_steps(steps: For, heights: tuple[int, ...], suffix: str) -> tuple[Block, list[Piece]]:
    """Tiles of steps that may be computed twice, and the names they use."""
    lo, hi = steps.lo, steps.hi
    length = hi - lo
    if heights[1:] and heights[1] == heights[0] - 1 > 1:
        tall, flat, *heights_left = heights
        count, more = var(f"tiles{suffix}"), var(f"tall{suffix}")
        lets: Block = (
            Let(f"tiles{suffix}", length // flat),
            Let(f"tall{suffix}", index(minimum(count, length - count * flat))),
        )
        pieces = [_tiles(steps, more, lo, tall), _tiles(steps, count - more, lo + more * tall, flat)]
        start = lo + count * flat + more
    else:
        tall, *heights_left = heights
        count = var(f"tiles{suffix}")
        lets = (Let(f"tiles{suffix}", length // tall),)
        pieces = [_tiles(steps, count, lo, tall)]
        start = lo + count * tall
    for at, height in enumerate(heights_left):
        last = heights_left[at + 1 :] == [1]
        if last:
            pieces += overlapping(start, steps, height)
            break
        name = f"rest{height}{suffix}"
        lets = (*lets, Let(name, start))
        rest = (hi - var(name)) // height if height > 1 else hi - var(name)
        pieces.append(_tiles(steps, rest, var(name), height))
        start = var(name) + rest * height
    return lets, pieces


def overlapping(start: Index, steps: For, height: int) -> list[Piece]:
    """Tiles for the steps from `start` on, the last of which ends with them; and single steps only where the whole
    range has too few.
    """
    more = steps.hi - steps.lo - height  # than one tile
    return [
        replace(
            _tiles(steps, (steps.hi - start + (height - 1)) // height, start, height), end=steps.hi, condition=more
        ),
        replace(_tiles(steps, steps.hi - start, start, 1), condition=-1 - more),
    ]


def steps_once(steps: For, heights: tuple[int, ...], suffix: str) -> tuple[Block, list[Piece]]:
    """Tiles of descending height, none of which overlap, and the names they use. Two heights beside each other are as
    good as one.
    """
    heights = tuple(
        height for height, above in zip(heights, (0, *heights), strict=False) if height + 1 != above or height == 1
    )
    lets: Block = ()
    pieces = []
    start = steps.lo
    for height in heights:
        count = (steps.hi - start) // height
        pieces.append(_tiles(steps, count, start, height))
        if height > 1:
            name = f"rest{height}{suffix}"
            lets = (*lets, Let(name, start + count * height))
            start = var(name)
    return lets, pieces


def cut_lanes(axis: Axis | None, level: Level, lo: Index, hi: Index, width: int, vectors: int) -> list[Piece]:
    """Full tiles of vectors, then single vectors, then what is left in a part of one, over a range
    known at run time.
    """
    pieces = []
    start = lo
    for count_vectors in sorted({vectors, 1}, reverse=True):
        size = count_vectors * width
        count = (hi - start) // size
        pieces.append(Piece(axis, level, count, start, size, vectors=count_vectors, active=width))
        start = start + count * size
    left = hi - start
    if width == 1:
        return pieces
    return [*pieces, Piece(axis, None, 1, start, width, active=left, condition=left - 1)]


def cut_rows(axis: Axis, count: Index, size: int) -> list[Piece]:
    """Filters in the rows: pieces of `size`, the last as small as what is left."""
    total = count.constant
    assert total is not None
    whole, rest = divmod(total, size)
    pieces = [Piece(axis, Level.PANEL, whole, 0, size)] if whole else []
    return [*pieces, Piece(axis, Level.PANEL, 1, whole * size, rest)] if rest else pieces


def cut_filters(axis: Axis, count: Index, width: int, vectors: int) -> list[Piece]:
    """Filters or channels in the lanes: whole panels, then one that is not full."""
    if count.constant is None:
        return cut_lanes(axis, Level.PANEL, index(0), count, width, vectors)
    pieces = []
    for piece in cut_rows(axis, count, width * vectors):
        needed = -(-piece.size // width)
        pieces.append(replace(piece, vectors=needed, active=piece.size - (needed - 1) * width))
    return pieces
