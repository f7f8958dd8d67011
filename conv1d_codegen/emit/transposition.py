"""The transposition of a matrix whose rows are vectors, as steps that each shuffle pairs of vectors.

A vector is seen as blocks of 128 bits, as x86's instructions see it. First the rows are interleaved within blocks, in
units of one number, then of two, and so on (`vunpcklps`, `vunpcklpd`); then whole blocks are gathered, those at even
places into one vector and those at odd places into the other (`vshuff32x4`). Sixteen vectors of 16 numbers take 64
shuffles, each of one instruction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Network:
    """`steps`: pairs of vectors, in place, each replaced by a shuffle of both by its mask; an index from the width on
    is of the second.

    `columns[c]`: the vector that holds column `c` after that, and the lanes in which its rows are.
    """

    steps: tuple[tuple[int, int, tuple[int, ...], tuple[int, ...]], ...]
    columns: tuple[tuple[int, tuple[int, ...]], ...]


@cache
def network(rows: int, width: int, block: int) -> Network:
    """How to transpose `rows` vectors of `width` numbers, both powers of two, rows <= width; a block of 128 bits has
    `block` numbers.
    """
    held = [[(row, column) for column in range(width)] for row in range(rows)]
    steps = []
    distance = 1
    while distance < rows:
        masks = _interleaved(width, distance, block) if distance < block else _gathered(width, block)
        for a in range(rows):
            if a & distance:
                continue
            b = a + distance
            both = held[a] + held[b]
            held[a], held[b] = ([both[lane] for lane in mask] for mask in masks)
            steps.append((a, b, *masks))
        distance *= 2
    place = {element: (at, lane) for at, vector in enumerate(held) for lane, element in enumerate(vector)}
    columns = []
    for column in range(width):
        lanes = [place[row, column] for row in range(rows)]
        columns.append((lanes[0][0], tuple(lane for _, lane in lanes)))
    return Network(tuple(steps), tuple(columns))


def _interleaved(width: int, unit: int, block: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The units of the lower half of each block of both vectors, taking turns; and those of the upper half."""

    def half(first: int) -> Iterator[int]:
        for start in range(0, width, block):
            for at in range(start + first, start + first + block // 2, unit):
                yield from range(at, at + unit)
                yield from range(width + at, width + at + unit)

    return tuple(half(0)), tuple(half(block // 2))


def _gathered(width: int, block: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The blocks at even places of both vectors; and those at odd places."""

    def every_other(first: int) -> Iterator[int]:
        for start in range(first * block, 2 * width, 2 * block):
            yield from range(start, start + block)

    return tuple(every_other(0)), tuple(every_other(1))
