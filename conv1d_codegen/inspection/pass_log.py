"""The passes as a log: of each its reason, its time, how long the kernel became, and which lines it changed."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ..executable import Executable
from ..ir import Kernel
from ..ir.rewrite import walk
from .document import Section, Table
from .terminal import console_for

_CONTEXT = 2  # lines around a change that are shown too


@dataclass(frozen=True, slots=True)
class Step:
    """One pass: the kernel before and after it, and the seconds that it took."""

    name: str
    reason: str
    before: Kernel
    after: Kernel
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether the kernel is another one."""
        return self.before != self.after

    def diff(self) -> list[str]:
        """The lines that differ, each with "+", "-" or " " before it, and "@" where others are left out; none where the
        pass changed nothing.
        """
        found = difflib.unified_diff(
            str(self.before).splitlines(), str(self.after).splitlines(), lineterm="", n=_CONTEXT
        )
        return ["@" if line.startswith("@@") else line for line in list(found)[2:]]


def steps(program: Executable, stop_after: str | None = None) -> list[Step]:
    """What the passes do to a kernel, up to the one that is named. Raises ValueError for a name that is none of theirs."""
    if stop_after is not None and stop_after not in program.reasons:
        raise ValueError(f"There is no pass {stop_after!r}. Passes, in order: {', '.join(program.reasons)}.")
    found, before = [], program.loop
    begin = time.perf_counter()
    for name, after in program.scheduling():
        found.append(Step(name, program.reasons[name], before, after, time.perf_counter() - begin))
        if name == stop_after:
            break
        before, begin = after, time.perf_counter()
    return found


def summary(found: Sequence[Step]) -> Section:
    """A table of the passes: the milliseconds, statements and lines of each."""
    total = sum(step.seconds for step in found)
    rows = [
        (
            step.name,
            f"{1e3 * step.seconds:.1f}",
            f"{_statements(step.before)} → {_statements(step.after)}" if step.changed else "unchanged",
            f"{_lines(step.before)} → {_lines(step.after)}" if step.changed else "",
        )
        for step in found
    ]
    rows.append(("all", f"{1e3 * total:.1f}", "", ""))
    return Section("Passes", (Table(("pass", "ms", "statements", "lines"), tuple(rows), frozenset({1, 2, 3})),))


def show_diffs(found: Sequence[Step], file: TextIO) -> None:
    """What each pass changed, in colours where the file is a terminal; those that changed nothing are named together."""
    console = console_for(file)
    for line, style in _told(found):
        if console is None:
            file.write(f"{line}\n")
        else:
            console.print(_styled(line, style), soft_wrap=True)


def _told(found: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """The lines, with rich's words for how each looks."""
    if not found:
        return
    yield from ((line, "") for line in str(found[0].before).splitlines())
    waiting: list[str] = []
    for step in found:
        if not step.changed:
            waiting.append(step.name)
            continue
        yield from _idle(waiting)
        waiting = []
        yield "", ""
        yield f"# {step.name}: {step.reason}", "bold"
        for line in step.diff():
            yield line, {"+": "green", "-": "red", "@": "dim"}.get(line[0], "")
    yield from _idle(waiting)


def _idle(names: list[str]) -> Iterator[tuple[str, str]]:
    if names:
        yield "", ""
        yield f"# unchanged by {', '.join(names)}", "dim"


def _styled(line: str, style: str) -> Any:
    from rich.text import Text

    return Text(line, style=style)


def _statements(kernel: Kernel) -> int:
    return sum(1 for _ in walk(kernel.body))


def _lines(kernel: Kernel) -> int:
    return str(kernel).count("\n")
