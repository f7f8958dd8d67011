"""Packer: weights laid out by machine code, where they come again and again (`lower/operations/packing.py`)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ..ir import Access, Kernel, Storage, packing
from ..ir.packing import Mixing
from ..lower.operations.packing import matrix_name
from ..number_types import TYPES
from ..problem import Problem
from .kernel import PackedWeights, check_weights
from .native import Native

Array = np.ndarray[Any, Any]
_LINE = 64  # bytes: where constants begin


class Packer:
    """Lays out weights for a kernel of `problem`, in one piece of memory. Immutable; calls may come from any thread."""

    def __init__(self, problem: Problem, kernel: Kernel, code: Native) -> None:
        """`code`: of the `Pack` that makes the kernel's packings."""
        mixings = [made for made in kernel.packings if isinstance(made, Mixing)]
        matrices = {matrix_name(mixing): np.array(mixing.matrix) for mixing in mixings}
        written = {array.name: array for array in code.kernel.buffers if array.access is Access.WRITE}
        bytes_ = {name: array.size.evaluate({}) * TYPES[array.dtype].bytes for name, array in written.items()}
        offsets: dict[str, int] = {}
        self._bytes = 0
        for name in sorted(bytes_, key=bytes_.__getitem__, reverse=True):  # the largest may begin with a large page
            offsets[name] = self._bytes
            self._bytes += -(-bytes_[name] // _LINE) * _LINE
        self._problem, self._kernel = problem, kernel
        self._keep = code, matrices  # what is pointed to
        self._function = code.function
        self._shapes = problem.kernel_shape, (problem.filters,) if problem.use_bias else None
        self._dtype = TYPES[problem.dtype].numpy
        self._matrices = [matrix.ctypes.data for matrix in matrices.values()]
        self._targets = [offsets[name] for name in written]
        self._constants = [offsets[array.name] for array in kernel.buffers if array.storage is Storage.CONSTANT]
        (iterations,) = code.entry.iterations
        self._call = iterations.evaluate({}), 0, 1, 0  # no scratch, one share, no counter
        self._block = struct.Struct(code.entry.format).pack

    def __call__(self, kernel: Array, bias: Array | None) -> PackedWeights:
        """What `CompiledKernel.pack` gives; arguments and errors as of that."""
        if (kernel.shape, None if bias is None else bias.shape) != self._shapes:
            check_weights(self._problem, kernel, bias)
        sources = [self._plain(array) for array in (kernel, bias) if array is not None]
        memory, start = packing.aligned_memory(self._bytes)
        targets = [start + offset for offset in self._targets]
        # `ctypes.data`, as a layer's weights are read-only, which `address` finds out in twice the time
        self._function(self._block(*[array.ctypes.data for array in sources], *self._matrices, *targets, *self._call))
        addresses = tuple([start + offset for offset in self._constants])
        return PackedWeights(self._kernel, self._problem, (memory,), addresses)

    def _plain(self, array: Array) -> Array:
        """The array as the code reads it."""
        if array.dtype is self._dtype and (flags := array.flags).c_contiguous and flags.aligned:
            return array
        return np.require(array, self._dtype, ["C", "A"])
