"""JAX: a convolution, bias and relu, or a network, compiled ahead of time by XLA for this shape, weights and all, in float32.

Channels last: on the eleven shapes tried it was as fast as channels first or faster, up to 2.6 times. XLA takes as many
threads as there are cores that the process may use when JAX starts.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...network.graph import Graph, Weights
from ...problem import Problem
from ..peers import Array, Prepared, sides
from ..translations import jax_function


def prepare(problem: Problem, x: Array, weights: Array, bias: Array, threads: int) -> Prepared:
    """A compiled function of the input, which lies where XLA wants it."""
    kernel, offsets = jnp.asarray(weights.transpose(2, 1, 0)), jnp.asarray(bias)

    def layer(values: jax.Array) -> jax.Array:
        sums = lax.conv_general_dilated(
            values,
            kernel,
            window_strides=(problem.stride,),
            padding=[sides(problem)],
            rhs_dilation=(problem.dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
            feature_group_count=problem.groups,
            precision=lax.Precision.HIGHEST,
        )
        return jax.nn.relu(sums + offsets)

    return _compiled(layer, x)


def prepare_network(graph: Graph, weights: Weights, x: Array, threads: int) -> Prepared:
    """The same, of a network."""
    return _compiled(jax_function.function(graph, weights, len(x), x.shape[2]), x)


def _compiled(function: Callable[[jax.Array], jax.Array], x: Array) -> Prepared:
    inputs = outputs = jnp.asarray(x.transpose(0, 2, 1))
    compiled = jax.jit(function).lower(inputs).compile()

    def call() -> None:
        nonlocal outputs
        outputs = compiled(inputs).block_until_ready()

    def result() -> Array:
        y = np.asarray(outputs)
        return y.transpose(0, 2, 1) if y.ndim == 3 else y

    return Prepared(call, result)
