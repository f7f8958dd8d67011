"""Red zones: under a switch, scratch arrays get margins, and a kernel that writes into one says so.

    | margin | array | margin |         all bits set, which is a NaN in every dtype, as is what the array holds before it is written

An array is filled at its `Alloc`, in every iteration of the loops around, and its margins are checked where its block
ends. A margin that was written to sets the first word of the thread's scratch memory, of which `kernel.py` makes an
error. So a write beside an array is found even where the result is right, and a read beside it, or of what was not
written yet, shows as NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Buffer
from ..machine.target import LINE
from .builder import Builder, Register
from .scratch import MARGIN, bytes_of

_WORD = 8


@dataclass(frozen=True, slots=True)
class _Zone:
    start: str  # of the margin before the array
    size: int  # of the array, in bytes


class RedZones:
    """The arrays that are alive, innermost last."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._zones: list[_Zone] = []

    def alive(self) -> int:
        """How many arrays there are at this point."""
        return len(self._zones)

    def allocate(self, buffer: Buffer, provided: int | None) -> str:
        """The address of a new array, on the stack, or so many bytes behind the first line of the caller's memory."""
        size = bytes_of(buffer)
        words = -(-(size + 2 * MARGIN) // _WORD)
        if provided is None:
            start = self._builder.array("alloca", buffer.name, type=f"[{words} x i64]", align=64)
        else:
            start = self._builder.array("address", buffer.name, type="i8", base="%scratch", offset=LINE + provided)
        own = self._builder.array("address", buffer.name, type="i8", base=start, offset=MARGIN)
        with self._builder.loop("fill", "0", str(words), certain=True) as word:
            at = self._builder.define("margin", "address", type="i64", base=start, offset=word)
            self._builder.add("store", type="i64", value="-1", at=at, align=_WORD)
        self._zones.append(_Zone(start, size))
        return own

    def check_down_to(self, count: int) -> None:
        """Check the margins of all arrays but the first `count`, whose life ends here."""
        ended, self._zones = self._zones[count:], self._zones[:count]
        for zone in ended:
            damage = Register("damage", "i64", "0")
            with self._builder.loop("check", "0", str(MARGIN // _WORD), certain=True, changing=[damage]) as word:
                for behind in (0, MARGIN + zone.size):
                    margin = self._builder.define("margin", "address", type="i8", base=zone.start, offset=str(behind))
                    at = self._builder.define("margin", "address", type="i64", base=margin, offset=word)
                    found = self._builder.define("found", "load", type="i64", at=at, align=1)
                    changed = self._builder.define("changed", "flip", a=found)
                    damage.value = self._builder.define("damage", "any_bit", a=damage.value, b=changed)
            before = self._builder.define("flag", "load", type="i64", at="%scratch", align=_WORD)
            flag = self._builder.define("flag", "any_bit", a=before, b=damage.value)
            self._builder.add("store", type="i64", value=flag, at="%scratch", align=_WORD)
