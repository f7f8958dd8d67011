"""ONNX files that are damaged, lie, or lead elsewhere: an error, and no memory beyond their size."""

import io
import itertools
import math
import os
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from support.onnx_models import model_of, numbers, single

import conv1d_codegen as cc
from conv1d_codegen import load
from conv1d_codegen.network.readers.onnx_model import KNOWN

# More of them: MUTATIONS=10000 pytest tests/network/test_onnx_files.py
MUTATIONS = int(os.environ.get("MUTATIONS", "200"))


def rich() -> Any:
    """A model with arithmetic of shapes, a condition, and operators of most kinds."""
    n = helper.make_node
    then, other = (
        helper.make_graph([n(op, ["a"], ["b"])], op, [], [helper.make_tensor_value_info("b", 1, None)])
        for op in ("Tanh", "Relu")
    )
    nodes = [
        n("Conv", ["x", "k", "kb"], ["h"], pads=[1, 1], dilations=[1]),
        n("Sigmoid", ["h"], ["s"]),
        n("Mul", ["h", "s"], ["a"]),
        n("Equal", ["one", "one"], ["c"]),
        n("If", ["c"], ["i"], then_branch=then, else_branch=other),
        n("Shape", ["i"], ["shape"]),
        n("Gather", ["shape", "one"], ["channels"], axis=0),
        n("Unsqueeze", ["channels", "axes"], ["wide"]),
        n("Concat", ["zeros", "wide"], ["back"], axis=0),
        n("Transpose", ["i"], ["t"], perm=[0, 2, 1]),
        n("MatMul", ["t", "m"], ["d"]),
        n("Reshape", ["d", "back"], ["r"]),
        n("Transpose", ["r"], ["q"], perm=[1, 0, 2]),
        n("GRU", ["q", "w", "u", "", ""], ["g"], hidden_size=3),
        n("Squeeze", ["g", "axes"], ["e"]),
        n("ReduceMean", ["e", "axes0"], ["y"], keepdims=0),
    ]
    constants = {
        "k": numbers(0, 4, 2, 3),
        "kb": numbers(1, 4),
        "one": np.array(1),
        "axes": np.array([0]) + 0,
        "axes0": np.array([0]),
        "zeros": np.array([0, 0]),
        "m": numbers(2, 4, 4),
        "w": numbers(3, 1, 9, 4),
        "u": numbers(4, 1, 9, 3),
    }
    constants["axes"] = np.array([0])
    nodes[14] = n("Squeeze", ["g", "axes1"], ["e"])
    constants["axes1"] = np.array([1])
    return model_of(nodes, {"x": ("N", 2, "T")}, constants=constants, opset=18)


def written(path: Path, model: Any) -> Path:
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


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


# Files that lie


def changed(change: Callable[[Any], Any]) -> Any:
    model = rich()
    change(model)
    return model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, 1 << 40), "takes .* bytes of float32. The file has 96"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(0, -4), "has shape"),
        (lambda m: setattr(m.graph.initializer[0], "data_type", 8), "has strings"),
        (lambda m: setattr(m.graph.initializer[0], "data_type", 99), "has type 99"),
        (lambda m: setattr(m.opset_import[0], "version", 6), "from version 7|version 7 or later. The file has: 6"),
        (lambda m: m.ClearField("opset_import"), "The file has: none"),
        (lambda m: m.graph.node[0].input.__setitem__(0, "a"), "read before it is made"),
        (lambda m: m.graph.node[1].input.__setitem__(0, "nowhere"), "read before it is made"),
        (lambda m: m.graph.node[1].output.__setitem__(0, "h"), "make 'h'"),
        (lambda m: m.graph.node[2].output.__setitem__(0, "x"), "make 'x'"),
        (lambda m: m.graph.node[0].attribute[0].ints.__setitem__(0, 1 << 62), "2\\*\\*46"),
        (lambda m: m.graph.node[0].attribute[0].ints.__setitem__(0, -1), "sizes of 0 or less"),
        (lambda m: m.graph.node[4].ClearField("attribute"), "If"),
        (lambda m: m.graph.ClearField("node"), "made by no node"),
        (lambda m: m.graph.ClearField("input"), "The network has no input"),
        (lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"), "of no known rank"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value"), "is no batch of steps and channels"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[1].__setattr__("dim_value", 1 << 40), "Conv"),
        (lambda m: m.graph.sparse_initializer.add(), "sparse"),
        (lambda m: m.ClearField("graph"), "it has no graph"),
    ],
)  # fmt: skip
def test_a_model_that_lies(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path / "model", changed(change)))


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("ConstantOfShape", ["big"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
        [helper.make_node("Expand", ["pair", "big"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
        [helper.make_node("Tile", ["pair", "large"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
        [helper.make_node("Range", ["zero", "huge", "one"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
        [
            *(helper.make_node("Concat", [f"c{i}"] * 8, [f"c{i + 1}"], axis=0) for i in range(30)),
            helper.make_node("Add", ["x", "c30"], ["y"]),
        ],
        [
            *(helper.make_node("Mul", [f"c{i}", f"c{i}"], [f"c{i + 1}"]) for i in range(30)),
            helper.make_node("Add", ["x", "c30"], ["y"]),
        ],
        [helper.make_node("Gather", ["pair", "many"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
    ],
)
def test_constants_larger_than_the_file(tmp_path: Path, nodes: list[Any]) -> None:
    """Of a few bytes that say gigabytes, or double."""
    constants = {
        "big": np.array([1 << 20, 1 << 20]),
        "pair": np.array([1, 2], "f4"),
        "large": np.array([1 << 40]),
        "huge": np.array(1 << 60),
        "zero": np.array(0),
        "one": np.array(1),
        "c0": np.ones(1 << 12, "f4"),
        "many": np.zeros(4, "i8"),
    }
    path = written(tmp_path / "model", model_of(nodes, {"x": ("N", 2, "T")}, constants=constants))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):  # noqa: PT011 - which of the sizes is refused differs
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_one_array_read_many_times(tmp_path: Path) -> None:
    """As a weight of many layers, it lies in memory once; other parts of it count each."""
    kernel = numbers(0, 64, 64, 16)
    names = ["x", *(f"h{i}" for i in range(400)), "y"]
    nodes = [helper.make_node("Conv", [a, "k"], [b], pads=[8, 7]) for a, b in itertools.pairwise(names)]
    network = load(written(tmp_path / "model", model_of(nodes, {"x": ("N", 64, "T")}, constants={"k": kernel})))
    assert len(network.weights) == 1
    sliced = []
    for i, (a, b) in enumerate(itertools.pairwise(names)):
        sliced += [
            helper.make_node("Mul", ["k", f"s{i}"], [f"k{i}"]),
            helper.make_node("Conv", [a, f"k{i}"], [b], pads=[8, 7]),
        ]
    constants = {"k": kernel, **{f"s{i}": np.array(1.0 + i, "f4") for i in range(401)}}
    path = written(tmp_path / "model", model_of(sliced, {"x": ("N", 64, "T")}, constants=constants))
    with pytest.raises(ValueError, match="times the file"):
        load(path)


def test_deep_and_long_models(tmp_path: Path) -> None:
    names = ["x", *(f"h{i}" for i in range(3000)), "y"]
    nodes = [helper.make_node("Neg", [a], [b]) for a, b in itertools.pairwise(names)]
    assert len(load(written(tmp_path / "model", model_of(nodes, {"x": ("N", 2, "T")}))).graph.nodes) == 3001
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["b"])], "g", [], [helper.make_tensor_value_info("b", 1, None)]
    )
    for _ in range(60):
        node = helper.make_node("If", ["c"], ["b"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("b", 1, None)])
        if len(graph.SerializeToString()) > 1 << 22:
            break
    model = model_of([*graph.node], {"x": ("N", 2, "T")}, ["b"], {"c": np.array(True)})
    assert len(load(written(tmp_path / "model", model)).graph.nodes) == 1
    with pytest.raises(ValueError, match="It is damaged, or no ONNX file"):
        load(written(tmp_path / "model", b"\x08" + b"\x0a\xff" * 4000))


def bytes_changed(whole: bytes, rng: np.random.Generator) -> bytes:
    """Truncated, with bits turned over, with pieces twice or missing."""
    text = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        at, size = int(rng.integers(len(text))), int(2 ** rng.integers(0, 9))
        match int(rng.integers(4)):
            case 0:
                del text[at:]
            case 1:
                text[at] ^= 1 << int(rng.integers(8))
            case 2:
                text[at:at] = text[at : at + size]
            case 3:
                del text[at : at + size]
        text = text or bytearray(b"\x08")
    return b"\x08" + bytes(text[1:])


NUMBERS = [0, 1, -1, 2, 3, 5, 1 << 20, 1 << 31, 1 << 62, -(1 << 63)]


def parts_changed(whole: bytes, rng: np.random.Generator) -> bytes:
    """Well-formed, with other names, operators, attributes, sizes and types here and there."""
    model = onnx.ModelProto.FromString(whole)
    graph = model.graph
    names = [name for node in graph.node for name in [*node.input, *node.output]] + ["", "x"]
    for _ in range(int(rng.integers(1, 4))):
        node = graph.node[int(rng.integers(len(graph.node)))]
        stored = graph.initializer[int(rng.integers(len(graph.initializer)))]
        value = NUMBERS[int(rng.integers(len(NUMBERS)))]
        match int(rng.integers(9)):
            case 0 if node.input:
                node.input[int(rng.integers(len(node.input)))] = names[int(rng.integers(len(names)))]
            case 1:
                node.op_type = sorted(KNOWN)[int(rng.integers(len(KNOWN)))]
            case 2 if node.attribute:
                attribute = node.attribute[int(rng.integers(len(node.attribute)))]
                attribute.i = value
                for place in range(len(attribute.ints)):
                    attribute.ints[place] = value if rng.integers(2) else attribute.ints[place]
            case 3 if stored.dims:
                stored.dims[int(rng.integers(len(stored.dims)))] = value
            case 4:
                stored.data_type = int(rng.integers(25))
            case 5 if stored.raw_data and stored.data_type == 7:
                stored.raw_data = np.array(value, "<i8").tobytes() * (len(stored.raw_data) // 8)
            case 6:
                size = graph.input[0].type.tensor_type.shape.dim[int(rng.integers(3))]
                size.dim_value = abs(value) % (1 << 62)
            case 7 if node.attribute:
                del node.attribute[int(rng.integers(len(node.attribute)))]
            case _:
                node.input.append(names[int(rng.integers(len(names)))])
    return model.SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.parametrize("change", [bytes_changed, parts_changed])
def test_any_damage_is_an_error_or_another_network(
    tmp_path: Path, change: Callable[[bytes, np.random.Generator], bytes]
) -> None:
    """No crash, and no memory beyond the file's size."""
    whole = rich().SerializeToString()
    path = written(tmp_path / "model", whole)
    load(path)
    read = 0
    for seed in range(MUTATIONS):
        path.write_bytes(change(whole, np.random.default_rng(seed)))
        tracemalloc.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                network = load(path)
            read += 1
            assert all(math.prod(w.shape) * w.itemsize <= 4 * len(whole) + (1 << 20) for w in network.weights.values())
        except ValueError:
            pass
        except BaseException as error:
            raise AssertionError(f"mutation {seed} raised {error!r}") from error
        finally:
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert most < 8 << 20, f"mutation {seed} took {most} bytes"
    assert read > MUTATIONS // 50


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
