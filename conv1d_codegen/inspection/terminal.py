"""A document on a terminal, in colours, where `rich` is installed (the extra `inspect`); as plain text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from .document import Block, Listing, Paragraph, Section, Table
from .text import WIDTH, text

EXTRA = "pip install 'conv1d-codegen[inspect]'"


def show(sections: Iterable[Section], file: TextIO | None = None) -> None:
    """Write the sections to a file, standard output unless given."""
    target = sys.stdout if file is None else file
    console = console_for(target)
    if console is None:
        target.write(text(sections))
        return
    for section in sections:
        _print(console, section)


def console_for(file: TextIO) -> Any:
    """Rich's console on a file that is a terminal; None for another one, and where it is not installed."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else None


def _print(console: Any, section: Section) -> None:
    from rich.rule import Rule
    from rich.text import Text

    console.print(Rule(Text(section.title, style="bold"), align="left", style="dim"))
    for block in section.blocks:
        console.print(_shown(block))
        console.print()


def _shown(block: Block) -> Any:
    from rich.padding import Padding
    from rich.syntax import Syntax
    from rich.text import Text

    match block:
        case Paragraph(words):
            return Text(words)
        case Listing(lines, language):
            plain = lines.expandtabs(8)
            if language:
                return Padding(Syntax(plain, language, theme="ansi_dark", background_color="default"), (0, 2))
            return Padding(Text(plain, no_wrap=True, overflow="ellipsis", style="cyan"), (0, 2))
        case Table():
            return Padding(_table(block), (0, 2))


def _table(table: Table) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, show_header=any(table.head), header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column, name in enumerate(table.head):
        last = column == len(table.head) - 1
        grid.add_column(
            name,
            justify="right" if column in table.numbers else "left",
            no_wrap=not last,
            max_width=None if last else WIDTH,
        )
    for number, row in enumerate(table.rows):
        style = "bold green" if number == table.marked else ""
        grid.add_row(*(Text(cell) for cell in row), style=style)
    return grid
