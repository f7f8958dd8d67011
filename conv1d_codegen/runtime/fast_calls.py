"""Fast calls: for arrays of shapes that were given before, from Python to machine code at once.

A call through Python takes some microseconds to look at its arrays; the function that is made here takes a fraction of
one. It does what a call through Python has found out for these shapes, where the arrays are plain, contiguous and
aligned, and outputs are apart from all others. For whatever else it gives None, and the call goes through Python, which
stays the definition: what is an error is found and said there.

A function is made anew for each shape, with all those that were there before, and never changes: calls in other threads
have the old one or the new one. It owns machine code, weights and whatever else it needs.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .. import knobs
from ..errors import CompileError
from ..ir.packing import aligned_zeros
from ..locks import COMPILING, ProcessLock, at_fork
from ..machine.target import Target
from . import processors, threads
from .python_function import CALL, HEADER, PythonFunction, is_known, python_function
from .team import Seats

Shapes = tuple[tuple[int, ...], ...]

_MOST_CALLS = 32  # looked at one after another, some nanoseconds each
_MOST_SHAPES = 1024  # of which it is known how often they were given
#: Operations of a call that releases the GIL. Two Python threads that call one layer take, for each call ÷ one thread's:
#: 0.2 MFLOP 2.5, 1.5 MFLOP (10 µs) 0.92, 3.1 MFLOP 0.59, 6.1 MFLOP 0.57; with the GIL held 0.96 to 1.05 (`python -m bench
#: calls`). Beside a thread that computes in Python, who releases it gets it back after milliseconds.
LONG = 3_000_000
#: Operations that a number of an output counts for at least: a depthwise layer takes as long as one of so many.
_OF_A_NUMBER = 64
#: Bytes of the memory that all calls share, for each processor, up to so many. Only what was used of it is there; a call
#: that needs more takes so long that Python doesn't show.
_ROOM, _MOST_ROOMS = 4 << 20, 16
_ALIGNED = 64  # bytes, as scratch and arenas are


@dataclass(frozen=True, slots=True)
class FastCall:
    """What a call with arrays of these shapes does: the slots of the block that its function takes, as numbers and what
    they are added to (`ZERO`, `ROOM`, or `FIRST_ARRAY` and those after it, the inputs before the outputs).
    """

    inputs: Shapes
    outputs: Shapes
    dtype: np.dtype[Any]
    function: int  # its address
    slots: tuple[tuple[int, int], ...]
    room: int  # bytes
    flops: int
    target: Target
    keep: tuple[object, ...]  # what must be alive for it
    listed: bool = False  # whether the outputs are given as a list
    seats: Seats | None = None  # of a team that the function is to be called by
    counters: int = 0  # bytes that its room begins with, and that are 0 before it is called

    def _operations(self) -> int:
        return max(self.flops, _OF_A_NUMBER * sum(map(math.prod, self.outputs)))

    def words(self, made_by: Sequence[tuple[object, ...]]) -> bytes:
        """As the function reads it. `made_by`: the arguments that make each output, which are kept alive."""
        layouts: list[int] = []
        for shape in (*self.inputs, *self.outputs):
            layouts.append(len(shape))
            stride = self.dtype.itemsize * math.prod(shape)
            for size in shape:
                stride //= size
                layouts += [size, stride]
        rest = [*map(id, made_by), *layouts, *(number for slot in self.slots for number in slot)]
        room = -(-self.room // _ALIGNED) * _ALIGNED
        team = self.seats or Seats(0, 0, 0, 0)
        counters = self.counters // 8
        first = len(CALL) + len(rest), self.function, room, self._operations() >= LONG, len(self.slots), *team, counters
        return struct.pack(f"{len(first) + len(rest)}q", *first, *rest)


def counter_bytes(counters: int) -> int:
    """Bytes of a room that begins with so many counters."""
    return -(-8 * counters // _ALIGNED) * _ALIGNED


#: One for all, as weights that change often have fast calls of their own each time.
_LOCK = ProcessLock()


class FastCalls:
    """Those of one set of weights. `function`, if there is one, takes the inputs and the outputs, or only the inputs."""

    __slots__ = ("_calls", "_often", "_seen", "_settings", "function")

    def __init__(self, often: int = 1) -> None:
        """`often`: how often shapes are given before a call with them is prepared, which takes some ten microseconds
        where machine code is there; where shapes are many, they are to be given more often.
        """
        self.function: PythonFunction | None = None
        self._calls: dict[Shapes, tuple[bytes, object]] = {}  # the words, and what they point to
        self._seen: dict[Shapes, int] = {}  # how often
        self._often = often
        self._settings = threads.SETTINGS.value

    def missed(self, shapes: Shapes, prepare: Callable[..., FastCall | None], *arguments: object) -> None:
        """Take note of a call that went through Python, with inputs of these shapes. If it is one too many,
        `prepare(shapes, *arguments)` gives what such a call does, or None for one that must go through Python.
        """
        settings = threads.SETTINGS.value  # before the call is prepared for them
        if self._settings != settings:
            self._forget()
        seen = self._seen[shapes] = self._seen.get(shapes, 0) + 1
        if seen == self._often and shapes not in self._calls and is_known():
            try:
                made = prepare(shapes, *arguments) if knobs.fast_call() else None
                if made is not None and made.room <= room_bytes() and _type_code(made.dtype):
                    self._add(shapes, made, settings)
            except BaseException:  # such as Ctrl-C: the next call begins anew
                self._seen.pop(shapes, None)
                raise
        if len(self._seen) > _MOST_SHAPES:
            self._seen = {}

    def _forget(self) -> None:
        with _LOCK.here:
            self._settings = threads.SETTINGS.value
            self._calls, self._seen, self.function = {}, {}, None

    def _add(self, shapes: Shapes, made: FastCall, settings: int) -> None:
        with _LOCK.here, suppress(CompileError, MemoryError):  # Python serves what has no fast call
            if settings != self._settings:
                return
            if len(self._calls) >= _MOST_CALLS:
                self._calls, self._seen, self._often = {}, {}, 2 * self._often
            made_by = [(shape, made.dtype) for shape in made.outputs]
            calls = {shapes: (made.words(made_by), (made, made_by)), **self._calls}
            self.function = _function(made, calls.values(), settings)
            self._calls = calls


def _function(one: FastCall, calls: Collection[tuple[bytes, object]], settings: int) -> PythonFunction:
    """The function of calls that have numbers of one type, as `one`, and as many arrays."""
    room = _shared_room()
    bodies = b"".join([words for words, _ in calls])
    words = {
        "inputs": len(one.inputs),
        "outputs": len(one.outputs),
        "listed": one.listed,
        "type_code": _type_code(one.dtype),
        "misaligned": one.dtype.alignment - 1,
        "array_type": id(np.ndarray),
        "none": id(None),
        "empty": id(np.empty),
        "settings": ctypes.addressof(threads.SETTINGS),
        "known_settings": settings,
        "room": room.ctypes.data,
        "bytes": 8 * len(HEADER) + len(bodies),
    }
    header = struct.pack(f"{len(HEADER)}q", *(words[name] for name in HEADER))
    return python_function(one.target, header + bodies, (*(owned for _, owned in calls), np.ndarray, np.empty, room))


@cache
def _type_code(dtype: np.dtype[Any]) -> int:
    """What buffers call a number type; 0 for one that they have no name for."""
    try:
        name = memoryview(np.empty(1, dtype)).format  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0
    return ord(name) if len(name) == 1 else 0


# The room of fast calls: one for all threads. Who finds it taken goes through Python, where each thread has its own.


_room: np.ndarray[Any, np.dtype[np.uint8]] | None = None


def _shared_room() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """It begins with two words: whether somebody has it, and where it ends. A call takes as much of its end as it needs."""
    global _room
    with COMPILING:
        if _room is None:
            size = _ROOM * min(processors.usable(), _MOST_ROOMS)
            made = aligned_zeros((_ALIGNED + size,), np.dtype(np.uint8))
            made[:16].view(np.int64)[:] = 0, made.ctypes.data + made.nbytes
            _room = made
        return _room


def room_bytes() -> int:
    """How much a call may need: what the room holds, which was made for the processors that there were then."""
    return _shared_room().nbytes - _ALIGNED


def forget_room() -> None:
    """Let calls that are prepared from now on have another room. Those that were prepared keep theirs."""
    global _room
    _room = None


def _in_child() -> None:
    """Who had the room stayed in the parent."""
    if _room is not None:
        _room[:8] = 0


at_fork(after_in_child=_in_child)
