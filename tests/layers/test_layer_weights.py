"""A layer's weights, how they are set and refused, and its losses."""

import numpy as np
import pytest
from support.layer_helpers import built, expected, integers
from support.type_helpers import known

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.layers import regularizers


def test_weights() -> None:
    layer = built((None, 8, 4), 6, 3, groups=2, name="c")
    assert layer.count_params() == 42
    assert [weight.shape for weight in layer.weights] == [(3, 2, 6), (6,)]
    assert len(layer.trainable_weights) == 2
    assert layer.non_trainable_weights == []
    x = integers((2, 8, 4))
    before = layer(x)
    layer.kernel = 2 * layer.kernel
    np.testing.assert_array_equal(layer(x) - layer.bias, 2 * (before - layer.bias))
    layer.bias = np.arange(6)
    np.testing.assert_array_equal(layer.bias, np.arange(6, dtype=np.float32))
    np.testing.assert_array_equal(layer(x), expected(layer, x))
    mine = layer.get_weights()
    mine[0][...] = 0
    assert layer.kernel.any()
    layer.set_weights([weight.tolist() for weight in mine])
    np.testing.assert_array_equal(layer(x), np.broadcast_to(known(layer.bias), (2, 6, 6)))
    source = np.ones((3, 2, 6), np.float32)
    layer.kernel = source
    source[...] = 5
    assert layer.kernel.max() == 1
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == len(layer.weights) == 2


def test_weight_errors() -> None:
    layer = built((None, 8, 4), 4, 3, name="c")
    kernel, bias = layer.get_weights()
    with pytest.raises(
        ValueError, match=r"on layer 'c' with a weight list of length 1, but the layer was expecting 2 weights."
    ):
        layer.set_weights([kernel])
    message = r"Layer c weight shape \(4,\) is not compatible with provided weight shape \(5,\)."
    with pytest.raises(ValueError, match=message):
        layer.set_weights([np.zeros_like(kernel), np.zeros(5)])
    np.testing.assert_array_equal(layer.kernel, kernel)  # all or none
    with pytest.raises(
        ValueError, match=r"Layer c weight shape \(3, 4, 4\) is not compatible with provided weight shape \(3, 4, 5\)."
    ):
        layer.kernel = np.zeros((3, 4, 5))
    for wrong in (np.zeros((3, 4, 4), complex), np.full((3, 4, 4), None), np.full((3, 4, 4), "a")):
        with pytest.raises(
            TypeError, match=r"The weight `kernel` of layer c takes real numbers. Received an array of dtype"
        ):
            layer.kernel = wrong
    with pytest.raises(ValueError, match="read-only"):
        layer.kernel[0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        known(layer.bias).flags.writeable = True
    with pytest.raises(ValueError, match="You cannot add new elements of state"):
        layer.build((None, 8, 4))
    for name in (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
    ):
        with pytest.raises(AttributeError, match=r"no setter|can't set"):
            setattr(layer, name, 1)
    layer = built((None, 8, 4), 4, 3, use_bias=False, name="c")
    assert layer.bias is None
    assert len(layer.weights) == 1
    with pytest.raises(AttributeError, match="Layer 'c' has use_bias=False"):
        layer.bias = bias


def test_initial_weights() -> None:
    kernel, bias = integers((3, 4, 6)), integers((6,))
    layer = Conv1D(6, 3, weights=[kernel, bias])
    layer(np.zeros((1, 8, 4), np.float32))
    np.testing.assert_array_equal(layer.kernel, kernel)
    layer = Conv1D(6, 3, weights=[bias, kernel])
    with pytest.raises(ValueError, match="not compatible with provided weight shape"):
        layer(np.zeros((1, 8, 4), np.float32))
    assert not layer.built
    layer = Conv1D(6, 3, kernel_initializer=kernel, bias_initializer=lambda shape, dtype: np.zeros(3), name="c")
    with pytest.raises(
        ValueError, match=r"The initializer of `bias` must give an array of shape \(6,\). Received one of shape \(3,\)"
    ):
        layer.build((None, 8, 4))
    layer = Conv1D(6, 3, kernel_initializer=None, bias_initializer=None)
    layer.build((None, 8, 4))
    assert layer.get_config()["kernel_initializer"] is None
    assert known(layer.bias).any()
    assert layer.kernel.any()


# Losses


def test_losses() -> None:
    layer = Conv1D(
        2,
        3,
        kernel_initializer="ones",
        kernel_regularizer="l2",
        bias_regularizer="l1",
        activity_regularizer=regularizers.L1(1.0),
    )
    x = np.ones((2, 5, 3), np.float32)
    layer.build(x.shape)
    assert layer.losses == pytest.approx([0.18, 0.0])
    for _ in range(2):
        assert layer(x).shape == (2, 3, 2)
        assert layer.losses == pytest.approx([9 * 2 * 3 * 2 / 2, 0.18, 0.0])
    layer.bias = [1.0, -3.0]
    assert layer.losses[2] == pytest.approx(0.04)
    layer.add_loss([1.5, np.float32(2.5)])
    assert layer.losses == pytest.approx([54.0, 1.5, 2.5, 0.18, 0.04])
    layer(np.zeros((0, 5, 3), np.float32))
    assert layer.losses == pytest.approx([0.0, 0.18, 0.04])
    layer.trainable = False
    assert layer.losses == [0.0]
    with pytest.raises(ValueError, match=r"`add_loss\(\)` .* Received invalid value: abc"):
        layer.add_loss("abc")


def test_activity_loss_sees_the_activation() -> None:
    layer = Conv1D(1, 1, kernel_initializer="ones", activation="relu", activity_regularizer=lambda y: y.sum())
    layer(np.array([[[-3.0], [2.0]]]))
    assert layer.losses == [2.0]


def test_new_weights_give_what_a_new_layer_gives() -> None:
    """Of the second weights on, machine code lays them out; fast calls begin with the second call of each."""
    for options in (CompileOptions(), CompileOptions(algorithm="cook_toom")):
        layer = built((None, 40, 6), 11, 3, padding="same", options=options)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((2, 40, 6), np.float32)
        for _ in range(4):
            values = [rng.standard_normal(weight.shape, np.float32) for weight in layer.weights]
            layer.set_weights(values)
            right = Conv1D(11, 3, padding="same", options=options, weights=values)(x)
            for _ in range(3):
                assert layer(x).tobytes() == right.tobytes()


def test_weights_that_one_call_uses_want_no_fast_call() -> None:
    layer, x = built((None, 40, 6), 12, 3), integers((2, 40, 6))
    layer(x)
    assert known(layer._weights).fast.function is not None
    layer.kernel = layer.kernel + 1
    layer(x)
    assert known(layer._weights).fast.function is None
    layer(x)
    assert known(layer._weights).fast.function is not None
