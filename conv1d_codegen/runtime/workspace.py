"""The memory that callers provide for large scratch arrays of kernels: one buffer for each thread that calls, kept from
call to call.

Who calls a kernel takes its thread's buffer, and gives it back when the kernel is done. A call that comes in between on
the same thread, from a signal handler or a finalizer, finds none and makes its own. So no two calls ever have one
buffer at the same time, and none is freed while it is in use. What it holds means nothing between calls.

A buffer grows to the most that its thread has asked for, and lives as long as the thread. A forked child has that of
the thread that forked.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from ..ir.packing import aligned_zeros


class Room(NamedTuple):
    """Memory of `size` bytes from `address` on, a multiple of 64, as long as `array` is alive."""

    array: np.ndarray[Any, Any]
    address: int
    size: int


class _Own(threading.local):
    room: Room | None = None


_own = _Own()


def take(size: int) -> Room:
    """Memory of `size` bytes or more, whatever it holds, that is the caller's until it gives it back, or for good.
    Raises MemoryError.
    """
    room, _own.room = _own.room, None
    if room is None or room.size < size:
        room = None  # freed before the larger one is made
        array = aligned_zeros((size,), np.dtype(np.uint8))
        room = Room(array, array.ctypes.data, size)
    return room


def give_back(room: Room) -> None:
    """Keep memory for the next call on this thread; of two buffers, the larger one."""
    kept = _own.room
    if kept is None or kept.size < room.size:
        _own.room = room
