"""Sums of convolutions are one kernel, where nothing else reads what each of them makes."""

import numpy as np
import pytest
from support.networks import in_float64, random_weights

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.network.layers import Add
from conv1d_codegen.network.ops.fused import ConvThen
from conv1d_codegen.network.simplify import simplified, stages
from conv1d_codegen.network.symbols import Symbol


def skips(x: Symbol, use_bias: bool) -> Symbol:
    """Layers one after another, of each of which a convolution is added up, and the last itself; then a relu."""
    added = []
    for layer in range(4):
        x = Conv1D(5, 2, padding="causal", activation="tanh", name=f"layer{layer}")(x)
        added.append(Conv1D(5, 1, use_bias=use_bias and layer != 1, name=f"skip{layer}")(x))
    total: Symbol = Add(name="skips")([added[0], x, *added[1:]])
    made: Symbol = layers.Activation("relu")(total)
    return made


def network_of(x: Symbol, y: Symbol) -> Network:
    network = Network(x, y)
    network.set_weights(random_weights(network, np.random.default_rng(4)))
    return network


def terms_of(network: Network, exact: bool = False) -> list[int]:
    graph, _ = simplified(network.graph, network.weights, exact)
    found = [node.op.expression.terms for node in graph.nodes if isinstance(node.op, ConvThen)]
    return [terms for terms in found if terms > 1]


@pytest.mark.parametrize("use_bias", [False, True])
def test_it_computes_the_same(use_bias: bool) -> None:
    """Before and after each pass, interpreted; and by kernels."""
    source = Input(3, name="x")
    network = network_of(source, skips(source, use_bias))
    x = np.random.default_rng(5).standard_normal((2, 77, 3))
    (wanted,) = in_float64(network.graph, network.weights, x)
    for lanes in (None, 4, 16):
        for name, graph, weights in stages(network.graph, network.weights, False, lanes):
            (y,) = in_float64(graph, weights, x)
            np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
    assert terms_of(network) == [4]
    assert "4 × conv c5_f5_k1_valid_linear_f32" in network.dump("lowered")
    np.testing.assert_allclose(network(x.astype(np.float32)), wanted, rtol=1e-4, atol=1e-5)


def test_terms_that_one_chain_adds_up() -> None:
    """256 products of 40 channels are 6 terms; the others stay."""
    x = Input(40, name="x")
    network = network_of(x, Add()([Conv1D(7, 1)(x) for _ in range(8)]))
    assert terms_of(network) == [6]
    data = np.random.default_rng(5).standard_normal((2, 33, 40))
    (wanted,) = in_float64(network.graph, network.weights, data)
    np.testing.assert_allclose(network(data.astype(np.float32)), wanted, rtol=1e-4, atol=1e-4)


def test_what_stays() -> None:
    """In strict networks, whose bits it would change; where something else reads a term; where terms are activated, of
    other taps, or of one step for all.
    """
    x = Input(5, name="x")
    one, other = Conv1D(5, 1)(x), Conv1D(5, 1)(x)
    assert terms_of(network_of(x, one + other)) == [2]
    assert not terms_of(network_of(x, one + other), exact=True)
    assert "×" not in Network(x, one + other, CompileOptions(accuracy="strict")).dump("lowered")
    assert not terms_of(Network(x, [one + other, one]))
    assert not terms_of(network_of(x, Conv1D(5, 1, activation="relu")(x) + other))
    assert not terms_of(network_of(x, one + Conv1D(5, 3, padding="same")(x)))
    step = Conv1D(5, 1)(layers.GlobalAveragePooling1D(keepdims=True)(x))
    assert not terms_of(network_of(x, one + step))
