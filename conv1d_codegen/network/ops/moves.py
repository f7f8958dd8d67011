"""Operations that move steps: padding, cropping, repetition, other shapes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...symbolic.index import index
from ..reach import Reach
from .op import Op, Shape, check, check_sizes, steps_of

PAD_MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """Steps before and after: zeros, or a reflection, the first and last step again, or the other end."""

    left: int
    right: int
    mode: str = "zeros"

    def __post_init__(self) -> None:
        check_sizes("Padding is 0 steps or more", self.left, self.right, least=0)
        check(self.mode in PAD_MODES, f"Padding is one of {', '.join(PAD_MODES)}. Received: {self.mode!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(steps_of(self, x) + self.left + self.right, x.channels)

    def reach(self) -> Reach | None:
        return Reach(first=Fraction(-self.left), last=Fraction(-self.left)) if self.mode == "zeros" else None


@dataclass(frozen=True, slots=True)
class Crop(Op):
    """Without the first steps and the last."""

    left: int
    right: int

    def __post_init__(self) -> None:
        check_sizes("Cropping is 0 steps or more", self.left, self.right, least=0)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(steps_of(self, x) - (self.left + self.right), x.channels)

    def reach(self) -> Reach | None:
        return Reach(first=Fraction(self.left), last=Fraction(self.left))


@dataclass(frozen=True, slots=True)
class Repeat(Op):
    """Each step several times."""

    times: int

    def __post_init__(self) -> None:
        check_sizes("Steps are repeated once or more", self.times)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(steps_of(self, x) * self.times, x.channels)

    def reach(self) -> Reach | None:
        return Reach(Fraction(1, self.times))


@dataclass(frozen=True, slots=True)
class Reshape(Op):
    """The numbers of a tensor of known size, in their order, as a sequence of `steps`, or as a vector (None)."""

    steps: int | None
    channels: int

    def __post_init__(self) -> None:
        check_sizes("A shape has sizes of 1 or more", self.channels, *(() if self.steps is None else (self.steps,)))

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        size = x.channels if x.steps is None else (x.steps * x.channels).constant
        wanted = self.channels * (1 if self.steps is None else self.steps)
        check(size is not None, f"{self} takes an input of known length. Received: {x}; give `Input` a length.")
        check(size == wanted, f"{self} takes {wanted} numbers. Received: {x}, of {size}.")
        return Shape(None if self.steps is None else index(self.steps), self.channels)

    def reach(self) -> Reach | None:
        return None
