"""A transposed convolution as convolutions of stride 1, each for some of its output steps.

Output step `u` has products with the taps `j` of which `u + left - j*dilation` is a multiple of the stride, and takes
them from input step `(u + left - j*dilation) / stride`. So all steps a stride apart have the same taps, a phase, and are
what an ordinary convolution makes of the input: its taps are those of the phase in falling order, `stride /
gcd(stride, dilation)` apart, and read steps of the input that lie `dilation / gcd(stride, dilation)` apart. Nothing is
multiplied by a zero (the polyphase form: Crochiere and Rabiner, Multirate Digital Signal Processing, 1983).

Phases beside each other mostly read the same input steps. They are one convolution, whose filters are those of each: a
row of its output is that of adjacent steps.

    stride 4, 6 taps, left 1      u = 0, 4, 8 …    taps 5, 1      from input steps q - 1, q
                                  u = 1, 5, 9 …    tap 2          from q
                                  u = 2, 6, 10 …   tap 3          from q
                                  u = 3, 7, 11 …   taps 4, 0      from q, q + 1

The input gradient of a convolution with a stride is the transposed convolution of the gradient of its output, by the
same weights, with `left` its left padding and `right` whatever gives the length of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd

from . import padding as pad


@dataclass(frozen=True, slots=True)
class Phase:
    """Output steps `first + q*stride`, and those `count - 1` after each: what a convolution of stride 1 makes.

    `taps`      of the first of the adjacent steps, of the second and so on, each in the order of the input steps; none
                where the steps have no products
    `dilation`  how far these input steps lie apart
    `padding`   left and right; where it is negative, so many steps of the input are not read
    `more`      for T steps of input, there are T + more values of `q`
    """

    first: int
    count: int
    taps: tuple[tuple[int, ...], ...]
    dilation: int
    padding: tuple[int, int]
    more: int

    @property
    def kernel_size(self) -> int:
        return len(self.taps[0]) if self.taps else 0

    def joined(self, other: Phase) -> Phase | None:
        """Both as one, if they are beside each other and read the same."""
        alike = self == replace(other, first=self.first, count=self.count, taps=self.taps)
        if not alike or self.kernel_size != other.kernel_size or self.first + self.count != other.first:
            return None
        return replace(self, count=self.count + other.count, taps=self.taps + other.taps)


def phases(kernel_size: int, stride: int, dilation: int, left: int, right: int, joined: bool = True) -> list[Phase]:
    """The phases, in the order of their first output steps; together they are all output steps once. Where they are not
    `joined`, each with taps has one step of every stride.
    """
    most = int(pad.transposed_length(0, kernel_size, stride, dilation, left, right))  # and a stride for each input step
    of_step: dict[int, list[int]] = {}
    for j in reversed(range(kernel_size)):
        of_step.setdefault((j * dilation - left) % stride, []).append(j)

    result: list[Phase] = []
    for phase in _phases(of_step, stride, dilation, left, most):
        both = result[-1].joined(phase) if result and joined else None
        result[-1:] = [both] if both is not None else [*result[-1:], phase]
    return result


def _phases(of_step: dict[int, list[int]], stride: int, dilation: int, left: int, most: int) -> Iterator[Phase]:
    """Those with taps, each for itself, and those between them, which have none."""
    before = 0
    for first in (*sorted(of_step), stride):
        bounds = sorted({before, first, *(end for end in (most % stride,) if before < end < first)})
        for begin, end in pairwise(bounds):
            yield Phase(begin, end - begin, (), 1, (0, 0), int(pad.ceildiv(most - begin, stride)))
        if first < stride:
            yield _with_taps(first, tuple(of_step[first]), stride, dilation, left, most)
        before = first + 1


def _with_taps(first: int, taps: tuple[int, ...], stride: int, dilation: int, left: int, most: int) -> Phase:
    apart = dilation // gcd(stride, dilation) if len(taps) > 1 else 1
    reach = (len(taps) - 1) * apart
    before = (taps[0] * dilation - left - first) // stride
    more = int(pad.ceildiv(most - first, stride))
    return Phase(first, 1, (taps,), apart, (before, more + reach - before), more)
