"""Rows of larger arrays: they lie apart, and within.

Then an index within the buffer is an element of the array, and another index another element, so that what is proved of
accesses and races holds for the array.
"""

from __future__ import annotations

from ..ir import Buffer
from ..symbolic.index import index
from .place import InvalidKernel, Place


def check(buffer: Buffer, place: Place) -> None:
    """Raises InvalidKernel where the rows of a buffer, if it has any, may overlap or lie outside."""
    if buffer.rows is None:
        return
    first, apart, whole = buffer.rows.first, buffer.rows.apart, buffer.rows.whole
    place.known(whole, f"the rows of {buffer}")
    count, numbers = buffer.shape[1], index(1)
    for size in buffer.shape[2:]:
        numbers = numbers * size
    if first < 0 or not place.scope.proves_for_all(apart - numbers):
        raise InvalidKernel(f"the rows of {buffer} may overlap, or begin before it, as far as can be proved")
    end = (count - 1) * apart + first + numbers
    if not place.scope.given((count - 1,)).proves(whole - end):  # where there are rows
        raise InvalidKernel(f"the rows of {buffer} may end at {end}, as far as can be proved")
