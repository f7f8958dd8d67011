"""Tuning: searches the plan that is fastest for a problem on this machine, by measuring.

The search starts from the plan that the cost model chose and changes one aspect of it at a time (`candidates`), as long
as that helps and there is time. Plans that differ in one aspect are timed by turns, and the slower half of them is
dropped, until one is left. In the end it is measured against the plan of the cost model once more, and has to be faster
by more than measuring is off.

All candidates give the same bits, which is checked of each before it is timed.
"""

from __future__ import annotations

import gc
import operator
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from .. import knobs
from ..errors import CompileError
from ..layers.conv1d import Conv1D
from ..machine.host import resolve
from ..machine.target import TARGETS, Target
from ..number_types import TYPES
from ..options import CompileOptions
from ..problem import Problem
from ..runtime.threads import get_num_threads
from ..schedule import tuned_plans
from ..schedule.cost_model import choose
from ..schedule.plan import Plan
from .candidates import ASPECTS, candidates

_SAMPLE = 3e-4  # seconds that one sample takes at least: a thousand times what reading the clock takes
_HOPELESS = 1.5  # a plan that takes this many times the fastest one's time in its first call is not called again
_ROUNDS = 3  # of samples before the slower half is dropped
_FEWEST_ROUNDS = 15  # of a comparison, however long they take
_BRIEF_SECONDS = 0.1  # of the comparison with the best plan so far
_FINAL_SECONDS = 0.5  # ... and with the plan of the cost model
# two trials of one plan came out at 0.994 to 1.009 (84 comparisons of 0.5 s, of seven problems from 8 µs to 17 ms a
# call)
_GAIN = 1.02


@dataclass(frozen=True, slots=True)
class Result:
    """What a search found: the plan of the cost model, the best one (the same, where none is
    faster) and how they compare.
    """

    chosen: Plan
    best: Plan
    speedup: float  # seconds of the chosen one ÷ seconds of the best
    seconds: float  # one call with the best
    tried: int


class Workbench:
    """A problem with data of one size: random, normally distributed inputs and weights.

    Raises TypeError or ValueError for sizes without an output, and less than one thread.
    """

    def __init__(
        self, problem: Problem, target: Target, batch: int, length: int, threads: int, accuracy: str = "standard"
    ) -> None:
        for name, number in (("batch", batch), ("length", length), ("num_threads", threads)):
            if operator.index(number) < 1:
                raise ValueError(
                    f"{name} must be 1 or more, so that there is something to measure. Received: {name}={number}."
                )
        if problem.output_length(length) < 1:
            raise ValueError(
                f"{problem} has no output for a length of {length}, its kernel looks at {problem.extent} steps."
            )
        dtype = TYPES[problem.dtype].numpy
        rng = np.random.default_rng(1)
        spread = (problem.kernel_size * problem.group_channels) ** -0.5
        self.problem, self.target, self.threads = problem, target, threads
        self.chosen = choose(problem, target, "auto", accuracy, length)
        self.case = f"{problem}@{batch}x{length}"
        self.x = rng.standard_normal(problem.input_shape(batch, length), np.float32).astype(dtype)
        self.weights = (spread * rng.standard_normal(problem.kernel_shape, np.float32)).astype(dtype)
        self.bias = rng.standard_normal(problem.filters, np.float32).astype(dtype) if problem.use_bias else None
        self.y = np.empty(problem.output_shape(batch, length), dtype)


class Trial:
    """One plan, compiled, and its calls. Raises CompileError where it can't be compiled."""

    def __init__(self, plan: Plan, bench: Workbench) -> None:
        from ..compiler import Compilation, Program

        self.plan = plan
        self._bench = bench
        self._kernel = Compilation(bench.problem, Program(bench.problem, plan, bench.target)).kernel
        self._packed = self._kernel.pack(bench.weights, bench.bias)
        self._repetitions = 1
        self.times: list[float] = []

    def output(self) -> bytes:
        """What the plan computes, bit by bit."""
        self._bench.y.fill(np.nan)
        self.call()
        return self._bench.y.tobytes()

    def call(self) -> None:
        x = self._bench.x
        self._kernel.run(self._kernel.launch(x.shape), x, self._packed, self._bench.y, self._bench.threads)

    def sample(self) -> float:
        """Seconds of one call, as many in a row as the clock needs."""
        clock = time.thread_time if self._bench.threads == 1 else time.perf_counter
        while True:
            begin = clock()
            for _ in range(self._repetitions):
                self.call()
            spent = clock() - begin
            if spent >= _SAMPLE:
                break
            self._repetitions *= 2
        self.times.append(spent / self._repetitions)
        return self.times[-1]


def search(bench: Workbench, seconds: float) -> Result:
    """The fastest plan found in about `seconds`. Raises ValueError unless they are above 0, CompileError where a plan
    has other bits.
    """
    if not seconds > 0:
        raise ValueError(f"The search takes some seconds, more than 0. Received: seconds={seconds}.")
    deadline = time.perf_counter() + seconds
    chosen = Trial(bench.chosen, bench)
    expected = chosen.output()
    best, tried = chosen, {chosen.plan}
    improved = True
    while improved:
        improved = False
        for aspect in ASPECTS:
            untried = [plan for plan in candidates(aspect, best.plan, bench.problem, bench.target) if plan not in tried]
            trials = list(_trials(untried, bench, expected, deadline))
            tried.update(trial.plan for trial in trials)
            fastest = _fastest([best, *trials])
            if compare(best, fastest, _BRIEF_SECONDS) > _GAIN:
                best, improved = fastest, True
    speedup = compare(chosen, best, _FINAL_SECONDS)
    if speedup < _GAIN:
        best, speedup = chosen, 1.0
    return Result(chosen.plan, best.plan, speedup, median(best.times), len(tried))


def _trials(plans: Sequence[Plan], bench: Workbench, expected: bytes, deadline: float) -> Iterator[Trial]:
    """As many as there is time to compile. Raises CompileError for one that computes other bits than `expected`."""
    for plan in plans:
        if time.perf_counter() > deadline:
            return
        trial = Trial(plan, bench)
        if trial.output() != expected:
            raise CompileError(f"{bench.problem} has other bits with the plan `{plan}`: a fault of the compiler.")
        yield trial


def _fastest(trials: Sequence[Trial]) -> Trial:
    """The one that is left when the slower half has been dropped again and again."""
    alive = list(trials)
    with _no_collection():
        for trial in alive:
            trial.times.clear()
            trial.sample()
        limit = _HOPELESS * min(trial.times[0] for trial in alive)
        alive = [trial for trial in alive if trial.times[0] <= limit]
        while len(alive) > 1:
            for _ in range(_ROUNDS):
                for trial in alive:
                    trial.sample()
            alive.sort(key=lambda trial: min(trial.times))
            del alive[(len(alive) + 1) // 2 :]
    return alive[0]


def compare(first: Trial, second: Trial, seconds: float) -> float:
    """How many times as long the first takes: the median over rounds in which both take their turn,
    for some `seconds`.
    """
    if first is second:
        return 1.0
    ratios: list[float] = []
    deadline = time.perf_counter() + seconds
    with _no_collection():
        while len(ratios) < _FEWEST_ROUNDS or time.perf_counter() < deadline:
            ratios.append(first.sample() / second.sample())
    return median(ratios)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage is collected while something is timed."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def tune(
    what: Conv1D | Problem,
    batch: int,
    length: int,
    *,
    seconds: float = 10.0,
    num_threads: int | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Plan:
    """Search the fastest plan for a layer or a problem on this machine, by measuring; layers with that problem use it
    from then on.

        tune(layer, batch=8, length=16_000)

    Args:
        what: a built layer (which takes the plan at its next call), or a Problem.
        batch, length: the size of the inputs to measure with. One plan serves all sizes; that found last counts.
        seconds: about how long to search. There are some 25 plans, and each takes 0.1 to 0.4 s to compile (`python -m
            bench compile`).
        num_threads: threads of a call; None takes the layer's, or the package's `get_num_threads()`.
        directory: where to keep the plan for other processes too, in a file; None takes that of
            CONV1D_CODEGEN_CACHE_DIR, and without that no file is written. Files are read from the directory of
            CONV1D_CODEGEN_CACHE_DIR only.

    The inputs and weights that it measures with are random numbers; nothing of the layer's weights is used or kept. A
    directory that does not exist is made, private to the user; one that others can write is not used. `tuned_plans.py`
    says what a file holds, and when it is believed.

    Gives the plan: that of the cost model, where none is faster by 2 % and more. Results have the same bits with each
    that is tried. Warns (RuntimeWarning) where the plan could not be written to the directory. Raises TypeError or ValueError
    for arguments that can't be tuned, CompileError for a machine that is not this one.
    """
    problem, target, threads = _subject(what)
    accuracy = (what.options if isinstance(what, Conv1D) else CompileOptions()).accuracy
    bench = Workbench(problem, target, batch, length, threads if num_threads is None else num_threads, accuracy)
    result = search(bench, seconds)
    try:
        keep(bench, result, directory)
    except OSError as error:
        warnings.warn(
            f"The plan of {problem} is kept in this process, but in no file: {error}", RuntimeWarning, stacklevel=2
        )
    if isinstance(what, Conv1D):
        what._forget_kernels()
    return result.best


def keep(bench: Workbench, result: Result, directory: str | os.PathLike[str] | None) -> Path | None:
    """Remember the plan of a search, as `tuned_plans.remember` does: gives the file, if there is
    one; raises OSError.
    """
    notes = {"case": bench.case, "threads": bench.threads, "seconds": result.seconds, "speedup": result.speedup}
    folder = None if directory is None else Path(directory).absolute()
    return tuned_plans.remember(bench.problem, bench.target, result.best, folder, notes)


def _subject(what: Conv1D | Problem) -> tuple[Problem, Target, int]:
    """The problem, the machine and the number of threads. Raises TypeError or ValueError for what
    has no plan to search.
    """
    if isinstance(what, Problem):
        return what, resolve(knobs.target(TARGETS)), get_num_threads()
    if not isinstance(what, Conv1D):
        raise TypeError(f"`tune` takes a built Conv1D or a Problem. Received: {what!r} (of type {type(what)}).")
    options = what.options
    if options.plan is not None or options.algorithm != "auto":
        raise ValueError(
            f"Layer '{what.name}' has algorithm={options.algorithm!r} and plan={options.plan} in its options, which count before a plan "
            "that is found: leave both out to tune it."
        )
    return what.problem, resolve(options.target or knobs.target(TARGETS)), options.num_threads or get_num_threads()
