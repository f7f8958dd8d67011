"""OpenMP's fork and join, called through ctypes: the threads of a runtime that the process has loaded, else of the
system's libgomp.

`GOMP_parallel` is the entry that GCC compiles `#pragma omp parallel` to; LLVM's and Intel's runtimes export it too. Its
threads stay, and spin for about a millisecond after their work before they sleep, so that a fork and join takes
microseconds; OMP_WAIT_POLICY=passive makes them sleep at once, for some ten microseconds a call. The number of threads
is given here, OMP_NUM_THREADS does not matter.

A runtime that is loaded already is preferred, as two in one process compete for the processors. Where none is, only
libgomp is loaded: LLVM's ends the process when a copy of it is loaded a second time, which another package may do
later.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from .work import Work

_NAMES = re.compile(r"lib(gomp|iomp5|omp)\b[^/]*\.so[.\d]*$")


def fork_join() -> Callable[[Work, int], None] | None:
    """What runs work on a number of threads, the caller's among them, and returns when it is done; None where there is
    no runtime.
    """
    for library in libraries():
        entry = getattr(library, "GOMP_parallel", None)
        if entry is not None:
            # The function of a thread, its data, the number of threads, flags.
            entry.argtypes, entry.restype = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint), None

            def run(work: Work, threads: int, entry: Callable[..., None] = entry) -> None:
                entry(work.function, work.block, threads, 0)

            return run
    return None


def libraries() -> Iterator[ctypes.CDLL]:
    """The runtimes that can be had, those that are loaded first."""
    for name, mode in [*((path, getattr(os, "RTLD_NOLOAD", 0)) for path in loaded()), ("libgomp.so.1", 0)]:
        try:
            yield ctypes.CDLL(name, mode | ctypes.DEFAULT_MODE)
        except OSError:
            continue


def loaded() -> list[str]:
    """The files of the OpenMP runtimes in this process, where the system tells (Linux)."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    # address, permissions, offset, device, inode, path
    files = (line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/"))
    return list(dict.fromkeys(file for file in files if _NAMES.search(file)))
