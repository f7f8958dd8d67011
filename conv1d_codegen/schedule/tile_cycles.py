"""How long register tiles take, in cycles of a core with two pipes for multiply-adds and two for loads; and how many tiles
of which heights there are for so many rows, as `passes/tile/cut.py` cuts them.

A product for each of h rows and v vectors of a tile takes h * v multiply-adds, and loads of h numbers and v vectors. So
short tiles, and those of one vector, wait for their loads. That chains of sums wait for the pipes does not show: the
processor begins the next tile meanwhile. With the latency of 4 cycles of each product the counts of `cook_toom_cycles.py` are
11 to 14 % off instead of 10 (`tools/choice.py`, the records that are named there).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..problem import Problem
from ..problem.padding import ceildiv, steps_of_tap

#: How many there are of each size.
Counts = dict[int, int]


def cycles(tiles: Mapping[int, int], panels: Mapping[int, int]) -> float:
    """Of one product of each output: of so many tiles of each height for so many panels of each number of vectors."""
    return sum(
        tile_count * panel_count * max(height * vectors, height + vectors) / 2
        for height, tile_count in tiles.items()
        for vectors, panel_count in panels.items()
    )


def panels(filters: int, width: int, vectors: int) -> Counts:
    """How many panels of filters there are with so many vectors each."""
    whole, rest = divmod(filters, width * vectors)
    return _counted((vectors, whole), (ceildiv(rest, width), 1 if rest else 0))


def rows(filters: int, height: int) -> Counts:
    """How many panels of filters there are with so many rows each, where steps lie in the lanes."""
    whole, rest = divmod(filters, height)
    return _counted((height, whole), (rest, 1 if rest else 0))


def lanes(steps: int, width: int, vectors: int) -> Counts:
    """How many tiles there are with so many vectors of steps each: as wide as can be, single vectors, and a part of one."""
    whole, rest = divmod(steps, width * vectors)
    return _counted((vectors, whole), (1, ceildiv(rest, width)))


def repeatable(rows: int, heights: Sequence[int]) -> Counts:
    """The tiles of so many rows that may be computed twice: the last tile is moved back where it has too few."""
    tall, *others = heights
    if others and others[0] == tall - 1 > 1:
        flat, *others = others
        tiles = rows // flat
        tall_ones = min(tiles, rows - tiles * flat)
        found, left = [(tall, tall_ones), (flat, tiles - tall_ones)], rows - tiles * flat - tall_ones
    else:
        found, left = [(tall, rows // tall)], rows % tall
    for at, height in enumerate(others):
        if others[at + 1 :] == [1]:
            found.append((height, ceildiv(left, height)) if rows >= height else (1, left))
            break
        found.append((height, left // height))
        left %= height
    return _counted(*found)


def once(rows: int, heights: Sequence[int]) -> Counts:
    """The tiles of so many rows each of which is computed once. Of two heights beside each other, one is left out."""
    found = []
    for above, height in zip((0, *heights), heights, strict=False):
        if height + 1 != above or height == 1:
            found.append((height, rows // height))
            rows %= height
    return _counted(*found)


def edges(problem: Problem, length: int, first: int, last: int, cut: Callable[[int], Counts]) -> Counts:
    """The tiles of all taps of the output steps before `first` and from `last` on, of an input of so many steps: those of
    a side that have a tap share its weights, so each tap has tiles of its own, as `cut` cuts so many steps.
    """
    steps, left = problem.output_length(length), problem.left_padding(length)
    found: Counts = {}
    for side in ((0, first), (last, steps)):
        having: Counts = {}
        for tap in range(problem.kernel_size if side[0] < side[1] else 0):
            begin, end = steps_of_tap(tap, length, left, problem.stride, problem.dilation)
            count = max(min(end, side[1]) - max(begin, side[0]), 0)
            having[count] = having.get(count, 0) + 1
        found = added((found, 1), *((cut(count), taps) for count, taps in having.items()))
    return found


def one_by_one(rows: int) -> Counts:
    """As many tiles of one row."""
    return _counted((1, rows))


def added(*parts: tuple[Mapping[int, int], int]) -> Counts:
    """All tiles of parts that occur so many times."""
    return _counted(*((height, count * times) for part, times in parts for height, count in part.items()))


def size(counts: Mapping[int, int]) -> int:
    """The rows of all tiles, or the vectors of all panels."""
    return sum(each * count for each, count in counts.items())


def _counted(*found: tuple[int, int]) -> Counts:
    counts: Counts = {}
    for size, count in found:
        if count:
            counts[size] = counts.get(size, 0) + count
    return counts
