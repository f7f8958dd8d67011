"""How many threads compute one call, and who runs them.

Every iteration computes outputs of its own, in the same order whoever runs it: results are the same bits for any number
of threads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from .. import knobs
from ..locks import at_fork
from . import openmp, pool, processors, team
from .team import Seats
from .work import Work

_default: int | None = None
_forked = False
#: How often what threads calls have was changed, where machine code can look: by `set_num_threads`, or by a fork.
SETTINGS = ctypes.c_int64()


class Runtime(NamedTuple):
    """A way to run work on several threads: `run(work, threads)` returns when it is done."""

    name: str
    run: Callable[[Work, int], None]
    least_flops: int  # of a thread, for which one more pays
    # what machine code needs to run work itself, on so many threads, of so many operations
    seats: Callable[[int, int], Seats] | None = None


#: What a thread must have to do. Two threads ÷ one, c64_f64_k3 on an AVX-512 core of 160 GFLOP/s, by MFLOP of the call:
#: OpenMP 1.2: 0.95, 1.6: 1.04, 3.1: 1.3, 6.3: 1.5, 25: 1.83, 1966: 1.99;  pool 12: 0.76, 25: 0.9, 39: 1.12, 98: 1.5, 1966: 1.92
#: The team, whose calls go to machine code at once, by MFLOP: 1.6: 1.00, 3.1: 1.17, 6.3: 1.50, 12.6: 1.60, 25: 1.84, 101: 1.94;
#: OpenMP, through Python, beside it 1.01, 0.76, 1.11, 1.31, 1.56, 1.77 (Xeon with AVX-512 and AMX).
#: `python tools/threads.py` prints such a table.
_LEAST_FLOPS = {"team": 1_600_000, "openmp": 800_000, "pool": 20_000_000}


def set_num_threads(count: int) -> None:
    """Let layers that do not say otherwise use up to `count` threads. Raises ValueError for less than 1, TypeError for
    what is no int.
    """
    global _default
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"The number of threads must be an integer. Received: {count!r} (of type {type(count)}).")
    if count.__index__() < 1:
        raise ValueError(f"The number of threads must be 1 or more. Received: {count}.")
    _default = count.__index__()
    SETTINGS.value += 1


def get_num_threads() -> int:
    """How many threads layers use that do not say otherwise: what was set, else CONV1D_CODEGEN_THREADS, else one on each
    core that the process may use, as far as its quota goes (`processors.py`).

    The switch is read once, at the first call: a look into the environment takes 0.9 µs. Raises ValueError where it
    makes no sense.
    """
    return _default or _from_environment()


@cache
def _from_environment() -> int:
    return knobs.threads() or processors.sensible()


def worth(flops: int, iterations: int, limit: int) -> int:
    """How many threads, up to `limit`, are worth having for so much work: as many as get enough of it, and a processor
    each.
    """
    least = runtime().least_flops
    if flops < 2 * least:  # tiny calls notice what the rest takes, 0.4 µs
        return 1
    return max(1, min(limit, iterations, flops // least, processors.usable()))


@cache
def runtime() -> Runtime:
    """The runtime, chosen at the first call that may use threads: what CONV1D_CODEGEN_RUNTIME says, else the package's
    own team where its system is known, else OpenMP where it is found, else Python's pool.

    A forked child has none of OpenMP's threads, and waits for ever for them if it uses OpenMP; so it takes another one.
    Raises ValueError if the switch wants what is not there.
    """
    wanted = knobs.runtime()
    for name, found, seats in (("team", team.fork_join, team.seats), ("openmp", openmp.fork_join, None)):
        if wanted in (None, name) and not (_forked and name == "openmp"):
            fork_join = found()
            if fork_join is not None:
                return Runtime(name, fork_join, _LEAST_FLOPS[name], seats)
    if wanted == "team":
        raise ValueError(
            "CONV1D_CODEGEN_RUNTIME=team, but a team is known for 64-bit Linux on x86 and Arm only. Unset the switch to use OpenMP or "
            "Python's thread pool."
        )
    if wanted == "openmp" and not _forked:
        raise ValueError(
            "CONV1D_CODEGEN_RUNTIME=openmp, but no OpenMP runtime is loaded, and the system has no libgomp.so.1. Install GCC's runtime "
            "library (libgomp), or unset the switch."
        )
    return Runtime("pool", pool.run, _LEAST_FLOPS["pool"])


def _in_child() -> None:
    global _forked
    _forked = True
    runtime.cache_clear()
    if team.forget():
        SETTINGS.value += 1  # fast calls know the parent's team


at_fork(after_in_child=_in_child)
