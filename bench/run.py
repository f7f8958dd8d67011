"""The bench: compiled layers against the generic kernel, the limits of the machine and other libraries.

`python -m bench --help`, or `python bench/run.py --help`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

if __package__ in (None, ""):  # run as a file: Python looks for modules in this folder instead of the one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import machine, peers, process, table, timing
from bench.arguments import add_accuracy, add_filter, add_layout, add_target, count, no_case
from bench.measure import Settings
from bench.progress import Progress, progress
from bench.record import Limits, Result, Run, result_from
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.schedule.plan import ALGORITHMS

_EXTRA = 'run `python -m pip install "conv1d-codegen[bench]"`, or `python -m pip install ".[bench]"` in a checkout'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Times compiled Conv1D layers against the generic kernel, the limits of the machine and other libraries.",
        epilog="Other commands: python -m bench compare | compile | calls | plans | accuracy | random, each with --help.",
    )
    add_filter(parser)
    parser.add_argument(
        "--peers",
        type=_peers,
        default=(),
        metavar="NAMES",
        help=f"all, none (default), or some of {','.join(peers.NEEDS)}",
    )
    parser.add_argument(
        "--threads", type=_threads, default=(1,), metavar="COUNTS", help="numbers of threads, such as 1,2 (default: 1)"
    )
    parser.add_argument(
        "--sweeps", type=count, default=3, help="times that all cases are gone through (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=count, default=5, help="times in a sweep that each takes its turn (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="one sweep of 3 rounds")
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
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all measurements, for `python -m bench compare`"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw them under the machine's roofline, as .png, .svg or .pdf"
    )
    return parser


def _peers(text: str) -> tuple[str, ...]:
    """The names that `--peers` lists, in the order of the table."""
    names = {"all": list(peers.NEEDS), "none": []}.get(text, text.split(","))
    unknown = [name for name in names if name not in peers.NEEDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"all, none, or some of {','.join(peers.NEEDS)} is needed, not {text!r}")
    return tuple(name for name in peers.NEEDS if name in names)


def _threads(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"numbers of 1 or more, separated by commas, are needed, not {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, with all that can be known to go wrong refused before the first measurement."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.sweeps, arguments.rounds = 1, 3
    if max(arguments.threads) > len(timing.cores()):
        parser.error(
            f"argument --threads: {max(arguments.threads)} threads want as many cores, and this process may use {len(timing.cores())}"
        )
    if arguments.accuracy == "strict" and arguments.algorithm == "cook_toom":
        parser.error("argument --accuracy: strict excludes --algorithm cook_toom; leave one of them out")
    if arguments.peers and arguments.dtype != "f32":
        parser.error("argument --peers: the peers are measured in f32 only; leave --peers or --dtype out")
    lacking = peers.missing(arguments.peers)
    if lacking:
        parser.error(f"argument --peers: {', '.join(lacking)} not installed: {_EXTRA}")
    if arguments.plot and find_spec("matplotlib") is None:
        parser.error(f"argument --plot: matplotlib is not installed: {_EXTRA}")
    for name in ("json", "plot"):
        path = getattr(arguments, name)
        if path and not path.absolute().parent.is_dir():
            parser.error(f"argument --{name}: there is no folder {path.absolute().parent} to write {path.name} into")
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
    run = Run(date, machine.describe(), machine.versions(settings.peers), options, [], [])
    failed = False
    with progress(cases * settings.sweeps * len(arguments.threads)) as shown:
        for threads in arguments.threads:
            failed |= not _follow(replace(settings, threads=threads), run, shown)
    if run.results and settings.dtype == "f32":
        print(f"{table.summary(run.results, list(settings.peers), settings.transforms)}")
    print()
    for path, write in ((arguments.json, run.write), (arguments.plot, lambda path: _draw(path, run))):
        if path and run.results:
            write(path)
            print(f"written: {path}")
    wrong = [result.name for result in run.results if {"compiled", "generic", "direct", "single"} & set(result.faults)]
    said = f", {len(wrong)} WRONG: {', '.join(wrong)}" if wrong else ""
    print(f"{len(run.results)} cases in {time.perf_counter() - begin:.0f} s{said}")
    return 1 if wrong or failed else 0


def _follow(settings: Settings, run: Run, shown: Progress) -> bool:
    """Measure on one number of threads, print as it comes, and put what comes into `run`. False where the measuring
    failed.
    """
    results: list[Result] = []
    try:
        for event in process.events(settings):
            if "limits" in event:
                run.limits.append(Limits(**event["limits"]))
                shown.show(f"{_heading(settings, run.limits[-1])}\n\n{table.header(settings.threads)}")
            elif "begin" in event:
                shown.begin(event["begin"])
            elif "skipped" in event:
                name, why = event["skipped"]
                shown.show(f"{name:34} skipped: {why}")
            else:
                results.append(result_from(event["result"]))
                shown.show(table.row(results[-1], list(settings.peers), settings.transforms))
    except process.ProcessFailed as error:
        print(error, file=sys.stderr)
        return False
    finally:
        run.results.extend(results)
    right = [result for result in results if "compiled" in result.timings]
    if right:
        shown.show(f"\n{table.means(right, list(settings.peers))}\n")
    return True


def _heading(settings: Settings, limits: Limits) -> str:
    cores = f"core {', '.join(map(str, limits.cores))}" if limits.cores else f"{limits.threads} cores"
    kind = {"f32": "float32", "f64": "float64"}[settings.dtype]
    accuracy = "" if settings.accuracy == "standard" else f", accuracy {settings.accuracy}"
    sweeps = f"\n{settings.sweeps} sweeps; the rows come with the last" if settings.sweeps > 1 else ""
    return (
        f"{resolve(settings.target)}, {cores}, {settings.layout}, {kind}, bias and relu, algorithm {settings.algorithm}{accuracy}\n"
        f"FMA peak of one core {limits.peak / 1e9:.1f} GFLOP/s, np.copyto {limits.bandwidth / 1e9:.1f} GB/s{sweeps}"
    )


def _draw(path: Path, run: Run) -> None:
    from bench import plot

    plot.draw(path, run)


if __name__ == "__main__":
    sys.exit(main())
