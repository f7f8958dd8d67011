"""How long compiling takes: every case of shapes.json, from the problem to a kernel that can be called, stage by stage;
with `--random`, so many problems over all parameters (`any_problem.py`), and the longest of them.

The process is warm (llvmlite, the templates and the machine's description are loaded, as from the second layer on), and
what was kept of earlier problems is dropped before each. Importing the package is timed in processes of their own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import llvmlite.binding as binding

from bench import any_problem, shapes
from conv1d_codegen import Activation, CompileOptions, Problem, compiler, executable
from conv1d_codegen.benchmark.arguments import add_accuracy, add_filter, add_layout, add_target, count, no_case
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import resolve, runs_here
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.parser import Parser

STAGES = ("passes", "verify", "emit", "parse", "optimise", "code", "link")
_CALLS = {  # that take the time of each stage but two
    "verify": (executable, "verify"),
    "parse": (binding, "parse_assembly"),
    "optimise": (binding.ModulePassManager, "run"),
    "code": (binding.TargetMachine, "emit_object"),
    "link": (binding.JITLibraryBuilder, "link"),
}


@dataclass(frozen=True, slots=True)
class Compile:
    """One cold compile: seconds of processor time of each stage and of all, and how long the LLVM IR is."""

    seconds: dict[str, float]
    total: float
    lines: int

    @property
    def verifying(self) -> float:
        """What verifying adds, as a share of all else."""
        return self.seconds["verify"] / (self.total - self.seconds["verify"])


def forget() -> None:
    """Drop what was kept of earlier problems: caches with a limit. Those without hold what there is
    once in a process. Code that is kept in files is not read.
    """
    os.environ.pop("CONV1D_CODEGEN_CODE_MIB", None)
    compiler.KEPT.clear()
    compiler.KEPT_OPERATIONS.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("conv1d_codegen."):
            for function in vars(module).values():
                if hasattr(function, "cache_parameters") and function.cache_parameters()["maxsize"] is not None:
                    function.cache_clear()


@contextmanager
def _stopwatch(seconds: dict[str, float]) -> Iterator[None]:
    """While it is open, adds the time of each stage's call to `seconds`: processor time, as LLVM is called on a thread
    of its own.
    """

    def timed(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                seconds[stage] += time.process_time() - start

        return wrapper

    patches = [
        mock.patch.object(owner, name, timed(stage, getattr(owner, name))) for stage, (owner, name) in _CALLS.items()
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def measure(
    problem: Problem, length: int | None = None, target: str | None = None, accuracy: str = "strict"
) -> Compile:
    """Compile a problem, cold."""
    forget()
    seconds = dict.fromkeys(STAGES, 0.0)
    with _stopwatch(seconds):
        begin = time.process_time()
        compilation = compile_problem(problem, CompileOptions(target=target, accuracy=accuracy), length)
        compilation.program.passes  # noqa: B018  made when they are first asked for
        passes = time.process_time()
        ir = compilation.program.llvm
        emitted = time.process_time()
        compilation.kernel  # noqa: B018
        end = time.process_time()
    return Compile({**seconds, "passes": passes - begin, "emit": emitted - passes}, end - begin, ir.count("\n"))


def import_seconds(rounds: int = 9) -> float:
    """How long `import conv1d_codegen` takes in a new process, the start of Python left out; the median."""
    code = "import time; begin = time.perf_counter(); import conv1d_codegen; print(time.perf_counter() - begin)"
    folder = Path(__file__).resolve().parent.parent
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
        for _ in range(rounds)
    ]
    return median(float(run.stdout) for run in runs)


def _median(compiles: Sequence[Compile]) -> Compile:
    """Stage by stage."""
    stages = {stage: median(c.seconds[stage] for c in compiles) for stage in STAGES}
    return Compile(stages, median(c.total for c in compiles), compiles[0].lines)


_HEADER = " ".join([f"{'ms':34}", f"{'lines':>6}", *(f"{stage:>8}" for stage in STAGES), f"{'total':>8}"])


def _row(name: str, compile_: Compile) -> str:
    cells = [f"{1e3 * compile_.seconds[stage]:>8.1f}" for stage in STAGES]
    return " ".join([f"{name:34}", f"{compile_.lines:>6}", *cells, f"{1e3 * compile_.total:>8.1f}"])


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m bench compile", description="Times cold compiles, stage by stage, in ms.")
    add_filter(parser)
    parser.add_argument(
        "--rounds", type=count, default=3, help="compiles of each case; medians are kept (default: %(default)s)"
    )
    parser.add_argument("--random", type=count, help="so many random problems instead of the cases, each once")
    parser.add_argument("--seed", type=int, default=0, help="another one draws others (default: %(default)s)")
    parser.add_argument(
        "--longest", type=count, default=20, help="of many compiles, so many are shown (default: %(default)s)"
    )
    parser.add_argument(
        "--every", action="store_true", help="the cases with relu, tanh and gelu, in both layouts, for avx2 and avx512"
    )
    add_layout(parser)
    add_target(parser)
    add_accuracy(parser)
    return parser.parse_args(argv)


def _random(arguments: argparse.Namespace) -> int:
    """The table of random problems: the longest, and quantiles of all."""
    timing.pin()
    measure(Problem(8, 8, 3), target=arguments.target)  # what only the first layer of a process takes
    results, failed = [], 0
    target = resolve(arguments.target)
    possible = (problem for problem in any_problem.problems(arguments.seed) if target.converts(problem.dtype))
    for _, problem in zip(range(arguments.random), possible, strict=False):
        try:
            results.append((measure(problem, target=arguments.target), str(problem)))
        except Exception as error:  # a bug, whatever it raises: it is shown, and the others are measured
            failed += 1
            print(f"{problem} FAILED: {type(error).__name__}: {error}", flush=True)
    if not results:
        return 1
    _show_longest(results, arguments.longest)
    return 1 if failed else 0


def _every(arguments: argparse.Namespace) -> int:
    """The table of the cases with every activation, layout and target that compile times are limited for."""
    timing.pin()
    measure(Problem(8, 8, 3))
    results = []
    for first in (False, True):
        for case in shapes.load(first, text=arguments.filter):
            for activation in ("relu", "tanh", "gelu"):
                problem = case.problem.with_(activation=Activation(activation))
                for target in (name for name in ("avx2", "avx512") if runs_here(TARGETS[name])):
                    taken = [measure(problem, case.length, target, arguments.accuracy) for _ in range(arguments.rounds)]
                    results.append((_median(taken), f"{problem} {target}"))
    if not results:
        return no_case(arguments.filter)
    _show_longest(results, arguments.longest)
    return 0


def _show_longest(results: list[tuple[Compile, str]], longest: int) -> None:
    """The rows of the longest compiles, and quantiles of all."""
    results.sort(key=lambda result: result[0].total, reverse=True)
    print("\n".join([_HEADER, *(_row(name, compile_) for compile_, name in results[:longest])]))
    compiles = [compile_ for compile_, _ in results]
    verifying = [1e3 * compile_.seconds["verify"] for compile_ in compiles]
    print(f"\ncompiling        {_quantiles([1e3 * compile_.total for compile_ in compiles], 'ms')}")
    print(f"verifying        {_quantiles(verifying, 'ms')}")
    print(f"verifying adds   {_quantiles([100 * compile_.verifying for compile_ in compiles], '%')}")


def _quantiles(numbers: Sequence[float], unit: str) -> str:
    ranks = {"median": 0.5, "90th percentile": 0.9, "99th percentile": 0.99, "worst": 1.0}
    ordered = sorted(numbers)
    return ", ".join(f"{name} {ordered[int(rank * (len(ordered) - 1))]:.0f} {unit}" for name, rank in ranks.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run it. Gives the exit code: 2 where no case fits, 1 where a random problem fails to compile."""
    arguments = _arguments(argv)
    if arguments.random is not None:
        return _random(arguments)
    if arguments.every:
        return _every(arguments)
    cases = shapes.load(arguments.layout == "channels_first", text=arguments.filter)
    if not cases:
        return no_case(arguments.filter)
    timing.pin()
    measure(cases[0].problem, target=arguments.target)  # what only the first layer of a process takes
    print(_HEADER)
    results = []
    for case in cases:
        results.append(
            _median(
                [
                    measure(case.problem, case.length, arguments.target, arguments.accuracy)
                    for _ in range(arguments.rounds)
                ]
            )
        )
        print(_row(case.name, results[-1]), flush=True)
    worst = max(results, key=lambda result: result.total)
    print(
        f"\n{_row('median', _median(results))}\n{_row('worst', worst)}\n\nimport conv1d_codegen: {1e3 * import_seconds():.0f} ms"
    )
    return 0
