"""A layer's config, names and copies, and what it shows of itself."""

import copy
import functools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.labels import label
from support.layer_helpers import built, integers
from support.type_helpers import Array

from conv1d_codegen import CompileOptions, Conv1D, activations, initializers, regularizers


def own_activation(x: Array) -> Array:
    return x * x


CONFIGS = [
    {},
    {
        "strides": 2,
        "padding": "SAME",
        "groups": 2,
        "activation": "gelu",
        "use_bias": False,
        "name": "mine",
        "trainable": False,
    },
    {"dilation_rate": [3], "padding": "causal", "data_format": "channels_first", "dtype": "mixed_float16"},
    {"kernel_initializer": initializers.HeNormal(seed=3), "bias_initializer": initializers.Constant(0.5)},
    {"kernel_regularizer": "l2", "bias_regularizer": regularizers.L1L2(0.1, 0.2), "activity_regularizer": "l1"},
    {"kernel_constraint": "max_norm", "bias_constraint": "non_neg"},
    {"activation": functools.partial(activations.relu, max_value=6.0)},
    {"options": CompileOptions(strided_dilation=True, explicit_padding=(1, 2)), "strides": 2, "dilation_rate": 2},
]


@pytest.mark.parametrize("arguments", CONFIGS, ids=label)
def test_config_round_trip(arguments: dict[str, Any]) -> None:
    layer = Conv1D(4, 3, **arguments)
    text = json.dumps(layer.get_config())
    again = Conv1D.from_config(json.loads(text))
    assert json.dumps(again.get_config()) == text
    assert set(dir(again)) == set(dir(layer))
    layer(np.ones((2, 12, 12), np.float32))
    assert json.dumps(layer.get_config()) == text
    assert set(dir(again)) == set(dir(layer))


def test_config_keys_are_those_of_keras_3() -> None:
    assert " ".join(Conv1D(4, 3).get_config()) == (
        "name trainable dtype filters kernel_size strides padding data_format dilation_rate groups activation use_bias "
        "kernel_initializer bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint"
    )


def test_custom_objects() -> None:
    layer = Conv1D(4, 3, activation=own_activation)
    config = json.loads(json.dumps(layer.get_config()))
    assert Conv1D.from_config(config, {"own_activation": own_activation}).activation is own_activation
    with pytest.raises(TypeError, match="Could not locate function 'own_activation'"):
        Conv1D.from_config(config)


def test_config_of_keras_2_9() -> None:
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
    assert (layer.name, layer.padding, layer.dilation_rate, layer.batch_input_shape) == (
        "conv1d_3",
        "causal",
        (2,),
        (None, 10, 128),
    )
    assert layer.activation is activations.silu
    assert layer(np.zeros((2, 10, 128), np.float32)).shape == (2, 10, 32)
    del config["groups"], config["batch_input_shape"]
    config["dtype"] = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    assert Conv1D.from_config(config).compute_dtype == "float16"


def test_names() -> None:
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
    "make",
    [copy.deepcopy, copy.copy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["deepcopy", "copy", "pickle"],
)
def test_copies(make: Callable[[Conv1D], Conv1D]) -> None:
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


def test_dump() -> None:
    layer = Conv1D(4, 3)
    layer.build((None, None, 2))
    assert "c2_f4_k3_valid_linear_f32" in layer.dump("problem")
    assert "kernel" in layer.dump()
    with pytest.raises(ValueError, match="asm"):
        layer.dump("foo")


def test_the_package_imports_no_compiler() -> None:
    code = "import sys, conv1d_codegen; conv1d_codegen.Conv1D(4, 3); print([m for m in ('llvmlite', 'jinja2') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
