"""Rows of a larger array: every so many numbers of each sequence, a kernel has a few.

A buffer `[N, rows, ...]` is then a part of an array `[N, whole]`: row `t` of a sequence begins at number `first +
t*apart` of it. So a kernel writes every other step of an output, or reads an input without its first steps, with the
indices, and the proofs, that an array of its own would have. That rows lie apart and within is proved once, of the
buffer (`verify/`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..symbolic.index import Index


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of each sequence lie among the `whole` numbers that it has."""

    first: int
    apart: int
    whole: Index

    def __str__(self) -> str:
        return f"at {self.first} + {self.apart}*row of {self.whole}"
