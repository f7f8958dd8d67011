"""Calls that no exception from outside interrupts: llvmlite's, which leaves locks locked and objects half made where
one does.

The handlers of signals, Ctrl-C's among them, run in Python's main thread and nowhere else, between any two
instructions. So what must not be interrupted is done by another thread, for which the main thread waits; what a handler
raises meanwhile is raised when it is done.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def sheltered(work: Callable[[], T], interrupted: Callable[[], object] = bool) -> T:
    """What `work()` gives, or raises; or what a signal's handler raised before it was done, of which `interrupted()` tells.

    It takes some 50 us more on the main thread. Where the system gives no thread, or the interpreter is ending, it is
    an ordinary call.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    begun, done = _thread.allocate_lock(), _thread.allocate_lock()
    outcome: list[Any] = []

    def run() -> None:
        if begun.acquire(blocking=False):
            try:
                outcome.append(work())
            except BaseException as error:
                outcome.extend((None, error))
            finally:
                done.release()

    done.acquire()
    interruption: BaseException | None = None
    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        return work()
    except BaseException as error:
        if begun.acquire(blocking=False):  # so it never begins
            raise
        interruption = error
        interrupted()
    while not outcome:
        try:
            done.acquire()
        except BaseException as error:
            interruption = error
            interrupted()
    if interruption is not None:
        raise interruption
    if len(outcome) == 2:
        raise outcome.pop()
    result: T = outcome.pop()  # the other thread, which may not have ended, has the list
    return result


def overlapped(calls: Iterable[Callable[[], object]]) -> None:
    """Another thread makes the calls, one after another, while this one goes on to the next of the iterable. What one
    raises is dropped. The caller holds COMPILING, so that no fork finds the queue in use. Raises RuntimeError where the
    system gives no thread.
    """
    waiting: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def run() -> None:
        while (call := waiting.get()) is not None:
            with suppress(Exception):
                call()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        for call in calls:
            waiting.put(call)
    finally:
        waiting.put(None)
        thread.join()
