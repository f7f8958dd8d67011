"""`python -m conv1d_codegen selftest`: draw cases, run them for so long, shrink what fails, and report."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from . import report
from .case import Case
from .covering import Coverage, Row
from .driver import Outcome, Worker, outcomes
from .parameters import CONSTRAINED, allowed, parameters, runnable
from .sampler import sample
from .shrink import shrink

_SHRUNK = 12  # kinds of failures that are made small
_REFRESH = 0.5  # seconds between progress lines


class Stream:
    """Cases without end: those that cover all pairs first, then all triples, then any. The same for the same seed and
    targets.
    """

    def __init__(self, targets: Sequence[str], seed: int) -> None:
        self.coverage = Coverage(parameters(targets), CONSTRAINED, allowed)
        self._rng = np.random.default_rng(seed)
        self._others: list[Row] = []

    def pairs(self) -> Iterator[Case]:
        """A table that covers every pair of classes."""
        for row in self.coverage.rows(self._rng, 2):
            yield self._case(row)

    def __iter__(self) -> Iterator[Case]:
        for strength in (2, 3):
            for row in self.coverage.rows(self._rng, strength):
                yield self._case(row)
        while True:
            row = self.coverage.draw(self._rng)
            self.coverage.see(row)
            yield self._case(row)

    def _case(self, row: Row) -> Case:
        def other() -> Row:
            drawn = self.coverage.draw(self._rng)
            another = {**row, "batch": drawn["batch"], "length": drawn["length"]}
            self.coverage.see(another)
            return another

        return sample(row, other, self._rng)


def run(seconds: float, seed: int, targets: Sequence[str], jobs: int, layers: int | None = None) -> int:
    """Run and print the report. Gives the exit code: 1 where something failed. Raises ValueError for targets that don't
    run here.
    """
    chosen = runnable(targets)
    print(report.header(chosen, seed, jobs), flush=True)
    stream, totals, started = Stream(chosen, seed), report.Totals(), time.monotonic()
    shown = 0.0
    results = outcomes(_until(stream, started + seconds, layers), jobs)
    for outcome in results:
        totals.add(outcome)
        if outcome.failure:
            _clear()
            print(f"failed: {outcome.case}\n    {outcome.failure}", flush=True)
        if sys.stderr.isatty() and time.monotonic() - shown > _REFRESH:
            shown = time.monotonic()
            line = report.progress(totals, stream.coverage.counts(2), started + seconds - shown)
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    totals.seconds = time.monotonic() - started
    _clear()
    shrunk = [_small(outcome) for outcome in _first_of_each_kind(totals.failures)]
    print(report.text(totals, stream.coverage.counts(2), stream.coverage.counts(3), shrunk))
    return 1 if totals.failures else 0


def _until(cases: Iterator[Case] | Stream, deadline: float, most: int | None) -> Iterator[Case]:
    """Cases until the deadline, but one at least: tables of rare combinations may take seconds before the first."""
    for number, case in enumerate(cases):
        if (number and time.monotonic() > deadline) or number == most:
            return
        yield case


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _first_of_each_kind(failures: Sequence[Outcome]) -> list[Outcome]:
    kinds: dict[str, Outcome] = {}
    for outcome in failures:
        kinds.setdefault(report.cause(outcome.failure), outcome)
    return list(kinds.values())[:_SHRUNK]


def _small(outcome: Outcome) -> Outcome:
    """A failure with a smaller case, which fails in the same way."""
    worker, found = Worker(), [outcome]

    def fails(case: Case) -> bool:
        result = worker.run(case)
        same = bool(result.failure) and report.cause(result.failure)[:60] == report.cause(outcome.failure)[:60]
        if same:
            found.append(result)
        return same

    try:
        case = shrink(outcome.case, fails)
    finally:
        worker.end()
    return replace(found[-1], case=case)


def run_case(line: str) -> int:
    """Run one case and say what comes of it. Gives the exit code. Raises ValueError for a line that is no case."""
    worker = Worker()
    try:
        outcome = worker.run(Case.parse(line))
    finally:
        worker.end()
    print(f"{outcome.case}\n    {outcome.failure or f'{outcome.outputs} outputs are right'} ({outcome.seconds:.2f} s)")
    return 1 if outcome.failure else 0
