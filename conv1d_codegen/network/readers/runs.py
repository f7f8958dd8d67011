"""Places in any order, as few parts that are evenly spaced: a network takes each part at once, and joins them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MOST_RUNS = 4096  # parts that one rearrangement may have


def runs(wanted: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Places as arithmetic progressions that rise, one after another: the first, how many, and the step."""
    at = 0
    while at < len(wanted):
        first, count, step = wanted[at], 1, 1
        if at + 1 < len(wanted) and wanted[at + 1] > first:
            step = wanted[at + 1] - first
            while at + count < len(wanted) and wanted[at + count] == first + count * step:
                count += 1
        yield first, count, step
        at += count
