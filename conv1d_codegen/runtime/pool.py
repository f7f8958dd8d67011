"""A fork and join by Python's own thread pool: slower than OpenMP's, and there on every system."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ..locks import at_fork

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def run(work: Callable[[], None], threads: int) -> None:
    """Call `work()` on this thread and on up to `threads - 1` others; each call does what the others have left to do.

    It returns, or raises what a call raised, when all calls that began have ended.
    """
    others: list[Future[None]] = []
    pool = _executor()
    try:
        try:
            for _ in range(threads - 1):
                others.append(pool.submit(work))
        except RuntimeError:  # the system gives no more threads, or the interpreter is shutting down
            _abandon(pool)
        work()
    finally:
        # What has not begun by now has nothing left to do; the rest writes to arrays that the caller may free or use
        # again.
        _wait([other for other in others if not other.cancel()])
    for other in others:
        if not other.cancelled():
            other.result()


def _wait(others: list[Future[None]]) -> None:
    """Returns, or raises what interrupted it (a signal's handler, on the main thread), when all are done."""
    interruption: BaseException | None = None
    while not all(other.done() for other in others):
        try:
            wait(others)
        except BaseException as error:
            interruption = error
    if interruption is not None:
        raise interruption


def _executor() -> ThreadPoolExecutor:
    """The pool, made at its first use; it starts threads as they are needed."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="conv1d_codegen")
        return _pool


def _abandon(pool: ThreadPoolExecutor) -> None:
    """Give up a pool that could not start a thread, once it has done all that was put in its queue, what it refused
    included.
    """
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


at_fork(after_in_child=_forget_pool)
