"""Is what "auto" chooses never slower than what could have been asked for, and as accurate? Random problems, the same for
the same seed.

Beside auto stand all algorithms that compute the problem, and each form of Cook–Toom that the cost model looks at, of one
level and nested. Those that are far behind in a first call are left out, and the others timed by turns. Where auto comes
out slower than the best of them, it is timed once more, for longer: it counts as slower if it is so both times.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np

from bench.shapes import load
from conv1d_codegen import Activation, Plan, Problem
from conv1d_codegen.benchmark import check
from conv1d_codegen.benchmark.arguments import add_accuracy, add_layout, add_target, count
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.errors import CompileError
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import Target
from conv1d_codegen.parser import Parser
from conv1d_codegen.schedule.cook_toom_model import plans_of_long_inputs
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.details import detailed
from conv1d_codegen.schedule.plan import ALGORITHMS

SLOWER = 0.97  # times as fast as the best: below it auto is slower by more than the noise
_LONGER = 4  # times as many rounds, the second time
_FAR_BEHIND = 1.5  # times as long as the fastest, in a first call
_SECONDS = (20e-6, 5e-3)  # of a direct call, at a speed of
_FLOPS, _BYTES = 100e9, 10e9  # a second: what is drawn does not depend on the machine
_PADDINGS = ("valid", "same", "causal")
_LENGTHS, _SHORT = (16, 4000), (4, 100)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A case: auto's plan and seconds, the best of the other plans and how many times as fast as it auto is; the largest
    error as a share of the bound, which may be exceeded `allowed` times; and the seconds of all plans, of those that are
    far behind as a first call took them. `ratio` is infinite where all others are."""

    case: Case
    plan: Plan
    best: Plan
    ratio: float
    seconds: float
    error: float
    allowed: float
    all_seconds: dict[Plan, float]

    @property
    def fault(self) -> str:
        """What is wrong; nothing, if nothing is."""
        return " ".join(["slower"] * (self.ratio < SLOWER) + ["WRONG"] * (not self.error <= self.allowed))


def cases(seed: int, channels_first: bool = False, short: bool = False) -> Iterator[Case]:
    """Random ones without end, of 20 µs to 5 ms, with relu; `short` ones have up to 100 steps."""
    rng = np.random.default_rng(seed)
    while True:
        case = _draw(rng, channels_first, _SHORT if short else _LENGTHS)
        if case.problem.output_length(case.length) < 1:
            continue
        numbers = math.prod(case.problem.input_shape(case.batch, case.length)) + math.prod(
            case.problem.output_shape(case.batch, case.length)
        )
        if _SECONDS[0] < case.flops / _FLOPS and case.flops / _FLOPS + 4 * numbers / _BYTES < _SECONDS[1]:
            yield case


def _draw(rng: np.random.Generator, channels_first: bool, lengths: tuple[int, int]) -> Case:
    def between(least: int, most: int) -> int:
        """Small numbers as often as large ones."""
        return min(most, int(least * ((most + 1) / least) ** rng.random()))

    def mostly_one(most: int) -> int:
        return 1 if rng.random() < 0.6 else between(1, most)

    def width() -> int:
        """Of channels: half of them multiples of 16, as most models have."""
        return 16 * between(1, 32) if rng.random() < 0.5 else between(8, 512)

    groups = mostly_one(8) if rng.random() < 0.3 else 1
    channels, filters = (max(groups, width() // groups * groups) for _ in range(2))
    kernel_size, stride, dilation = between(1, 41), mostly_one(4), mostly_one(8)
    padding = str(rng.choice(_PADDINGS)) if rng.random() < 0.8 else (between(1, 41) - 1, between(1, 41) - 1)
    problem = Problem(
        channels,
        filters,
        kernel_size,
        stride,
        dilation,
        groups,
        padding,
        Activation("relu"),
        channels_first=channels_first,
    )
    batch, length = between(1, 32), between(*lengths)
    return Case(f"{problem}@{batch}x{length}", "random", batch, length, problem)


def others(problem: Problem, target: Target, accuracy: str) -> list[Plan]:
    """The plans that could be asked for: of every algorithm, and of each form of Cook–Toom that is looked at."""
    found = []
    for algorithm in ALGORITHMS:
        if algorithm != "cook_toom" or accuracy != "strict":
            with suppress(CompileError):
                found.append(choose(problem, target, algorithm, accuracy))
    found += [detailed(problem, target, plan) for plan in plans_of_long_inputs(problem, target, accuracy)]
    return list(dict.fromkeys(found))


def measure(case: Case, target: str | None, accuracy: str, rounds: int, threads: int = 1) -> Comparison:
    """Check and time auto, and all that could be asked for."""
    auto = case.layer(target=target, accuracy=accuracy, threads=threads)
    plan = compile_problem(auto.problem, auto.options, case.length).plan
    x, y = case.inputs(), case.output()
    auto(x, out=y)
    error = check.largest_share(case, auto, x, y)
    calls: dict[Plan, timing.Call] = {plan: partial(auto, x, out=y)}
    for other in others(case.problem, resolve(target), accuracy):
        if other != plan:
            least = "standard" if other.algorithm == "cook_toom" and accuracy == "strict" else accuracy
            calls[other] = partial(case.layer("auto", target, threads, least, other), x, out=y)
    first = _first(calls, threads)
    near = [each for each in calls if each == plan or first[each] < _FAR_BEHIND * min(first.values())]
    seconds = first | _times({each: calls[each] for each in near}, rounds, threads)
    best = min((each for each in near if each != plan), key=lambda each: seconds[each], default=plan)
    ratio = seconds[best] / seconds[plan] if best != plan else math.inf
    if ratio < SLOWER:
        again = _times({each: calls[each] for each in (plan, best)}, _LONGER * rounds, threads)
        ratio = max(ratio, again[best] / again[plan])
    allowed = check.allowance(plan, "auto", accuracy)
    return Comparison(case, plan, best, ratio, seconds[plan], error, allowed, seconds)


def _first(calls: dict[Plan, timing.Call], threads: int) -> dict[Plan, float]:
    """The seconds of each in one of its first calls."""
    clock = timing.clock_for(threads)
    for call in calls.values():
        timing.sample(call, 1, clock)  # compiles it
    return {each: min(timing.sample(call, 2, clock) for _ in range(2)) for each, call in calls.items()}


def _times(calls: dict[Plan, timing.Call], rounds: int, threads: int) -> dict[Plan, float]:
    """The median seconds of each, by turns."""
    named = {str(each): call for each, call in calls.items()}
    seconds = timing.samples(named, rounds, threads)
    return {each: median(seconds[str(each)]) for each in calls}


def kind(plan: Plan) -> str:
    """The algorithm, in a few letters."""
    if plan.algorithm == "cook_toom":
        return str(plan.toom)
    return f"direct {plan.lanes}" if plan.algorithm == "direct" else plan.algorithm


def record(found: Comparison, threads: int) -> str:
    """What was measured, as a line of JSON: see `tools/choice.py`."""
    seconds = {str(plan): float(f"{taken:.4g}") for plan, taken in found.all_seconds.items()}
    return json.dumps({"case": str(found.case), "threads": threads, "taken": str(found.plan), "seconds": seconds})


def header() -> str:
    return (
        f"{'problem':50} {'MFLOP':>8} {'auto µs':>9} {'auto':16} {'best asked for':16} {'auto ÷ best':>11} {'error':>6}"
    )


def row(found: Comparison) -> str:
    """One line; the error is a share of the bound."""
    case = found.case
    numbers = f"{case.flops / 1e6:8.1f} {1e6 * found.seconds:9.1f} {kind(found.plan):16} {kind(found.best):16}"
    return f"{case!s:50} {numbers} {found.ratio:11.2f} {found.error:6.2f} {found.fault}".rstrip()


def summary(found: Sequence[Comparison], drawn: int, failed: int) -> str:
    """What all of them say."""
    failures = f", and {failed} FAILED" if failed else ""
    lines = [f"{drawn} problems: for {len(found)} another algorithm is near or better{failures}"]
    if found:
        worst, wrong = (min(found, key=lambda each: each.ratio), max(found, key=lambda each: each.error))
        lines += [
            f"times as fast as the best that can be asked for: geometric mean {geometric_mean(each.ratio for each in found):.2f}, "
            f"worst {worst.ratio:.2f} ({worst.case})",
            f"largest error as a share of the bound: {wrong.error:.2f} ({wrong.case})",
            f"slower: {sum(each.ratio < SLOWER for each in found)}; wrong: {sum('WRONG' in each.fault for each in found)}",
        ]
    return "\n".join(lines)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench random",
        description="Holds what auto chooses for random problems against all that could be asked for.",
    )
    parser.add_argument("--count", type=count, default=200, help="problems that are drawn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws others (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="sequences of up to 100 steps")
    parser.add_argument("--shapes", action="store_true", help="the 59 shapes of the bench instead")
    parser.add_argument("--skip", type=int, default=0, help="problems that are drawn and left out before these")
    parser.add_argument(
        "--records", type=Path, metavar="FILE", help="append the seconds of each plan: JSON, a line a case"
    )
    parser.add_argument("--rounds", type=count, default=7, help="times that each takes its turn (default: %(default)s)")
    parser.add_argument("--threads", type=count, default=1, help="of a call (default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them, as .png, .svg or .pdf")
    add_accuracy(parser)
    add_target(parser)
    add_layout(parser)
    arguments = parser.parse_args(argv)
    if arguments.threads > len(timing.cores()):
        parser.error(f"argument --threads: {arguments.threads} want as many cores, and there are {len(timing.cores())}")
    if arguments.plot and find_spec("matplotlib") is None:
        parser.error("argument --plot: matplotlib is not installed")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, measure and print. Gives the exit code: 1 where auto is slower than another, or wrong, or fails."""
    arguments = _arguments(argv)
    timing.pin(arguments.threads)
    first = arguments.layout == "channels_first"
    drawn = load(first) if arguments.shapes else cases(arguments.seed, first, arguments.short)
    what = "the bench's shapes" if arguments.shapes else f"seed {arguments.seed}{', short' if arguments.short else ''}"
    threads = "one thread" if arguments.threads == 1 else f"{arguments.threads} threads"
    title = f"{resolve(arguments.target)}, {arguments.layout}, float32, {what}, {threads}"
    print(f"{title}\n\n{header()}", flush=True)
    found, failed, total = [], 0, 0
    for case in islice(drawn, arguments.skip, arguments.skip + arguments.count):
        total += 1
        try:
            comparison = measure(case, arguments.target, arguments.accuracy, arguments.rounds, arguments.threads)
        except Exception as error:  # a bug, whatever it raises: it is shown, and the others are measured
            failed += 1
            print(f"{case!s:50} FAILED: {type(error).__name__}: {error}", flush=True)
            continue
        if arguments.records:
            with arguments.records.open("a") as file:
                file.write(f"{record(comparison, arguments.threads)}\n")
        if math.isfinite(comparison.ratio):
            found.append(comparison)
            print(row(comparison), flush=True)
    print(f"\n{summary(found, total, failed)}")
    if arguments.plot and found:
        from bench import random_plot

        random_plot.draw(arguments.plot, found, title)
        print(f"written: {arguments.plot}")
    return 1 if failed or any(each.fault for each in found) else 0
