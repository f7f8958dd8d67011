"""Calls beside a neighbour: a process that spins on one of the processors. Medians and 99th percentiles of a short and a
long call, for each thread runtime and on one thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median

import numpy as np

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.runtime import openmp, pool, processors, team, threads
from conv1d_codegen.runtime.work import Work

#: Steps of `c64_f64_k3_same_relu_f32`, and calls of each: some 0.1 and 5 ms on one thread.
LENGTHS = {700: 4000, 40_000: 300}
_SPIN = "import os; os.sched_setaffinity(0, {%d})\nwhile True: pass"


def measure() -> Iterator[tuple[str, int, str, float, float]]:
    """Whether there is a neighbour, the length, the runtime, and the median and 99th percentile in seconds.

    The other threads wake at the first calls, which count: what they cost is part of what a caller sees.
    """
    runtimes: dict[str, Callable[[Work, int], None] | None] = {
        "one thread": None,
        "the team": team.fork_join(),
        "OpenMP": openmp.fork_join(),
        "the pool": pool.run,
    }
    wanted = min(2, processors.usable())
    for neighbour in ("idle", "neighbour"):
        with _neighbour() if neighbour == "neighbour" else nullcontext():
            for length, calls in LENGTHS.items():
                for name, run in runtimes.items():
                    if run is not None or name == "one thread":
                        seconds = _calls(length, calls, run, wanted if run else 1)
                        yield neighbour, length, name, median(seconds), float(np.percentile(seconds, 99))


def _calls(length: int, calls: int, run: Callable[[Work, int], None] | None, count: int) -> list[float]:
    """Seconds of each call, one after the other."""
    layer = Conv1D(64, 3, padding="same", activation="relu", options=CompileOptions(num_threads=count))
    x = np.random.default_rng(0).standard_normal((1, length, 64)).astype(np.float32)
    before = threads.runtime
    if run is not None:
        measured = threads.Runtime("measured", run, 1, team.seats if run is team.run else None)
        threads.runtime = lambda: measured  # type: ignore[assignment]
    try:
        y = layer(x)  # which prepares a fast call for this runtime, if it can be called so
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            layer(x, out=y)
            seconds.append(time.perf_counter() - start)
    finally:
        threads.runtime = before
    return seconds


@contextmanager
def _neighbour() -> Iterator[None]:
    """A process that spins on the first processor that this one may use."""
    spinning = subprocess.Popen([sys.executable, "-c", _SPIN % min(os.sched_getaffinity(0))])
    try:
        time.sleep(0.5)
        yield
    finally:
        spinning.kill()
        spinning.wait()
