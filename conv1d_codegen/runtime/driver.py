"""The driver: one native call that runs the kernels of a network one after another (`templates/driver.ll.j2`).

A call of a network is a table of steps, which serves all calls with inputs of these shapes, and one block of words,
which is made for each: where the arrays lie. What a kernel takes is a word of the block and a number that is added, so
that the table knows no address but those of weights and machine code.

The table is made from plans of what was proved; the driver itself is fixed, and tested
(`tests/runtime/test_driver.py`).
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..emit.abi import FIRST_RUN, RUN
from ..errors import RedZoneError
from ..locks import COMPILING
from ..machine.target import Target
from . import fixed_code, python_function, threads
from .fast_calls import counter_bytes
from .native import Native
from .team import Seats
from .work import Work

#: Words of a call's block, before those of its arrays.
WORDS = ("table", "end", "most", "counters", "pause", "zero", "scratch", "memory")
COUNTERS, ZERO, SCRATCH, MEMORY = (WORDS.index(name) for name in ("counters", "zero", "scratch", "memory"))
FIRST_ARRAY = len(WORDS)
#: Looks at a counter between two calls that let other threads run.
_SPINS = 512


class Place(NamedTuple):
    """A number that a kernel takes: a word of the block, and what is added to it."""

    word: int
    offset: int


def number(value: int) -> Place:
    """A number that no call changes."""
    return Place(ZERO, value)


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel, or one nest of it: what its own slots take, in order, how many iterations there are, and whether
    several threads are worth having for it.
    """

    native: Native
    slots: tuple[Place, ...]
    iterations: int
    shared: bool = True


class AtOnce(NamedTuple):
    """Of a fast call: the slots of the driver's block, the bytes of its room, a team's seats, and the bytes of its counters."""

    slots: tuple[tuple[int, int], ...]
    room: int
    seats: Seats | None
    counters: int


class Table:
    """Steps for a team of so many threads, as the driver reads them."""

    def __init__(self, steps: Sequence[Step], team: int) -> None:
        self._red_zones = any(step.native.red_zones for step in steps)
        team = 1 if self._red_zones else team  # kernels of a team have their words at places of their own
        self.team = team
        self.steps = tuple(steps)  # keeps machine code mapped
        self.scratch_bytes = team * max((step.native.entry.scratch_bytes for step in steps), default=0)
        words: list[int] = []
        self._counters = FIRST_RUN + team  # of each step
        for at, step in enumerate(steps):
            shares = (team * RUN if step.shared else 1) if team > 1 else 1
            counters = Place(COUNTERS, 8 * self._counters * at) if team > 1 else number(0)
            slots = (*step.slots, number(step.iterations), Place(SCRATCH, 0), number(shares), counters)
            words += [step.native.address, len(slots), *(part for slot in slots for part in slot)]
        self._words = np.array(words, np.int64)
        start = self._words.ctypes.data
        self.begin = start, start + self._words.nbytes, max((len(step.slots) + 4 for step in steps), default=1)

    def at_once(self, driver: Driver, memory: int, arrays: int, flops: int) -> AtOnce | None:
        """What `run` does, as a fast call of about so many operations, with `memory` bytes for the network; None where
        there are no steps, they look at red zones, or are of a team that machine code can't call.
        """
        seats = threads.runtime().seats if self.team > 1 else None
        if not self.steps or self._red_zones or (self.team > 1 and seats is None):
            return None
        counters = counter_bytes(self._counters * len(self.steps)) if seats else 0
        begin, end, most = self.begin
        words = {"table": begin, "end": end, "most": most, "pause": driver.pause, "zero": 0}
        slots = {name: (python_function.ZERO, number) for name, number in words.items()} | {
            "counters": (python_function.ROOM if seats else python_function.ZERO, 0),
            "memory": (python_function.ROOM, counters),
            "scratch": (python_function.ROOM, counters + memory),
        }
        of_arrays = [(python_function.FIRST_ARRAY + at, 0) for at in range(arrays)]
        return AtOnce(
            (*(slots[name] for name in WORDS), *of_arrays),
            counters + memory + self.scratch_bytes,
            seats(self.team, flops) if seats else None,
            counters,
        )

    def run(self, driver: Driver, scratch: int, memory: int, arrays: Sequence[int], keep: tuple[object, ...]) -> None:
        """Run the steps: scratch memory of `scratch_bytes`, the network's own memory, and the addresses of its arrays.
        `keep` stays alive meanwhile. Raises RedZoneError where kernels that look for it find a margin damaged.
        """
        pack = _block(len(arrays))
        if self._red_zones:
            ctypes.c_int64.from_address(scratch).value = 0  # a kernel sets it where a margin is damaged
        if self.team == 1:
            driver.function(pack(*self.begin, 0, driver.pause, 0, scratch, memory, *arrays))
        else:
            counters: Any = (ctypes.c_int64 * (self._counters * len(self.steps)))()
            block = pack(*self.begin, ctypes.addressof(counters), driver.pause, 0, scratch, memory, *arrays)
            threads.runtime().run(Work(driver.function, block, (self, driver, counters, keep)), self.team)
        if self._red_zones and ctypes.c_int64.from_address(scratch).value:
            raise RedZoneError(
                "A kernel of the network has written beside a scratch array: a fault of the compiler, to be reported."
            )


@cache
def _block(arrays: int) -> Callable[..., bytes]:
    """What makes the block of a call."""
    return struct.Struct(f"{len(WORDS) + arrays}q").pack


class Driver:
    """The driver's machine code for a target."""

    def __init__(self, target: Target) -> None:
        from ..machine import jit

        image = fixed_code.image(target, "driver", name="drive", words=WORDS, spins=_SPINS, zero=ZERO)
        self._code = jit.link(image, "drive")
        self.address = self._code.address
        self.function = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(self.address)
        self.pause = _pause()


@cache
def driver(target: Target) -> Driver:
    """The driver for a target, made at its first use. Raises CompileError for another machine."""
    with COMPILING:  # around imports too
        return Driver(target)


@cache
def _pause() -> int:
    """Where the system's function lies that lets other threads run; 0 where there is none that is known."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0


def most_threads(wanted: int | None = None) -> int:
    """Of a team, if so many are wanted, or those that the package uses; one, where they could not wait for each other."""
    return (wanted or threads.get_num_threads()) if _pause() else 1
