"""Where the axes of a torch tensor lie in a tensor of a network, which is `(batch, steps, channels)`.

Torch's tensors have any axes in any order: `(N, C, T)`, `(N, T, C)`, `(N, C, T, 1)`, `(N, groups, C // groups, T)`,
`(N, C·T)`. An axis is a product of factors, the outer one first; a factor is the batch, the steps, or a part of the
channels. So permutations, axes of length 1 and other shapes are other descriptions of one tensor, and nothing is moved.

    (N, C, T)       (batch) (channels) (time)
    (N, C, T, 1)    (batch) (channels) (time) ()
    (N, C·T)        (batch) (channels time)

Of channels, `stride` says how far apart neighbours are among the tensor's own: `(N, 2, 4, T)` has factors 2 with stride
4 and 4 with stride 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....symbolic.index import Index, index

BATCH, TIME, CHANNELS = "batch", "time", "channels"


@dataclass(frozen=True, slots=True)
class Factor:
    """A part of an axis."""

    kind: str
    size: Index
    stride: int = 1

    @property
    def count(self) -> int:
        """The size of a part of the channels."""
        size = self.size.constant
        assert size is not None
        return size


Axis = tuple[Factor, ...]


def channels(size: int, stride: int = 1) -> Axis:
    """An axis of so many channels."""
    return (Factor(CHANNELS, index(size), stride),) if size != 1 else ()


def time(steps: Index | None) -> Axis:
    """An axis of steps; one step, and the steps of a vector, are none."""
    return () if steps is None or steps.constant == 1 else (Factor(TIME, steps),)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a network, by name, as torch sees it."""

    name: str
    axes: tuple[Axis, ...]

    def with_axes(self, *axes: Axis) -> Tensor:
        """The same tensor, seen with other axes."""
        return replace(self, axes=tuple(axes))

    def with_name(self, name: str) -> Tensor:
        """Another tensor of a network, seen with these axes."""
        return replace(self, name=name)

    @property
    def sizes(self) -> tuple[Index, ...]:
        """The sizes of the axes."""
        return tuple(size(axis) for axis in self.axes)


def size(axis: Axis) -> Index:
    """The size of an axis."""
    product = index(1)
    for factor in axis:
        product = product * factor.size
    return product


def kinds(axis: Axis) -> set[str]:
    """What an axis is made of."""
    return {factor.kind for factor in axis}


def joined(axis: Axis) -> Axis:
    """An axis whose neighbouring parts of the channels are one where they lie so."""
    result: list[Factor] = []
    for factor in axis:
        last = result[-1] if result else None
        if last and last.kind == factor.kind == CHANNELS and last.stride == factor.count * factor.stride:
            result[-1] = Factor(CHANNELS, last.size * factor.size, factor.stride)
        else:
            result.append(factor)
    return tuple(result)


def positions(axis: Axis) -> NDArray[np.intp]:
    """Which channel of the tensor each place of an axis of channels is."""
    found = np.zeros(1, np.intp)
    for factor in axis:
        found = (found[:, None] + np.arange(factor.count) * factor.stride).ravel()
    return found


def reshaped(axes: Sequence[Axis], sizes: Sequence[Index]) -> tuple[Axis, ...]:
    """The axes of a tensor in another shape, one size of which may be -1. Raises ValueError where steps would be divided."""
    factors = [factor for axis in axes for factor in axis]
    unknown = next((number for number, wanted in enumerate(sizes) if wanted.constant == -1), len(sizes))
    before = [_taken(factors, wanted) for wanted in sizes[:unknown]]
    if unknown == len(sizes):
        rest, after = [], []
        if factors:
            raise ValueError(f"the shape ({', '.join(map(str, sizes))}) leaves numbers over")
    else:
        factors.reverse()
        after = [_taken(factors, wanted, inner=True)[::-1] for wanted in reversed(sizes[unknown + 1 :])]
        rest = [tuple(reversed(factors))]
    return tuple(joined(axis) for axis in (*before, *rest, *reversed(after)))


def _taken(factors: list[Factor], wanted: Index, inner: bool = False) -> Axis:
    """The next factors whose product is a size, without which `factors` goes on. A part of the channels may be divided:
    its outer part is taken, or the `inner` one where factors come from the end.
    """
    taken: list[Factor] = []
    product = index(1)
    while product != wanted:
        if not factors:
            raise ValueError(f"no axes make up the size {wanted}")
        factor = factors.pop(0)
        if factor.kind == CHANNELS and product * factor.size != wanted:
            for part in range(2, factor.count):
                if factor.count % part == 0 and product * part == wanted:
                    rest = factor.count // part
                    outer = Factor(CHANNELS, index(rest if inner else part), factor.stride * (part if inner else rest))
                    within = Factor(CHANNELS, index(part if inner else rest), factor.stride)
                    taken.append(within if inner else outer)
                    factors.insert(0, outer if inner else within)
                    return tuple(taken)
        taken.append(factor)
        product = product * factor.size
        if product.constant is not None and wanted.constant is not None and product.constant > wanted.constant:
            raise ValueError(f"an axis of {factor.size} {factor.kind} would be divided to make the size {wanted}")
    return tuple(taken)
