"""The run: some cases, each beside the generic kernel, the limits of the machine and other libraries."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..machine.host import resolve
from ..schedule.plan import ALGORITHMS
from . import machine, peers, table
from .arguments import add_accuracy, add_target, count
from .cases import Case
from .command import Report, add_common, check_common, finish, measure, on_cores, speeds
from .measure import Settings
from .record import Limits, Result, Run

#: What is said at the end, of all results, with these peers, where transforms are allowed or not.
Summary = Callable[[Sequence[Result], list[str], bool], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a run, beside which cases it is of."""
    add_common(parser, peers.NEEDS, "cases")
    parser.add_argument(
        "--sweeps", type=count, default=3, help="times that all cases are gone through (default: %(default)s)"
    )
    add_target(parser)
    parser.add_argument(
        "--algorithm",
        choices=("auto", *ALGORITHMS),
        default="auto",
        help="of the compiled layers (default: %(default)s)",
    )
    add_accuracy(parser)


def check_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses, before the first measurement, all that can be known to go wrong."""
    if arguments.quick:
        arguments.sweeps, arguments.rounds = 1, 3
    if arguments.accuracy == "strict" and arguments.algorithm == "cook_toom":
        parser.error("argument --accuracy: strict excludes --algorithm cook_toom; leave one of them out")
    check_common(parser, arguments, peers.NEEDS)


def run(
    cases: Sequence[Case],
    arguments: argparse.Namespace,
    which: str,
    options: dict[str, Any] | None = None,
    summary: Summary | None = None,
) -> int:
    """Measures cases, prints, and writes the files that were asked for. `which` says in words what they are, `options` is
    what else the record says of them. Gives the exit code: 1 where one of our results was wrong or the measuring failed.
    """
    fields = ("sweeps", "rounds", "target", "algorithm", "accuracy", "peers")
    chosen = {name: getattr(arguments, name) for name in fields}
    settings = Settings(Settings.listed(cases), **chosen)
    begin, date = time.perf_counter(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    noted = {"filter": arguments.filter, **(options or {}), **chosen, "threads": list(arguments.threads)}
    found: Run[Result] = Run(date, machine.describe(), machine.versions(settings.peers), noted, [], [])
    ok = measure(found, settings, len(cases) * settings.sweeps, arguments, lambda own: _report(own, which))
    if found.results and summary is not None:
        print(f"{summary(found.results, list(settings.peers), settings.transforms)}\n")
    return finish(found, arguments, _draw, ("compiled", "generic", "direct", "single"), begin, ok)


def _report(settings: Settings, which: str) -> Report[Result]:
    names = list(settings.peers)
    return Report(
        lambda limits: f"{_heading(settings, limits, which)}\n\n{table.header(settings.threads)}",
        lambda result: table.row(result, names, settings.transforms),
        lambda results: table.means(results, names),
    )


def _heading(settings: Settings, limits: Limits, which: str) -> str:
    accuracy = "" if settings.accuracy == "standard" else f", accuracy {settings.accuracy}"
    sweeps = f"\n{settings.sweeps} sweeps; the rows come with the last" if settings.sweeps > 1 else ""
    return (
        f"{resolve(settings.target)}, {on_cores(limits)}, {which}, algorithm {settings.algorithm}{accuracy}\n"
        f"{speeds(limits)}{sweeps}"
    )


def _draw(path: Path, run: Run[Result]) -> None:
    from . import plot

    plot.draw(path, run)
