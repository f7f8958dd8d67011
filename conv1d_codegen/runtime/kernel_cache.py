"""Which compilations are remembered: all that somebody holds, and of the rest those that were used last, up to a number
of bytes.

A compilation that a living layer holds is found as long as it lives, so it is never made twice. What nobody holds is
kept for whoever asks for it next, until newer ones have taken its room. The cache is used under the lock `COMPILING`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary


class Sized(Protocol):
    """What has a size in memory, which may change."""

    def memory(self) -> int:
        """Bytes."""
        ...


Item = TypeVar("Item", bound=Sized)


class KernelCache(Generic[Item]):
    """Items by key: those that are alive, and among them the ones used last, which the cache itself keeps alive."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._alive: WeakValueDictionary[Hashable, Item] = WeakValueDictionary()
        self._kept: dict[Hashable, Item] = {}  # the one used last is the last

    def get(self, key: Hashable, make: Callable[[], Item]) -> Item:
        """The item of a key, made if it is not alive. It is then the one used last."""
        item = self._kept.pop(key, None) or self._alive.get(key)
        if item is None:
            self._shrink()  # what was made before has its size by now
            item = self._alive[key] = make()
        self._kept[key] = item
        return item

    def memory(self) -> int:
        """Bytes of what the cache keeps alive."""
        return sum(item.memory() for item in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget everything, also what is alive."""
        self._kept.clear()
        self._alive.clear()

    def _shrink(self) -> None:
        excess = self.memory() - self.most_bytes
        while excess > 0 and self._kept:
            excess -= self._kept.pop(next(iter(self._kept))).memory()
