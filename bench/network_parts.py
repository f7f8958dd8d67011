"""What a network has to do: its arithmetic, and its convolutions, each by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np

from bench import timing
from bench.shapes import placed
from bench.translations import Work, works
from conv1d_codegen.layers.execution import compiled, convolve
from conv1d_codegen.network import Network, ops
from conv1d_codegen.network.graph import Graph, Weights
from conv1d_codegen.network.simplify import stages
from conv1d_codegen.network.sums import add_convolutions
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.threads import get_num_threads

#: A convolution, its batch and the length of its input.
Shape = tuple[Problem, int, int]
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


def convolutions(network: Network, batch: int, length: int) -> Counter[Shape]:
    """How often the network has each convolution, with the activation that becomes part of it. Of a vector, each of the
    batch is a step.
    """
    *_, (graph, weights) = _of_layers(network)
    found: Counter[Shape] = Counter()
    for work in works(graph, weights, batch, length):
        if isinstance(work.op, ops.Conv):
            vector = work.steps[0] is None
            found[work.op.problem, 1 if vector else batch, batch if vector else work.length] += 1
    return found


def _of_layers(network: Network) -> Iterator[tuple[Graph, Weights]]:
    """The network after each pass that looks at one convolution and what is around it, before several become one."""
    for name, graph, weights in stages(network.graph, network.weights, exact=False):
        if name == add_convolutions.__name__:
            return
        yield graph, weights


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
