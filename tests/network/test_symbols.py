"""Building networks by calling layers, and calling them."""

import copy
import pickle
import threading
import time
from typing import Any

import numpy as np
import pytest

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input, Network, Sequential, layers

X = np.random.default_rng(0).standard_normal((3, 20, 4)).astype("float32")


def test_a_network_computes_what_its_layers_compute() -> None:
    first, second = Conv1D(8, 3, padding="same", activation="relu"), Conv1D(5, 1, activation="softmax")
    network = Sequential([Input(4), first, second])
    np.testing.assert_allclose(network(X), second(first(X)), rtol=1e-6, atol=1e-7)


def test_layers_are_shared_by_calls_and_have_one_set_of_weights() -> None:
    layer = Conv1D(4, 3, padding="same", name="twice")
    x = Input(4)
    network = Network(x, layer(layer(x)))
    assert list(network.weights) == ["twice/kernel", "twice/bias"]
    np.testing.assert_array_equal(network(X), layer(layer(X)))


def test_a_network_keeps_its_own_weights() -> None:
    layer = Conv1D(4, 3)
    network = Sequential([Input(4), layer])
    before = network(X)
    layer.set_weights([w * 2 for w in layer.get_weights()])
    np.testing.assert_array_equal(network(X), before)
    network.set_weights(layer.get_weights())
    np.testing.assert_array_equal(network(X), layer(X))
    with pytest.raises(ValueError, match="has 2 weights"):
        network.set_weights([])
    with pytest.raises(ValueError, match="has shape"):
        network.set_weights([np.zeros(3), np.zeros(4)])
    assert not network.weights[f"{layer.name}/kernel"].flags.writeable


def test_several_inputs_and_outputs() -> None:
    a, b = Input(4, name="a"), Input(2, name="b")
    left, right = Conv1D(3, 1)(a), Conv1D(3, 2, padding="causal")(b)
    network = Network([a, b], [left + right, left * right, left - right])
    other = X[..., :2].copy()
    outputs = network([X, other])
    assert [y.shape for y in outputs] == [(3, 20, 3)] * 3
    for y, again in zip(outputs, network({"b": other, "a": X}), strict=True):
        np.testing.assert_array_equal(y, again)
    with pytest.raises(ValueError, match=r"have 20 and 19 steps \(T_a and T_b, for T_a=20, T_b=19\)"):
        network([X, other[:, :19]])
    with pytest.raises(ValueError, match="takes inputs a, b"):
        network([X])
    with pytest.raises(ValueError, match="have one batch"):
        network([X, other[:2]])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (X[0], ValueError, r"has shape \(batch, steps, 4\)"),
        (X[..., :3], ValueError, r"has shape \(batch, steps, 4\)"),
        (X.astype(int), TypeError, "real floating-point"),
        (None, TypeError, "Input x of the network takes an array of real floating-point"),
        (X[:, :1], ValueError, "Node .*: conv c4_f8_k3_valid_linear_f32 makes no output of 1 steps"),
    ],
)
def test_inputs_that_do_not_fit(given: Any, error: type[Exception], message: str) -> None:
    network = Sequential([Input(4, name="x"), Conv1D(8, 3)])
    with pytest.raises(error, match=message):
        network(given)


def test_a_length_that_is_fixed() -> None:
    network = Sequential([Input(4, 20), layers.Flatten(), layers.Dense(7, activation="tanh"), layers.Reshape((7, 1))])
    assert network(X).shape == (3, 7, 1)
    with pytest.raises(ValueError, match=r"has shape \(batch, 20, 4\)"):
        network(X[:, :19])
    with pytest.raises(ValueError, match="takes an input of known length"):
        Sequential([Input(4), layers.Flatten()])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Input(0), ValueError, "int of 1 or more"),
        (lambda: Input(4, 0), ValueError, "int of 1 or more"),
        (lambda: Input(4, dtype="int32"), ValueError, "one of float32"),
        (lambda: Conv1D(3, 2, dtype="float64")(Input(4)), ValueError, "computes in float64"),
        (lambda: Conv1D(3, 2, data_format="channels_first")(Input(4)), ValueError, "channels_last"),
        (lambda: Conv1D(3, 2, activation=np.sin)(Input(4)), ValueError, "function of Python"),
        (lambda: layers.Dense(3)(X), TypeError, "is called on symbols"),
        (lambda: layers.Add()(), TypeError, "Received: nothing"),
        (lambda: layers.Dense(3, dtype="float64")(Input(4)), ValueError, "computes in float64"),
        (lambda: layers.PReLU()(Input(4)), ValueError, "shared_axes"),
        (lambda: layers.BatchNormalization(axis=1)(Input(4)), ValueError, "works on the channels"),
        (lambda: layers.Concatenate(axis=1)([Input(4), Input(4)]), ValueError, "works on the channels"),
        (lambda: layers.MaxPooling1D(2, padding="causal"), ValueError, 'padding "valid" or "same"'),
        (lambda: layers.MaxPooling1D(2, data_format="channels_first"), ValueError, "channels_last"),
        (lambda: layers.Dense(3, colour="red"), ValueError, "Unrecognized keyword"),
        (lambda: layers.Activation(np.sin)(Input(4)), ValueError, "function of Python"),
        (lambda: layers.Softmax(axis=1)(Input(4)), ValueError, "works on the channels"),
        (lambda: layers.DepthwiseConv1D(3, groups=2), ValueError, "group of its own"),
        (lambda: layers.Dense(3, weights=[np.ones((5, 3)), np.ones(3)])(Input(4)), ValueError, r"\(4, 3\) .* \(5, 3\)"),
        (lambda: layers.Dense(3, weights=[np.ones((4, 3))])(Input(4)), ValueError, "expecting 2 weights"),
        (lambda: Sequential([]), ValueError, "an Input first"),
        (lambda: Sequential([Conv1D(3, 2)]), ValueError, "an Input first"),
        (lambda: Network(Input(4), Conv1D(3, 2)(Input(4))), ValueError, "not among the network's inputs"),
        (lambda: Network(Conv1D(3, 2)(Input(4)), Input(4)), ValueError, "made by `Input`"),
    ],
)
def test_what_can_not_be_built(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_two_layers_of_one_name() -> None:
    x = Input(4)
    with pytest.raises(ValueError, match="two called 'same'"):
        Network(x, Conv1D(4, 1, name="same")(Conv1D(4, 1, name="same")(x)))


def test_a_layer_has_the_weights_that_it_was_given() -> None:
    """As Keras 2's argument `weights` says."""
    kernel, bias = np.arange(12.0).reshape(4, 3), np.ones(3)
    network = Sequential([Input(4), layers.Dense(3, weights=[kernel, bias])])
    np.testing.assert_allclose(network(X), X @ kernel + bias, rtol=1e-5, atol=1e-5)


def test_a_layer_that_was_built_for_other_inputs() -> None:
    layer = layers.Dense(3, name="twice")
    layer(Input(4))
    with pytest.raises(ValueError, match=r"'twice' was built .* kernel \(4, 3\), bias \(3,\).* take \(5, 3\)"):
        layer(Input(5))


def test_softmax_is_a_layer_too() -> None:
    network = Sequential([Input(4), layers.Softmax(axis=2)])
    np.testing.assert_allclose(network(X).sum(-1), np.ones(X.shape[:2]), rtol=1e-6)


def test_a_long_network_is_made_soon() -> None:
    """The passes look at each node a few times, and not at all nodes for each."""
    x = y = Input(4)
    for _ in range(5000):
        y = layers.Activation("relu")(y)
    begin = time.process_time()
    assert len(Network(x, y).graph.nodes) == 5000
    assert time.process_time() - begin < 2  # 0.15 s, and 2.7 s where each node looked for its readers among all


def test_what_vanishes() -> None:
    x = Input(4)
    y = layers.Dropout(0.5)(layers.SpatialDropout1D(0.5)(layers.GaussianNoise(1.0)(x)))
    assert y is x


def test_many_threads_and_lengths() -> None:
    network = Sequential([Input(4), Conv1D(8, 3), layers.BatchNormalization(), layers.MaxPooling1D(2), Conv1D(2, 2)])
    wanted = {length: network(X[:, :length]) for length in range(6, 21)}
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(n for n in wanted if network(X[:, :n]).tobytes() != wanted[n].tobytes())

    team = [threading.Thread(target=work) for _ in range(4)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_dtypes(dtype: str) -> None:
    layer = Conv1D(8, 3, dtype=dtype)
    network = Sequential([Input(4, dtype=dtype), layer, layers.BatchNormalization(dtype=dtype)])
    assert network(X).dtype == layer(X).dtype
    np.testing.assert_allclose(network(X).astype(float), layer(X).astype(float) / np.sqrt(1.001), rtol=1e-2, atol=1e-2)


def test_copies_and_pickles() -> None:
    network = Sequential([Input(4), Conv1D(8, 3), layers.BatchNormalization(), layers.LSTM(3)])
    wanted = network(X)
    for again in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert again.graph == network.graph
        np.testing.assert_array_equal(again(X), wanted)
