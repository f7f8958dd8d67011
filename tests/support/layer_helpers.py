"""What the tests of the layer share. Small integers in floats make most comparisons exact."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from support.type_helpers import Array, known

from conv1d_codegen import Conv1D, reference
from conv1d_codegen.runtime.kernel import CompiledKernel


def integers(shape: tuple[int, ...], seed: int = 0, dtype: DTypeLike = np.float32) -> Array:
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def built(shape: tuple[int | None, ...], *args: Any, **arguments: Any) -> Conv1D:
    """A layer with small integers as weights."""
    layer = Conv1D(*args, **arguments)
    layer.build(shape)
    layer.set_weights([integers(weight.shape, seed) for seed, weight in enumerate(layer.weights)])
    return layer


def made(filters: Any = 4, kernel_size: Any = 3, **arguments: Any) -> Conv1D:
    """A layer of which only some arguments matter."""
    return Conv1D(filters, kernel_size, **arguments)


def held(layer: Conv1D) -> list[CompiledKernel]:
    """The kernels that a layer holds, one for each plan that served its inputs."""
    return [prepared.kernel for prepared in known(layer._weights).of_compilation.values()]


def expected(layer: Conv1D, x: Array) -> Array:
    """What the reference gives for rank 3."""
    return reference.conv1d(x, layer.kernel, layer.bias, layer.problem)
