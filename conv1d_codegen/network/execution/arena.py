"""Where the tensors of a network lie: in one arena, in which memory is used again as soon as nobody needs what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ...machine.target import LINE


class Life(NamedTuple):
    """Bytes that are in use from one step to another, both included."""

    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Arena:
    """Where each tensor begins, in bytes, a multiple of a cache line; and the size of all."""

    places: Mapping[str, int]
    bytes: int


def planned(lives: Mapping[str, Life]) -> Arena:
    """Places for all tensors such that those that are in use at one time do not overlap.

    The largest first, each in the smallest gap that has room for it (Pisarchyk and Lee, Efficient Memory Management for
    Deep Neural Net Inference, 2020: greedy by size).
    """
    placed: list[tuple[int, int, Life]] = []  # begin, end
    places: dict[str, int] = {}
    for name, life in sorted(lives.items(), key=lambda item: -item[1].bytes):
        size = -(-life.bytes // LINE) * LINE
        beside = sorted((b, e) for b, e, other in placed if other.first <= life.last and life.first <= other.last)
        best: tuple[int, int] | None = None  # how much the gap is too large, and where it begins
        at = 0
        for begin, end in beside:
            if begin - at >= size and (best is None or begin - at - size < best[0]):
                best = begin - at - size, at
            at = max(at, end)
        places[name] = at if best is None else best[1]
        placed.append((places[name], places[name] + size, life))
    return Arena(places, max((end for _, end, _ in placed), default=0))
