"""ONNX models of which not even ONNX Runtime may compute parts, or which say what is not so."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper
from support.onnx_models import numbers, written
from support.onnx_parts import alternating, n, several, sums

from conv1d_codegen import load


def test_without_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "model", alternating())
    with pytest.raises(
        ValueError, match=r"CumSum 'f'\nONNX Runtime can run such nodes: load\(path, fallback=\"onnxruntime\""
    ):
        load(path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install conv1d-codegen\[onnxruntime\].*\n  CumSum 'c'"):
        load(path, fallback="onnxruntime")
    ours = several(n("Conv", ["x", "k"], ["y"]))
    assert len(load(written(tmp_path / "ours", ours), fallback="onnxruntime").graph.nodes) == 1


def test_other_words_and_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`fallback` is None or .* Received: 'tvm'"):
        load(tmp_path / "none", fallback="tvm")
    with pytest.raises(ValueError, match="and so is `fallback`"):
        load(written(tmp_path / "other", b"PK\x03\x04"), fallback="onnxruntime")


def test_outputs_that_are_no_tensors(tmp_path: Path) -> None:
    model = several(n("Conv", ["x", "k"], ["a"]), n("ArgMax", ["a"], ["y"], axis=1))
    with pytest.raises(ValueError, match="the output 'y': it is made by ONNX Runtime, and not known to be a batch"):
        load(written(tmp_path / "model", model), fallback="onnxruntime")


def test_an_operator_that_nobody_has(tmp_path: Path) -> None:
    model = several(n("Conv", ["x", "k"], ["a"]), n("Nothing", ["a"], ["b"], domain="mine"), n("Relu", ["b"], ["y"]))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("b", 1, ["N", 4, "U"]))
    with pytest.raises(ValueError, match=r"ONNX Runtime refuses a part of the model: .*\n  mine.Nothing 'b'"):
        load(written(tmp_path / "model", model), fallback="onnxruntime")


@pytest.mark.parametrize("dims", [("N", 5, "U"), ("N", 4, 3), ("N", "U", 4), ("N", 4, 7, 1)])
def test_shapes_that_are_lies(tmp_path: Path, dims: tuple[Any, ...]) -> None:
    """Of what the package onnx knows nothing of, the file says: nothing is read or written beside an array."""
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        n("Gelu", ["a"], ["b"], domain="com.microsoft"),
        n("Relu", ["b"], ["y"]),
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("b", 1, ["N", 4, "U"]))
    network = load(written(tmp_path / "model", model), fallback="onnxruntime")
    assert network(numbers(9, 2, 9, 2)).shape == (2, 7, 4)
    del model.graph.value_info[:]
    model.graph.value_info.append(helper.make_tensor_value_info("b", 1, dims))
    network = load(written(tmp_path / "model", model), fallback="onnxruntime")
    with pytest.raises(
        ValueError, match=r"ONNX Runtime made an array of shape \(2, 4, 7\) and float32, where the file has"
    ):
        network(numbers(9, 2, 9, 2))


def test_constants_in_other_files(tmp_path: Path) -> None:
    """Of a node, where ONNX Runtime would look for them."""
    value = numpy_helper.from_array(np.zeros(3, "float32"), "far")
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="/etc/passwd")
    inner = helper.make_graph(
        [n("Constant", [], ["i"], value=value)], "g", [], [helper.make_tensor_value_info("i", 1, ["N", 4, "U"])]
    )
    model = several(
        n("ReduceSum", ["x"], ["all"], keepdims=0),
        n("Cast", ["all"], ["more"], to=TensorProto.BOOL),
        n("If", ["more"], ["b"], then_branch=inner, else_branch=inner),
        n("Relu", ["b"], ["y"]),
    )
    with pytest.raises(ValueError, match="lies in another file"):
        load(written(tmp_path / "model", model), fallback="onnxruntime")
    kernel = several(n("Conv", ["x", "k"], ["a"]), sums("a", "y"))
    stored = next(t for t in kernel.graph.initializer if t.name == "steps")
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(ValueError, match="is not inside the model's folder"):
        load(written(tmp_path / "model", kernel), fallback="onnxruntime")
