"""Other lengths by interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...symbolic.index import index
from ..reach import Reach
from .op import Op, Shape, check, check_sizes, steps_of

MODES = ("nearest", "linear")
COORDINATES = ("half_pixel", "align_corners", "asymmetric")


@dataclass(frozen=True, slots=True)
class Resize(Op):
    """`⌊T · times_numerator ÷ times_denominator⌋` steps of T, S of them; output step i is at place p of the input:

        half_pixel      (i + ½) · T ÷ S − ½, with the ratio that is given for S ÷ T
        align_corners   i · (T − 1) ÷ (S − 1), and 0 for one step
        asymmetric      i · T ÷ S, with the ratio that is given for S ÷ T

    "linear" is between steps ⌊p⌋ and ⌊p⌋ + 1, and reads one where p is whole; "nearest" is step ⌊p⌋, or ⌊p + ½⌋ with
    half_pixel. Places are at least 0 and at most T − 1.
    """

    times_numerator: int
    times_denominator: int
    mode: str
    coordinates: str

    def __post_init__(self) -> None:
        check_sizes("Lengths are multiplied by 1 or more, and divided so", self.times_numerator, self.times_denominator)
        check(self.mode in MODES, f"The mode is one of {', '.join(MODES)}. Received: {self.mode!r}.")
        check(
            self.coordinates in COORDINATES,
            f"Coordinates are one of {', '.join(COORDINATES)}. Received: {self.coordinates!r}.",
        )

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(index(steps_of(self, x) * self.times_numerator // self.times_denominator), x.channels)

    def reach(self) -> Reach | None:
        if self.coordinates == "align_corners":
            return None  # places depend on the length
        ratio = Fraction(self.times_denominator, self.times_numerator)
        middle = (ratio - 1) / 2 if self.coordinates == "half_pixel" else Fraction(0)
        if self.mode == "linear":
            return Reach(ratio, middle, middle + 1)
        place = middle + Fraction(1, 2) if self.coordinates == "half_pixel" else middle
        return Reach(ratio, place, place)
