"""Is what "auto" chooses never slower than direct, and as accurate? Random problems, the same for the same seed.

Where auto chooses Cook–Toom, the layer is checked, and timed by turns with the direct one. Elsewhere both have the same
plan, and there is nothing to compare. One that comes out slower is timed once more, for longer: it counts as slower if
it is so both times.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import geometric_mean

import numpy as np

from conv1d_codegen import Activation, Plan, Problem
from conv1d_codegen.benchmark import check, timing
from conv1d_codegen.benchmark.arguments import add_accuracy, add_layout, add_target, count
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine.host import resolve

SLOWER = 0.97  # times as fast as direct: below it auto is slower by more than the noise
_LONGER = 4  # times as many rounds, the second time
_SECONDS = (20e-6, 5e-3)  # of a direct call, at a speed of
_FLOPS, _BYTES = 100e9, 10e9  # a second: what is drawn does not depend on the machine
_PADDINGS = ("valid", "same", "causal")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A case that auto computes with Cook–Toom: how many times as fast as direct, seconds of direct, and the largest
    error as a share of the bound; the bound may be exceeded `allowed` times."""

    case: Case
    plan: Plan
    ratio: float
    direct: float
    error: float
    allowed: float

    @property
    def fault(self) -> str:
        """What is wrong; nothing, if nothing is."""
        return " ".join(["slower"] * (self.ratio < SLOWER) + ["WRONG"] * (not self.error <= self.allowed))


def cases(seed: int, channels_first: bool = False) -> Iterator[Case]:
    """Random ones without end, of 20 µs to 5 ms, with relu."""
    rng = np.random.default_rng(seed)
    while True:
        case = _draw(rng, channels_first)
        numbers = math.prod(case.problem.input_shape(case.batch, case.length)) + math.prod(
            case.problem.output_shape(case.batch, case.length)
        )
        if _SECONDS[0] < case.flops / _FLOPS and case.flops / _FLOPS + 4 * numbers / _BYTES < _SECONDS[1]:
            yield case


def _draw(rng: np.random.Generator, channels_first: bool) -> Case:
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
    batch, length = between(1, 32), between(16, 4000)
    return Case(f"{problem}@{batch}x{length}", "random", batch, length, problem)


def measure(case: Case, target: str | None, accuracy: str, rounds: int) -> Comparison | None:
    """Check and time auto and direct; None where auto does not choose Cook–Toom."""
    layers = {"auto": case.layer(target=target, accuracy=accuracy), "direct": case.layer("direct", target)}
    auto = layers["auto"]
    plan = compile_problem(auto.problem, auto.options, case.length).plan
    if plan.algorithm != "cook_toom":
        return None
    x, y = case.inputs(), case.output()
    auto(x, out=y)
    error = check.largest_share(case, auto, x, y)
    calls: dict[str, timing.Call] = {name: partial(layer, x, out=y) for name, layer in layers.items()}
    seconds = timing.interleaved(calls, rounds)
    ratio = seconds["direct"] / seconds["auto"]
    if ratio < SLOWER:
        again = timing.interleaved(calls, _LONGER * rounds)
        ratio = max(ratio, again["direct"] / again["auto"])
    return Comparison(case, plan, ratio, seconds["direct"], error, check.allowance(plan, "auto", accuracy))


def header() -> str:
    return f"{'problem':50} {'MFLOP':>8} {'direct µs':>9} {'F(m,r)':8} {'vs direct':>9} {'error':>6}"


def row(found: Comparison) -> str:
    """One line; the error is a share of the bound."""
    case, toom = found.case, f"F({found.plan.outputs},{found.plan.taps})"
    numbers = f"{case.flops / 1e6:8.1f} {1e6 * found.direct:9.1f} {toom:8} {found.ratio:9.2f} {found.error:6.2f}"
    return f"{case.name:50} {numbers} {found.fault}".rstrip()


def summary(found: Sequence[Comparison], drawn: int, failed: int) -> str:
    """What all of them say."""
    same, failures = drawn - len(found) - failed, f", and {failed} FAILED" if failed else ""
    lines = [
        f"{drawn} problems: of {len(found)} auto chose Cook–Toom, of {same} the same plan as direct does{failures}"
    ]
    if found:
        worst, wrong = (min(found, key=lambda each: each.ratio), max(found, key=lambda each: each.error))
        lines += [
            f"times as fast as direct: geometric mean {geometric_mean(each.ratio for each in found):.2f}, "
            f"worst {worst.ratio:.2f} ({worst.case.name})",
            f"largest error as a share of the bound: {wrong.error:.2f} ({wrong.case.name})",
            f"slower: {sum(each.ratio < SLOWER for each in found)}; wrong: {sum('WRONG' in each.fault for each in found)}",
        ]
    return "\n".join(lines)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench random",
        description="Holds what auto chooses for random problems against the direct algorithm, on one core.",
    )
    parser.add_argument("--count", type=count, default=200, help="problems that are drawn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws others (default: %(default)s)")
    parser.add_argument("--rounds", type=count, default=7, help="times that each takes its turn (default: %(default)s)")
    add_accuracy(parser)
    add_target(parser)
    add_layout(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, measure and print. Gives the exit code: 1 where auto is slower than direct, or wrong, or fails."""
    arguments = _arguments(argv)
    timing.pin()
    print(f"{resolve(arguments.target)}, {arguments.layout}, float32, seed {arguments.seed}\n\n{header()}", flush=True)
    found, failed = [], 0
    drawn = cases(arguments.seed, arguments.layout == "channels_first")
    for _, case in zip(range(arguments.count), drawn, strict=False):
        try:
            comparison = measure(case, arguments.target, arguments.accuracy, arguments.rounds)
        except Exception as error:  # a bug, whatever it raises: it is shown, and the others are measured
            failed += 1
            print(f"{case.name:50} FAILED: {type(error).__name__}: {error}", flush=True)
            continue
        if comparison is not None:
            found.append(comparison)
            print(row(comparison), flush=True)
    print(f"\n{summary(found, arguments.count, failed)}")
    return 1 if failed or any(each.fault for each in found) else 0
