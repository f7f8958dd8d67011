"""A document: sections of paragraphs, tables and listings, that text, a terminal and HTML show each in its way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Words, wrapped as the place asks for."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head, which may be empty; columns of numbers are aligned to the right, and a row may be
    marked as the one that counts.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    marked: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines that stay as they are: a drawing, or code of a language that Pygments has a name for."""

    text: str
    language: str = ""


Block = Paragraph | Table | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """A title, and what stands below it."""

    title: str
    blocks: tuple[Block, ...]
