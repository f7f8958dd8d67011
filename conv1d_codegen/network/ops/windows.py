"""Operations on windows of steps: convolutions and pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...problem import LARGEST_SPAN, Problem
from ...problem import padding as pad
from ...symbolic.index import index
from ..reach import Reach
from .op import Op, Shape, check, check_sizes, steps_of

POOLS = ("max", "average")
REDUCTIONS = ("max", "min", "average", "sum")


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """A convolution; of one tap, a dense layer, which takes vectors too."""

    problem: Problem

    def shape(self, *inputs: Shape) -> Shape:
        (x,), p = inputs, self.problem
        check(x.channels == p.channels, f"{self} takes {p.channels} channels. Received: {x}.")
        if x.steps is None and p.kernel_size == p.stride == 1 and pad.left_paddings(1, 1, 1, p.padding) == (0, 0):
            return Shape(None, p.filters)
        steps = pad.output_length(steps_of(self, x), p.kernel_size, p.stride, p.dilation, p.padding)
        return Shape(index(steps), p.filters)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        return {
            "kernel": self.problem.kernel_shape,
            **({"bias": (self.problem.filters,)} if self.problem.use_bias else {}),
        }

    def reach(self) -> Reach | None:
        p = self.problem
        least, most = p.left_paddings()
        return Reach(Fraction(p.stride), Fraction(-most), Fraction(p.extent - 1 - least))

    def flops(self, batch: int, length: int) -> int:
        """Multiplications and additions."""
        return self.problem.flops(batch, length)

    def __str__(self) -> str:
        return f"conv {self.problem}"


@dataclass(frozen=True, slots=True)
class ConvTranspose(Op):
    """The transpose of a convolution: each input step adds `kernel[j]ᵀ · x` to output step `t·stride + j·dilation − left`.

    Where `right` is negative, the last output steps have no products. Channels and filters of a group have products with
    each other alone.
    """

    channels: int
    filters: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    left: int = 0
    right: int = 0
    use_bias: bool = True
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("channels", "filters", "kernel_size", "stride", "dilation", "groups"):
            check(getattr(self, name) >= 1, f"{name} of {self} is 1 or more.")
        check(self.left >= 0, f"left of {self} is 0 or more.")
        divided = self.channels % self.groups == self.filters % self.groups == 0
        check(divided, f"{self} divides channels and filters by groups.")
        steps = self.kernel_size * self.dilation + self.stride + self.left + abs(self.right)
        span = steps * max(self.channels, self.filters) * 8
        check(span <= LARGEST_SPAN, f"Sizes are limited to 2**46 bytes. Received: {self}, of {span} bytes in float64.")

    def output_length(self, length: Any) -> Any:
        """Steps of output for `length` steps of input, which may be an index expression."""
        return pad.transposed_length(length, self.kernel_size, self.stride, self.dilation, self.left, self.right)

    def flops(self, batch: int, length: int) -> int:
        """Multiplications and additions, of steps that are left out too."""
        return 2 * batch * length * self.kernel_size * self.channels * self.filters

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        check(x.channels == self.channels, f"{self} takes {self.channels} channels. Received: {x}.")
        return Shape(index(self.output_length(steps_of(self, x))), self.filters)

    def weights(self, *inputs: Shape) -> Mapping[str, tuple[int, ...]]:
        kernel = {"kernel": (self.kernel_size, self.filters, self.channels // self.groups)}
        return {**kernel, "bias": (self.filters,)} if self.use_bias else kernel

    def reach(self) -> Reach | None:
        """Output step t has products with input steps (t + left − j·dilation) ÷ stride, where that is whole."""
        extent = pad.extent(self.kernel_size, self.dilation)
        return Reach(
            Fraction(1, self.stride), Fraction(self.left - extent + 1, self.stride), Fraction(self.left, self.stride)
        )


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """The maximum or the average of `size` steps, `dilation` apart. Padding takes no part; with `count_padding` an average
    counts it. With `ceil` there is one more window where steps are left at the end, if it begins on the input.
    """

    kind: str
    size: int
    stride: int
    padding: pad.Padding = "valid"
    count_padding: bool = False
    dilation: int = 1
    ceil: bool = False

    def __post_init__(self) -> None:
        check(self.kind in POOLS, f"A pool is one of {', '.join(POOLS)}. Received: {self.kind!r}.")
        check_sizes("A pool's size, stride and dilation are 1 or more", self.size, self.stride, self.dilation)

    def output_length(self, length: Any) -> Any:
        """Steps of output for `length` steps of input, which may be an index expression."""
        return pad.pooled_length(length, self.size, self.stride, self.dilation, self.padding, self.ceil)

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(index(self.output_length(steps_of(self, x))), x.channels)

    def reach(self) -> Reach | None:
        least, most = pad.left_paddings(self.size, self.stride, self.dilation, self.padding)
        extent = pad.extent(self.size, self.dilation)
        return Reach(Fraction(self.stride), Fraction(-most), Fraction(extent - 1 - least))


@dataclass(frozen=True, slots=True)
class GlobalPool(Op):
    """One of `REDUCTIONS` of all steps, or the "first" or "last" of them: a vector, or with `keep` a sequence of one step."""

    kind: str
    keep: bool = False

    def __post_init__(self) -> None:
        known = (*REDUCTIONS, "first", "last")
        check(self.kind in known, f"A reduction of steps is one of {', '.join(known)}. Received: {self.kind!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        steps_of(self, x)
        return Shape(index(1) if self.keep else None, x.channels)

    def reach(self) -> Reach | None:
        return None


@dataclass(frozen=True, slots=True)
class ChannelPool(Op):
    """One of `REDUCTIONS` of the channels of each step: one channel."""

    kind: str

    def __post_init__(self) -> None:
        check(self.kind in REDUCTIONS, f"A reduction is one of {', '.join(REDUCTIONS)}. Received: {self.kind!r}.")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return Shape(x.steps, 1)
