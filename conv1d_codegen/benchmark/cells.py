"""Cells and lines of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import geometric_mean


def line(cells: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
    """A line of a table, whose columns are titles and widths, as `format` takes them."""
    return " ".join(f"{cell:{width}}" for cell, (_, width) in zip(cells, columns, strict=True))


def times(ratio: float | None) -> str:
    """A ratio; nothing where there is none."""
    return "" if ratio is None else f"{ratio:.2f}"


def mean(ratios: Iterable[float | None]) -> str:
    """The geometric mean of those that are known; nothing where none is."""
    known = [ratio for ratio in ratios if ratio is not None]
    return times(geometric_mean(known) if known else None)
