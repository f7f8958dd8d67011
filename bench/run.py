"""The bench: compiled layers against the generic kernel and the FMA peak. `python -m bench --help`, or `python bench/run.py --help`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

if __package__ in (None, ""):  # run as a file: Python looks for modules in this folder instead of the one above
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import check, shapes, table, timing
from bench.peak import FmaPeak, copy_bandwidth
from bench.shapes import Case
from conv1d_codegen.errors import CompileError
from conv1d_codegen.plan import ALGORITHMS
from conv1d_codegen.target import TARGETS, resolve, runs_here


class WrongResult(Exception):
    """A layer's output is not what the reference says."""


def measure(case: Case, peak: FmaPeak, algorithm: str = "auto", target: str | None = None, rounds: int = 11) -> table.Result:
    """Check both layers of a case, then time them and the peak by turns.

    Raises WrongResult where an output is wrong, CompileError where the algorithm can't compute the case.
    """
    x = case.inputs()
    calls: dict[str, timing.Call] = {"peak": peak}
    for name, kind in (("compiled", algorithm), ("generic", "generic")):
        layer = case.layer(kind, target)
        y = np.full(case.problem.output_shape(case.batch, case.length), np.nan, np.float32)
        layer(x, out=y)
        if fault := check.wrong(case, layer, x, y):
            raise WrongResult(f"{name}: {fault}")
        calls[name] = lambda layer=layer, y=y: layer(x, out=y)  # type: ignore[misc]
    seconds = timing.interleaved(calls, rounds)
    return table.Result(case, seconds["compiled"], seconds["generic"], peak.flops / seconds["peak"])


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Times compiled Conv1D layers against the generic kernel.")
    parser.add_argument("--filter", default="", metavar="TEXT", help="only cases whose name, class or problem contains it")
    parser.add_argument("--rounds", type=int, default=11, help="times that each takes its turn; medians are kept (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    parser.add_argument("--target", choices=list(TARGETS), help="compile for a row of the target table (default: this machine)")
    parser.add_argument("--algorithm", choices=("auto", *ALGORITHMS), default="auto", help="of the compiled layers (default: %(default)s)")
    parser.add_argument("--layout", choices=("channels_last", "channels_first"), default="channels_last", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error(f"argument --rounds: 1 or more is needed, not {arguments.rounds}")
    if arguments.target and not runs_here(TARGETS[arguments.target]):
        parser.error(f"argument --target: code for {arguments.target} does not run on this machine")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench. Gives the exit code: 1 where a result was wrong, 2 where no case fits."""
    arguments = _arguments(argv)
    cases = [c for c in shapes.load(arguments.layout == "channels_first") if arguments.filter in f"{c.name} {c.kind} {c.problem}"]
    if not cases:
        print(f"No case contains {arguments.filter!r}.", file=sys.stderr)
        return 2
    begin = time.perf_counter()
    target = resolve(arguments.target)
    core = timing.pin()
    peak = FmaPeak(target)
    speed = peak.flops / timing.interleaved({"peak": peak}, rounds=5)["peak"]
    where = "one core" if core is None else f"core {core}"
    print(f"{target}, {where}, {arguments.layout}, float32, bias and relu, algorithm {arguments.algorithm}")
    print(f"FMA peak {speed / 1e9:.1f} GFLOP/s, np.copyto {copy_bandwidth() / 1e9:.1f} GB/s\n\n{table.header()}", flush=True)

    results, wrong = [], 0
    for case in cases:
        try:
            result = measure(case, peak, arguments.algorithm, arguments.target, 3 if arguments.quick else arguments.rounds)
        except CompileError as error:
            print(f"{case.name:34} skipped: {error}", flush=True)
        except WrongResult as error:
            wrong += 1
            print(f"{case.name:34} WRONG: {error}", flush=True)
        else:
            results.append(result)
            print(table.row(result), flush=True)
    if results:
        print(f"\n{table.means(results)}")
    print(f"\n{len(results)} cases in {time.perf_counter() - begin:.0f} s" + (f", {wrong} WRONG" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
