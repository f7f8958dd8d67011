"""Does a layer take as long at every length as at those beside it? Where the rows of an array lie a power of two apart,
they fall into few sets of a cache, and lanes and tiles leave steps over: a call should take at most so many times as
long, for each step, as at the best length of its range.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from conv1d_codegen.benchmark.arguments import add_target, count
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.machine import timing
from conv1d_codegen.parser import Parser
from conv1d_codegen.problem import Problem

CLIFF = 1.5  # times the time a step of the best length in the range
RANGES = ((1000, 1100), (2000, 2100), (4090, 4110))
Steps = dict[int, float]  # seconds a step of the input, by the input's length


def measure(problem: Problem, batch: int, lengths: Sequence[int], rounds: int, target: str | None = None) -> Steps:
    """All lengths by turns: the median of the rounds."""
    calls: dict[str, timing.Call] = {}
    for length in lengths:
        case = Case("", "", batch, length, problem)
        layer, x, y = case.layer(target=target), case.inputs(), case.output()
        calls[str(length)] = partial(layer, x, out=y)
    seconds = timing.interleaved(calls, rounds)
    return {length: seconds[str(length)] / (batch * length) for length in lengths}


def worst(steps: Steps) -> tuple[int, float]:
    """The length that takes the longest, and how many times as long as the best one."""
    length = max(steps, key=steps.__getitem__)
    return length, steps[length] / min(steps.values())


def row(steps: Steps, batch: int) -> str:
    """One line for a range."""
    length, ratio = worst(steps)
    best = min(steps, key=steps.__getitem__)
    first, last = min(steps), max(steps)
    times = f"{steps[best] * batch * best * 1e6:9.1f} us at {best:5}, {steps[length] * batch * length * 1e6:9.1f} us at {length:5}"
    return f"{first:6} to {last:6}: {times}, {ratio:5.2f} times as long a step{'  CLIFF' if ratio > CLIFF else ''}"


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    ends = count(first), count(last or first)
    if ends[0] > ends[1]:
        raise argparse.ArgumentTypeError(f"FIRST-LAST is needed, not {text!r}")
    return ends


def _problem(text: str) -> Problem:
    try:
        return Problem.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench lengths",
        description="Looks for lengths at which a layer is much slower than beside them.",
    )
    parser.add_argument(
        "problem", type=_problem, nargs="+", help="text forms, such as c32_f32_k3_d512_causal_relu_f32_first"
    )
    parser.add_argument("--batch", type=count, default=1, help="default: %(default)s")
    ranges = " ".join(f"{first}-{last}" for first, last in RANGES)
    parser.add_argument(
        "--lengths", type=_range, nargs="+", default=RANGES, metavar="FIRST-LAST", help=f"default: {ranges}"
    )
    parser.add_argument(
        "--every", type=count, default=1, metavar="STEPS", help="of a range, each so many (default: all)"
    )
    parser.add_argument("--rounds", type=count, default=5, help="default: %(default)s")
    add_target(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Times each length of each range. Gives the exit code: 1 where there is a cliff."""
    arguments = _arguments(argv)
    timing.pin()
    cliffs = 0
    for problem in arguments.problem:
        print(f"{problem}, {arguments.batch} sequences", flush=True)
        for first, last in arguments.lengths:
            lengths = sorted({*range(first, last + 1, arguments.every), last})
            steps = measure(problem, arguments.batch, lengths, arguments.rounds, arguments.target)
            cliffs += worst(steps)[1] > CLIFF
            print(row(steps, arguments.batch), flush=True)
    return 1 if cliffs else 0
