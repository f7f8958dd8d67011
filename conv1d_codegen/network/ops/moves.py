"""Operations that move steps: padding, cropping, repetition, other shapes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...problem.padding import ceildiv
from ...symbolic.index import index, maximum, minimum
from ..reach import Reach
from .op import Op, Shape, check, check_sizes, steps_of

PAD_MODES = ("zeros", "reflect", "replicate", "circular")
RESIZES = ("nearest", "linear")
COORDINATES = (
    *("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric"),
    *("align_corners", "align_ends"),
)
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


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
class Slice(Op):
    """Each `step`-th step, from `start` to before `end`; below 0 both count from the last step on, and an `end` of 0 is
    behind it. What lies beside the input is not there.
    """

    start: int
    end: int
    step: int = 1

    def __post_init__(self) -> None:
        check_sizes("A slice's step is 1 or more", self.step)

    def bounds(self, length: Any) -> tuple[Any, Any]:
        """The first step and the one after the last, for `length` steps of input, which may be an index expression."""
        start = minimum(self.start, length) if self.start >= 0 else maximum(length + self.start, 0)
        end = minimum(self.end, length) if self.end > 0 else maximum(length + self.end, 0)
        return start, end

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        start, end = map(index, self.bounds(steps_of(self, x)))
        return Shape(index(maximum(ceildiv(end - start, self.step), 0)), x.channels)

    def reach(self) -> Reach | None:
        return Reach(Fraction(self.step), Fraction(self.start), Fraction(self.start)) if self.start >= 0 else None


@dataclass(frozen=True, slots=True)
class Last(Op):
    """The last `count` steps, of an input that has so many."""

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


@dataclass(frozen=True, slots=True)
class ChannelSlice(Op):
    """`count` channels: `start` and each `step`-th after it; a negative step goes down."""

    start: int
    count: int
    step: int = 1

    def __post_init__(self) -> None:
        check_sizes("Channels are counted from 0, one or more of them", self.start, self.count - 1, least=0)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        last = self.start + (self.count - 1) * self.step
        check(max(self.start, last) < x.channels and last >= 0, f"{self} takes channels of its input. Received: {x}.")
        return Shape(x.steps, self.count)


@dataclass(frozen=True, slots=True)
class Shuffle(Op):
    """The first channel of each of some groups, then the second of each, and so on."""

    groups: int

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        check_sizes("There is one group or more", self.groups)
        check(x.channels % self.groups == 0, f"{self} divides the channels by groups. Received: {x}.")
        return x


@dataclass(frozen=True, slots=True)
class Trim(Op):
    """The first steps of a tensor, as many as a second one has, or all."""

    def shape(self, *inputs: Shape) -> Shape:
        x, like = inputs
        return Shape(index(minimum(steps_of(self, x), steps_of(self, like))), x.channels)


@dataclass(frozen=True, slots=True)
class Transpose(Op):
    """Steps as channels and channels as steps, of an input of known length."""

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        channels = steps_of(self, x).constant
        if channels is None or channels < 1:
            raise ValueError(f"{self} takes an input of known length. Received: {x}; give `Input` a length.")
        return Shape(index(x.channels), channels)

    def reach(self) -> Reach | None:
        return None


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


@dataclass(frozen=True, slots=True)
class Resize(Op):
    """`T·up ÷ down` steps, rounded down, between those of the input.

    Output step t lies at p of the input: with `coordinates` "half_pixel" (t + ½)·down ÷ up − ½, "pytorch_half_pixel" the
    same but 0 for a single step, "half_pixel_symmetric" the same around the middle, "asymmetric" t·down ÷ up,
    "align_corners" t·(T − 1) ÷ (T·up ÷ down − 1), and "align_ends" the same with the rounded number of steps. There it is
    the step that `rounding` says, or between two on their line.
    """

    mode: str
    up: int
    down: int = 1
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"

    def __post_init__(self) -> None:
        check_sizes("A factor of steps is of sizes of 1 or more", self.up, self.down)
        for value, known in ((self.mode, RESIZES), (self.coordinates, COORDINATES), (self.rounding, ROUNDINGS)):
            check(value in known, f"Resizing is by one of {', '.join(known)}. Received: {value!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(steps_of(self, x) * self.up // self.down, x.channels)

    def reach(self) -> Reach | None:
        if self.coordinates in ("align_corners", "align_ends", "half_pixel_symmetric"):
            return None
        factor = Fraction(self.down, self.up)
        first = Fraction(0) if self.coordinates == "asymmetric" else factor / 2 - Fraction(1, 2)
        return Reach(factor, first - 1, first + 1)
