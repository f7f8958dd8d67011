"""The limits of memory, measured beside the kernels: bytes that writing and a copy move a second. That of arithmetic is
in `conv1d_codegen/machine/peak.py`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

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
    source = np.ones(mebibytes << 18, np.float32)
    target = np.zeros_like(source)
    copy: Callable[[], object] = lambda: np.copyto(target, source)  # noqa: E731
    return 2 * source.nbytes / timing.interleaved({"copy": copy}, rounds=5)["copy"]
