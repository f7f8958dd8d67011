"""Configs as every Keras from 1.0 on wrote them, in JSON where they come from files."""

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from support.layer_helpers import integers
from support.type_helpers import Array, known

from conv1d_codegen import Conv1D, activations, constraints, initializers, regularizers
from conv1d_codegen.layers.activation_layers import WeightedLayer

KERAS_1 = {
    "name": "convolution1d_1",
    "trainable": True,
    "batch_input_shape": [None, None, 6],
    "input_dtype": "float32",
    "nb_filter": 8,
    "filter_length": 3,
    "init": "glorot_uniform",
    "activation": "relu",
    "border_mode": "same",
    "subsample_length": 2,
    "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.009999999776482582},
    "b_regularizer": {"name": "L1L2Regularizer", "l1": 0.5, "l2": 0.0},
    "activity_regularizer": {"name": "ActivityRegularizer", "l1": 0.25, "l2": 0.0},
    "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0},
    "b_constraint": {"name": "NonNeg"},
    "bias": True,
    "input_dim": 6,
    "input_length": None,
}

KERAS_2 = {
    "name": "block1/conv",
    "trainable": True,
    "batch_input_shape": {"class_name": "__tuple__", "items": [None, 10, 6]},
    "dtype": "float32",
    "filters": 8,
    "kernel_size": {"class_name": "__tuple__", "items": [3]},
    "strides": {"class_name": "__tuple__", "items": [2]},
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": {"class_name": "__tuple__", "items": [1]},
    "activation": "relu",
    "use_bias": True,
    "kernel_initializer": {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    },
    "bias_initializer": {"class_name": "Zeros", "config": {}},
    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.009999999776482582}},
    "bias_regularizer": {"class_name": "L1", "config": {"l1": 0.5}},
    "activity_regularizer": {"class_name": "L1", "config": {"l1": 0.25}},
    "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
    "bias_constraint": {"class_name": "NonNeg", "config": {}},
}


@pytest.mark.parametrize("config", [KERAS_1, KERAS_2], ids=["Keras 1", "Keras 2"])
def test_whole_configs(config: dict[str, Any]) -> None:
    layer = Conv1D.from_config(json.loads(json.dumps(config)))
    assert layer.name == config["name"]
    assert (layer.filters, layer.kernel_size, layer.strides, layer.padding, layer.use_bias) == (
        8,
        (3,),
        (2,),
        "same",
        True,
    )
    assert known(layer.batch_input_shape)[-1] == 6
    assert layer.activation is activations.relu
    assert (layer.kernel_regularizer.l1, layer.kernel_regularizer.l2) == (0.0, 0.009999999776482582)
    assert layer.bias_regularizer.l1 == 0.5
    assert layer.activity_regularizer.l1 == 0.25
    assert isinstance(layer.kernel_constraint, constraints.MaxNorm)
    assert layer.kernel_constraint.max_value == 2
    assert isinstance(layer.bias_constraint, constraints.NonNeg)
    assert layer(np.ones((2, 10, 6), np.float32)).shape == (2, 5, 8)
    assert len(layer.losses) == 3
    again = Conv1D.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    assert pickle.loads(pickle.dumps(layer)).name == config["name"]


def test_keras_1_more() -> None:
    atrous = Conv1D.from_config(
        {**KERAS_1, "subsample_length": 1, "atrous_rate": 2, "border_mode": "valid", "bias": False}
    )
    assert (atrous.dilation_rate, atrous.padding, atrous.bias, atrous.bias_regularizer.l1) == ((2,), "valid", None, 0.5)
    config = {name: value for name, value in KERAS_1.items() if name != "batch_input_shape"}
    assert Conv1D.from_config({**config, "input_length": 12}).batch_input_shape == (None, 12, 6)
    assert Conv1D.from_config({**config, "input_dim": None}).batch_input_shape is None
    minmax = Conv1D.from_config(
        {**config, "W_constraint": {"name": "MinMaxNorm", "low": 0.5, "high": 3.0, "rate": 0.9, "axis": 0}}
    )
    assert minmax.kernel_constraint.get_config() == {"min_value": 0.5, "max_value": 3.0, "rate": 0.9, "axis": 0}
    # Not from JSON: Keras 1.0 keeps factors as arrays.
    arrays = {"name": "WeightRegularizer", "l1": np.array(0.5, np.float32), "l2": np.array(0.25, np.float32)}
    assert Conv1D.from_config({**config, "W_regularizer": arrays}).kernel_regularizer.get_config() == {
        "l1": 0.5,
        "l2": 0.25,
    }
    for init in (
        "uniform",
        "lecun_uniform",
        "normal",
        "zero",
        "one",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "orthogonal",
    ):
        assert Conv1D.from_config({**config, "init": init})(np.ones((1, 6, 6), np.float32)).shape == (1, 3, 8)
    with pytest.raises(ValueError, match="gives `filters` twice"):
        Conv1D.from_config({**config, "filters": 8})
    with pytest.raises(TypeError, match="'EigenvalueRegularizer'"):
        Conv1D.from_config({**config, "W_regularizer": {"name": "EigenvalueRegularizer", "k": 1.0}})
    with pytest.raises(ValueError, match="Received: full"):
        Conv1D.from_config({**config, "border_mode": "full"})
    assert KERAS_1["nb_filter"] == 8, "the config that is given stays as it is"


TENSORFLOW_1: dict[str, dict[str, Any]] = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": 0.5},
    "RandomNormal": {"mean": 0.0, "stddev": 0.05, "seed": 3},
    "TruncatedNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
    "RandomUniform": {"minval": -0.05, "maxval": 0.05, "seed": 3},
    "VarianceScaling": {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal", "seed": 3},
    "Orthogonal": {"gain": 1.0, "seed": 3},
    "Identity": {"gain": 1.0},
    "GlorotUniform": {"seed": None},
    "GlorotNormal": {"seed": 3},
    "HeNormal": {"seed": 3},
    "LecunUniform": {"seed": 3},
}


@pytest.mark.parametrize("name", TENSORFLOW_1)
def test_initializers_of_tensorflow_1_have_a_dtype(name: str) -> None:
    old = initializers.get({"class_name": name, "config": {**TENSORFLOW_1[name], "dtype": "float32"}})
    new = initializers.get({"class_name": name, "config": TENSORFLOW_1[name]})
    assert type(old).__name__ == name
    assert old.get_config() == new.get_config()
    if name != "Identity":
        layer = Conv1D.from_config(
            {
                **KERAS_2,
                "kernel_initializer": {"class_name": name, "config": {**TENSORFLOW_1[name], "dtype": "float32"}},
            }
        )
        layer.build((None, 10, 6))
        assert layer.kernel.dtype == np.float32


def test_other_forms_of_values() -> None:
    uniform = initializers.get(
        {"class_name": "RandomUniform", "config": {"minval": 0, "maxval": None, "seed": None, "dtype": "float32"}}
    )
    assert (uniform.minval, uniform.maxval) == (0, 1.0)
    array = {"class_name": "__numpy__", "config": {"value": [1.0] * 8, "dtype": "float32"}}
    layer = Conv1D.from_config({**KERAS_2, "bias_initializer": {"class_name": "Constant", "config": {"value": array}}})
    layer.build((None, 10, 6))
    assert (known(layer.bias) == 1).all()
    policy = {
        "class_name": "PolicyV1",
        "config": {"name": "mixed_float16", "loss_scale": {"class_name": "DynamicLossScale", "config": {}}},
    }
    assert Conv1D.from_config({**KERAS_2, "dtype": policy}).compute_dtype == "float16"
    assert Conv1D.from_config({**KERAS_2, "dtype": None}).compute_dtype == "float32"
    shape = {"class_name": "TensorShape", "items": [None, 10, 6]}
    assert Conv1D.from_config({**KERAS_2, "batch_input_shape": shape}).batch_input_shape == (None, 10, 6)
    axis = {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": {"class_name": "__tuple__", "items": [0, 1]}}}
    assert Conv1D.from_config({**KERAS_2, "kernel_constraint": axis}).kernel_constraint.axis == (0, 1)
    assert Conv1D.from_config({**KERAS_2, "activation": "softmax_v2"}).activation is activations.softmax
    assert isinstance(Conv1D.from_config({**KERAS_2, "kernel_regularizer": "l2"}).kernel_regularizer, regularizers.L2)


COMMON = {"name": "activation_1", "trainable": True, "dtype": "float32"}
X = np.array([-2.0, -0.5, 0.0, 0.5, 2.0, 7.0], np.float32)


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("ReLU", {"max_value": 6.0, "negative_slope": 0.5, "threshold": 0.0}, [-1, -0.25, 0, 0.5, 2, 6]),
        ("LeakyReLU", {"alpha": 0.5}, [-1, -0.25, 0, 0.5, 2, 7]),
        ("LeakyReLU", {"negative_slope": 0.5}, [-1, -0.25, 0, 0.5, 2, 7]),
        ("LeakyReLU", {"alpha": np.array(0.5, np.float32)}, [-1, -0.25, 0, 0.5, 2, 7]),
        ("ELU", {"alpha": 2.0}, np.where(X > 0, X, 2 * np.expm1(X))),
        ("ThresholdedReLU", {"theta": 1.0}, [0, 0, 0, 0, 2, 7]),
        ("ThresholdedReLU", {}, [0, 0, 0, 0, 2, 7]),
        ("Softmax", {"axis": -1}, np.exp(X) / np.exp(X).sum()),
        ("Activation", {"activation": "tanh"}, np.tanh(X)),
        ("Identity", {}, X),
    ],
)
def test_activation_layers(name: str, config: dict[str, Any], expected: Array | list[float]) -> None:
    whole = {**KERAS_2, "activation": {"class_name": name, "config": {**COMMON, **config}}}
    layer = Conv1D.from_config(whole)
    for each in (layer, Conv1D.from_config(json.loads(json.dumps(layer.get_config())))):
        np.testing.assert_allclose(each.activation(X), expected, rtol=1e-6)
        assert each(integers((1, 10, 6))).shape == (1, 5, 8)


PRELU = {
    "module": "keras.layers",
    "class_name": "PReLU",
    "config": {
        **COMMON,
        "alpha_initializer": {"class_name": "Zeros", "config": {}},
        "alpha_regularizer": None,
        "alpha_constraint": None,
        "shared_axes": [1],
    },
    "registered_name": None,
}


def test_an_activation_with_weights_is_kept_and_refused_where_it_is_computed() -> None:
    layer = Conv1D.from_config({**KERAS_2, "activation": PRELU})
    assert isinstance(layer.activation, WeightedLayer)
    assert layer.get_config()["activation"] == PRELU
    layer.build((None, 10, 6))
    layer.set_weights(layer.get_weights())
    assert layer.compute_output_shape((2, 10, 6)) == (2, 5, 8)
    for each in (
        layer,
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        Conv1D.from_config(json.loads(json.dumps(layer.get_config()))),
    ):
        with pytest.raises(ValueError, match=r"PReLU has weights of its own.*activation=None"):
            each(integers((1, 10, 6)))
    assert "PReLU" in repr(layer.activation)


class PReLU:
    """As Keras's layer is, seen from here: something to call, with a config."""

    def __init__(self, alpha: float = 0.25) -> None:
        self.alpha = alpha

    def __call__(self, x: Array) -> Array:
        return np.where(x > 0, x, np.float32(self.alpha) * x)

    def get_config(self) -> dict[str, Any]:
        return {"alpha": self.alpha}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PReLU":
        return cls(**config)


def test_an_activation_with_weights_that_is_given_as_a_layer_is_computed() -> None:
    layer = Conv1D(8, 3, activation=PReLU(0.5), kernel_initializer="ones")
    x = integers((1, 10, 6))
    y = layer(x)
    linear = Conv1D(8, 3, kernel_initializer="ones")(x)
    np.testing.assert_array_equal(y, np.where(linear > 0, linear, linear / 2))
    config = json.loads(json.dumps(layer.get_config()))
    assert Conv1D.from_config(config, {"PReLU": PReLU}).activation.alpha == 0.5
    with pytest.raises(ValueError, match="weights of its own"):
        Conv1D.from_config(config)(x)
