"""How time grows with the length of a sequence, and with their number, over six decades; and whether the rate holds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from bench.scale_measure import Settings
from conv1d_codegen.benchmark import machine
from conv1d_codegen.benchmark.arguments import add_accuracy, count
from conv1d_codegen.benchmark.cells import line
from conv1d_codegen.benchmark.command import Report, add_measuring, check_measuring, finish, measure, on_cores, speeds
from conv1d_codegen.benchmark.record import Limits, Result, Run
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.parser import Parser
from conv1d_codegen.problem import Problem, parse_case

#: Cook–Toom of several sizes, a pointwise layer, and one that only memory bounds.
PROBLEMS = (
    "c64_f64_k3_same_relu_f32",
    "c128_f128_k3_same_relu_f32",
    "c64_f64_k9_same_relu_f32",
    "c32_f32_k3_same_relu_f32",
    "c256_f256_k1_same_relu_f32",
    "c256_f256_k4_g256_causal_relu_f32",
)
#: Steps from which on a rate should hold.
LONG = 10_000
_COLUMNS = (
    ("case", "<46"),
    ("µs", ">12"),
    ("± %", ">5"),
    ("GFLOP/s", ">8"),
    ("% of peak", ">9"),
    ("GB/s", ">6"),
    ("plan", "<0"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Gives the exit code: 1 where an output was wrong, or the measuring failed."""
    parser = Parser(
        prog="python -m bench scale",
        description="Times layers at lengths from 10 to 10 000 000 steps, and batches from 1 to 1 000 000 sequences.",
    )
    parser.add_argument(
        "problems",
        nargs="*",
        metavar="PROBLEM",
        help=f"such as {PROBLEMS[0]} (default: {len(PROBLEMS)} of several kinds)",
    )
    parser.add_argument("--steps", type=count, default=32, help="of each sequence of a batch (default: %(default)s)")
    parser.add_argument(
        "--gibibytes", type=count, default=5, help="of input and output together, at most (default: %(default)s)"
    )
    parser.add_argument(
        "--sweeps", type=count, default=3, help="times that all points are gone through (default: %(default)s)"
    )
    add_accuracy(parser)
    add_measuring(parser)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.sweeps, arguments.rounds = 1, 3
    check_measuring(parser, arguments)
    for text in arguments.problems:
        try:
            Problem.parse(text)
        except ValueError as error:
            parser.error(f"argument PROBLEM: {error}")
    fields = ("steps", "gibibytes", "sweeps", "rounds", "accuracy")
    problems = tuple(arguments.problems) or PROBLEMS
    settings = Settings(problems, **{name: getattr(arguments, name) for name in fields})
    begin, date = time.perf_counter(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    options = {**asdict(settings), "threads": list(arguments.threads)}
    run: Run[Result] = Run(date, machine.describe(), machine.versions(()), options, [], [])
    points = sum(len(settings.cases(text)) for text in problems)
    ok = measure(run, settings, points * settings.sweeps, arguments, _report)
    return finish(run, arguments, _draw, ("compiled",), begin, ok)


def _report(settings: Settings) -> Report[Result]:
    return Report(
        lambda limits: f"{_heading(settings, limits)}\n\n{line([title for title, _ in _COLUMNS], _COLUMNS)}", row, held
    )


def _heading(settings: Settings, limits: Limits) -> str:
    accuracy = "" if settings.accuracy == "standard" else f", accuracy {settings.accuracy}"
    return f"{resolve(None)}, {on_cores(limits)}, bias and relu{accuracy}\n{speeds(limits)}"


def row(result: Result) -> str:
    """One point."""
    if "compiled" not in result.timings:
        return f"{result.text:44} WRONG: {'; '.join(result.faults.values())}"
    compiled = result.timings["compiled"]
    cells = [
        result.text,
        f"{1e6 * compiled.seconds:.1f}",
        f"{100 * compiled.noise:.1f}",
        f"{result.flops / compiled.seconds / 1e9:.1f}",
        f"{100 * share(result):.1f}",
        f"{result.bytes / compiled.seconds / 1e9:.1f}",
        result.plan,
    ]
    return line(cells, _COLUMNS).rstrip()


def share(result: Result) -> float:
    """Of the FMA peak of as many cores, measured in the same rounds."""
    return result.flops / result.timings["compiled"].seconds / (result.peak * result.threads)


def held(results: list[Result]) -> str:
    """How far the rate falls from `LONG` steps on, together or in one sequence: the lowest share of the peak ÷ the
    highest.
    """
    lines = []
    for text in dict.fromkeys(str(result.problem) for result in results):
        for kind in ("length", "batch"):
            shares = [share(each) for each in points(results, text, kind) if steps(each) >= LONG]
            if shares:
                said = f"lowest ÷ highest share of the peak from {LONG} steps on"
                lines.append(f"{text:34} {kind:6} {said}: {min(shares) / max(shares):.2f}")
    return "\n".join(lines)


def points(results: Sequence[Result], text: str, kind: str) -> list[Result]:
    """Those of a problem, along one axis."""
    return [each for each in results if str(each.problem) == text and each.kind == kind]


def steps(result: Result) -> int:
    """Of all sequences together."""
    _, batch, length = parse_case(result.text)
    return batch * length


def _draw(path: Path, run: Run[Result]) -> None:
    from bench import scale_plot

    scale_plot.draw(path, run)
