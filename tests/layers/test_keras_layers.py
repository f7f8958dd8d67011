"""Layers recorded from Keras 3 (see `data/record_keras.py`): their configs load, and their weights
give their outputs.
"""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from support.type_helpers import Array

from conv1d_codegen import Activation, Conv1D, activations, reference
from conv1d_codegen.reference.activations import ELEMENTWISE

DATA = pathlib.Path(__file__).parents[1] / "data"
RECORDED = json.loads((DATA / "keras_layers.json").read_text())["layers"]
ARRAYS = np.load(DATA / "keras_layers.npz")


def arrays(number: int) -> tuple[Array, Array, list[Array]]:
    weights = [ARRAYS[f"{number}/w{i}"] for i in range(1 + RECORDED[number]["config"]["use_bias"])]
    return ARRAYS[f"{number}/x"], ARRAYS[f"{number}/y"], weights


def as_keras_2_9(config: dict[str, Any]) -> dict[str, Any]:
    """The same config as Keras 2.9 would have written it."""
    old = {**config, "dtype": config["dtype"]["config"]["name"], "batch_input_shape": [None, None, None]}
    for name, value in old.items():
        if isinstance(value, dict):
            arguments = {key: item for key, item in value["config"].items() if key not in ("input_axes", "output_axes")}
            if "negative_slope" in arguments and value["class_name"] == "LeakyReLU":
                arguments["alpha"] = arguments.pop("negative_slope")
            old[name] = {"class_name": value["class_name"], "config": arguments}
    return old


def tolerance(layer: Conv1D, x: Array, weights: list[Array]) -> tuple[Array, Array]:
    """How far a correct layer may be from the formula in float64: the bound of the sum, through the activation, and 8
    ulp for that.
    """
    kernel, bias = weights[0], weights[1] if len(weights) > 1 else None
    linear = layer.problem.with_(activation=activations.fusable("linear"))
    z, bound = reference.conv1d(x, kernel, bias, linear), reference.error_bound(x, kernel, bias, linear)
    y = layer.activation(z)
    # a row's outputs depend on all of the row, no more than twice as much
    if activations.fusable(layer.activation) is None:
        moved = 2 * bound.max()
    else:
        moved = np.maximum(*(np.abs(layer.activation(z + side * bound) - y) for side in (-1, 1)))
    return y, moved + 8 * np.finfo(layer.compute_dtype).eps * np.maximum(np.abs(y), 1.0)


@pytest.mark.parametrize("form", ["keras 3", "keras 2.9"])
@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_recorded_layer(number: int, form: str) -> None:
    recorded = RECORDED[number]
    config = recorded["config"] if form == "keras 3" else as_keras_2_9(recorded["config"])
    layer = Conv1D.from_config(config)
    x, y, weights = arrays(number)
    layer.build(x.shape)
    layer.set_weights(weights)
    assert layer.compute_output_shape(x.shape) == y.shape
    ours = layer(x)
    assert (ours.shape, ours.dtype) == (y.shape, y.dtype)
    if recorded["exact"]:
        np.testing.assert_array_equal(ours, y, err_msg=str(layer.problem))
    else:
        formula, allowed = tolerance(layer, x, weights)
        for name, values in (("ours", ours), ("Keras's", y)):
            assert (np.abs(values - formula) <= allowed).all(), (
                f"{name} {layer.problem}, off by {np.abs(values - formula).max()}"
            )
    np.testing.assert_allclose(layer.losses, recorded["losses"], rtol=1e-5)


@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_config_is_written_as_keras_writes_it(number: int) -> None:
    config = RECORDED[number]["config"]
    again = json.loads(json.dumps(Conv1D.from_config(config).get_config()))
    if isinstance(config["activation"], dict):  # an activation layer, which Keras writes with a name and a dtype
        assert config["activation"]["class_name"] == again["activation"]["class_name"]
        wanted = config["activation"]["config"]
        assert again["activation"]["config"] == {key: wanted[key] for key in again["activation"]["config"]}
        config = {**config, "activation": again["activation"]}
    assert again == config


@pytest.mark.quick
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_activations_identifier_is_fused_to_it(name: str) -> None:
    required = {"threshold": (("default_value", 0.5), ("threshold", 1.0))}
    activation = Activation(name, required.get(name, ()))
    assert activations.fusable(activations.identifier_of(activation)) == activation
