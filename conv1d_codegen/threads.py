"""How many threads, and how a kernel's parallel iterations are shared among them.

Every iteration computes outputs of its own, in the same order whoever runs it: results are the same bits for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise

from . import knobs

_lock = threading.Lock()
_default: int | None = None
_pool: ThreadPoolExecutor | None = None


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
    """Call `task(begin, end)` for ranges that cover `0..iterations`, on up to `threads` threads, this one among them.

    More threads than the machine has processors are not used. It returns, or raises what a task raised, when all ranges are done.
    """
    threads = min(threads, iterations, os.cpu_count() or 1)
    if threads <= 1:
        task(0, iterations)
        return
    bounds = [iterations * i // threads for i in range(threads + 1)]
    others: list[Future[None]] = []
    pool = _executor()
    try:
        for begin, end in pairwise(bounds[1:]):
            others.append(pool.submit(task, begin, end))
    except RuntimeError:  # the system gives no more threads, or the interpreter is shutting down
        _abandon(pool)
        task(bounds[len(others) + 1], iterations)
    try:
        task(bounds[0], bounds[1])
    finally:
        wait(others)  # they write to arrays that the caller may free
    for other in others:
        other.result()


def _executor() -> ThreadPoolExecutor:
    """The pool, made at its first use; it starts threads as they are needed."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="conv1d_codegen")
        return _pool


def _abandon(pool: ThreadPoolExecutor) -> None:
    """Give up a pool that could not start a thread, once it has done all that was put in its queue, what it refused included."""
    global _pool
    with _lock:
        if _pool is pool:
            _pool = None
    pool.shutdown(wait=True)


def _forget_pool() -> None:
    """A forked child has the pool object and none of its threads."""
    global _pool, _lock
    _pool = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_pool)
