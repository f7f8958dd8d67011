"""A document as plain text, for any terminal and file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from .document import Listing, Paragraph, Section, Table

WIDTH = 110
_APART = 2  # spaces between columns


def text(sections: Iterable[Section], width: int = WIDTH) -> str:
    """The sections, one after another, in lines of up to `width` characters, but for listings."""
    return "\n".join(line for section in sections for line in _section(section, width)) + "\n"


def _section(section: Section, width: int) -> Iterator[str]:
    yield section.title
    yield "─" * len(section.title)
    for block in section.blocks:
        match block:
            case Paragraph(words):
                yield from textwrap.wrap(words, width)
            case Listing(lines):
                yield from ("  " + line for line in lines.expandtabs(8).splitlines())
            case Table():
                yield from _table(block, width)
        yield ""


def _table(table: Table, width: int) -> Iterator[str]:
    rows = [row for row in (table.head, *table.rows) if any(row)]
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = width - sum(widths[:-1]) - _APART * (len(widths)) - 2
    widths[-1] = max(1, min(widths[-1], max(room, 24)))
    for number, row in enumerate(rows):
        last = textwrap.wrap(row[-1], widths[-1]) or [""]
        marked = table.marked is not None and number == table.marked + any(table.head)
        yield ("▸ " if marked else "  ") + _line([*row[:-1], last[0]], widths, table.numbers)
        for more in last[1:]:
            yield "  " + _line(["" for _ in row[:-1]] + [more], widths, table.numbers)


def _line(cells: Sequence[str], widths: Sequence[int], numbers: frozenset[int]) -> str:
    aligned = (
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return (" " * _APART).join(aligned).rstrip()
