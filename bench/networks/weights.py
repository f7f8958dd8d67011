"""Random weights of the scale that a trained network's have: every convolution's output has a mean square of 1, and batch
norms have the mean and variance of what they see, so nothing explodes or vanishes, however deep the network is.

That is data-dependent initialisation (Mishkin, Matas 2016, arXiv:1511.06422), on random inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from conv1d_codegen.network import ops, reference
from conv1d_codegen.network.graph import Graph
from conv1d_codegen.problem import Activation
from conv1d_codegen.reference import activations

Array = np.ndarray[Any, Any]
_SEQUENCES = 2  # of input: few steps are left deep in some networks


def seeded(graph: Graph, rng: np.random.Generator) -> list[Array]:
    """Weights in the order of `Network.get_weights`, for a graph of inputs of known length, in which no weight is used
    twice.
    """
    made: dict[str, Array] = {}
    tensors = {
        source.name: rng.standard_normal((_SEQUENCES, source.length or 1, source.channels)) for source in graph.sources
    }
    for node in graph.nodes:
        inputs = [tensors[name] for name in node.inputs]
        shapes = node.op.weights(*(graph.shapes[name] for name in node.inputs))
        drawn = _drawn(node.op, shapes, inputs, rng)
        with np.errstate(under="ignore"):
            tensors[node.name] = _output(node.op, inputs, drawn)
        made |= zip(node.weights, drawn.values(), strict=True)
    return [made[name].astype(np.float32) for name in graph.weight_shapes()]


def _drawn(
    op: ops.Op, shapes: Mapping[str, tuple[int, ...]], inputs: list[Array], rng: np.random.Generator
) -> dict[str, Array]:
    """An operation's weights by name."""
    drawn = {name: 0.1 * rng.standard_normal(shape) for name, shape in shapes.items()}
    if "gamma" in drawn:
        drawn["gamma"] += 1
    if isinstance(op, ops.BatchNorm):
        axes = tuple(range(inputs[0].ndim - 1))
        drawn["mean"], drawn["variance"] = inputs[0].mean(axes), inputs[0].var(axes) + 0.01
    for name in drawn.keys() & {"kernel", "recurrent_kernel"}:
        drawn[name] *= 10 / math.sqrt(math.prod(shapes[name][:-1]))
    return drawn


def _output(op: ops.Op, inputs: list[Array], drawn: dict[str, Array]) -> Array:
    """The output of an operation; of a convolution, after its kernel is scaled."""
    if not isinstance(op, ops.Conv | ops.ConvTranspose):
        return reference.compute(op, inputs, drawn)
    linear = activation = Activation()
    if isinstance(op, ops.Conv):
        activation, op = op.problem.activation, ops.Conv(op.problem.with_(activation=linear))
    without_bias = {name: weight if name == "kernel" else 0 * weight for name, weight in drawn.items()}
    sums = reference.compute(op, inputs, without_bias)
    scale = 1 / max(np.sqrt(np.mean(sums * sums)), 1e-6)
    drawn["kernel"] *= scale
    return activations.evaluate(activation, scale * sums + drawn.get("bias", 0.0))
