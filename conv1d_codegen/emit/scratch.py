"""Where scratch arrays lie: small ones on the thread's stack, large ones in memory that the caller provides.

An array lives until the end of the block that allocates it. So the large ones lie one after another, in the order of
their `Alloc`s, and what blocks beside each other allocate, as both edges do, has the same place.
"""

from __future__ import annotations

from ..ir import Alloc, Block, Buffer, Compound, Kernel, Storage
from ..machine.target import LINE
from ..number_types import TYPES
from .types import BYTES

#: Bytes of the largest array on the stack. Memory for a call costs it 0.3 us, as to take and give back a buffer is
#: Python: a call of tcresnet8/b24_conv0, with 8 KiB of sums, takes 2.5 us with it and 2.2 without. What such small
#: kernels have in scratch, the sums of a block of edges, is up to this; those that have more take 100 us.
_SMALL = 16 << 10
#: Bytes on each side of an array with red zones. An index that runs out of an array goes through its margin first, by a
#: tile or less.
MARGIN = 512


def bytes_of(buffer: Buffer) -> int:
    """The size of a scratch array."""
    return (buffer.size.constant or 0) * BYTES[TYPES[buffer.dtype].llvm]


def bytes_provided(buffer: Buffer, red_zones: bool = False) -> int:
    """How much of the caller's memory a scratch array takes: whole cache lines if it is large, 0 if it is small."""
    size = bytes_of(buffer)
    if size <= _SMALL:
        return 0
    return -(-(size + (2 * MARGIN if red_zones else 0)) // LINE) * LINE


def scratch_bytes(kernel: Kernel, red_zones: bool = False) -> int:
    """How much memory the caller provides for each thread that runs a kernel: a multiple of 64 bytes, most often 0.

    With red zones, one line more, before the arrays: it begins with the word that says whether a margin was written to.
    """
    return _most(kernel.body, red_zones) + (LINE if red_zones else 0)


def _most(body: Block, red_zones: bool) -> int:
    """What a block takes at most, its inner blocks included."""
    taken = most = 0
    for statement in body:
        if isinstance(statement, Compound):
            most = max(most, taken + _most(statement.body, red_zones))
        elif isinstance(statement, Alloc) and statement.buffer.storage is Storage.SCRATCH:
            taken += bytes_provided(statement.buffer, red_zones)
    return max(most, taken)
