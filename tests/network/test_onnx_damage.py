"""ONNX models that lie about themselves, or are damaged: an error, and no memory beyond their size."""

import itertools
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from support.damage import damaged, survived
from support.onnx_models import model_of, numbers, rich, written

from conv1d_codegen import load
from conv1d_codegen.network.execution import onnxruntime
from conv1d_codegen.network.readers.onnx_model import KNOWN


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


def test_lengths_that_double(tmp_path: Path) -> None:
    """Formulas of lengths that have the one before several times, thirty times over; in numbers, and in operations."""
    doubling = {
        "product": [helper.make_node("Mul", [f"h{i}", f"h{i}"], [f"h{i + 1}"]) for i in range(40)],
        "sum": [
            node
            for i in range(0, 160, 4)
            for node in (
                helper.make_node("Div", [f"h{i}", "two"], [f"h{i + 1}"]),
                helper.make_node("Div", [f"h{i}", "three"], [f"h{i + 2}"]),
                helper.make_node("Add", [f"h{i + 1}", f"h{i + 2}"], [f"h{i + 4}"]),
            )
        ],
    }
    for nodes in doubling.values():
        last = nodes[-1].output[0]
        begin = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "two"], ["h0"])]
        end = [helper.make_node("Unsqueeze", [last, "axis"], ["e"]), helper.make_node("Reshape", ["x", "e"], ["y"])]
        constants = {"two": np.array(2), "three": np.array(3), "axis": np.array([0])}
        model = model_of([*begin, *nodes, *end], {"x": ("N", 2, "T")}, constants=constants)
        with pytest.raises(ValueError, match="arithmetic of lengths that is too long"):
            load(written(tmp_path / "model", model))
    pools = [
        node
        for i in range(40)
        for node in (
            helper.make_node("MaxPool", [f"h{i}"], [f"a{i}"], kernel_shape=[2], strides=[2]),
            helper.make_node("MaxPool", [f"h{i}"], [f"b{i}"], kernel_shape=[3], strides=[3]),
            helper.make_node("Concat", [f"a{i}", f"b{i}"], [f"h{i + 1}"], axis=2),
        )
    ]
    pools[0].input[0] = pools[1].input[0] = "x"
    with pytest.raises(ValueError, match="steps are a formula of"):
        load(written(tmp_path / "model", model_of(pools, {"x": ("N", 2, "T")}, ["h40"])))


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
    return b"\x08" + damaged(whole, rng, b"\x08")[1:]


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


def with_parts() -> Any:
    """A model with nodes that no network here has, between those that it has."""
    model = rich()
    nodes = [*model.graph.node]
    nodes[2].output[0] = "m"
    nodes[3:3] = [helper.make_node("CumSum", ["m", "two"], ["j"]), helper.make_node("Mod", ["j", "m"], ["a"], fmod=1)]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(2), "two"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@pytest.mark.parametrize("change", [bytes_changed, parts_changed])
@pytest.mark.parametrize("fallback", [None, "onnxruntime"])
def test_any_damage_is_an_error_or_another_network(
    tmp_path: Path,
    change: Callable[[bytes, np.random.Generator], bytes],
    fallback: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No crash, and no memory beyond the file's size. What would be given to ONNX Runtime is a model."""

    def given(part: Any, threads: int, exact: bool) -> None:
        onnx.ModelProto.FromString(part.model)

    monkeypatch.setattr(onnxruntime, "session", given)
    whole = (with_parts() if fallback else rich()).SerializeToString()
    load(written(tmp_path / "model", whole), fallback=fallback)

    def read(path: Path) -> None:
        weights = load(path, fallback=fallback).weights.values()
        assert all(math.prod(w.shape) * w.itemsize <= 4 * len(whole) + (1 << 20) for w in weights)

    part = survived(tmp_path / "model", lambda rng: change(whole, rng), read, usual=200, memory=8 << 20)
    assert part > 0.02
