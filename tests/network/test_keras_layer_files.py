"""Layers of Keras files that are layers of others, or of two axes; weights beside a config; and what of these is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.keras_files import (
    WEIGHTS_ALONE,
    config,
    content,
    hdf5_edited,
    recorded,
    with_config,
    written,
)

from conv1d_codegen import Input, Network, load
from conv1d_codegen.network import layers

# Weights beside a config


@pytest.mark.parametrize("name", WEIGHTS_ALONE)
def test_weights_beside_a_config(name: str, tmp_path: Path) -> None:
    """As Keras 3 writes them, Keras 2, and Keras 2 into files whose name does not end so."""
    model = name.split(".")[0]
    path = written(tmp_path / "config", content(f"{model}.json"))
    network = load(path, weights=written(tmp_path / "weights", content(name)))
    xs, ys = recorded(name)
    outputs = network(xs if len(xs) > 1 else xs[0])
    for y, right in zip(outputs if isinstance(outputs, list) else [outputs], ys, strict=True):
        np.testing.assert_allclose(y, right, rtol=1e-5, atol=1e-5)


def test_all_ways_to_keep_weights_are_recorded() -> None:
    endings = {name.split("_", 1)[1] for name in WEIGHTS_ALONE}
    assert endings == {"2.old.weights.h5", "2.weights.h5", "3.weights.h5"}


def test_weights_of_a_whole_model_beside_a_config(tmp_path: Path) -> None:
    path = written(tmp_path / "config", content("residual_2.json"))
    network = load(path, weights=written(tmp_path / "weights", content("residual_2.h5")))
    (x,), (y,) = recorded("residual_2.h5")
    np.testing.assert_allclose(network(x), y, rtol=1e-5, atol=1e-5)


def test_weights_of_another_model(tmp_path: Path) -> None:
    path = written(tmp_path / "config.json", content("gated_3.json"))
    for name, message in (
        ("bidirectional_3.weights.h5", "The file has no weights of layer 'conv1d_1', which has 2"),
        ("residual_2.old.weights.h5", "Layer 'conv1d' has 2 weights. The file has 1"),
    ):
        with pytest.raises(ValueError, match=message):
            load(path, weights=written(tmp_path / "weights", content(name)))
    with pytest.raises(ValueError, match=r"weights is no HDF5 file of weights: it begins with b'\{"):
        load(path, weights=written(tmp_path / "weights", b"{}"))
    with pytest.raises(FileNotFoundError):
        load(path, weights=tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"config.json is the config of a model, and has no weights"):
        load(path)
    with pytest.raises(ValueError, match=r"tcn has weights: a config in JSON is read with a file of its weights"):
        load(written(tmp_path / "tcn", content("tcn_3.keras")), weights=path)
    with pytest.raises(ValueError, match="says of the model no class"):
        load(written(tmp_path / "empty", b" {}"), weights=tmp_path / "weights")


# Layers of layers


def _edited(name: str, layer: str, change: Callable[[Any], Any]) -> bytes:
    """A recorded file after an edit of the description of a layer."""
    model = config(content(name))
    change(next(item for item in model["config"]["layers"] if item["config"]["name"] == layer))
    return with_config(content(name), model)


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        ("bidirectional", lambda d: d["config"].update(merge_mode="max"), "merge_mode is None, concat, sum, mul, ave"),
        ("bidirectional", lambda d: d["config"].pop("layer"), "can not be made: 'layer'"),
        ("bidirectional", lambda d: d["config"].update(layer=3), "it has no layer within it, but 3"),
        ("bidirectional", lambda d: d["config"]["layer"].update(class_name="Conv1D"), "can not be made"),
        ("bidirectional", lambda d: d["config"]["layer"].update(class_name="Lambda"), "is a class that no network has"),
        ("bidirectional", lambda d: d["config"]["layer"].update(module="mine"), "is a class of its own"),
        (
            "bidirectional",
            lambda d: d["config"]["layer"]["config"].update(go_backwards=True),
            "an LSTM or GRU for each",
        ),
        ("bidirectional", lambda d: d["config"]["layer"]["config"].update(units=5), r"kernel \(3, 20\)"),
        (
            "bidirectional",
            lambda d: d["config"]["layer"]["config"].update(return_sequences=False),
            "same return_sequences",
        ),
        ("bidirectional", lambda d: d["config"]["layer"]["config"].update(stateful=True), "stateful=False"),
    ],
)
def test_layers_in_both_directions_that_are_none(
    layer: str, change: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", _edited("bidirectional_3.keras", layer, change)))


def test_the_names_of_layers_within(tmp_path: Path) -> None:
    network = load(written(tmp_path / "model", content("bidirectional_2.h5")))
    assert {"gates/forward/kernel", "gates/backward/bias", "product/backward/recurrent_kernel"} <= set(network.weights)
    distributed = load(written(tmp_path / "model", content("distributed_2.keras")))
    assert {"time_distributed/kernel", "last/bias"} <= set(distributed.weights)


def test_two_tensors_of_one_layer() -> None:
    x = Input(3)
    layer = layers.Bidirectional(layers.LSTM(2), layers.LSTM(2, go_backwards=True), None)
    with pytest.raises(ValueError, match="makes two tensors, as merge_mode=None asks for: call `both`"):
        layer(x)
    there, back = Network(x, list(layer.both(x)))(np.ones((2, 5, 3), "float32"))
    assert there.shape == back.shape == (2, 2)
    assert not np.array_equal(there, back)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.GlobalMaxPooling1D(), "Received: GlobalMaxPooling1D on"),
        (layers.LSTM(3), "Received: LSTM on"),
        (layers.Reshape((2, 2)), "Received: Reshape on"),
        (layers.PReLU(), "Received: PReLU on"),
    ],
)
def test_layers_that_take_no_vector(layer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.TimeDistributed(layer)(Input(4))


def test_a_layer_on_each_step() -> None:
    x = Input(4)
    dense = layers.Dense(3)
    y = layers.TimeDistributed(dense)(x)
    norm = layers.TimeDistributed(layers.LayerNormalization(axis=1))
    network = Network(x, norm(y))
    (given,) = [np.random.default_rng(0).standard_normal((2, 6, 4)).astype("float32")]
    right = given @ dense.weight_values()["kernel"]
    right = (right - right.mean(-1, keepdims=True)) / np.sqrt(right.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(network(given), right, 1e-4, 1e-4)


# Two axes of which one has length 1


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        ("conv2d", lambda c: c.update(kernel_size=[3, 2], padding="valid"), "a window wider than 1 on axis 2"),
        ("conv2d_1", lambda c: c.update(kernel_size=[5, 2], dilation_rate=[1, 2]), "an even kernel with dilation"),
        ("conv2d", lambda c: c.update(data_format="channels_first"), 'data_format="channels_first"'),
        ("conv2d", lambda c: c.update(kernel_size=[2, 1]), r"weights kernel \(2, 1, 3, 4\)"),
        ("conv2d", lambda c: c.update(kernel_size=[3, 3]), r"weights kernel \(3, 3, 3, 4\)"),
        ("conv2d", lambda c: c.update(kernel_size="3"), "can not be made"),
        ("max_pooling2d", lambda c: c.update(pool_size=[2, 2]), "a window wider than 1 on axis 2"),
        ("zero_padding2d", lambda c: c.update(padding=[[1, 2], [0, 1]]), "steps around it on axis 2"),
        ("up_sampling2d", lambda c: c.update(size=[2, 2]), "more than one step made of it on axis 2"),
        ("up_sampling2d", lambda c: c.update(interpolation="bilinear"), "interpolates by 'bilinear'"),
        ("conv2d_transpose", lambda c: c.update(strides=[2, 2]), "more than one step made of it on axis 2"),
        ("batch_normalization", lambda c: c.update(axis=1), "works on the channels"),
    ],
)
def test_planes_that_are_none(layer: str, change: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    data = _edited("planes_3.keras", layer, lambda description: change(description["config"]))
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", data))


def test_the_other_axis(tmp_path: Path) -> None:
    """Kernels of (k, 1) on an input whose first axis has length 1 go over that one alone."""
    data = _edited("planes_3.keras", "input_layer", lambda d: d["config"].update(batch_shape=[None, 1, None, 3]))
    with pytest.raises(ValueError, match=r"'max_pooling2d' .*a window wider than 1 on axis 1"):
        load(written(tmp_path / "model", data))
    flat = _edited("planes_3.keras", "input_layer", lambda d: d["config"].update(batch_shape=[None, None, 3]))
    with pytest.raises(ValueError, match="It has two axes of steps, and its input has one"):
        load(written(tmp_path / "model", flat))


@pytest.mark.parametrize(
    ("dims", "message"), [([3, 2, 1], None), ([1, 3, 2], "makes channels of the axis"), ([1, 2], "exchanges axes")]
)
def test_axes_that_are_exchanged(dims: list[int], message: str | None, tmp_path: Path) -> None:
    shape: dict[str, object] = {"module": "keras.layers", "registered_name": None}
    named: list[tuple[str, dict[str, object]]] = [
        ("InputLayer", {"batch_shape": [None, 5, 1, 2]}),
        ("Permute", {"dims": dims}),
        ("Flatten", {}),
    ]
    described = [{**shape, "class_name": kind, "config": {"name": kind.lower(), **given}} for kind, given in named]
    model = {**shape, "class_name": "Sequential", "config": {"name": "s", "layers": described}}
    path = written(tmp_path / "config", json.dumps(model).encode())
    weights = written(tmp_path / "weights", hdf5_edited(content("gated_3.weights.h5"), lambda file: None))
    if message is not None:
        with pytest.raises(ValueError, match=message):
            load(path, weights=weights)
        return
    x = np.arange(20, dtype="float32").reshape(2, 5, 2)
    np.testing.assert_array_equal(load(path, weights=weights)(x), x[:, :, None].transpose(0, 3, 2, 1).reshape(2, 10))
