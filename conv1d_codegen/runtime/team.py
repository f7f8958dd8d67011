"""A team of threads of our own, whose caller waits for nobody who has not come (`templates/team.ll.j2`).

Shares are taken from counters, so the caller can do all that nobody else has begun. OpenMP's join waits for every
thread of its team, also for one that has no processor at the moment, and where another process has it that takes
milliseconds. Here only those are awaited who have come; a thread that is late finds the call closed. What is left is
the thread that comes, and loses its processor in the middle of a share. That is noticed, and calls are done alone for a
while: a pause.

A call is machine code, which a fast call from Python goes to at once (`Seats`): Python would take longer than the work
of a call does, as a kernel leaves little of it in the caches.

The threads are POSIX's, no Python threads: they touch no Python object, block all signals, and live as long as the
process. A forked child has none of them, and makes a team of its own when it needs one.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from ..locks import COMPILING
from . import fixed_code
from .work import Work

_FUTEX = {"x86_64": 202, "aarch64": 98}  # numbers of Linux's system calls
_GETTID = {"x86_64": 186, "aarch64": 178}
_WAIT, _WAKE = 128, 129  # FUTEX_WAIT, FUTEX_WAKE, of this process only
#: What the team shares, and the functions of the system that it calls.
_STATE = (
    "gate",
    "bell",
    "sleepers",
    "busy",
    "function",
    "block",
    "mode",
    "caller",
    "processors",
    "free",
    "members",
    "threads",
    "left",
    "length",
    "worked",
    "ended",
)
_SYSTEM = {"syscall": "syscall", "clock": "clock_gettime", "getcpu": "sched_getcpu", "setaffinity": "sched_setaffinity"}
_WORDS = (*_STATE, *_SYSTEM)
_FIRST = 8  # members whose numbers are known: as many as words in a line
_MASK = 16  # words of a mask of processors, as of the system's own
_LINE = 64  # bytes of a cache line; of some processors two lines come together, which costs nothing that shows
#: What `gate` counts: threads inside, and the caller who sleeps until they have left.
_INSIDE, _SLEEPING = 0x7FFF, 0x8000
#: Looks at a word between two looks at the clock.
_LOOKS = 64
# `python tools/threads.py` prints what the numbers below were chosen by.
#: Looks of the caller before it sleeps, some 25 to 100 µs: to be woken takes as long, 40 µs.
_PATIENCE = 2000
#: Nanoseconds for which a thread looks out for the next call before it sleeps: of 6.3 MFLOP, a call then takes 80 µs instead
#: of 42, where one thread takes 39. Longer, it would take the processor from others for nothing.
_AWAKE = 1_000_000
#: Operations of a call from which threads that sleep are woken for it, though none was a moment ago. 10 ms after the last
#: call, one of 6.3 MFLOP takes 71 µs with waking and 41 without, of 18.9 109 and 105, of 25.2 126 and 144 (Xeon with AVX-512
#: and AMX).
_WAKING = 20_000_000
#: Nanoseconds of a pause. What is less than the first is nobody's slice of the processor: a slow share, or a virtual
#: machine's hiccup of 285 µs.
_LEAST_PAUSE, _LONGEST_PAUSE = 400_000, 1_000_000_000


def fork_join() -> Callable[[Work, int], None] | None:
    """What runs work on a number of threads, the caller's among them, and returns when it is done; None where the
    system is not one of those that are known.
    """
    if sys.platform != "linux" or sys.maxsize < 2**32 or platform.machine() not in _FUTEX:
        return None
    library = ctypes.CDLL(None)
    return run if all(hasattr(library, name) for name in ("pthread_create", *_SYSTEM.values())) else None


@cache
def image() -> bytes:
    """The object code of the team. Raises CompileError as `fixed_code.image`."""
    from ..machine.host import host

    machine = platform.machine()
    return fixed_code.image(
        host(),
        "team",
        inside=_INSIDE,
        sleeping=_SLEEPING,
        looks=_LOOKS,
        patience=_PATIENCE,
        awake=_AWAKE,
        least=_LEAST_PAUSE,
        longest=_LONGEST_PAUSE,
        wait=_WAIT,
        wake=_WAKE,
        words=_WORDS,
        at={name: _LINE // 8 * place for place, name in enumerate(_WORDS)},
        processor=machine,
        mask=_MASK,
        futex=_FUTEX[machine],
        gettid=_GETTID[machine],
        first=_FIRST,
    )


class Seats(NamedTuple):
    """What machine code needs to call a team: `call(team, function, block, free, wakes)`, for so many other threads."""

    call: int  # its address
    team: int
    free: int
    wakes: int  # whether the call is long enough to wake them for


class Words:
    """The words that the threads of a team share, all 0 but for the functions of the system and the processors."""

    def __init__(self) -> None:
        self._words = (ctypes.c_char * (_LINE * (len(_WORDS) + 1)))()
        self.address = -(-ctypes.addressof(self._words) // _LINE) * _LINE
        self._processors = (ctypes.c_uint64 * _MASK)()
        for processor in os.sched_getaffinity(0):
            if processor < 64 * _MASK:
                self._processors[processor // 64] |= 1 << processor % 64
        library = ctypes.CDLL(None)
        for name, function in _SYSTEM.items():
            self.at(name).value = ctypes.cast(library[function], ctypes.c_void_p).value or 0
        self.at("processors").value = ctypes.addressof(self._processors)

    def at(self, name: str) -> ctypes.c_int64:
        """One of them."""
        return ctypes.c_int64.from_address(self.address + _LINE * _WORDS.index(name))


class Team:
    """Threads, the words that they share, and the machine code of a call. None of it ever ends, as threads do not."""

    def __init__(self) -> None:
        from ..machine import jit

        codes = [jit.link(image(), symbol) for symbol in ("call", "member")]
        self.words = Words()
        numbers = ctypes.c_int64, ctypes.c_int64
        called = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p, *numbers)
        self._call_address, self._life = (code.address for code in codes)
        self._call = called(self._call_address)
        library = ctypes.CDLL(None)
        self._create, self._detach = library.pthread_create, library.pthread_detach
        self._create.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self._detach.argtypes = (ctypes.c_size_t,)
        self.members = self._wanted = 0
        for kept in (self, *codes):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))

    def run(self, work: Work, threads: int) -> int:
        """Call `work` on this thread and on up to `threads - 1` others. Gives the nanoseconds for which this one waited
        for them.
        """
        seats = self.seats(threads, work.flops)
        waited: int = self._call(seats.team, work.function, work.block, seats.free, seats.wakes)
        return waited

    def seats(self, threads: int, flops: int) -> Seats:
        """Those of calls of so many operations by up to so many threads, for which there are threads from now on."""
        if threads - 1 > self._wanted:
            self._grow(threads - 1)
        return Seats(self._call_address, self.words.address, min(threads - 1, self.members), flops >= _WAKING)

    def _grow(self, members: int) -> None:
        """Have so many threads besides callers, or as many as the system gives."""
        with COMPILING:  # so that no fork is in between
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                while self.members < members:
                    thread = ctypes.c_size_t()
                    if self._create(ctypes.byref(thread), None, self._life, self.words.address):
                        break  # no more are given
                    self._detach(thread)
                    self.members += 1
                self._wanted = max(self._wanted, members)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


_team: Team | None = None


def run(work: Work, threads: int) -> None:
    """Call `work` on this thread and on up to `threads - 1` others of the process's team; all that began have ended
    when it returns.
    """
    (_team or _made()).run(work, threads)


def seats(threads: int, flops: int) -> Seats:
    """What machine code needs to call the process's team for so many operations, on up to so many threads. A forked child
    has a team of its own: see `forget`.
    """
    return (_team or _made()).seats(threads, flops)


def _made() -> Team:
    global _team
    with COMPILING:
        if _team is None:
            _team = Team()
        return _team


def forget() -> bool:
    """In a forked child, which has the words of a team and none of its threads: forget it, if there was one, and say so."""
    global _team
    had, _team = _team, None
    return had is not None
