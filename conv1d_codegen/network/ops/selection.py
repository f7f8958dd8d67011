"""Operations that choose some channels or steps."""

from __future__ import annotations

from dataclasses import dataclass

from ...symbolic.index import index
from ..reach import Reach
from .op import Op, Shape, check, check_sizes, steps_of


@dataclass(frozen=True, slots=True)
class Take(Op):
    """The channels `first`, `first + step`, … of a tensor, `count` of them."""

    first: int
    count: int
    step: int = 1

    def __post_init__(self) -> None:
        check_sizes("The first channel is 0 or more", self.first, least=0)
        check_sizes("One channel or more are taken, each so many after the one before", self.count, self.step)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        last = self.first + (self.count - 1) * self.step
        check(last < x.channels, f"{self} takes the channels {self.first} to {last}. Received: {x}.")
        return Shape(x.steps, self.count)


@dataclass(frozen=True, slots=True)
class Last(Op):
    """The last `count` steps."""

    count: int

    def __post_init__(self) -> None:
        check_sizes("One step or more are taken", self.count)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        known = steps_of(self, x).constant
        check(known is None or known >= self.count, f"{self} takes {self.count} steps. Received: {x}.")
        return Shape(index(self.count), x.channels)

    def reach(self) -> Reach | None:
        return None  # which steps these are depends on the length
