"""How long compiling takes: every case of shapes.json, from the problem to a kernel that can be called, stage by stage; with `--random`,
so many problems over all parameters (`any_problem.py`), and the longest of them.

The process is warm (llvmlite, the templates and the machine's description are loaded, as from the second layer on), and what was kept of
earlier problems is dropped before each. Importing the package is timed in processes of their own.
"""

from __future__ import annotations

import argparse
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

from bench import any_problem, shapes, timing
from bench.arguments import add_filter, add_layout, add_target, count, no_case
from conv1d_codegen import CompileOptions, Problem, compiler, jit
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.target import resolve

STAGES = ("passes", "emit", "parse", "optimise", "code", "link")
_LLVM = {  # the calls of llvmlite that take the time of each stage
    "parse": (jit.llvm, "parse_assembly"),
    "optimise": (jit.llvm.ModulePassManager, "run"),
    "code": (jit.llvm.TargetMachine, "emit_object"),
    "link": (jit.llvm.JITLibraryBuilder, "link"),
}


@dataclass(frozen=True, slots=True)
class Compile:
    """One cold compile: seconds of processor time of each stage and of all, and how long the LLVM IR is."""

    seconds: dict[str, float]
    total: float
    lines: int


def forget() -> None:
    """Drop what was kept of earlier problems: caches with a limit. Those without hold what there is once in a process."""
    compiler.KEPT.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("conv1d_codegen."):
            for function in vars(module).values():
                if hasattr(function, "cache_parameters") and function.cache_parameters()["maxsize"] is not None:
                    function.cache_clear()


@contextmanager
def _stopwatch(seconds: dict[str, float]) -> Iterator[None]:
    """While it is open, adds the time of each LLVM stage to `seconds`."""

    def timed(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                seconds[stage] += time.thread_time() - start

        return wrapper

    patches = [mock.patch.object(owner, name, timed(stage, getattr(owner, name))) for stage, (owner, name) in _LLVM.items()]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def measure(problem: Problem, length: int | None = None, target: str | None = None) -> Compile:
    """Compile a problem, cold."""
    forget()
    seconds = dict.fromkeys(STAGES, 0.0)
    with _stopwatch(seconds):
        begin = time.thread_time()
        compilation = compile_problem(problem, CompileOptions(target=target), length)
        compilation.program.passes  # noqa: B018  made when they are first asked for
        passes = time.thread_time()
        ir = compilation.program.llvm
        emitted = time.thread_time()
        compilation.kernel  # noqa: B018
        end = time.thread_time()
    return Compile({**seconds, "passes": passes - begin, "emit": emitted - passes}, end - begin, ir.count("\n"))


def import_seconds(rounds: int = 9) -> float:
    """How long `import conv1d_codegen` takes in a new process, the start of Python left out; the median."""
    code = "import time; begin = time.perf_counter(); import conv1d_codegen; print(time.perf_counter() - begin)"
    folder = Path(__file__).resolve().parent.parent
    runs = [subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True) for _ in range(rounds)]
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
    parser = argparse.ArgumentParser(prog="python -m bench compile", description="Times cold compiles, stage by stage, in ms.")
    add_filter(parser)
    parser.add_argument("--rounds", type=count, default=3, help="compiles of each case; medians are kept (default: %(default)s)")
    parser.add_argument("--random", type=count, help="so many random problems instead of the cases, each once")
    parser.add_argument("--seed", type=int, default=0, help="another one draws others (default: %(default)s)")
    parser.add_argument("--longest", type=count, default=20, help="random problems that are shown (default: %(default)s)")
    add_layout(parser)
    add_target(parser)
    return parser.parse_args(argv)


def _random(arguments: argparse.Namespace) -> int:
    """The table of random problems: the longest, and quantiles of all."""
    timing.pin()
    measure(Problem(8, 8, 3), target=arguments.target)  # what only the first layer of a process takes
    results, failed = [], 0
    half = resolve(arguments.target).half
    possible = (problem for problem in any_problem.problems(arguments.seed) if half or problem.dtype != "f16")
    for _, problem in zip(range(arguments.random), possible, strict=False):
        try:
            results.append((measure(problem, target=arguments.target), str(problem)))
        except Exception as error:  # a bug, whatever it raises: it is shown, and the others are measured
            failed += 1
            print(f"{problem} FAILED: {type(error).__name__}: {error}", flush=True)
    if not results:
        return 1
    results.sort(key=lambda result: result[0].total, reverse=True)
    print("\n".join([_HEADER, *(_row(name, compile_) for compile_, name in results[: arguments.longest])]))
    totals = [1e3 * compile_.total for compile_, _ in results]
    ranks = {"median": 0.5, "90th percentile": 0.9, "99th percentile": 0.99, "worst": 1.0}
    print("\n" + ", ".join(f"{name} {totals[int((1 - rank) * (len(totals) - 1))]:.0f} ms" for name, rank in ranks.items()))
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run it. Gives the exit code: 2 where no case fits, 1 where a random problem fails to compile."""
    arguments = _arguments(argv)
    if arguments.random is not None:
        return _random(arguments)
    cases = shapes.load(arguments.layout == "channels_first", text=arguments.filter)
    if not cases:
        return no_case(arguments.filter)
    timing.pin()
    measure(cases[0].problem, target=arguments.target)  # what only the first layer of a process takes
    print(_HEADER)
    results = []
    for case in cases:
        results.append(_median([measure(case.problem, case.length, arguments.target) for _ in range(arguments.rounds)]))
        print(_row(case.name, results[-1]), flush=True)
    worst = max(results, key=lambda result: result.total)
    print(f"\n{_row('median', _median(results))}\n{_row('worst', worst)}\n\nimport conv1d_codegen: {1e3 * import_seconds():.0f} ms")
    return 0
