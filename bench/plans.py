"""How good is the cost model? The plan that it chooses for each case, against the best that a search finds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from bench import shapes
from conv1d_codegen.benchmark.arguments import add_filter, add_layout, add_target, no_case
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import Target
from conv1d_codegen.parser import Parser
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.tuning import Trial, Workbench, compare, search

CLOSE = 1.05  # times the best plan's time: what still counts as well chosen
WANTED = 0.9  # of the cases


@dataclass(frozen=True, slots=True)
class Comparison:
    """A case, the two plans, and how many times as long the chosen one takes (1 where no better one was found)."""

    case: Case
    chosen: Plan
    best: Plan
    ratio: float
    seconds: float  # of one call with the best
    tried: int


def measure(case: Case, target: Target, seconds: float, final: float) -> Comparison:
    """Search for `seconds`, then compile the two plans afresh and time them by turns for `final` seconds: luck does not
    win twice.
    """
    bench = Workbench(case.problem, target, case.batch, case.length, threads=1)
    found = search(bench, seconds)
    chosen, best = found.chosen, found.best
    ratio = 1.0 if best == chosen else max(1.0, compare(Trial(chosen, bench), Trial(best, bench), final))
    return Comparison(case, chosen, best if ratio > 1 else chosen, ratio, found.seconds, found.tried)


def header() -> str:
    return f"{'name':36} {'chosen/best':>11} {'best µs':>10} {'GFLOP/s':>8} {'tried':>6}  plans"


def row(result: Comparison) -> str:
    """One line, and a second one with the better plan where there is one."""
    speed = result.case.flops / result.seconds / 1e9
    line = f"{result.case.name:36} {result.ratio:11.3f} {result.seconds * 1e6:10.1f} {speed:8.1f} {result.tried:6}  {result.chosen}"
    return line if result.best == result.chosen else f"{line}\n{'':77}{result.best}"


def summary(results: Sequence[Comparison]) -> str:
    """The share of the cases whose plan is well chosen, and what the others lose."""
    close = sum(result.ratio <= CLOSE for result in results)
    mean = geometric_mean(result.ratio for result in results)
    return (
        f"The chosen plan is within {CLOSE - 1:.0%} of the best found in {close} of {len(results)} cases, {close / len(results):.0%} "
        f"(wanted: {WANTED:.0%}); as a geometric mean it takes {mean:.3f} times as long."
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench plans", description="Holds the plans that the cost model chooses against a search."
    )
    add_filter(parser)
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of the search for each case (default: %(default)s)"
    )
    parser.add_argument(
        "--final",
        type=float,
        default=1.0,
        help="seconds in which the two plans take turns in the end (default: %(default)s)",
    )
    add_target(parser)
    add_layout(parser)
    arguments = parser.parse_args(argv)
    if not (arguments.seconds > 0 and arguments.final > 0):
        parser.error(f"--seconds and --final must be above 0. Received: {arguments.seconds} and {arguments.final}")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Search a plan for each case. Gives the exit code: 1 where fewer plans than wanted are well chosen, 2 where no
    case fits.
    """
    arguments = _arguments(argv)
    cases = shapes.load(arguments.layout == "channels_first", text=arguments.filter)
    if not cases:
        return no_case(arguments.filter)
    target = resolve(arguments.target)
    timing.pin()
    print(f"{target}, {arguments.layout}, float32, bias and relu; the kernel alone\n\n{header()}", flush=True)
    results = []
    for case in cases:
        results.append(measure(case, target, arguments.seconds, arguments.final))
        print(row(results[-1]), flush=True)
    print(f"\n{summary(results)}")
    return 0 if sum(result.ratio <= CLOSE for result in results) >= WANTED * len(results) else 1
