"""Placement: a problem whose input and output are parts of larger arrays.

The input is a sequence without its first steps and its last. The output has rows some numbers apart, as where it is
every other step of a sequence, and further inputs of an epilogue lie as it does; or where it is some channels of wider
ones, beside those of other kernels. Both are channels-last.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Rows
from ..symbolic.index import Index


@dataclass(frozen=True, slots=True)
class Placement:
    """For `T` steps of the problem's input, the arrays of each sequence are

    `before` steps, `T` steps, `after` steps           of the input
    `apart*T + rest` numbers                           of the output, whose row `t` begins at `first + apart*t`
    """

    first: int
    apart: int
    rest: int
    before: int = 0
    after: int = 0
    alike: bool = True  # whether further inputs lie as the output does; else they are whole arrays

    @classmethod
    def beside(cls, first: int, channels: int, more: int) -> Placement:
        """Some channels, from `first` on, of steps of so many `channels`; with so many `more` steps than the input has."""
        return cls(first, channels, more * channels, alike=False)

    def input(self, length: Index, channels: int) -> Rows | None:
        """The rows of the input; None where it is a whole array."""
        if not self.before and not self.after:
            return None
        return Rows(self.before * channels, channels, (length + (self.before + self.after)) * channels)

    def output(self, length: Index) -> Rows:
        """The rows of the output."""
        return Rows(self.first, self.apart, length * self.apart + self.rest)

    def further(self, length: Index) -> Rows | None:
        """The rows of further inputs; None where these are whole arrays."""
        return self.output(length) if self.alike else None

    def __str__(self) -> str:
        cropped = f" of steps {self.before} to -{self.after}" if self.before or self.after else ""
        return f"rows {self.apart} apart from {self.first} in {self.apart}*T + {self.rest}{cropped}"
