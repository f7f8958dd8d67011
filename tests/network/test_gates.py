"""Gates: the halves of one are a kernel of two sums, where nothing else reads them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.networks import in_float64, random_weights

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.network.ops.fused import ConvThen
from conv1d_codegen.network.simplify import simplified, stages
from conv1d_codegen.network.symbols import Symbol

WINDOW: dict[str, Any] = {"dilation_rate": 2, "padding": "causal"}


def two_layers(x: Symbol) -> Symbol:
    signal: Symbol = Conv1D(12, 3, activation="tanh", **WINDOW)(x)
    gate: Symbol = Conv1D(12, 3, activation="sigmoid", **WINDOW)(x)
    made: Symbol = signal * gate
    return made


def glu(x: Symbol) -> Symbol:
    return Symbol.made("glu", ops.Glu(), [Conv1D(24, 3, **WINDOW)(x)])


def slices(x: Symbol) -> Symbol:
    """Slices of an activated convolution, the second half first."""
    both = Conv1D(24, 3, activation="relu", **WINDOW)(x)
    halves = [Symbol.made(f"half{first}", ops.ChannelSlice(first, 12), [both]) for first in (12, 0)]
    return layers.Activation("tanh")(halves[0]) * layers.Activation("sigmoid")(halves[1])


def residual(x: Symbol) -> Symbol:
    """With an addition after it, whose other half has another size."""
    return two_layers(x) + layers.Activation("tanh")(Conv1D(12, 1)(x))


GATES: list[Callable[[Symbol], Symbol]] = [two_layers, glu, slices, residual]


def made(gate: Callable[[Symbol], Symbol]) -> Network:
    x = Input(5, name="x")
    network = Network(x, Conv1D(3, 2, padding="same")(gate(x)))
    network.set_weights(random_weights(network, np.random.default_rng(4)))
    return network


def gates_of(network: Network) -> list[ConvThen]:
    graph, _ = simplified(network.graph, network.weights)
    return [node.op for node in graph.nodes if isinstance(node.op, ConvThen) and node.op.expression.sums == 2]


@pytest.mark.parametrize("gate", GATES)
def test_it_computes_the_same(gate: Callable[[Symbol], Symbol]) -> None:
    """Before and after each pass, interpreted; and by kernels."""
    network = made(gate)
    x = np.random.default_rng(5).standard_normal((2, 77, 5))
    (wanted,) = in_float64(network.graph, network.weights, x)
    for name, graph, weights in stages(network.graph, network.weights, exact=False):
        (y,) = in_float64(graph, weights, x)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
    assert len(gates_of(network)) == 1
    np.testing.assert_allclose(network(x.astype(np.float32)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activations", [("tanh", "sigmoid"), ("linear", "sigmoid"), ("relu", "gelu")])
def test_strict_has_the_bits_of_its_layers(activations: tuple[str, str]) -> None:
    source = Input(6, name="x")
    halves = [Conv1D(10, 3, activation=name, padding="same") for name in activations]
    strict = CompileOptions(accuracy="strict")
    network = Network(source, halves[0](source) * halves[1](source), strict)
    assert len(gates_of(network)) == 1
    x = np.random.default_rng(6).standard_normal((3, 131, 6)).astype(np.float32)
    one, other = (Network(source, half(source), strict)(x) for half in halves)
    np.testing.assert_array_equal(network(x), one * other)


def test_what_stays() -> None:
    """Halves that something else reads, of other sizes, of other inputs, of many products."""
    x, y = Input(5, name="x"), Input(5, name="y")
    one, other = Conv1D(7, 3, padding="same")(x), Conv1D(7, 3, padding="same")(x)
    read_twice = Network(x, [one * other, layers.Activation("relu")(one)])
    output = Network(x, [one * other, one])
    other_size = Network(x, one * Conv1D(7, 5, padding="same")(x))
    other_input = Network([x, y], one * Conv1D(7, 3, padding="same")(y))
    wide = Input(64, name="wide")
    many = Network(wide, Conv1D(7, 3, padding="same")(wide) * Conv1D(7, 3, padding="same")(wide))
    for network in (read_twice, output, other_size, other_input, many):
        assert not gates_of(network)


def test_what_can_be_seen() -> None:
    network = made(two_layers)
    (name,) = (node.name for node in network.graph.nodes if isinstance(node.op, ops.Combine))
    assert "then (tanh(sum) * sigmoid(sum1))" in network.dump("lowered")
    assert "# fuse_gates" in network.dump("graph", passes=True)
    assert "w1p" in network.dump("scheduled", layer=name)
    (row,) = (line for line in network.report(1000).splitlines() if line.startswith(name))
    assert row.endswith(f"  {2 * 2 * 1000 * 3 * 5 * 12 / 1e6:.2f}")
