"""Time on a machine that does other things too: the calls to compare take turns in one process on one core, and medians are kept.

What is taken is the thread's own processor time, which stands still while the core runs something else; a call that starts threads needs
another clock. What disturbs one round in other ways (the clock rate, the caches) disturbs all calls of that round, so the ratios of one run
hold better than its times.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from statistics import median

Call = Callable[[], object]


def pin() -> int | None:
    """Keep this process on one core, the last it may use, where the system can do that. Gives the core's number, or None."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def sample(call: Call, repetitions: int) -> float:
    """Seconds that one of `repetitions` calls in a row takes."""
    start = time.thread_time()
    for _ in range(repetitions):
        call()
    return (time.thread_time() - start) / repetitions


def repetitions(call: Call, seconds: float = 1e-3) -> int:
    """How many calls in a row take at least `seconds`, so that the clock and its call don't count."""
    call()
    count = 1
    while (spent := sample(call, count) * count) < seconds:
        count = max(2 * count, min(100 * count, int(1.2 * count * seconds / max(spent, 1e-9))))
    return count


def interleaved(calls: Mapping[str, Call], rounds: int, most_seconds: float = 8.0) -> dict[str, float]:
    """The median seconds of one call of each, over rounds in which each takes its turn.

    After `most_seconds` no further round begins, but three are always made.
    """
    counts = {name: repetitions(call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for done in range(rounds):
            if done >= 3 and time.perf_counter() - begin > most_seconds:
                break
            for name, call in calls.items():
                times[name].append(sample(call, counts[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: median(taken) for name, taken in times.items()}
