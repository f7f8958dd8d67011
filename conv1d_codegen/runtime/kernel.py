"""CompiledKernel: machine code behind a checked Python call.

The kernel's contract, which its code relies on and this file ensures, on every call, before any memory is touched:

- `x` and `y` are C-contiguous arrays of the problem's dtype, in native byte order, aligned to their elements, of
  matching shapes;
- `y` is writeable and overlaps neither `x` nor the packed weights;
- the packed weights were packed by this kernel: 64-byte aligned, panels padded with zeros;
- each thread that computes has scratch memory of its own, 64-byte aligned, as much as the kernel wants
  (`workspace.py`);
- all arrays stay alive during the call, which releases the GIL. Who changes them from another thread meanwhile gets
  what they asked for.
"""

from __future__ import annotations

import ctypes
import math
import struct
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..emit.abi import FIRST_RUN, RUN
from ..errors import RedZoneError
from ..ir import Kernel
from ..ir.packing import address
from ..lower import generic
from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.summation import chunk_shape
from ..symbolic.index import Index
from . import threads, workspace
from .fast_calls import FastCall, Shapes, counter_bytes
from .native import Native
from .python_function import FIRST_ARRAY, ROOM, ZERO
from .work import Work

Array = np.ndarray[Any, Any]

_addressof = ctypes.addressof  # looked up once, not at each call


class PackedWeights(NamedTuple):
    """Weights in one kernel's layout: the arrays that hold them, and their addresses in the order of its parameters."""

    owner: Kernel
    problem: Problem  # a generic kernel serves many, whose weights differ in size
    arrays: tuple[Array, ...]
    addresses: tuple[int, ...]


def check_weights(problem: Problem, kernel: Array, bias: Array | None) -> None:
    """Raises ValueError for weights of other shapes than the problem's, or a bias that is missing or not wanted."""
    if kernel.shape != problem.kernel_shape:
        raise ValueError(f"The weights of {problem} have shape {problem.kernel_shape}. Received: {kernel.shape}.")
    if (bias is not None) != problem.use_bias or (bias is not None and bias.shape != (problem.filters,)):
        wanted = f"a bias of shape ({problem.filters},)" if problem.use_bias else "no bias"
        raise ValueError(f"{problem} has {wanted}. Received: {None if bias is None else bias.shape}.")


class Launch(NamedTuple):
    """What a call needs to know that follows from the input's shape."""

    output_shape: tuple[int, ...]
    sizes: tuple[int, ...]  # the kernel's run-time sizes, then how many parallel iterations they make
    flops: int  # none where the output is empty


class CompiledKernel:
    """One compiled problem. Immutable; calls may come from any thread.

    What the machine code takes is one block of 8-byte slots, made for each call: an immutable `bytes`, whose contents
    CPython aligns to 8, so that no call can change another's. Arrays are the caller's, scratch memory is the calling
    thread's, and the kernel keeps neither.
    """

    def __init__(self, problem: Problem, native: Native) -> None:
        self.problem = problem
        self.dtype = TYPES[problem.dtype].numpy
        self._native = native
        self._kernel = native.kernel
        self._function = native.function
        (iterations,) = native.entry.iterations  # a convolution is one nest
        self.scratch_bytes = native.entry.scratch_bytes  # of each thread
        self._block = struct.Struct(native.entry.format).pack
        self.launch = lru_cache(64)(
            _Launches(problem, self._kernel, iterations)
        )  # 0.2 µs for a shape that was seen before, several µs for a new one

    def pack(self, kernel: Array, bias: Array | None) -> PackedWeights:
        """Lay out weights for this kernel: `kernel` `(kernel_size, channels // groups, filters)`, `bias` `(filters,)`
        or None.

        Raises ValueError for other shapes, or a bias that is missing or not wanted.
        """
        check_weights(self.problem, kernel, bias)
        sources = {"w": kernel} if bias is None else {"w": kernel, "b": bias}
        sizes = sizes_of(self._kernel, self.problem, batch=1, length=0)
        arrays = tuple(self._native.pack(sources, sizes).values())
        return PackedWeights(self._kernel, self.problem, arrays, tuple(array.ctypes.data for array in arrays))

    def __call__(self, x: Array, weights: PackedWeights, y: Array, num_threads: int = 1) -> None:
        """Compute `y` from `x`: `(N, T, C)` → `(N, U, F)`, or `(N, C, T)` → `(N, F, U)`.

        Raises ValueError, before touching memory, where an array is not what the problem needs.
        """
        problem = self.problem
        if x.ndim != 3 or x.shape[1 if problem.channels_first else 2] != problem.channels:
            raise ValueError(f"{problem} takes input of shape {self._wanted()}. Received: {x.shape}.")
        launch = self.launch(x.shape)
        if y.shape != launch.output_shape:
            raise ValueError(
                f"{problem} makes {launch.output_shape} of {x.shape}. Received an output of shape {y.shape}."
            )
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
        if launch.flops:
            self.run(launch, x, weights, y, num_threads)

    def _wanted(self) -> str:
        return (
            f"(batch, {self.problem.channels}, length)"
            if self.problem.channels_first
            else f"(batch, length, {self.problem.channels})"
        )

    def run(self, launch: Launch, x: Array, weights: PackedWeights, y: Array, num_threads: int = 1) -> None:
        """What a call does once the contract at the top of this file is ensured: the caller has checked all of it, and
        y is not empty.

        `launch` is what `launch(x.shape)` gives, whose first axes may be several: arrays of one size in memory are one
        batch.
        """
        count = 1 if num_threads == 1 else threads.worth(launch.flops, launch.sizes[-1], num_threads)
        room = workspace.take(count * self.scratch_bytes) if self.scratch_bytes else None
        flags = self._flags(room, count) if self._native.red_zones and room is not None else None
        counters = None if count == 1 else (ctypes.c_int64 * (FIRST_RUN + count))()
        team = (1, 0) if counters is None else (count * RUN, _addressof(counters))
        block = self._block(
            address(x), *weights.addresses, address(y), *launch.sizes, room.address if room is not None else 0, *team
        )
        if counters is None:
            self._function(block)
        else:
            keep = self, x, weights, y, counters, room
            threads.runtime().run(Work(self._function, block, keep, launch.flops), count)
        if flags is not None and flags.any():
            raise RedZoneError(
                f"The kernel of {self.problem} has written beside a scratch array: a fault of the compiler, to be reported."
            )
        # not where an exception leaves other threads at work: they keep it alive, and nobody else gets it
        if room is not None:
            workspace.give_back(room)

    def fast_call(self, shapes: Shapes, weights: PackedWeights, limit: int | None, target: Target) -> FastCall | None:
        """What `run` does for an input of this shape, as a fast call; None where that has no output, looks at red zones,
        or wants threads that machine code can't call. `limit`: of threads; None is the package's.
        """
        launch = self.launch(*shapes)
        if self._native.red_zones or not launch.flops:
            return None
        count = threads.worth(launch.flops, launch.sizes[-1], limit or threads.get_num_threads())
        seats = threads.runtime().seats if count > 1 else None
        if count > 1 and seats is None:
            return None
        counters = counter_bytes(FIRST_RUN + count) if count > 1 else 0
        weights_and_sizes = [[(ZERO, number) for number in numbers] for numbers in (weights.addresses, launch.sizes)]
        scratch = (ROOM, counters) if self.scratch_bytes else (ZERO, 0)
        shares = ((ZERO, count * RUN), (ROOM, 0)) if seats else ((ZERO, 1), (ZERO, 0))
        return FastCall(
            inputs=shapes,
            outputs=(launch.output_shape,),
            dtype=self.dtype,
            function=self._native.address,
            slots=(
                (FIRST_ARRAY, 0),
                *weights_and_sizes[0],
                (FIRST_ARRAY + 1, 0),
                *weights_and_sizes[1],
                *(scratch, *shares),
            ),
            room=counters + count * self.scratch_bytes,
            flops=launch.flops,
            target=target,
            keep=(self._native, weights),
            seats=seats(count, launch.flops) if seats else None,
            counters=counters,
        )

    def _flags(self, room: workspace.Room, count: int) -> Array:
        """The words, one for each thread, that the kernel sets where a margin of its scratch arrays is damaged: zeros,
        at first.
        """
        words = room.array[: count * self.scratch_bytes].view(np.int64).reshape(count, -1)[:, 0]
        words[:] = 0
        return words


class _Launches:
    """Input shapes → launches, for shapes that end in `(T, C)` or `(C, T)`. Raises ValueError for an output that no
    array can hold.
    """

    def __init__(self, problem: Problem, kernel: Kernel, iterations: Index) -> None:
        self._problem = problem
        self._kernel = kernel
        self._iterations = iterations.function(name for name, _ in kernel.sizes)

    def __call__(self, shape: tuple[int, ...]) -> Launch:
        problem = self._problem
        batch, length = math.prod(shape[:-2]), shape[-1 if problem.channels_first else -2]
        sizes = _sizes(self._kernel, problem, batch, length)
        output_shape = (*shape[:-2], *problem.output_shape(1, length)[1:])
        problem.check_bytes(output_shape, "output")
        return Launch(output_shape, (*sizes, self._iterations(*sizes)), problem.flops(batch, length))


def sizes_of(kernel: Kernel, problem: Problem, batch: int, length: int) -> dict[str, int]:
    """The run-time sizes of a problem's kernel by name."""
    names = (name for name, _ in kernel.sizes)
    return dict(zip(names, _sizes(kernel, problem, batch, length), strict=True))


def _sizes(kernel: Kernel, problem: Problem, batch: int, length: int) -> tuple[int, ...]:
    """The run-time sizes, in the order of the kernel's parameters."""
    if len(kernel.sizes) == 2:
        return batch, length
    p = problem  # of a generic kernel, which takes its configuration at run time too
    of_call = p.output_length(length), p.left_padding(length)
    chunk = chunk_shape(p.kernel_size, p.group_channels)
    names = (name for name, _ in generic.SIZES)
    values = dict(zip(names, (*of_call, *generic.numbers(p).values(), *chunk), strict=True))
    values |= {"N": batch, "T": length}
    return tuple(values[name] for name, _ in kernel.sizes)
