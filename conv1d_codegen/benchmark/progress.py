"""How far a run is: a bar below the rows, on a terminal where Rich is installed; else the rows alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Progress:
    """`begin(name)` says which case is next, `show(text)` prints lines of the table."""

    begin: Callable[[str], None]
    show: Callable[[str], None]


@contextmanager
def progress(cases: int) -> Iterator[Progress]:
    """Follows `cases` cases. The bar is on standard error; it moves only with a call: a clock of its own would disturb
    what is measured.
    """
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield Progress(lambda name: None, _plain)
        return
    from rich import progress as rich
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TextColumn("{task.description}"),
    )
    with rich.Progress(
        *columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task("", total=cases)
        begun = False

        def begin(name: str) -> None:
            nonlocal begun
            bar.update(task, description=name, advance=int(begun), refresh=True)
            begun = True

        def show(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield Progress(begin, show if sys.stdout.isatty() else _plain)


def _plain(text: str) -> None:
    print(text, flush=True)
