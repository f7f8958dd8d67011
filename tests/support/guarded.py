"""Arrays against pages that can be neither read nor written, and what a child that died said last."""

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE


def _protect(address, size):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), 0):
        raise OSError(ctypes.get_errno(), "mprotect")


def guarded(array, side, alignment=1):
    """A copy whose last ("end") or first ("start") byte touches a page that nothing may touch, as near as the alignment lets it."""
    body = max(1, -(-array.nbytes // PAGE)) * PAGE
    room = mmap.mmap(-1, body + 2 * PAGE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(room))
    _protect(base, PAGE)
    _protect(base + PAGE + body, PAGE)
    slack = (body - array.nbytes) // alignment * alignment if side == "end" else 0
    copy = np.ndarray(array.shape, array.dtype, buffer=room, offset=PAGE + slack)
    copy[...] = array
    return copy


def last_line(out):
    return (out.strip().splitlines() or ["nothing was printed"])[-1]
