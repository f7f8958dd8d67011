"""Arrays that end, or begin, at a page which nothing may touch: an access outside kills the process that makes it."""

from __future__ import annotations

import ctypes
import functools
import mmap
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SIDES = ("end", "start")
_NEITHER = 0  # PROT_NONE


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _protect(address: int, size: int) -> None:
    if _libc().mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), _NEITHER):
        raise OSError(ctypes.get_errno(), "mprotect")


def guarded_bytes(size: int, side: str, alignment: int = 1) -> Array:
    """`size` bytes of zeros whose "end" or "start" touches a forbidden page, as near as the alignment allows."""
    page = mmap.PAGESIZE
    body = max(1, -(-size // page)) * page
    room = mmap.mmap(-1, body + 2 * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(room))
    _protect(base, page)
    _protect(base + page + body, page)
    slack = (body - size) // alignment * alignment if side == "end" else 0
    return np.frombuffer(room, np.uint8, size, page + slack)  # keeps the memory alive


def guarded(array: Array, side: str, alignment: int | None = None) -> Array:
    """A writeable copy of an array that lies against a forbidden page, as near as the alignment allows: its elements',
    if none is given.
    """
    place = guarded_bytes(array.nbytes, side, alignment or array.itemsize)
    copy: Array = place.view(array.dtype).reshape(array.shape) if array.size else np.empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def guard_own_arrays() -> None:
    """Let the package's own aligned arrays, packed weights and the memory of large scratch arrays, end at a forbidden
    page, or begin at one, by turns. For a process that does nothing else."""
    from ..ir import packing
    from ..runtime import fast_calls, workspace

    sides = [*SIDES]

    def placed(shape: tuple[int, ...], dtype: np.dtype[Any], side: str) -> Array:
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        return guarded_bytes(size, side, 64).view(dtype).reshape(shape)

    def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        sides.reverse()
        return placed(shape, dtype, sides[0])

    def aligned_memory(size: int) -> tuple[Array, int]:
        memory = aligned_zeros((size,), np.dtype(np.uint8))
        return memory, memory.ctypes.data

    for module in (packing, workspace):
        module.aligned_zeros = aligned_zeros  # type: ignore[attr-defined]
    packing.aligned_memory = aligned_memory
    fast_calls.aligned_zeros = functools.partial(placed, side="end")  # type: ignore[attr-defined]
    fast_calls.forget_room()
