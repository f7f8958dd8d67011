"""The layer: what it computes, its weights, losses, configs and copies. Integers in floats make most comparisons exact."""

import copy
import functools
import itertools
import json
import math
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv1d_codegen import CompileOptions, Conv1D, activations, initializers, reference, regularizers


def integers(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def built(shape, *args, **arguments):
    """A layer with small integers as weights."""
    layer = Conv1D(*args, **arguments)
    layer.build(shape)
    layer.set_weights([integers(weight.shape, seed) for seed, weight in enumerate(layer.weights)])
    return layer


def expected(layer, x):
    """What the reference gives for rank 3."""
    return reference.conv1d(x, layer.kernel, layer.bias, layer.problem)


def test_seed_document_examples():
    x = np.random.default_rng(0).standard_normal((4, 7, 10, 128)).astype(np.float32)
    layer = Conv1D(32, 3, activation="relu", input_shape=(10, 128))
    assert layer(x[:, 0]).shape == (4, 8, 32)
    assert layer(x).shape == (4, 7, 8, 32)
    np.testing.assert_array_equal(layer(x)[:, 3], layer(x[:, 3]))


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5)),
    st.integers(1, 5),
    st.sampled_from([{}, {"strides": 2}, {"strides": 3}, {"dilation_rate": 2}, {"dilation_rate": 5}]),
    st.sampled_from(["valid", "same", "causal", (0, 3), (2, 1)]),
    st.sampled_from([None, "relu", "hard_tanh"]),
    st.tuples(st.booleans(), st.booleans()),
    st.tuples(st.integers(1, 3), st.integers(1, 40)),
)
def test_configurations(sizes, kernel_size, steps, padding, activation, flags, data):
    (groups, group_channels, group_filters), (first, use_bias), (batch, length) = sizes, flags, data
    options = None if isinstance(padding, str) else CompileOptions(explicit_padding=padding)
    layer = Conv1D(
        groups * group_filters,
        kernel_size,
        **steps,
        groups=groups,
        padding=padding if isinstance(padding, str) else "valid",
        activation=activation,
        use_bias=use_bias,
        data_format="channels_first" if first else "channels_last",
        kernel_initializer=lambda shape, dtype: integers(shape, 1),
        bias_initializer=lambda shape, dtype: integers(shape, 2),
        options=options,
    )
    channels = groups * group_channels
    x = integers((batch, channels, length) if first else (batch, length, channels))
    extent = (kernel_size - 1) * layer.dilation_rate[0] + 1
    zeros = {"valid": 0, "same": extent, "causal": extent}[padding] if isinstance(padding, str) else sum(padding)
    if length + zeros < extent:
        for attempt in (layer.compute_output_shape, layer.build, lambda shape: layer(x)):
            with pytest.raises(ValueError, match="Computed output size would be zero or negative"):
                attempt(x.shape)
        return
    shape = layer.compute_output_shape(x.shape)
    y = layer(x)
    assert y.shape == shape
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected(layer, x), err_msg=f"{layer.problem}@{batch}x{length}")


def test_one_layer_takes_any_batch_and_length():
    layer = built((None, None, 5), 7, 4, padding="same", strides=3)
    for batch, length in itertools.product((1, 2, 5), (1, 2, 3, 17, 64, 65)):
        x = integers((batch, length, 5), length)
        np.testing.assert_array_equal(layer(x), expected(layer, x), err_msg=f"{layer.problem}@{batch}x{length}")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_extended_batch(data_format):
    first = data_format == "channels_first"
    layer = Conv1D(6, 3, padding="causal", data_format=data_format, groups=2)
    x = integers((2, 3, 5, 4, 8) if first else (2, 3, 5, 8, 4))
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape) == ((2, 3, 5, 6, 8) if first else (2, 3, 5, 8, 6))
    np.testing.assert_array_equal(y[1, 2], layer(x[1, 2]))
    out = np.empty_like(y)
    assert layer(x, out=out) is out
    np.testing.assert_array_equal(out, y)
    layer = Conv1D(6, 3, data_format=data_format)
    assert layer(x).shape == (2, 3, 5, 6, 6)


def test_empty_batches_and_sequences():
    layer = built((None, None, 4), 6, 3, activation="softmax")
    assert layer(np.zeros((0, 8, 4), np.float32)).shape == (0, 6, 6)
    assert layer(np.zeros((2, 0, 8, 4), np.float32)).shape == (2, 0, 6, 6)
    for padding, first in itertools.product(("same", "causal"), (True, False)):
        layer = Conv1D(6, 3, padding=padding, data_format="channels_first" if first else "channels_last", activation="log_softmax")
        x = np.zeros((3, 4, 0) if first else (3, 0, 4), np.float32)
        assert layer(x).shape == layer.compute_output_shape(x.shape) == ((3, 6, 0) if first else (3, 0, 6))
    with pytest.raises(ValueError, match="Computed output size would be zero or negative"):
        Conv1D(6, 1)(np.zeros((3, 0, 4), np.float32))


def test_compute_output_shape_keeps_unknown_sizes():
    assert Conv1D(2, 3).compute_output_shape((None, None, 4)) == (None, None, 2)
    assert Conv1D(2, 3, padding="same", strides=2).compute_output_shape([None, 9, None]) == (None, 5, 2)
    assert Conv1D(2, 3, data_format="channels_first").compute_output_shape((3, 4, 10)) == (3, 2, 8)
    assert Conv1D(4, 3, activation="glu").compute_output_shape((3, 10, 4)) == (3, 8, 2)
    assert Conv1D(4, 3, activation="glu", data_format="channels_first").compute_output_shape((3, 4, None)) == (3, 4, None)
    assert Conv1D(2, 3, options={"explicit_padding": (4, 1)}).compute_output_shape((3, 10, 4)) == (3, 13, 2)
    with pytest.raises(ValueError, match="axis size must be divisible by 2"):
        Conv1D(3, 3, activation="glu").compute_output_shape((3, 10, 4))


# Inputs


def layouts():
    x = integers((2, 9, 4))
    misaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    misaligned[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    wide = np.zeros((2, 18, 8), np.float32)
    wide[:, ::2, 1::2] = x
    return {
        "float64": x.astype(np.float64),
        "float16": x.astype(np.float16),
        "longdouble": x.astype(np.longdouble),
        "byte-swapped": x.astype(">f4"),
        "fortran": np.asfortranarray(x),
        "reversed": x[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "strided": wide[:, ::2, 1::2],
        "misaligned": misaligned,
        "read-only": read_only,
        "list": x.tolist(),
        "subclass": x.view(type("Sub", (np.ndarray,), {})),
        "broadcast": np.broadcast_to(x[:1], x.shape),
    }


@pytest.mark.parametrize("kind", layouts())
def test_memory_layouts(kind):
    given = layouts()[kind]
    layer = built((None, 9, 4), 3, 3)
    y = layer(given)
    assert type(y) is np.ndarray
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected(layer, np.asarray(given, np.float32)))


def test_out():
    for activation in (None, "relu", "softmax", lambda y: y * 2):
        layer = built((None, 9, 4), 6, 3, activation=activation)
        x = integers((2, 9, 4))
        out = np.full((2, 7, 6), np.nan, np.float32)
        assert layer(x, out=out) is out
        np.testing.assert_array_equal(out, layer(x))
    glu = built((None, 9, 4), 6, 3, activation="glu")
    assert glu(x, out=np.empty((2, 7, 3), np.float32)).shape == (2, 7, 3)
    assert layer(x, training=True).shape == (2, 7, 6)


# Activations


@pytest.mark.parametrize("name", sorted(set(activations.NAMES) - {"threshold"}))
def test_every_activation_by_name(name):
    rng = np.random.default_rng(1)
    layer = Conv1D(6, 3, activation=name, kernel_initializer="random_normal", bias_initializer="normal", padding="same")
    x = rng.standard_normal((2, 9, 4)).astype(np.float32)
    y = layer(x)
    linear = layer.problem.with_(activation=activations.fusable("linear"))
    z = reference.conv1d(x, layer.kernel, layer.bias, linear)
    np.testing.assert_allclose(y, activations.get(name)(z), rtol=2e-6, atol=2e-6, err_msg=f"{layer.problem} {name}")
    assert (activations.fusable(name) is None) == (str(layer.problem.activation) == "linear" != name)


def test_activation_with_parameters_and_own_functions():
    x = integers((2, 9, 4))
    plain = built((None, 9, 4), 6, 3)
    for activation, function in (
        (functools.partial(activations.leaky_relu, negative_slope=0.5), lambda y: np.where(y > 0, y, y / 2)),
        (functools.partial(activations.relu, max_value=3.0), lambda y: np.clip(y, 0, 3)),
        (functools.partial(activations.threshold, threshold=1.0, default_value=-2.0), lambda y: np.where(y > 1, y, -2)),
        ({"class_name": "LeakyReLU", "config": {"alpha": 0.25}}, lambda y: np.where(y > 0, y, y / 4)),
        (lambda y: (y * 3).astype(np.float64), lambda y: y * 3),
        (lambda y: y.tolist(), lambda y: y),
    ):
        layer = built((None, 9, 4), 6, 3, activation=activation)
        y = layer(x)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, function(plain(x)))
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        built((None, 9, 4), 6, 3, activation="threshold")(x)


def test_rows_are_the_last_axis_in_channels_first_too():
    layer = Conv1D(6, 3, activation="softmax", data_format="channels_first")
    np.testing.assert_allclose(layer(integers((2, 4, 9))).sum(-1), 1.0, rtol=1e-6)


# dtypes


@pytest.mark.parametrize("dtype", ["float64", "float16", "mixed_float16", "bfloat16", "mixed_bfloat16"])
def test_dtypes(dtype):
    if "bfloat16" in dtype:
        pytest.importorskip("ml_dtypes")
    layer = built((None, 9, 4), 6, 3, dtype=dtype, padding="causal", activation="relu")
    compute = dtype.removeprefix("mixed_")
    assert layer.compute_dtype == compute
    assert layer.dtype == layer.variable_dtype == layer.kernel.dtype.name == ("float32" if "mixed" in dtype else dtype)
    x = np.sign(integers((2, 9, 4)))  # sums stay below 2**8, which bfloat16 holds exactly
    layer.kernel = np.sign(layer.kernel.astype(np.float32))
    y = layer(x)
    assert y.dtype.name == compute
    np.testing.assert_array_equal(y.astype(np.float64), expected(layer, x), err_msg=str(layer.problem))
    softmax = Conv1D(6, 3, dtype=dtype, activation="softmax")
    assert softmax(x).dtype.name == compute
    assert layer.get_config()["dtype"]["config"] == {"name": dtype}


def test_bfloat16_without_ml_dtypes(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match="pip install ml_dtypes"):
        Conv1D(4, 3, dtype="bfloat16")


def test_large_values_become_infinite_silently():
    layer = Conv1D(1, 1, kernel_initializer="ones")
    assert layer(np.full((1, 1, 1), 1e300)).item() == math.inf


# Weights


def test_weights():
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
    np.testing.assert_array_equal(layer(x), np.broadcast_to(layer.bias, (2, 6, 6)))
    source = np.ones((3, 2, 6), np.float32)
    layer.kernel = source
    source[...] = 5
    assert layer.kernel.max() == 1
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == len(layer.weights) == 2


def test_weight_errors():
    layer = built((None, 8, 4), 4, 3, name="c")
    kernel, bias = layer.get_weights()
    with pytest.raises(ValueError, match=r"on layer 'c' with a weight list of length 1, but the layer was expecting 2 weights."):
        layer.set_weights([kernel])
    message = r"Layer c weight shape \(4,\) is not compatible with provided weight shape \(5,\)."
    with pytest.raises(ValueError, match=message):
        layer.set_weights([np.zeros_like(kernel), np.zeros(5)])
    np.testing.assert_array_equal(layer.kernel, kernel)  # all or none
    with pytest.raises(ValueError, match=r"Layer c weight shape \(3, 4, 4\) is not compatible with provided weight shape \(3, 4, 5\)."):
        layer.kernel = np.zeros((3, 4, 5))
    for wrong in (np.zeros((3, 4, 4), complex), np.full((3, 4, 4), None), np.full((3, 4, 4), "a")):
        with pytest.raises(TypeError, match=r"The weight `kernel` of layer c takes real numbers. Received an array of dtype"):
            layer.kernel = wrong
    with pytest.raises(ValueError, match="read-only"):
        layer.kernel[0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        layer.bias.flags.writeable = True
    with pytest.raises(ValueError, match="You cannot add new elements of state"):
        layer.build((None, 8, 4))
    for name in ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation", "use_bias"):
        with pytest.raises(AttributeError, match=r"no setter|can't set"):
            setattr(layer, name, 1)
    layer = built((None, 8, 4), 4, 3, use_bias=False, name="c")
    assert layer.bias is None
    assert len(layer.weights) == 1
    with pytest.raises(AttributeError, match="Layer 'c' has use_bias=False"):
        layer.bias = bias


def test_initial_weights():
    kernel, bias = integers((3, 4, 6)), integers((6,))
    layer = Conv1D(6, 3, weights=[kernel, bias])
    layer(np.zeros((1, 8, 4), np.float32))
    np.testing.assert_array_equal(layer.kernel, kernel)
    layer = Conv1D(6, 3, weights=[bias, kernel])
    with pytest.raises(ValueError, match="not compatible with provided weight shape"):
        layer(np.zeros((1, 8, 4), np.float32))
    assert not layer.built
    layer = Conv1D(6, 3, kernel_initializer=kernel, bias_initializer=lambda shape, dtype: np.zeros(3), name="c")
    with pytest.raises(ValueError, match=r"The initializer of `bias` must give an array of shape \(6,\). Received one of shape \(3,\)"):
        layer.build((None, 8, 4))
    layer = Conv1D(6, 3, kernel_initializer=None, bias_initializer=None)
    layer.build((None, 8, 4))
    assert layer.get_config()["kernel_initializer"] is None
    assert layer.bias.any()
    assert layer.kernel.any()


# Losses


def test_losses():
    layer = Conv1D(
        2, 3, kernel_initializer="ones", kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer=regularizers.L1(1.0)
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


def test_activity_loss_sees_the_activation():
    layer = Conv1D(1, 1, kernel_initializer="ones", activation="relu", activity_regularizer=lambda y: y.sum())
    layer(np.array([[[-3.0], [2.0]]]))
    assert layer.losses == [2.0]


# convolution_op


class Doubled(Conv1D):
    """Doubles the kernel, as a weight-standardised layer would change it."""

    def convolution_op(self, inputs, kernel):
        self.seen = inputs.shape
        return super().convolution_op(inputs, 2 * kernel)


@pytest.mark.parametrize("padding", ["valid", "same", "causal", (1, 4)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_convolution_op_overridden(padding, data_format):
    arguments = {"activation": "relu", "groups": 2, "dilation_rate": 2, "data_format": data_format}
    if isinstance(padding, str):
        arguments["padding"] = padding
    else:
        arguments["options"] = CompileOptions(explicit_padding=padding)
    first = data_format == "channels_first"
    shape = (2, 4, 8) if first else (2, 8, 4)
    layer, plain = Doubled(6, 3, **arguments), Conv1D(6, 3, **arguments)
    for each in (layer, plain):
        each.build(shape)
    weights = [integers((3, 2, 6), 1), integers((6,), 2)]
    layer.set_weights(weights)
    plain.set_weights([2 * weights[0], weights[1]])
    x = integers(shape)
    np.testing.assert_array_equal(layer(x), plain(x), err_msg=str(plain.problem))
    steps = {"valid": 8, "same": 8, "causal": 12, (1, 4): 13}[padding]
    assert layer.seen == ((2, 4, steps) if first else (2, steps, 4))
    wide = np.stack([x, x, x])
    np.testing.assert_array_equal(layer(wide)[1], plain(x))
    out = np.empty_like(plain(x))
    assert layer(x, out=out) is out
    np.testing.assert_array_equal(out, plain(x))
    assert layer(x[:0]).shape == (0, *out.shape[1:])


def test_convolution_op_directly():
    layer = built((None, 8, 4), 6, 3, padding="causal", dilation_rate=2, activation="relu")
    x = integers((2, 12, 4))
    y = layer.convolution_op(x, layer.kernel)
    problem = layer.problem.with_(padding="valid", use_bias=False, activation=activations.fusable(None))
    np.testing.assert_array_equal(y, reference.conv1d(x, layer.kernel, None, problem))
    assert layer.convolution_op(x, np.ones((5, 2, 10), np.float32)).shape == (2, 4, 10)  # two groups, by the kernel's shape
    with pytest.raises(ValueError, match=r"inputs of 4 channels with a kernel of shape .* Received kernel of shape \(3, 3, 6\)"):
        layer.convolution_op(x, np.ones((3, 3, 6)))
    with pytest.raises(ValueError, match="Computed output size would be zero or negative"):
        layer.convolution_op(x[:, :4], layer.kernel)
    with pytest.raises(ValueError, match="expected min_ndim=3"):
        layer.convolution_op(x[0], layer.kernel)


# Configs and copies


def own_activation(x):
    return x * x


CONFIGS = [
    {},
    {"strides": 2, "padding": "SAME", "groups": 2, "activation": "gelu", "use_bias": False, "name": "mine", "trainable": False},
    {"dilation_rate": [3], "padding": "causal", "data_format": "channels_first", "dtype": "mixed_float16"},
    {"kernel_initializer": initializers.HeNormal(seed=3), "bias_initializer": initializers.Constant(0.5)},
    {"kernel_regularizer": "l2", "bias_regularizer": regularizers.L1L2(0.1, 0.2), "activity_regularizer": "l1"},
    {"kernel_constraint": "max_norm", "bias_constraint": "non_neg"},
    {"activation": functools.partial(activations.relu, max_value=6.0)},
    {"options": CompileOptions(strided_dilation=True, explicit_padding=(1, 2)), "strides": 2, "dilation_rate": 2},
]


@pytest.mark.parametrize("arguments", CONFIGS, ids=str)
def test_config_round_trip(arguments):
    layer = Conv1D(4, 3, **arguments)
    text = json.dumps(layer.get_config())
    again = Conv1D.from_config(json.loads(text))
    assert json.dumps(again.get_config()) == text
    assert set(dir(again)) == set(dir(layer))
    layer(np.ones((2, 12, 12), np.float32))
    assert json.dumps(layer.get_config()) == text
    assert set(dir(again)) == set(dir(layer))


def test_config_keys_are_those_of_keras_3():
    assert " ".join(Conv1D(4, 3).get_config()) == (
        "name trainable dtype filters kernel_size strides padding data_format dilation_rate groups activation use_bias "
        "kernel_initializer bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint"
    )


def test_custom_objects():
    layer = Conv1D(4, 3, activation=own_activation)
    config = json.loads(json.dumps(layer.get_config()))
    assert Conv1D.from_config(config, {"own_activation": own_activation}).activation is own_activation
    with pytest.raises(TypeError, match="Could not locate function 'own_activation'"):
        Conv1D.from_config(config)


def test_config_of_keras_2_9():
    config = {
        "name": "conv1d_3",
        "trainable": True,
        "batch_input_shape": [None, 10, 128],
        "dtype": "float32",
        "filters": 32,
        "kernel_size": [3],
        "strides": [1],
        "padding": "causal",
        "data_format": "channels_last",
        "dilation_rate": [2],
        "groups": 1,
        "activation": "swish",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.009999999776482582}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        "bias_constraint": None,
    }
    layer = Conv1D.from_config(config)
    assert (layer.name, layer.padding, layer.dilation_rate, layer.batch_input_shape) == ("conv1d_3", "causal", (2,), (None, 10, 128))
    assert layer.activation is activations.silu
    assert layer(np.zeros((2, 10, 128), np.float32)).shape == (2, 10, 32)
    del config["groups"], config["batch_input_shape"]
    config["dtype"] = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    assert Conv1D.from_config(config).compute_dtype == "float16"


def test_names():
    class HalfConv1D(Conv1D):
        pass

    first, second = HalfConv1D(4, 3), HalfConv1D(4, 3)
    assert (first.name, second.name) == ("half_conv1d", "half_conv1d_1")
    number = int(Conv1D(4, 3).name.removeprefix("conv1d").removeprefix("_") or 0)
    assert Conv1D(4, 3).name == f"conv1d_{number + 1}"
    assert repr(Conv1D(4, 3, name="c")) == "<Conv1D name=c, built=False>"
    layer = Conv1D(4, 3, name="c")
    layer.build((None, None, 2))
    assert repr(layer) == "<Conv1D name=c, built=True, c2_f4_k3_valid_linear_f32>"
    assert not layer.supports_masking


@pytest.mark.parametrize(
    "make", [copy.deepcopy, copy.copy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["deepcopy", "copy", "pickle"]
)
def test_copies(make):
    layer = built((None, 8, 4), 6, 3, activation=own_activation, kernel_regularizer="l2")
    x = integers((2, 8, 4))
    y = layer(x)
    other = make(layer)
    np.testing.assert_array_equal(other(x), y)
    assert other.get_config() == layer.get_config()
    assert not other.kernel.flags.writeable
    other.kernel = np.zeros_like(other.kernel)
    np.testing.assert_array_equal(layer(x), y)
    assert make(Conv1D(4, 3, name="c")).name == "c"


def test_many_threads_share_a_layer():
    layer = Conv1D(8, 3, padding="same", kernel_initializer=lambda shape, dtype: integers(shape, 3))
    x = [integers((2, length, 4), length) for length in range(1, 9)]
    results = [None] * len(x)

    def work(index):
        for _ in range(20):
            results[index] = layer(x[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(x))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for given_x, y in zip(x, results, strict=True):
        np.testing.assert_array_equal(y, expected(layer, given_x))


def test_dump():
    layer = Conv1D(4, 3)
    layer.build((None, None, 2))
    assert "c2_f4_k3_valid_linear_f32" in layer.dump("problem")
    assert "kernel" in layer.dump()
    with pytest.raises(ValueError, match="asm"):
        layer.dump("foo")


def test_the_package_imports_no_compiler():
    code = "import sys, conv1d_codegen; conv1d_codegen.Conv1D(4, 3); print([m for m in ('llvmlite', 'jinja2') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("wrong", [lambda z: z[0], lambda z: z[:, :-1], lambda z: None, lambda z: z * 1j, lambda z: z > 0])
def test_an_activation_that_makes_something_else(wrong):
    layer = Conv1D(8, 3, activation=wrong, name="odd")
    with pytest.raises(ValueError, match=r"activation .* of layer 'odd' must make real floating-point numbers of shape \(2, 8, 8\)"):
        layer(np.ones((2, 10, 4), np.float32))
