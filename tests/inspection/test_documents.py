"""Documents as plain text, on a terminal and as HTML: the same words in each."""

import io
import re
import sys

import pytest

from conv1d_codegen.inspection.document import Listing, Paragraph, Section, Table
from conv1d_codegen.inspection.html import html
from conv1d_codegen.inspection.terminal import show
from conv1d_codegen.inspection.text import text
from conv1d_codegen.inspection.units import bytes_of, count, percent, seconds

pytestmark = pytest.mark.quick

DOCUMENT = [
    Section(
        "A title <b>",
        (
            Paragraph("words " * 40 + "& an end"),
            Table(("name", "number", "why"), (("one", "1", "because " * 20), ("two", "22", "")), frozenset({1}), 1),
            Table(("", ""), (("no head", "at all"),)),
            Table(("", ""), ()),
            Listing("  vfmadd231ps\t(%rax), %zmm1\n<&>", "gas"),
        ),
    )
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_text_is_wrapped_and_aligned() -> None:
    lines = text(DOCUMENT, 80).splitlines()
    assert lines[:2] == ["A title <b>", "───────────"]
    assert all(len(line) <= 80 for line in lines)
    assert "    1  because" in next(line for line in lines if line.startswith("  one"))
    assert next(line for line in lines if "two" in line) == "▸ two       22"
    assert "    " + "  vfmadd231ps\t(%rax), %zmm1".expandtabs(8)[2:] in lines


def test_html_is_escaped() -> None:
    made = html(DOCUMENT)
    assert "<h4>A title &lt;b&gt;</h4>" in made
    assert "&lt;&amp;&gt;" in made
    assert '<tr class="marked"><td>two</td><td class="number">22</td>' in made
    assert "<th></th>" not in made


def test_a_terminal_gets_colours_and_a_file_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    show(DOCUMENT, terminal)
    show(DOCUMENT, file)
    assert "\x1b[" in terminal.getvalue()
    assert file.getvalue() == text(DOCUMENT)
    for word in ("A title <b>", "because", "no head", "<&>"):
        assert word in re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())


def test_without_rich_a_terminal_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    terminal = Terminal()
    show(DOCUMENT, terminal)
    assert terminal.getvalue() == text(DOCUMENT)


def test_units() -> None:
    assert [count(n) for n in (0, 7, 999, 1000, 50331648, 2.5e9, 0.25)] == [
        *("0", "7", "999", "1 k", "50.3 M", "2.5 G", "0.25"),
    ]
    assert count(1.82e11, "FLOP/s") == "182 GFLOP/s"
    assert [bytes_of(n) for n in (0, 1000, 1024, 1000 << 10, (1 << 20) - 512, 3 << 19, 1 << 40)] == [
        "0 bytes",
        "1000 bytes",
        "1 KiB",
        "1000 KiB",
        "1 MiB",
        "1.5 MiB",
        "1 TiB",
    ]
    assert [percent(x) for x in (0.5, 1.0, 1.793)] == ["50.0 %", "100 %", "179.3 %"]
    assert [seconds(t) for t in (1234.0, 2.0, 3.5e-3, 999.7e-6, 12e-6, 5e-9)] == [
        *("1234 s", "2 s", "3.5 ms", "1 ms", "12 µs", "5 ns"),
    ]
