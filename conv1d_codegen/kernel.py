"""CompiledKernel: machine code behind a checked Python call. The only file that knows ctypes.

The kernel's contract, which its code relies on and this file ensures, on every call, before any memory is touched:

- `x` and `y` are C-contiguous arrays of the problem's dtype, in native byte order, aligned to their elements, of matching shapes;
- `y` is writeable and overlaps neither `x` nor the packed weights;
- the packed weights were packed by this kernel: 64-byte aligned, panels padded with zeros;
- all arrays stay alive during the call, which releases the GIL. Who changes them from another thread meanwhile gets what they asked for.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import threads
from .dtypes import numpy_dtype
from .emit import iterations
from .ir import Kernel
from .passes.chunk_reduction import chunk_shape
from .problem import DTYPES, Problem

if TYPE_CHECKING:
    from .jit import Code

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """Weights in one kernel's layout: the arrays in the order of its parameters, and their addresses."""

    owner: Kernel
    problem: Problem  # a generic kernel serves many, whose weights differ in size
    arrays: tuple[Array, ...]
    addresses: tuple[int, ...]


class CompiledKernel:
    """One compiled problem. Immutable; calls may come from any thread."""

    def __init__(self, problem: Problem, kernel: Kernel, code: Code) -> None:
        self.problem = problem
        self.dtype = numpy_dtype(DTYPES[problem.dtype])
        self._kernel = kernel
        self._code = code  # keeps the machine code mapped
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address)
        self._iterations = iterations(kernel).function(name for name, _ in kernel.sizes)
        self._block = ctypes.c_int64 * (len(kernel.buffers) + len(kernel.sizes) + 2)
        self._generic = len(kernel.sizes) > 2  # also its configuration is given at run time

    def pack(self, kernel: Array, bias: Array | None) -> PackedWeights:
        """Lay out weights for this kernel: `kernel` `(kernel_size, channels // groups, filters)`, `bias` `(filters,)` or None.

        Raises ValueError for other shapes, or a bias that is missing or not wanted.
        """
        problem = self.problem
        if kernel.shape != problem.kernel_shape:
            raise ValueError(f"The weights of {problem} have shape {problem.kernel_shape}. Received: {kernel.shape}.")
        if (bias is not None) != problem.use_bias or (bias is not None and bias.shape != (problem.filters,)):
            wanted = f"a bias of shape ({problem.filters},)" if problem.use_bias else "no bias"
            raise ValueError(f"{problem} has {wanted}. Received: {None if bias is None else bias.shape}.")
        sources = {"w": kernel, "b": bias}
        packings = {packing.target: packing for packing in self._kernel.packings}
        compute = numpy_dtype(DTYPES[self._kernel.compute])
        sizes = dict(zip((name for name, _ in self._kernel.sizes), self._sizes(batch=1, length=0), strict=True))
        arrays = []
        for buffer in self._kernel.buffers[1:-1]:
            packing = packings[buffer.name]
            source = sources[packing.source]
            assert source is not None
            arrays.append(packing(source, compute, sizes))
        return PackedWeights(self._kernel, problem, tuple(arrays), tuple(array.ctypes.data for array in arrays))

    def __call__(self, x: Array, weights: PackedWeights, y: Array, num_threads: int = 1) -> None:
        """Compute `y` from `x`: `(N, T, C)` → `(N, U, F)`, or `(N, C, T)` → `(N, F, U)`.

        Raises ValueError, before touching memory, where an array is not what the problem needs.
        """
        problem = self.problem
        if x.ndim != 3 or x.shape[1 if problem.channels_first else 2] != problem.channels:
            raise ValueError(f"{problem} takes input of shape {self._wanted()}. Received: {x.shape}.")
        batch, length = x.shape[0], x.shape[2 if problem.channels_first else 1]
        if y.shape != problem.output_shape(batch, length):
            raise ValueError(f"{problem} makes {problem.output_shape(batch, length)} of {x.shape}. Received an output of shape {y.shape}.")
        for name, array in (("input", x), ("output", y)):
            if array.dtype != self.dtype or not array.flags.c_contiguous or not array.flags.aligned:
                raise ValueError(
                    f"The {name} of {problem} must be C-contiguous, aligned {self.dtype}. "
                    f"Received: {array.dtype}, strides {array.strides}, aligned={array.flags.aligned}."
                )
        if not y.flags.writeable:
            raise ValueError("The output array is read-only.")
        if np.may_share_memory(x, y) or any(np.may_share_memory(array, y) for array in weights.arrays):
            raise ValueError("The output array shares memory with the input or the weights.")
        if weights.owner is not self._kernel or (weights.problem is not problem and weights.problem != problem):
            raise ValueError(f"These weights were packed for another kernel, not for {problem}.")
        if y.size:
            self.run(x, weights, y, num_threads)

    def _wanted(self) -> str:
        return f"(batch, {self.problem.channels}, length)" if self.problem.channels_first else f"(batch, length, {self.problem.channels})"

    def run(self, x: Array, weights: PackedWeights, y: Array, num_threads: int = 1) -> None:
        """What a call does once the contract at the top of this file is ensured: the caller has checked all of it, and y is not empty."""
        batch, length = x.shape[0], x.shape[2 if self.problem.channels_first else 1]
        sizes = self._sizes(batch, length)
        iterations = self._iterations(*sizes)
        slots = (_address(x), *weights.addresses, _address(y), *sizes)
        if num_threads == 1 or iterations == 1:
            self._function(ctypes.byref(self._block(*slots, 0, iterations)))
            return

        def task(begin: int, end: int) -> None:
            self._function(ctypes.byref(self._block(*slots, begin, end)))

        threads.run(task, iterations, num_threads)

    def _sizes(self, batch: int, length: int) -> tuple[int, ...]:
        """The run-time sizes, in the order of the kernel's parameters."""
        if not self._generic:
            return batch, length
        p = self.problem
        constants = (p.kernel_size, p.stride, p.dilation, p.groups, p.group_channels, p.group_filters)
        chunk = chunk_shape(p.kernel_size, p.group_channels)
        return batch, length, p.output_length(length), p.left_padding(length), *constants, *chunk


def _address(array: Array) -> int:
    """Where an array's first byte lies. `array.ctypes.data` says the same, and takes a microsecond longer."""
    address: int = array.__array_interface__["data"][0]
    return address
