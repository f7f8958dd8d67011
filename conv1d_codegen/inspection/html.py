"""A document as HTML, for a notebook: colours are those of the page, so that it fits a light and a dark one."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .document import Block, Listing, Paragraph, Section, Table

_STYLE = """<style>
.conv1d-codegen { max-width: 70em; line-height: 1.45; }
.conv1d-codegen h4 { margin: 1.2em 0 .3em; padding-bottom: .15em; border-bottom: 1px solid rgba(127, 127, 127, .4); }
.conv1d-codegen table { border-collapse: collapse; margin: .3em 0 .6em; }
.conv1d-codegen th, .conv1d-codegen td { padding: .1em .9em .1em 0; text-align: left; vertical-align: top; background: none; }
.conv1d-codegen th:not(:last-child), .conv1d-codegen td:not(:last-child) { white-space: nowrap; }
.conv1d-codegen th { font-weight: 600; opacity: .75; }
.conv1d-codegen .number { text-align: right; font-variant-numeric: tabular-nums; }
.conv1d-codegen tr.marked td { font-weight: 600; }
.conv1d-codegen pre { margin: .3em 0 .6em; line-height: 1.2; overflow-x: auto; background: none; color: inherit; }
</style>"""


def html(sections: Iterable[Section]) -> str:
    """The sections in one element. All text is escaped."""
    parts = "\n".join(
        f"<section><h4>{escape(section.title)}</h4>\n{''.join(map(_block, section.blocks))}</section>"
        for section in sections
    )
    return f'{_STYLE}\n<div class="conv1d-codegen">\n{parts}\n</div>\n'


def _block(block: Block) -> str:
    match block:
        case Paragraph(words):
            return f"<p>{escape(words)}</p>\n"
        case Listing(lines):
            return f"<pre>{escape(lines)}</pre>\n"
    return _table(block)


def _table(table: Table) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        classes = (' class="number"' if column in table.numbers else "" for column in range(len(row)))
        return "".join(
            f"<{tag}{is_number}>{escape(cell)}</{tag}>" for is_number, cell in zip(classes, row, strict=True)
        )

    head = f"<thead><tr>{cells(table.head, 'th')}</tr></thead>" if any(table.head) else ""
    marks = (' class="marked"' if number == table.marked else "" for number in range(len(table.rows)))
    body = "".join(f"<tr{mark}>{cells(row, 'td')}</tr>\n" for mark, row in zip(marks, table.rows, strict=True))
    return f"<table>{head}<tbody>\n{body}</tbody></table>\n"
