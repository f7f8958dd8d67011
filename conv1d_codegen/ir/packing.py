"""How weights are laid out for the kernel: in panels, so that the inner loop reads them one after another.

A packing moves one axis of an array into panels of `panel` numbers, padded with zeros at the end, behind the axes that
the inner loops run over: with panel 16, `w[j, c, f]` becomes `wp[f//16, j, c, f%16]`. A mixing makes sums of the taps,
the transformed weights of Cook–Toom, for a packing to lay out. Both are done once for each change of the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..symbolic.index import Index, index

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector
#: Bytes of a large page, which NumPy asks for where an array may have some. Weights that begin with one lie in as many
#: as can be: of 6 MiB from memory, onednn/1d/conv1d_gemm:3 takes 750 us so, 800 as they fall, and 850 without any;
#: conv1d:21 2.32, 2.37, 2.44 ms (avx512).
_PAGE = 2 << 20


@dataclass(frozen=True, slots=True)
class Packing:
    """Source `source`, with axes named `axes`, goes to `target` as `[*outer, axis // panel, *inner, axis % panel]`."""

    source: str
    target: str
    source_shape: tuple[Index, ...]
    axes: tuple[str, ...]
    outer: tuple[str, ...]
    axis: str
    panel: int

    @property
    def inner(self) -> tuple[str, ...]:
        return tuple(name for name in self.axes if name not in self.outer and name != self.axis)

    @property
    def shape(self) -> tuple[Index, ...]:
        """The shape of the target."""
        size = dict(zip(self.axes, self.source_shape, strict=True))
        panels = (size[self.axis] + self.panel - 1) // self.panel
        return (*(size[n] for n in self.outer), panels, *(size[n] for n in self.inner), index(self.panel))

    def __call__(
        self, array: np.ndarray[Any, Any], dtype: np.dtype[Any], sizes: Mapping[str, int]
    ) -> np.ndarray[Any, Any]:
        """The packed copy of `array`, which has as many elements as the source, in `dtype`, 64-byte aligned."""
        order = (*self.outer, *self.inner, self.axis)
        source_shape = [size.evaluate(sizes) for size in self.source_shape]
        moved = array.reshape(source_shape).transpose([self.axes.index(name) for name in order])
        shape = tuple(size.evaluate(sizes) for size in self.shape)
        packed = aligned_zeros(shape, dtype)
        in_panels = np.moveaxis(packed, len(self.outer), -2)  # [*outer, *inner, panels, panel], a view
        for first in range(shape[len(self.outer)]):
            part = moved[..., first * self.panel : (first + 1) * self.panel]
            in_panels[..., first, : part.shape[-1]] = part
        return packed

    def __str__(self) -> str:
        place = [*self.outer, f"{self.axis}//{self.panel}", *self.inner, f"{self.axis}%{self.panel}"]
        return f"{self.source}[{', '.join(self.axes)}] as [{', '.join(place)}]"


@dataclass(frozen=True, slots=True)
class Mixing:
    """`target[p, q, ...] = Σ_i matrix[p][i] * source[first(q) + i*phases, ...]`, computed in float64 and rounded once.

    With r columns, `first(q) = q % phases + r * phases * (q // phases)`. Taps beyond the last count as zero.
    """

    source: str
    target: str
    shape: tuple[Index, ...]  # of the target
    matrix: tuple[tuple[float, ...], ...]
    phases: int

    def __call__(
        self, array: np.ndarray[Any, Any], dtype: np.dtype[Any], sizes: Mapping[str, int]
    ) -> np.ndarray[Any, Any]:
        """The sums over the first axis of `array`, in `dtype`."""
        shape = [size.evaluate(sizes) for size in self.shape]
        taps = np.concatenate((array.reshape(len(array), -1), np.zeros((1, array[0].size), array.dtype))).astype(
            np.float64
        )
        with np.errstate(over="ignore", invalid="ignore"):  # of weights that are not finite, or nearly too large
            mixed = np.array(self.matrix) @ taps[np.minimum(self.taps(shape[1]), len(array))]
            return np.asarray(np.moveaxis(mixed, 0, 1).astype(dtype, order="C").reshape(shape))

    def taps(self, terms: int) -> np.ndarray[Any, Any]:
        """For each of so many q, and each column of the matrix, which tap of the source it takes."""
        chunk, phase = np.divmod(np.arange(terms), self.phases)
        columns = np.arange(len(self.matrix[0]))
        return np.asarray(np.add.outer(phase + self.phases * len(columns) * chunk, self.phases * columns))

    def __str__(self) -> str:
        return f"{self.source} by the matrix of {len(self.matrix) * self.shape[1]} rows"


def laid_out(
    packings: Iterable[Packing | Mixing],
    sources: Mapping[str, np.ndarray[Any, Any]],
    dtype: np.dtype[Any],
    sizes: Mapping[str, int],
) -> dict[str, np.ndarray[Any, Any]]:
    """The sources and what the packings make of them, by name; one may take what another before it made."""
    arrays = dict(sources)
    for packing in packings:
        arrays[packing.target] = packing(arrays[packing.source], dtype, sizes)
    return arrays


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A C-contiguous array of zeros whose first byte is 64-byte aligned, or begins a large page if it fills one."""
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    alignment = _PAGE if size >= _PAGE else _ALIGNMENT
    raw = np.zeros(size + alignment, np.uint8)
    offset = -raw.ctypes.data % alignment
    return raw[offset : offset + size].view(dtype).reshape(shape)
