"""A view: a part of an array, seen with the indices of the whole.

What a formula reads or writes may be the caller's array, or a block of it that another nest of the kernel keeps in
scratch memory: step `t` of the whole is then element `t - origin` of the block. The extent is the whole's, which is
where padding begins.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..symbolic.index import Index, Indexable, index
from .axes import Axis
from .nodes import Store
from .values import Buffer, Load, Value, require


@dataclass(frozen=True, slots=True)
class View:
    """Elements of `buffer`, the first of which is element `origin` of a whole of size `extent`."""

    buffer: Buffer
    origin: tuple[Index, ...]
    extent: tuple[Index, ...]

    def __post_init__(self) -> None:
        rank = len(self.buffer.shape)
        require(len(self.origin) == len(self.extent) == rank, f"a view of {self.buffer} has {rank} origins and extents")

    @classmethod
    def of(cls, buffer: Buffer) -> View:
        """A whole array."""
        return cls(buffer, (index(0),) * len(buffer.shape), buffer.shape)

    def place(self, place: tuple[Indexable, ...]) -> tuple[Index, ...]:
        """Where an element of the whole lies in the buffer."""
        return tuple(index(i) - first for i, first in zip(place, self.origin, strict=True))

    def load(self, *place: Indexable) -> Load:
        """The value of an element of the whole."""
        return Load(self.buffer, self.place(place))

    def store(self, place: tuple[Indexable, ...], value: Value) -> Store:
        """Store to an element of the whole."""
        return Store(self.buffer, self.place(place), value)

    def size(self, axis: Axis) -> Index:
        """How much there is of an axis of the whole."""
        return self.extent[self.buffer.axes.index(axis)]
