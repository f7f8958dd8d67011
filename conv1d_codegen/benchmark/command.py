"""What the runs share, of layers and of networks: arguments, following the process that measures, files at the end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic

from ..machine import timing
from . import peers, process
from .arguments import add_filter, count
from .peers import Needs
from .progress import Progress, progress
from .record import Limits, R, Run, result_from

_EXTRA = 'run `python -m pip install "conv1d-codegen[bench]"`, or `python -m pip install ".[bench]"` in a checkout'


def add_common(parser: argparse.ArgumentParser, needs: Needs, which: str) -> None:
    """`--filter`, `--peers`, `--threads`, `--rounds`, `--quick`, `--json` and `--plot`."""
    add_filter(parser, which)
    parser.add_argument(
        "--peers",
        type=lambda text: _peers(text, needs),
        default=(),
        metavar="NAMES",
        help=f"all, none (default), or some of {','.join(needs)}",
    )
    add_measuring(parser)


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """`--threads`, `--rounds`, `--quick`, `--json` and `--plot`."""
    parser.add_argument(
        "--threads", type=_threads, default=(1,), metavar="COUNTS", help="numbers of threads, such as 1,2 (default: 1)"
    )
    parser.add_argument(
        "--rounds", type=count, default=5, help="times in a sweep that each takes its turn (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one sweep of 3 rounds")
    add_files(parser)


def add_files(parser: argparse.ArgumentParser) -> None:
    """`--json` and `--plot`, for `check_files`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements, for the command `compare`")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them, as .png, .svg or .pdf")


def _peers(text: str, needs: Needs) -> tuple[str, ...]:
    """The names that `--peers` lists, in the order of the table."""
    names = {"all": list(needs), "none": []}.get(text, text.split(","))
    unknown = [name for name in names if name not in needs]
    if unknown:
        raise argparse.ArgumentTypeError(f"all, none, or some of {','.join(needs)} is needed, not {text!r}")
    return tuple(name for name in needs if name in names)


def _threads(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"numbers of 1 or more, separated by commas, are needed, not {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))


def check_common(parser: argparse.ArgumentParser, arguments: argparse.Namespace, needs: Needs) -> None:
    """Refuses, before the first measurement, what can be known to go wrong."""
    check_measuring(parser, arguments)
    lacking = peers.missing(arguments.peers, needs)
    if lacking:
        parser.error(f"argument --peers: {', '.join(lacking)} not installed: {_EXTRA}")


def check_measuring(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """The same of what `add_measuring` adds."""
    if max(arguments.threads) > len(timing.cores()):
        parser.error(
            f"argument --threads: {max(arguments.threads)} threads want as many cores, and this process may use {len(timing.cores())}"
        )
    check_files(parser, arguments)


def check_files(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses files that could not be written in the end."""
    if arguments.plot and find_spec("matplotlib") is None:
        parser.error(f"argument --plot: matplotlib is not installed: {_EXTRA}")
    for name in ("json", "plot"):
        path = getattr(arguments, name)
        if path and not path.absolute().parent.is_dir():
            parser.error(f"argument --{name}: there is no folder {path.absolute().parent} to write {path.name} into")


@dataclass(frozen=True, slots=True)
class Report(Generic[R]):
    """How a run is printed: what stands on top, for the limits of the process; a row; the geometric means."""

    heading: Callable[[Limits], str]
    row: Callable[[R], str]
    means: Callable[[list[R]], str]


def measure(
    run: Run[R], settings: Any, steps: int, arguments: argparse.Namespace, report: Callable[[Any], Report[R]]
) -> bool:
    """Measures with each number of threads, and puts what comes into `run`. False where that failed."""
    failed = False
    with progress(steps * len(arguments.threads)) as shown:
        for threads in arguments.threads:
            own = replace(settings, threads=threads)
            failed |= not _follow(own, run, shown, report(own))
    return not failed


def _follow(settings: process.Settings, run: Run[R], shown: Progress, report: Report[R]) -> bool:
    """Measures on one number of threads, prints as it comes, and puts what comes into `run`. False where the measuring
    failed.
    """
    results: list[R] = []
    try:
        for event in process.events(settings):
            if "limits" in event:
                run.limits.append(Limits(**event["limits"]))
                shown.show(report.heading(run.limits[-1]))
            elif "begin" in event:
                shown.begin(event["begin"])
            elif "skipped" in event:
                name, why = event["skipped"]
                shown.show(f"{name:34} skipped: {why}")
            else:
                results.append(result_from(event["result"], run.kind))
                shown.show(report.row(results[-1]))
    except process.ProcessFailed as error:
        print(error, file=sys.stderr)
        return False
    finally:
        run.results.extend(results)
    right = [result for result in results if "compiled" in result.timings]
    if right:
        shown.show(f"\n{report.means(right)}\n")
    return True


def finish(
    run: Run[R],
    arguments: argparse.Namespace,
    draw: Callable[[Path, Run[R]], None],
    ours: Iterable[str],
    begin: float,
    ok: bool,
) -> int:
    """Writes the files that were asked for, and says what was measured, and which of `ours` were wrong. Gives the exit
    code: 1 where one was, or the measuring failed.
    """
    for path, write in ((arguments.json, run.write), (arguments.plot, lambda path: draw(path, run))):
        if path and run.results:
            write(path)
            print(f"written: {path}")
    wrong = [result.name for result in run.results if set(ours) & set(result.faults)]
    said = f", {len(wrong)} WRONG: {', '.join(wrong)}" if wrong else ""
    what = "cases" if run.kind == "layers" else run.kind
    print(f"{len(run.results)} {what} in {time.perf_counter() - begin:.0f} s{said}")
    return 1 if wrong or not ok else 0


def on_cores(limits: Limits) -> str:
    """The cores that a process is pinned to."""
    return f"core {', '.join(map(str, limits.cores))}" if limits.cores else f"{limits.threads} cores"


def speeds(limits: Limits) -> str:
    """What the machine can do."""
    one = f"FMA peak of one core {limits.peak / 1e9:.1f} GFLOP/s, np.copyto {limits.bandwidth / 1e9:.1f} GB/s"
    more = f"; {limits.threads} at once: {limits.more_flops:.2f} and {limits.more_bytes:.2f} times as much"
    return one + more * (limits.threads > 1)
