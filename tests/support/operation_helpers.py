"""What the tests of operations share: an operation in the interpreter, after each pass, and as machine code."""

import struct
from collections.abc import Iterator, Mapping

import numpy as np
from support.helpers import RUNNABLE
from support.type_helpers import Array

from conv1d_codegen.compiler import OperationProgram
from conv1d_codegen.ir import Kernel, packing
from conv1d_codegen.lower.operations import Operation
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.passes import operations
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.verify import verify


def staged(operation: Operation, target: str) -> Iterator[tuple[str, Kernel]]:
    """The formula, and the kernel after each pass; all proved."""
    kernel = operation.kernel()
    verify(kernel)
    yield "loops", kernel
    yield from operations.stages(operation, kernel, TARGETS[target], check=True)


def shapes_of(kernel: Kernel, sizes: Mapping[str, int]) -> dict[str, list[int]]:
    """The shapes of its arrays by name."""
    return {buffer.name: [size.evaluate(sizes) for size in buffer.shape] for buffer in kernel.buffers}


def output_of(kernel: Kernel, x: Array, sizes: Mapping[str, int] | None = None) -> Array:
    """An output array full of NaN: an element that is not written shows."""
    return np.full(shapes_of(kernel, sizes or {"N": len(x), "T": x.shape[1]})["y"], np.nan, x.dtype)


def interpreted(kernel: Kernel, weights: Mapping[str, Array], x: Array) -> Array:
    """What loop IR computes, at any stage, of weights and further inputs by name, and of `x`."""
    y, sizes = output_of(kernel, x), {"N": len(x), "T": x.shape[1]}
    shapes = shapes_of(kernel, sizes)  # of the formula's arrays, before they are packed
    given = {name: array.reshape(shapes[name]) if name in shapes else array for name, array in weights.items()}
    interpret(kernel, {"x": x, "y": y, **given}, sizes)
    return y


class Called:
    """An operation's machine code for a target. It checks the red zones around its scratch arrays, if it has some."""

    def __init__(self, operation: Operation, target: str, red_zones: bool = True) -> None:
        self._native = OperationProgram(operation, TARGETS[target], red_zones).native

    def __call__(
        self,
        weights: Mapping[str, Array],
        x: Array,
        y: Array | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> Array:
        """The output, in `y` if that is given, of weights and further inputs by name, and of `x`, from which the sizes follow
        where they are not given.
        """
        native = self._native
        sizes = sizes or {"N": len(x), "T": x.shape[1]}
        y = output_of(native.kernel, x, sizes) if y is None else y
        arrays = {**weights, "x": x, "y": y, **native.pack(weights, sizes)}
        room = packing.aligned_zeros((native.entry.scratch_bytes,), np.dtype(np.uint8))
        (iterations,) = native.entry.iterations
        block = struct.pack(
            native.entry.format,
            *(arrays[buffer.name].ctypes.data for buffer in native.kernel.buffers),
            *sizes.values(),
            iterations.evaluate(sizes),
            room.ctypes.data,
            1,
            0,
        )
        native.function(block)
        assert not native.red_zones or not room[:8].any(), "a red zone was written to"
        return y


def assert_as_interpreted(operation: Operation, weights: Mapping[str, Array], x: Array) -> None:
    """Machine code gives the bits of the loops that it is made from; within some roundings where products are not added
    with one.
    """
    for target in RUNNABLE:
        *_, (_, kernel) = operations.stages(operation, operation.kernel(), TARGETS[target])
        wanted = interpreted(kernel, weights, x)
        close = 0.0 if TARGETS[target].fma else 32 * epsilon_of(operation.compute)
        for red_zones in (False, True):
            y = Called(operation, target, red_zones)(weights, x)
            np.testing.assert_allclose(y, wanted, rtol=close, atol=close, err_msg=f"{operation} {target}")


def around(operation: Operation, target: str) -> tuple[int, ...]:
    """Numbers of steps around those of a tile, and more than a block has."""
    width = TARGETS[target].lanes(operation.compute)
    return (1, width - 1, width, width + 1, 2 * width + 3)


def numbers(rng: np.random.Generator, dtype: str, *shape: int) -> Array:
    return np.asarray(rng.standard_normal(shape).astype(TYPES[dtype].numpy))


def wide(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.astype(np.float64) for name, array in arrays.items()}


def epsilon_of(dtype: str) -> float:
    """How far apart numbers of a dtype are, at 1."""
    return 2.0 ** (1 - TYPES[dtype].significand)
