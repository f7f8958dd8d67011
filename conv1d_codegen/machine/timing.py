"""Time on a machine that does other things too: the calls to compare take turns in one process, and medians are kept.

On one core the clock is the process's own time, that of all its threads: it stands still while the core runs another
process, and a library that hands the work to a thread of its own is charged for it. On several cores threads work at
the same time, and only the wall clock says how long a call took; what else the machine does then counts, so look at the
noise.

What disturbs one round in other ways (the clock rate, the caches) disturbs all calls of that round, so the ratios of
one run hold better than its times. What lasts longer than a case, such as another machine's share of the memory, shows
only between sweeps over all cases.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

Call = Callable[[], object]
Clock = Callable[[], float]
_PAUSE = 5e-3  # seconds: libgomp's threads spin for some 3 ms after a call, on a core that the next call wants


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call, the median over the rounds; and the noise, the distance of the rounds' quartiles as a share
    of the median.
    """

    seconds: float
    noise: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Timing:
        middle = median(samples)
        if len(samples) < 2:
            return cls(middle, 0.0)
        first, _, third = quantiles(samples, n=4, method="inclusive")
        return cls(middle, (third - first) / middle)


def cores() -> list[int]:
    """The cores that this process may use, where the system tells; else as many as there are."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(count: int = 1) -> list[int]:
    """Keep this process on `count` cores, the last it may use, where the system can do that. Gives
    their numbers, or none.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    kept = cores()[-count:]
    os.sched_setaffinity(0, kept)
    return kept


def clock_for(threads: int) -> Clock:
    """The clock for calls that use so many cores: see the top of this file."""
    return time.process_time if threads == 1 else time.perf_counter


def sample(call: Call, repetitions: int, clock: Clock = time.process_time) -> float:
    """Seconds that one of `repetitions` calls in a row takes."""
    start = clock()
    for _ in range(repetitions):
        call()
    return (clock() - start) / repetitions


def repetitions(call: Call, seconds: float = 1e-3, clock: Clock = time.process_time) -> int:
    """How many calls in a row take at least `seconds`, so that the clock and its call don't count."""
    call()
    count = 1
    while (spent := sample(call, count, clock) * count) < seconds:
        count = max(2 * count, min(100 * count, int(1.2 * count * seconds / max(spent, 1e-9))))
    return count


def samples(
    calls: Mapping[str, Call], rounds: int, threads: int = 1, most_seconds: float = 8.0
) -> dict[str, list[float]]:
    """Seconds of one call of each, a number a round. In each round each takes its turn: half a millisecond that does
    not count, then one.

    What comes first finds the caches full of what the call before left there, and wide vectors run slower for some 200
    µs after a pause: the FMA peak came out 4 % lower when only its first call did not count.

    After `most_seconds` no further round begins, but three are always made.
    """
    clock = clock_for(threads)
    counts = {name: repetitions(call, clock=clock) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for done in range(rounds):
            if done >= 3 and time.perf_counter() - begin > most_seconds:
                break
            for name, call in calls.items():
                if threads > 1:
                    time.sleep(_PAUSE)
                sample(call, -(-counts[name] // 2), clock)
                times[name].append(sample(call, counts[name], clock))
    finally:
        if collecting:
            gc.enable()
    return times


def interleaved(calls: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """The median seconds of one call of each, on one core."""
    return {name: median(taken) for name, taken in samples(calls, rounds).items()}
