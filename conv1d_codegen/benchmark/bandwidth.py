"""The limits of memory, measured beside the kernels: bytes that writing and a copy move a second; and of several cores
at once. That of arithmetic is in `conv1d_codegen/machine/peak.py`.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

import numpy as np

from ..machine import timing


def memory_limits(x: np.ndarray, y: np.ndarray) -> dict[str, timing.Call]:
    """For a layer that makes `y` of `x`. "write": writes `y`, and nothing else. "copy": `np.copyto`, as many bytes as
    both have together.

    `y.fill` would take up to 1.6 times as long as `memset` where `y` fits in the L2 cache (10.7 and 7.3 µs for 320
    KiB).
    """
    numbers = (x.size + y.size) // 2
    source, target = np.ones(numbers, x.dtype), np.zeros(numbers, x.dtype)
    whole = (ctypes.c_char * y.nbytes).from_buffer(y.data)  # keeps `y` alive
    return {"write": partial(ctypes.memset, whole, 0, y.nbytes), "copy": partial(np.copyto, target, source)}


def copy_bandwidth(mebibytes: int = 64) -> float:
    """Bytes a second that `np.copyto` reads and writes, together, between arrays too large for the caches."""
    return 2 * (mebibytes << 20) / timing.interleaved({"copy": copy_of(mebibytes)}, rounds=5)["copy"]


def copy_of(mebibytes: int) -> timing.Call:
    """A copy between two arrays of its own of so many MiB, which releases the GIL."""
    source = np.ones(mebibytes << 18, np.float32)
    target = np.zeros_like(source)
    return partial(np.copyto, target, source)


def at_once(calls: Sequence[timing.Call], rounds: int = 5) -> float:
    """How many times as much is done a second when all of these calls, of some milliseconds each, run at once as when
    the first runs alone. They release the GIL.
    """
    with ThreadPoolExecutor(len(calls)) as pool:

        def seconds(some: Sequence[timing.Call]) -> float:
            start = time.perf_counter()
            for _ in pool.map(lambda call: call(), some):
                pass
            return time.perf_counter() - start

        seconds(calls)  # each has its thread now
        return median(len(calls) * seconds(calls[:1]) / seconds(calls) for _ in range(rounds))
