"""What a network has to do: its arithmetic, and one of its convolutions by itself."""

from __future__ import annotations

from functools import partial

import numpy as np

from conv1d_codegen.benchmark.cases import placed
from conv1d_codegen.benchmark.convolutions import Shape
from conv1d_codegen.benchmark.translations import Work, works
from conv1d_codegen.layers.execution import compiled, convolve
from conv1d_codegen.machine import timing
from conv1d_codegen.network import Network, ops
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.runtime.threads import get_num_threads

HEAVY = (ops.ConvTranspose, ops.Recurrent)  # operations beside convolutions that sum up products


def flops(network: Network, batch: int, length: int) -> int:
    """Multiplications and additions of convolutions, transposed convolutions and recurrent cells."""
    return sum(_flops(work) for work in works(network.graph, network.weights, batch, length))


def _flops(work: Work) -> int:
    op = work.op
    if isinstance(op, ops.Conv):
        return op.problem.flops(work.batch, 1 if work.steps[0] is None else work.length)
    if isinstance(op, ops.ConvTranspose):
        return 2 * work.batch * work.length * op.kernel_size * op.channels * op.filters
    if isinstance(op, ops.Recurrent):
        products = sum(work.weights[name].size for name in ("kernel", "recurrent_kernel"))
        return 2 * work.batch * work.length * products
    return 0


def alone(shape: Shape) -> timing.Call:
    """The call of one convolution, with random weights."""
    problem, batch, length = shape
    rng = np.random.default_rng(3)
    spread = (problem.kernel_size * problem.group_channels) ** -0.5
    weights = spread * rng.standard_normal(problem.kernel_shape, np.float32)
    bias = rng.standard_normal(problem.filters, np.float32) if problem.use_bias else None
    kernel = compiled(problem, CompileOptions(accuracy="standard"), length).kernel  # as the network has it
    x, y = (
        placed(shape, "float32") for shape in (problem.input_shape(batch, length), problem.output_shape(batch, length))
    )
    rng.standard_normal(dtype=np.float32, out=x)
    return partial(convolve, problem, kernel, kernel.pack(weights, bias), x, y, get_num_threads())
