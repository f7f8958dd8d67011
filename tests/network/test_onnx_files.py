"""ONNX files that are damaged, lie, or lead elsewhere: an error, and no memory beyond their size."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from support.onnx_models import model_of, numbers, rich, single, written

import conv1d_codegen as cc
from conv1d_codegen import load


def test_a_file_is_loaded_and_saved(tmp_path: Path) -> None:
    """And runs as kernels."""
    network = load(written(tmp_path / "model", rich()))
    x = numbers(9, 2, 7, 2)
    y = network(x)
    assert y.shape == (2, 3)
    cc.save(network, tmp_path / "saved")
    np.testing.assert_array_equal(load(tmp_path / "saved")(x), y)
    wanted: Any = ReferenceEvaluator(rich()).run(None, {"x": x.transpose(0, 2, 1)})
    np.testing.assert_allclose(y, wanted[0], 1e-4, 1e-5)


def test_without_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install conv1d-codegen\[onnx\]"):
        load(written(tmp_path / "model", rich()))


def test_importing_the_package_imports_no_onnx() -> None:
    code = "import sys, conv1d_codegen; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_values_and_shapes_of_inputs(tmp_path: Path) -> None:
    """That a file leaves open: a rate that decides, and a length that must be known."""
    n = helper.make_node
    branches = [
        helper.make_graph([n("Conv", ["x", k], ["b"], strides=[2], auto_pad="SAME_LOWER")], k, [], [
            helper.make_tensor_value_info("b", 1, None)
        ])
        for k in ("k0", "k1")
    ]  # fmt: skip
    nodes = [
        n("Equal", ["rate", "high"], ["c"]),
        n("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    constants = {"high": np.array(16000), "k0": numbers(0, 1, 1, 3), "k1": numbers(1, 1, 1, 2)}
    model = model_of(nodes, {"x": ("N", 1, "T")}, constants=constants)
    model.graph.input.append(helper.make_tensor_value_info("rate", TensorProto.INT64, []))
    path = written(tmp_path / "model", model)
    with pytest.raises(ValueError, match="The input 'rate' has int64"):
        load(path)
    with pytest.raises(ValueError, match="for an input of no known length"):
        load(path, inputs={"rate": 16000})
    for rate, taps in ((16000, 3), (8000, 2)):
        network = load(path, inputs={"rate": rate, "x": (None, None, 9)})
        assert f"_k{taps}_" in str(network.graph)
    with pytest.raises(ValueError, match=r"The model has inputs rate, x\. Given: sr"):
        load(path, inputs={"sr": 16000})
    with pytest.raises(ValueError, match=r"has shape .* Given"):
        load(path, inputs={"rate": 1, "x": (None, 9)})
    with pytest.raises(ValueError, match="`inputs` are for ONNX files"):
        load(written(tmp_path / "other", b"PK\x03\x04"), inputs={"sr": 1})


# Data outside the file


def external(path: Path, location: str, offset: int | None = None, length: int | None = None, count: int = 24) -> Path:
    """A model whose kernel of 24 numbers lies in another file."""
    model = single("Conv", numbers(0, 4, 2, 3), shape=("N", 2, "T"))
    kernel = model.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.dims[0] = count // 6
    kernel.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            kernel.external_data.add(key=key, value=str(value))
    return written(path, model)


def test_external_data(tmp_path: Path) -> None:
    kernel = numbers(0, 4, 2, 3)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data").write_bytes(bytes(64) + kernel.tobytes())
    network = load(external(tmp_path / "model", "sub/data", 64, 96))
    np.testing.assert_array_equal(next(iter(network.weights.values())), kernel.transpose(2, 1, 0))


def test_external_data_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    outside = tmp_path / "secret"
    outside.write_bytes(bytes(200))
    (folder / "data").write_bytes(bytes(200))
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    for location in (
        "../secret",
        str(outside),
        "link",
        "up/secret",
        "sub/../../secret",
        "..",
        ".",
        "",
        "..\\secret",
        "\0",
    ):
        with pytest.raises(ValueError, match="which is not inside the model's folder"):
            load(external(folder / "model", location))
    for location in ("missing", "data/x"):
        with pytest.raises(ValueError, match="which can't be read"):
            load(external(folder / "model", location))
    with pytest.raises(ValueError, match="would be bytes"):
        load(external(folder / "model", "pipe"))


@pytest.mark.parametrize(
    ("offset", "length", "count", "message"),
    [
        (150, 96, 24, "would be bytes 150 to 150 \\+ 96 of 'data', of 200"),
        (-1, 96, 24, "an offset or length of '-1'"),
        (0, 100, 24, "takes 96 bytes of float32. The file says 100"),
        (0, None, 6 << 40, "would be bytes"),
        (1 << 70, 96, 24, "an offset or length"),
    ],
)
def test_external_data_of_other_sizes(
    tmp_path: Path, offset: int, length: int | None, count: int, message: str
) -> None:
    (tmp_path / "data").write_bytes(bytes(200))
    with pytest.raises(ValueError, match=message):
        load(external(tmp_path / "model", "data", offset, length, count))


def test_arrays_in_every_form(tmp_path: Path) -> None:
    """In lists of numbers as well as in raw bytes, in halves, and as part of a node."""
    for dtype in ("float32", "float64", "float16"):
        kernel = numbers(0, 3, 2, 2).astype(dtype)
        kind = helper.np_dtype_to_tensor_dtype(kernel.dtype)
        listed = helper.make_tensor("k", kind, kernel.shape, kernel.ravel().tolist())
        for proto in (numpy_helper.from_array(kernel, "k"), listed):
            model = model_of([helper.make_node("Conv", ["x", "k"], ["y"])], {"x": ("N", 2, "T")}, dtype=kind)
            model.graph.initializer.append(proto)
            (weight,) = load(written(tmp_path / "model", model)).weights.values()
            np.testing.assert_array_equal(weight, kernel.transpose(2, 1, 0))
            assert weight.dtype == dtype
        constant = helper.make_node("Constant", [], ["k"], value=listed)
        nodes = [constant, helper.make_node("Conv", ["x", "k"], ["y"])]
        (weight,) = load(
            written(tmp_path / "model", model_of(nodes, {"x": ("N", 2, "T")}, dtype=kind))
        ).weights.values()
        np.testing.assert_array_equal(weight, kernel.transpose(2, 1, 0))


def test_dequantized_weights(tmp_path: Path) -> None:
    """Are weights; what is quantized while it runs is refused."""
    stored, scale, zero = (
        np.arange(-9, 9, dtype="i1").reshape(3, 2, 3),
        np.array([0.5, 0.25, 1], "f4"),
        np.array([1, 0, -1], "i1"),
    )
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["k"], axis=0),
        helper.make_node("Conv", ["x", "k"], ["y"]),
    ]
    model = model_of(nodes, {"x": ("N", 2, "T")}, constants={"q": stored, "s": scale, "z": zero})
    (weight,) = load(written(tmp_path / "model", model)).weights.values()
    right = (stored.astype("f4") - zero.astype("f4")[:, None, None]) * scale[:, None, None]
    np.testing.assert_array_equal(weight, right.transpose(2, 1, 0))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    path = written(tmp_path / "model", model_of(nodes, {"x": ("N", 2, "T")}, constants={"s": np.array(1, "f4")}))
    with pytest.raises(ValueError, match=r"QuantizeLinear 'q'.*quantized"):
        load(path)


def test_a_file_of_an_open_stream_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        load(io.BytesIO(rich().SerializeToString()))  # type: ignore[arg-type]
