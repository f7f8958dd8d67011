"""How weights are laid out for the kernel: in panels, so that the inner loop reads them one after another.

A packing moves one axis of an array into panels of `panel` numbers, padded with zeros at the end, behind the axes that
the inner loops run over: with panel 16, `w[j, c, f]` becomes `wp[f//16, j, c, f%16]`. A mixing makes sums of the taps,
the transformed weights of Cook–Toom, for a packing to lay out. Both are done once for each change of the weights.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..problem.folding import folded_taps
from ..symbolic.index import Index, Indexable, index

_addressof, _from_buffer = ctypes.addressof, ctypes.c_char.from_buffer  # looked up once, not at each call
_ALIGNMENT = 64  # bytes: a cache line, and the widest vector
#: Bytes of a large page, which NumPy asks for where an array may have some. Weights that begin with one lie in as many
#: as can be: of 6 MiB from memory, onednn/1d/conv1d_gemm:3 takes 750 us so, 800 as they fall, and 850 without any;
#: conv1d:21 2.32, 2.37, 2.44 ms (avx512).
_PAGE = 2 << 20
#: Sums of a mixing that are made at once: as many as stay in L2 with their products.
_SUMS = 1 << 15


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
    """`target[p, q, ...] = Σ_i matrix[p][i] * source[first_tap(q) + i*phases, ...]`, computed in float64 and rounded once.

    Taps beyond the last are left out. Products are rounded, and added up in the order of the columns: so the sums are
    the same numbers wherever, and by whatever, they are computed.

    Where `steps` are folded (`problem/folding.py`), the source of one channel and filter has 2*steps - 1 diagonals for each
    tap, which are the last axis of the target: `source[steps*tap + steps - 1 - e]`, zero where that is no tap.
    """

    source: str
    target: str
    source_shape: tuple[Index, ...]
    shape: tuple[Index, ...]  # of the target
    matrix: tuple[tuple[float, ...], ...]
    phases: int
    steps: int = 1

    def __call__(
        self, array: np.ndarray[Any, Any], dtype: np.dtype[Any], sizes: Mapping[str, int]
    ) -> np.ndarray[Any, Any]:
        """The sums over the first axis of `array`, in `dtype`."""
        shape = [size.evaluate(sizes) for size in self.shape]
        matrix, taps = np.array(self.matrix), self.by_tap(array.reshape(len(array), -1).astype(np.float64))
        mixed = np.empty((*shape[:2], taps.shape[1]), dtype)
        width = max(1, _SUMS // len(matrix))
        with np.errstate(over="ignore", invalid="ignore"):  # of weights that are not finite, or nearly too large
            for first, term in product(range(0, taps.shape[1], width), range(self.terms)):
                some = slice(first, first + width)
                own = taps[self.first_tap(term).evaluate({}) :: self.phases, some][: self.count(term)]
                sums = matrix[:, :1] * own[0]
                more = np.empty_like(sums)
                for column, tap in zip(matrix.T[1:], own[1:], strict=False):
                    np.multiply(column[:, None], tap, out=more)
                    sums += more
                mixed[:, term, some] = sums
        return mixed.reshape(shape)

    def by_tap(self, taps: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What is mixed of an array `[taps, numbers]`: itself, or `[taps, numbers * diagonals]` of folded steps."""
        if self.steps == 1:
            return taps
        before, diagonals = self.steps - 1, 2 * self.steps - 1
        padded = np.zeros((self.steps * (self.taps - 1) + diagonals, taps.shape[1]), taps.dtype)
        padded[before : before + len(taps)] = taps
        by_tap = np.lib.stride_tricks.sliding_window_view(padded, diagonals, axis=0)[:: self.steps]
        return by_tap[..., ::-1].reshape(self.taps, -1)

    @property
    def taps(self) -> int:
        """Taps of the source, or of its rows of folded steps."""
        return folded_taps(self.source_shape[0].evaluate({}), self.steps)

    @property
    def terms(self) -> int:
        """How many q there are."""
        return self.shape[1].evaluate({})

    def first_tap(self, term: Indexable) -> Index:
        """The first tap of a q: that of its phase, in its chunk."""
        return index(term + (len(self.matrix[0]) - 1) * self.phases * (term // self.phases))

    def count(self, term: int) -> int:
        """How many of its taps the source has."""
        left = self.taps - self.first_tap(term).evaluate({})
        return min(len(self.matrix[0]), -(-left // self.phases))

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
    size = prod(shape) * dtype.itemsize
    raw = np.zeros(size + _alignment(size), np.uint8)
    offset = -address(raw) % _alignment(size)
    return raw[offset : offset + size].view(dtype).reshape(shape)


def aligned_memory(size: int) -> tuple[np.ndarray[Any, Any], int]:
    """Memory that holds anything, and the address in it from which so many bytes are aligned like `aligned_zeros`."""
    raw = np.empty(size + _alignment(size), np.uint8)
    first = address(raw)
    return raw, first + -first % _alignment(size)


def _alignment(size: int) -> int:
    return _PAGE if size >= _PAGE else _ALIGNMENT


def address(array: Any) -> int:  # not Array: NumPy's stubs don't say that it is a buffer
    """Where an array's first byte lies. `array.ctypes.data` says the same, and takes 0.9 µs longer."""
    try:
        return _addressof(_from_buffer(array))
    except (TypeError, ValueError):  # a read-only array, or a dtype that Python's buffers don't know
        first: int = array.__array_interface__["data"][0]
        return first
