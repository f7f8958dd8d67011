"""How many threads, and how a kernel's parallel iterations are shared among them.

Every iteration computes outputs of its own, in the same order whoever runs it: results are the same bits for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from . import knobs

_lock = threading.Lock()
_default: int | None = None
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def set_num_threads(count: int) -> None:
    """Let layers that do not say otherwise use up to `count` threads. Raises ValueError for less than 1, TypeError for what is no int."""
    global _default
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"The number of threads must be an integer. Received: {count!r} (of type {type(count)}).")
    if count.__index__() < 1:
        raise ValueError(f"The number of threads must be 1 or more. Received: {count}.")
    _default = count.__index__()


def get_num_threads() -> int:
    """How many threads layers use that do not say otherwise: what was set, else CONV1D_CODEGEN_THREADS, else one."""
    return _default or knobs.threads() or 1


def run(task: Callable[[int, int], None], iterations: int, threads: int) -> None:
    """Call `task(begin, end)` for ranges that cover `0..iterations`, on up to `threads` threads, this one among them."""
    threads = min(threads, iterations)
    if threads <= 1:
        task(0, iterations)
        return
    bounds = [iterations * i // threads for i in range(threads + 1)]
    others = [_executor(threads - 1).submit(task, begin, end) for begin, end in pairwise(bounds[1:])]
    task(bounds[0], bounds[1])
    for other in others:
        other.result()


def _executor(size: int) -> ThreadPoolExecutor:
    """A pool of at least `size` threads, made at its first use and made again when it must grow."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < size:
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool, _pool_size = ThreadPoolExecutor(size, thread_name_prefix="conv1d_codegen"), size
        return _pool


def _forget_pool() -> None:
    """A forked child has the pool object and none of its threads."""
    global _pool, _lock
    _pool = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_pool)
