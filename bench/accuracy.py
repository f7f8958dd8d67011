"""How accurate is Cook–Toom? For each F(m, r), the error that the model predicts and the one measured, as shares of
direct's bound.

The measured error is the largest of a million outputs of a compiled kernel (in float64 of 3 % of that), for normal
inputs and weights, against sums in the next wider type: float64, or `np.longdouble`. The predicted one is for 10⁷
outputs, at the window's worst place.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np

from bench import recordings
from conv1d_codegen.benchmark.arguments import add_target, no_case
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import Target
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.parser import Parser
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference import convolution as reference
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.details import detailed
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.toom import LARGEST, Algorithm
from conv1d_codegen.toom.algorithm import algorithm
from conv1d_codegen.toom.error import amplification, predicted
from conv1d_codegen.toom.nested import USUAL, algorithm_of

Array = np.ndarray[Any, Any]
CHANNELS = (32, 64, 128, 256, 512)
_FILTERS = 64
STEPS = {"f32": 16384, "f64": 512}  # of output; NumPy has no fast matrix product of longdouble
_FEW = 8  # multiplications, with 2 to 5 taps: what is looked at by default


@dataclass(frozen=True, slots=True)
class Errors:
    """The largest errors of one problem, as shares of the bound: the model's, Cook–Toom's, and the
    direct algorithm's.
    """

    predicted: float
    measured: float
    direct: float


def algorithms(every: bool = False, text: str = "") -> list[Algorithm]:
    """Those that save multiplications, by their number, and then the usual nested ones; and of these those whose name
    contains the text.
    """
    shapes = [(m, n + 1 - m) for n in range(3, LARGEST + 1) for m in range(2, n)]
    found = [algorithm(m, r) for m, r in shapes if every or (m + r - 1 <= _FEW and r <= 5)]
    found += [algorithm_of(*form) for form in USUAL]
    return [each for each in found if text in str(each)]


def measure(toom: Algorithm, channels: int, dtype: str, target: Target) -> Errors:
    """A kernel of as many taps as F(m, r) has, without bias and activation."""
    problem = Problem(channels, _FILTERS, toom.taps, dtype=dtype, use_bias=False)
    direct = choose(problem, target, "direct")
    block = max(1, direct.block // toom.outputs) * toom.outputs
    nested = tuple(level.taps for level in toom.levels[:-1])
    windows = {"outputs": toom.outputs, "taps": toom.taps, "nested": nested, "block": block}
    plan = detailed(problem, target, direct.with_tiles(algorithm="cook_toom", **windows))
    return Errors(
        predicted(toom, toom.taps, channels, 1), _share(problem, plan, target), _share(problem, direct, target)
    )


@cache
def _share(problem: Problem, plan: Plan, target: Target) -> float:
    """The largest error of a plan's kernel, as a share of the bound."""
    x, weights, exact, bound = _data(problem)
    kernel = compile_problem(problem, CompileOptions(plan=plan, target=target)).kernel
    y = np.full(exact.shape, np.nan, x.dtype)
    kernel(x, kernel.pack(weights, None), y)
    return float(np.max(np.abs(y - exact) / bound))


@cache
def _data(problem: Problem) -> tuple[Array, Array, Array, Array]:
    """Inputs and weights, the exact outputs, and the bound of each."""
    rng, dtype = np.random.default_rng(problem.channels), TYPES[problem.dtype].numpy
    x = rng.standard_normal((1, STEPS[problem.dtype] + problem.kernel_size - 1, problem.channels)).astype(dtype)
    weights = rng.standard_normal(problem.kernel_shape).astype(dtype)
    return x, weights, exact_sums(x, weights), reference.error_bound(x, weights, None, problem)


def exact_sums(x: Array, weights: Array) -> Array:
    """The sums in the next wider type."""
    wider = np.longdouble if x.dtype == np.float64 else np.float64
    steps, wide = x.shape[1] - len(weights) + 1, x.astype(wider)
    return np.asarray(sum(wide[:, j : j + steps] @ tap for j, tap in enumerate(weights.astype(wider))))


def header(dtype: str) -> str:
    """What is printed, and the titles of the columns."""
    bound = f"8·2^-{53 if dtype == 'f64' else 24}·Σ|x||w|"
    groups = " ".join(f"{f'{channels} channels':>20}" for channels in CHANNELS)
    titles = " ".join(f"{'model':>6} {'found':>6} {'direct':>6}" for _ in CHANNELS)
    said = f"The largest error as a share of {bound}: of the model, as found, and of the direct algorithm. Of {dtype}, normal data."
    return f"{said}\n\n{'':15} {'':>6} {'worst':>6} {groups}\n{'F(m,r)':15} {'n':>6} {'case':>6} {titles}"


def row(toom: Algorithm, found: Sequence[Errors]) -> str:
    """One F(m, r): its multiplications, the factor by which errors grow in the worst case, and three shares for each
    number of channels.
    """
    cells = " ".join(f"{each.predicted:6.2f} {each.measured:6.2f} {each.direct:6.2f}" for each in found)
    return f"{toom!s:15} {toom.multiplications:>6} {amplification(toom):6.1f} {cells}"


def summary(found: Sequence[Errors]) -> str:
    """How far the model is off."""
    ratios = [each.measured / each.predicted for each in found]
    mean = geometric_mean(ratios)
    return f"Found ÷ model: {min(ratios):.2f} to {max(ratios):.2f}, geometric mean {mean:.2f}."


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench accuracy", description="Holds the error model of Cook–Toom against measured errors."
    )
    parser.add_argument(
        "--filter", default="", metavar="TEXT", help="only F(m, r) whose name contains it, such as 'F(4,' or '⊗'"
    )
    parser.add_argument(
        "--all", action="store_true", help=f"all of them, not only those of {_FEW} multiplications and 5 taps at most"
    )
    parser.add_argument("--dtype", choices=tuple(STEPS), default="f32", help="default: %(default)s")
    parser.add_argument(
        "--recordings", action="store_true", help="errors on recorded signals with clicks instead (bench/recordings.py)"
    )
    parser.add_argument(
        "--wav", nargs="*", default=(), type=Path, metavar="FILE", help="recordings beside those of installed packages"
    )
    add_target(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Gives the exit code: 2 where no F(m, r) fits."""
    arguments = _arguments(argv)
    if arguments.recordings:
        for line in recordings.table(arguments.wav, resolve(arguments.target)):
            print(line, flush=True)
        return 0
    chosen = algorithms(arguments.all, arguments.filter)
    if not chosen:
        return no_case(arguments.filter)
    target = resolve(arguments.target)
    print(f"{target}\n{header(arguments.dtype)}", flush=True)
    every = []
    for toom in chosen:
        found = [measure(toom, channels, arguments.dtype, target) for channels in CHANNELS]
        print(row(toom, found), flush=True)
        every += found
    print(f"\n{summary(every)}")
    return 0
