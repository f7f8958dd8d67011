"""Locks that forks respect. A fork copies each lock as it is, but of the threads only the one that forks: what others
held stays locked.

There are two kinds, and every lock of the package is of one of them, is replaced in the child (`runtime/pool.py`), or is
used under COMPILING only (a queue of `machine/shelter.py`):

- `COMPILING` is the one around compiling, LLVM and the imports that they need. A fork waits for it, so a child never
  gets a compilation that another thread has left half done. There is one for all of it, and not one for each module:
  with several, a fork and a compilation could each hold one and wait for the other. Compilations would not run side by
  side anyway, as llvmlite has a lock of its own. No code of a user's runs under it.
- A `ProcessLock` may be held while a user's code runs, for any time; a fork does not wait for it, and a child begins
  with a fresh one. What it protects must therefore change by one assignment, so that a child sees all of a change or
  none.

Who holds a ProcessLock may take COMPILING, never the other way round.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

COMPILING = threading.RLock()
_forks = 0  # between the first process and this one


def _in_child() -> None:
    global _forks
    _forks += 1
    COMPILING.release()


def at_fork(**hooks: Callable[[], object]) -> None:
    """Have functions called around each fork, by the names that `os.register_at_fork` has for them, where processes fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(**hooks)


at_fork(before=COMPILING.acquire, after_in_parent=COMPILING.release, after_in_child=_in_child)


class ProcessLock:
    """A re-entrant lock, another one in each process: `with lock.here: ...`."""

    __slots__ = ("_of_process",)

    def __init__(self) -> None:
        self._of_process: dict[int, Any] = {}

    @property
    def here(self) -> Any:
        """The lock of this process. A `with` that a fork interrupts releases what it took."""
        return self._of_process.setdefault(_forks, threading.RLock())


class kept(Generic[T]):  # lower case, as it is used as a decorator
    """A property that is made once, under the lock. (The lock of `functools.cached_property` is left locked in a forked
    child.)
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, owner: Any, owner_type: object = None) -> T:
        name = self._make.__name__
        with COMPILING:
            if name not in owner.__dict__:
                owner.__dict__[name] = self._make(owner)  # found there first from now on
            made: T = owner.__dict__[name]
        return made
