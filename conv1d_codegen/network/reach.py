"""Reach: which steps of its input an output step reads. Halos, delays and alignment of a network follow from it.

    reads = ⌊t·stride + first⌋ … ⌊t·stride + last⌋          of output step t, both ends included

A convolution has stride s, first = −left and last = −left + (k − 1)·d; repeating each step n times has stride 1/n. Where
a bound depends on the length of the input, it is the widest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Reach:
    """A range of steps around `t·stride`."""

    stride: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)

    def steps(self, t: int) -> tuple[int, int]:
        """The first step and the last that output step `t` reads."""
        return math.floor(t * self.stride + self.first), math.floor(t * self.stride + self.last)

    @property
    def field(self) -> int:
        """Most steps that one output step reads: the receptive field."""
        spare = 0 if (self.last - self.first).denominator == 1 else 1
        return math.floor(self.last - self.first) + 1 + spare

    def after(self, inner: Reach) -> Reach:
        """What is read through `inner`, the steps of whose output this reads.

        ⌊z⌋ is z less at most (q − 1)/q, for z a multiple of 1/q.
        """
        q = math.lcm(self.stride.denominator, self.first.denominator)
        first = (self.first - Fraction(q - 1, q)) * inner.stride + inner.first
        return Reach(self.stride * inner.stride, first, self.last * inner.stride + inner.last)

    def with_(self, other: Reach) -> Reach | None:
        """What two that run side by side read together; None where they drift apart."""
        if self.stride != other.stride:
            return None
        return Reach(self.stride, min(self.first, other.first), max(self.last, other.last))
