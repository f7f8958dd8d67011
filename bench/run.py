"""The bench: compiled layers against the generic kernel, the limits of the machine and other libraries.

`python -m bench --help`, or `python bench/run.py --help`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python looks for modules in this folder instead of the one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import machine, peers, table
from bench.arguments import add_accuracy, add_layout, add_target, count, no_case
from bench.command import Report, add_common, check_common, finish, measure, on_cores, speeds
from bench.measure import Settings
from bench.record import Limits, Result, Run
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.schedule.plan import ALGORITHMS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Times compiled Conv1D layers against the generic kernel, the limits of the machine and other libraries.",
        epilog="Other commands: python -m bench networks | compare | compile | calls | scale | plans | accuracy | random, "
        "each with --help.",
    )
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
    add_layout(parser)
    parser.add_argument(
        "--dtype",
        choices=("f32", "f64"),
        default="f32",
        help="default: %(default)s; the peers are measured in f32 only",
    )
    return parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, with all that can be known to go wrong refused before the first measurement."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.sweeps, arguments.rounds = 1, 3
    if arguments.accuracy == "strict" and arguments.algorithm == "cook_toom":
        parser.error("argument --accuracy: strict excludes --algorithm cook_toom; leave one of them out")
    if arguments.peers and arguments.dtype != "f32":
        parser.error("argument --peers: the peers are measured in f32 only; leave --peers or --dtype out")
    check_common(parser, arguments, peers.NEEDS)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench. Gives the exit code: 1 where one of our results was wrong or the measuring failed, 2 where no case
    fits.
    """
    arguments = _arguments(argv)
    fields = ("filter", "sweeps", "rounds", "target", "algorithm", "accuracy", "layout", "dtype", "peers")
    settings = Settings(**{name: getattr(arguments, name) for name in fields})
    cases = len(settings.cases())
    if not cases:
        return no_case(arguments.filter)
    begin, date = time.perf_counter(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    options = {**asdict(settings), "threads": list(arguments.threads)}
    run: Run[Result] = Run(date, machine.describe(), machine.versions(settings.peers), options, [], [])
    ok = measure(run, settings, cases * settings.sweeps, arguments, _report)
    if run.results and settings.dtype == "f32":
        print(f"{table.summary(run.results, list(settings.peers), settings.transforms)}\n")
    return finish(run, arguments, _draw, ("compiled", "generic", "direct", "single"), begin, ok)


def _report(settings: Settings) -> Report[Result]:
    names = list(settings.peers)
    return Report(
        lambda limits: f"{_heading(settings, limits)}\n\n{table.header(settings.threads)}",
        lambda result: table.row(result, names, settings.transforms),
        lambda results: table.means(results, names),
    )


def _heading(settings: Settings, limits: Limits) -> str:
    kind = {"f32": "float32", "f64": "float64"}[settings.dtype]
    accuracy = "" if settings.accuracy == "standard" else f", accuracy {settings.accuracy}"
    sweeps = f"\n{settings.sweeps} sweeps; the rows come with the last" if settings.sweeps > 1 else ""
    return (
        f"{resolve(settings.target)}, {on_cores(limits)}, {settings.layout}, {kind}, bias and relu, "
        f"algorithm {settings.algorithm}{accuracy}\n"
        f"{speeds(limits)}{sweeps}"
    )


def _draw(path: Path, run: Run[Result]) -> None:
    from bench import plot

    plot.draw(path, run)


if __name__ == "__main__":
    sys.exit(main())
