"""Models that Keras has saved, against what Keras computes with them, and files that are no models."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.keras_files import (
    CONFIG,
    NAMES,
    WEIGHTS,
    config,
    content,
    parts,
    recorded,
    with_config,
    written,
    zipped,
)

from conv1d_codegen import load

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_computes_what_keras_computes(name: str, tmp_path: Path) -> None:
    """Whatever the file is called."""
    network = load(written(tmp_path / "model", content(name)))
    xs, wanted = recorded(name)
    outputs = network(xs if len(xs) > 1 else xs[0])
    tolerance = 5e-3 if name.startswith("half") else 1e-5
    for y, right in zip(outputs if isinstance(outputs, list) else [outputs], wanted, strict=True):
        assert y.dtype == right.dtype
        np.testing.assert_allclose(y.astype(float), right, rtol=tolerance, atol=tolerance)


def test_a_network_has_the_names_of_the_model(tmp_path: Path) -> None:
    network = load(str(written(tmp_path / "model", content("several_3.keras"))))
    assert [source.name for source in network.graph.sources] == ["fast", "slow"]
    xs, (first, _) = recorded("several_3.keras")
    np.testing.assert_allclose(network({"slow": xs[1], "fast": xs[0]})[0], first, rtol=1e-5, atol=1e-5)
    nested = load(written(tmp_path / "model", content("nested_3.keras")))
    assert {"same_name/kernel", "inner/same_name/kernel", "middle/tail/batch_normalization_1/mean"} <= set(
        nested.weights
    )


def test_shared_layers_have_one_set_of_weights(tmp_path: Path) -> None:
    for name, kernels in (("shared_3.keras", 1), ("shared_2.h5", 1), ("across_3.keras", 2), ("across_3.h5", 3)):
        network = load(written(tmp_path / name, content(name)))
        assert sum(weight.endswith("/kernel") for weight in network.weights) == kernels, name


def test_compressed_zips(tmp_path: Path) -> None:
    data = zipped(parts(content("tcn_3.keras")), zipfile.ZIP_DEFLATED)
    assert load(written(tmp_path / "model", data)).graph.nodes


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install conv1d-codegen\[keras\]"):
        load(written(tmp_path / "model", content("tcn_3.keras")))


def test_importing_the_package_imports_no_h5py() -> None:
    code = "import sys, conv1d_codegen; sys.exit('h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TESTS.parent).returncode == 0


# What is no model


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "nor a .keras file"),
        (b'{"class_name": "Model"}', "is the config of a model, and has no weights"),
        (b'["class_name"]', r"nor a .keras file, which is a zip, nor HDF5, nor ONNX. It begins with b'\["),
        (b"PK\x03\x04 and no more", "can not be unpacked"),
        (b"\x89HDF\r\n\x1a\n and no more", "HDF5 file is damaged"),
        (content("tcn_3.keras")[:-100], "can not be unpacked"),
        (zipped({"other": b""}), "it has 0 parts config.json"),
        (zipped({CONFIG: b"{}", WEIGHTS: b""}), "it has 0 parts metadata.json"),
        (content("tcn_2.h5")[:20000], "HDF5 file is damaged"),
        (parts(content("tcn_3.keras"))[WEIGHTS], "has no attribute `model_config`: it holds weights alone"),
    ],
)
def test_what_is_no_model(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", data))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is a directory; .* Save the model into one file"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")


def test_zips_that_are_bombs(tmp_path: Path) -> None:
    inner = parts(content("tcn_3.keras"))
    with pytest.raises(ValueError, match=r"model.weights.h5 has 100000000 bytes, .* in a file of"):
        load(written(tmp_path / "a", zipped({**inner, WEIGHTS: bytes(10**8)}, zipfile.ZIP_DEFLATED)))
    with pytest.raises(ValueError, match=r"config\.json is compressed by method 14"):
        load(written(tmp_path / "b", zipped(inner, zipfile.ZIP_LZMA)))
    entry = bytearray(zipped(inner))
    at = entry.rindex(b"PK\x01\x02", 0, entry.rindex(CONFIG.encode()))  # its line in the table of contents
    entry[at + 20 : at + 24] = (2**28).to_bytes(4, "little")
    with pytest.raises(ValueError, match=r"config\.json has .* bytes, 268435456 of them stored, in a file of"):
        load(written(tmp_path / "e", bytes(entry)))
    out = io.BytesIO(content("tcn_3.keras"))
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(CONFIG, inner[CONFIG])
    with pytest.raises(ValueError, match=r"it has 2 parts config\.json"):
        load(written(tmp_path / "c", out.getvalue()))
    other = zipped({**inner, "../../outside": b"x", "/etc/x": b"x"})
    assert load(written(tmp_path / "d", other)).graph.nodes
    assert not (tmp_path.parent.parent / "outside").exists()


# Layers that no network has


def _layer(number: int, **changes: Any) -> Callable[[Any], Any]:
    """An edit of a layer's description, or of its config where the name begins with `config_`."""

    def edit(model: Any) -> Any:
        layer = model["config"]["layers"][number]
        for name, value in changes.items():
            owner = layer["config"] if name.startswith("config_") else layer
            owner[name.removeprefix("config_")] = value
        return model

    return edit


def test_all_unknown_layers_are_told_at_once(tmp_path: Path) -> None:
    model = config(content("tcn_3.keras"))
    layers = model["config"]["layers"]
    layers[1].update(class_name="Lambda", config={"name": "conv1d", "function": "os.system('true')" * 100})
    layers[2].update(class_name="Masking", config={"name": "layer_normalization", "mask_value": 0.0})
    layers[3].update(module="my.code", registered_name="my>Activation")
    layers[5]["config"]["data_format"] = "channels_first"
    layers[5]["class_name"] = "Conv1D"
    with pytest.raises(ValueError, match="4 of the model's layers") as caught:
        load(written(tmp_path / "model", with_config(content("tcn_3.keras"), model)))
    heading, *lines = str(caught.value).split("\n")
    assert "can not be read" in heading
    assert [line.split(":")[0] for line in lines] == [
        "  conv1d (Lambda) is a class that no network has",
        "  layer_normalization (Masking) is a class that no network has",
        "  activation (Activation) is a class of its own",
        f"  {layers[5]['name']} (Conv1D) can not be made",
    ]
    assert lines[0].endswith("…")
    assert '"mask_value": 0.0' in lines[1]
    assert "channels_first" in lines[3]


def test_a_module_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "keras_evil.py").write_text("raise SystemExit")
    for module in ("keras_evil", "os", "keras.src.ops.numpy"):
        model = _layer(3, module=module)(config(content("tcn_3.keras")))
        with pytest.raises(ValueError, match=r"activation \(Activation\) is (a class of its own|an operation)"):
            load(written(tmp_path / "model", with_config(content("tcn_3.keras"), model)))


def test_a_file_gives_no_options_of_this_package(tmp_path: Path) -> None:
    changes = {"config_options": {"explicit_padding": [9, 9]}, "config_weights": [[1.0]]}
    model = _layer(1, **changes)(config(content("tcn_3.keras")))
    network = load(written(tmp_path / "model", with_config(content("tcn_3.keras"), model)))
    assert str(network.graph) == str(load(written(tmp_path / "model", content("tcn_3.keras"))).graph)


def test_hard_sigmoid_was_another_function(tmp_path: Path) -> None:
    old = _layer(1, config_activation="hard_sigmoid")(config(content("tcn_2.h5")))
    with pytest.raises(ValueError, match=r"hard_sigmoid, which in Keras 2 is 0.2·x \+ 0.5"):
        load(written(tmp_path / "model", with_config(content("tcn_2.h5"), old)))
    new = _layer(1, config_activation="hard_sigmoid")(config(content("tcn_3.keras")))
    assert "hard_sigmoid" in load(written(tmp_path / "model", with_config(content("tcn_3.keras"), new))).dump()


def _graph(**changes: Any) -> Callable[[Any], Any]:
    def edit(model: Any) -> Any:
        model["config"].update(changes)
        return model

    return edit


def _calls(number: int, *histories: Any, **arguments: Any) -> Callable[[Any], Any]:
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": history}} for history in histories]
    return _layer(number, inbound_nodes=[{"args": tensors, "kwargs": arguments}])


def _deep(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda model: [], "The config says of the model no class"),
        (lambda model: {"class_name": "Functional"}, 'The config of the model, a "Functional", is missing'),
        (lambda model: model["config"]["layers"][1], r"1 of .*\n  the model itself \(Conv1D\) is no Sequential"),
        (lambda model: {**model, "module": "my.code", "registered_name": "Mine"}, "the model itself"),
        (lambda model: _deep(100), "The config says of the model no class"),
        (lambda model: _deep(300), "more than 256 lists"),
        (lambda model: _deep(10**6), "too deep"),
        (lambda model: "{" * 10, "is no JSON"),
        (_graph(layers=3), "no list of layers: 3"),
        (_graph(layers=[]), "needs a layer"),
        (_graph(input_layers=[]), "no input_layers"),
        (_graph(output_layers={}), "has an input and an output"),
        (_graph(output_layers=["nobody", 0, 0]), "needs a layer 'nobody', which it has not"),
        (_graph(output_layers=["conv1d", 1, 0]), "needs output 0 of call 1 of layer 'conv1d', which has 1 calls, of 1"),
        (_graph(output_layers=["conv1d", 0, 1]), "needs output 1 of call 0 of layer 'conv1d'"),
        (_graph(output_layers=["conv1d", "0", 0]), "no tensor where output_layers"),
        (_graph(input_layers=["conv1d", 0, 0]), "The input 'conv1d' of the model is no InputLayer"),
        (_layer(1, name=None, config_name=None), "A layer of the model has no name"),
        (_layer(1, name="dense"), "Two layers of the model have the name 'dense'"),
        (_layer(1, class_name=7), "says of layer 1 of the model no class"),
        (_layer(1, inbound_nodes=[]), "need each other, or tensors that nothing makes|which has 0 calls"),
        (_calls(1, ["dense", 0, 0]), "Layers of the model need each other, or tensors that nothing makes: conv1d, "),
        (_calls(1, ["conv1d", 0, 0]), "need each other"),
        (_calls(1), "'conv1d' of the model is called on nothing"),
        (_calls(1, ["input_layer", 0, 0], training=True), 'arguments that no network knows: {"training": true}'),
        (_layer(1, inbound_nodes=[{"args": [1.0], "kwargs": {}}]), "called on something other than tensors: 1.0"),
        (_layer(0, config_batch_shape=[None, 4, 4, 4]), r"Input 'input_layer' has shape .* The file has: \[None, 4, 4"),
        (
            _layer(0, config_batch_shape=[None, 9, 1, 2]),
            "Conv1D.: It has one axis before the channels, and its input has two",
        ),
        (_layer(0, config_batch_shape=[None, None, None]), "Input 'input_layer': `channels`"),
        (_layer(0, config_dtype="int32"), "Input 'input_layer': Cannot convert 'int32'"),
        (_layer(1, config_filters=10**12), r"'conv1d' \(Conv1D\): It has weights kernel \(2, 2, 1000000000000\)"),
        (_layer(1, config_filters=5), r"kernel \(2, 2, 5\), bias \(5,\) .* The file has: \(2, 2, 4\), \(4,\)"),
        (_layer(1, config_filters="5"), r"conv1d \(Conv1D\) can not be made: Invalid value for argument `filters`"),
        (_layer(1, config_use_bias=False), "Layer 'conv1d' has 1 weights, and the file has more"),
        (_layer(2, config_epsilon="a"), "epsilon is a number of 0 or more"),
        (_layer(2, config_axis=1), r"Layer 'layer_normalization' \(LayerNormalization\): .* works on the channels"),
        (_layer(3, config_activation="mine"), "Could not interpret activation function identifier: mine"),
        (_layer(3, config_activation={"class_name": "__tuple__"}), r"activation \(Activation\) can not be made"),
        (_layer(1, config_dtype="float16"), "computes in float"),
    ],
)
def test_configs_that_make_no_network(edit: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    data = content("tcn_3.keras")
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", with_config(data, edit(config(data)))))


def test_models_that_grow_by_nesting(tmp_path: Path) -> None:
    """Each calls the next twice: a small file, of more calls than a machine can make."""
    layer = {"class_name": "Activation", "config": {"name": "end", "activation": "relu"}}
    model: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "m0", "layers": [layer]}}
    for depth in range(1, 30):
        start = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, None, 4]}}
        layers = [
            {**start, "name": "x", "inbound_nodes": []},
            {**model, "name": "m", "inbound_nodes": [[["x", 0, 0, {}]], [["m", 0, 0, {}]]]},
        ]
        ends = {"input_layers": [["x", 0, 0]], "output_layers": [["m", 1, 0]]}
        model = {"class_name": "Functional", "config": {"name": f"m{depth}", "layers": layers, **ends}}
    with pytest.raises(ValueError, match="more than 10000 calls of layers"):
        load(written(tmp_path / "model", with_config(content("tcn_3.keras"), model)))


def test_networks_that_are_long(tmp_path: Path) -> None:
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, None, 4]}}
    relu = {"class_name": "Activation", "config": {"activation": "relu"}}
    pool = {"class_name": "MaxPooling1D", "config": {"pool_size": 3, "strides": 2}}

    def chain(layer: Any, count: int) -> bytes:
        layers = [{**layer, "config": {**layer["config"], "name": f"a{number}"}} for number in range(count)]
        model = {"class_name": "Sequential", "config": {"name": "long", "layers": [first, *layers]}}
        return with_config(content("tcn_3.keras"), model)

    assert len(load(written(tmp_path / "model", chain(relu, 3000))).graph.nodes) == 3000
    assert len(load(written(tmp_path / "model", chain(pool, 1000))).graph.nodes) == 1000
    with pytest.raises(ValueError, match="more than 10000 calls of layers"):
        load(written(tmp_path / "model", chain(relu, 10_001)))


def test_a_sequential_model_of_old_files(tmp_path: Path) -> None:
    """A list of layers, of which the first says the shape of the input."""
    data = content("sequential_2.h5")
    model = config(data)
    first, *layers = model["config"]["layers"]
    layers[0]["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
    wanted = load(written(tmp_path / "model", data))
    network = load(written(tmp_path / "model", with_config(data, {**model, "config": layers})))
    x = recorded("sequential_2.h5")[0][0]
    np.testing.assert_array_equal(network(x), wanted(x))
    assert network.graph.sources[0].name == "conv1d_input"
    del layers[0]["config"]["batch_input_shape"]
    with pytest.raises(ValueError, match="Input 'conv1d_input' has shape"):
        load(written(tmp_path / "model", with_config(data, {**model, "config": layers})))
