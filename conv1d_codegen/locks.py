"""The lock around compiling, which forks respect: a child never gets a compilation that another thread has left half done.

There is one for all of it, and not one for each module, because a fork takes it: with several, a fork and a compilation could each
hold one and wait for the other. Compilations would not run side by side anyway, as llvmlite has a lock of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

COMPILING = threading.RLock()
os.register_at_fork(before=COMPILING.acquire, after_in_parent=COMPILING.release, after_in_child=COMPILING.release)


class kept(Generic[T]):  # lower case, as it is used as a decorator
    """A property that is made once, under the lock. (The lock of `functools.cached_property` is left locked in a forked child.)"""

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
