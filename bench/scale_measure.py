"""Times one layer at lengths and batches over six decades, in a process of its own (`child.py`).

All points of a problem lie in one array each for inputs and outputs, as large as the largest: memory that was touched
before. Between any two points the machine may change, so each is timed by turns with the FMA peak, and all are gone
through several times.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from conv1d_codegen.benchmark import check
from conv1d_codegen.benchmark.cases import Case, placed
from conv1d_codegen.benchmark.measure import Findings, limits
from conv1d_codegen.benchmark.record import Result
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.peak import FmaPeak
from conv1d_codegen.problem import Problem

Array = np.ndarray[Any, Any]
_DECADES = 6
_MOST_SECONDS = 3.0  # of the rounds of a point in one sweep
_PEAKS = 8  # a point's operations ÷ those of the peak that is measured beside it: it meets the same clock rates


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, and how."""

    problems: tuple[str, ...] = ()
    steps: int = 32  # of each sequence of a batch
    gibibytes: int = 5  # of input and output together, at most
    rounds: int = 3
    sweeps: int = 3
    accuracy: str = "standard"
    threads: int = 1
    peers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "problems", tuple(self.problems))  # JSON makes a list of it

    def cases(self, text: str) -> list[Case]:
        """The points of a problem: lengths of ten steps and more, batches of one sequence and more, two for each factor
        of ten. Without those that have no output, or want more memory.
        """
        problem, sizes = Problem.parse(text), [round(10 ** (half / 2)) for half in range(2 * _DECADES + 1)]
        found = [Case(f"{text}@1x{10 * n}", "length", 1, 10 * n, problem) for n in sizes]
        found += [Case(f"{text}@{n}x{self.steps}", "batch", n, self.steps, problem) for n in sizes]
        return [
            case for case in found if problem.output_length(case.length) > 0 and _bytes(case) <= self.gibibytes << 30
        ]


def events(settings: Settings, cores: list[int]) -> Iterator[dict[str, Any]]:
    """What happens, as data for JSON: {"limits": …}, then {"begin": name} for each point of each sweep, and {"result": …}
    for each in the last one.
    """
    peak = FmaPeak(resolve(None))
    yield {"limits": asdict(limits(peak, settings.threads, cores))}
    for text in settings.problems:
        cases = settings.cases(text)
        x = _numbers(max(math.prod(case.problem.input_shape(case.batch, case.length)) for case in cases))
        y = _numbers(max(math.prod(case.problem.output_shape(case.batch, case.length)) for case in cases))
        found: defaultdict[str, Findings] = defaultdict(Findings)
        for sweep in range(settings.sweeps):
            for case in cases:
                yield {"begin": case.name}
                result = _measured(case, settings, peak, x, y, found[case.name])
                if sweep == settings.sweeps - 1:
                    yield {"result": asdict(result)}


def _measured(case: Case, settings: Settings, peak: FmaPeak, whole_x: Array, whole_y: Array, found: Findings) -> Result:
    """Times a point, after a look at its outputs, and adds that to what was found before."""
    x_shape, y_shape = (
        shape(case.batch, case.length) for shape in (case.problem.input_shape, case.problem.output_shape)
    )
    x, y = (whole[: math.prod(shape)].reshape(shape) for whole, shape in ((whole_x, x_shape), (whole_y, y_shape)))
    layer = case.layer(threads=settings.threads, accuracy=settings.accuracy)
    plan = compile_problem(layer.problem, layer.options, case.length).plan
    if not found.samples and not found.faults:
        y.fill(np.nan)
        layer(x, out=y)
        if fault := check.wrong(case, layer, x, y, check.allowance(plan, "auto", settings.accuracy)):
            found.faults["compiled"] = fault
    count = max(1, case.flops // (_PEAKS * peak.flops))
    calls: dict[str, timing.Call] = {"compiled": partial(layer, x, out=y), "peak": partial(_again, peak, count)}
    for name, seconds in timing.samples(calls, settings.rounds, settings.threads, _MOST_SECONDS).items():
        found.samples.setdefault(name, []).extend(each / (count if name == "peak" else 1) for each in seconds)
    timings = {name: timing.Timing.of(seconds) for name, seconds in found.samples.items() if name not in found.faults}
    weights = sum(weight.nbytes for weight in layer.weights)
    return Result(
        name=case.name,
        kind=case.kind,
        text=str(case),
        threads=settings.threads,
        flops=case.flops,
        bytes=x.nbytes + weights + y.nbytes,
        plan=str(plan),
        peak=peak.flops / timings["peak"].seconds,
        timings=timings,
        faults=found.faults,
    )


def _again(call: timing.Call, count: int) -> None:
    for _ in range(count):
        call()


def _numbers(count: int) -> Array:
    """So many random numbers; a block of them again and again, as making them takes longer than all else."""
    block = np.random.default_rng(2).standard_normal(min(count, 1 << 20), np.float32)
    array = placed((count,), "float32")
    for first in range(0, count, block.size):
        part = array[first : first + block.size]
        part[...] = block[: part.size]
    return array


def _bytes(case: Case) -> int:
    """Of input and output."""
    shapes = (shape(case.batch, case.length) for shape in (case.problem.input_shape, case.problem.output_shape))
    return sum(4 * math.prod(shape) for shape in shapes)
