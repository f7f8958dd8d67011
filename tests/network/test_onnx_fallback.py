"""ONNX models of which ONNX Runtime computes what no network here does: against ONNX's reference.

What a network has can be taken away from the reader, and then runs outside too: so random models are cut in all ways.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

onnxruntime: Any = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from support.onnx_drawn import Drawing  # noqa: E402
from support.onnx_models import Run, agrees, model_of, numbers, written  # noqa: E402
from support.onnx_parts import CONSTANTS, alternating, n, several, sums  # noqa: E402

import conv1d_codegen as cc  # noqa: E402
from conv1d_codegen import load  # noqa: E402
from conv1d_codegen.network.ops.delegated import Delegated, MadeBy, Part  # noqa: E402
from conv1d_codegen.network.readers.onnx_operators import OPERATORS  # noqa: E402

MODELS = int(os.environ.get("MODELS", "100"))  # more of them: MODELS=10000 pytest tests/network/test_onnx_fallback.py


def parts(network: cc.Network) -> list[Part]:
    return list(dict.fromkeys(node.op.part for node in network.graph.nodes if isinstance(node.op, Delegated)))


def kinds(network: cc.Network) -> list[list[str]]:
    """The operators of each part."""
    return [[node.op_type for node in onnx.ModelProto.FromString(part.model).graph.node] for part in parts(network)]


def feeds(*shape: int) -> dict[str, Any]:
    return {"x": numbers(9, *shape)}


def test_parts_run_between_kernels(tmp_path: Path) -> None:
    """Any batch and length; two nodes that follow each other are one part; the report says what runs where, and why."""
    read = agrees(alternating(), feeds(3, 2, 20), feeds(1, 2, 7), feeds(2, 2, 300), fallback=True, tolerance=1e-3)
    assert kinds(read.network) == [["CumSum", "Mod"], ["CumSum"]]
    assert read.ops == ["conv", "activate", "delegated", "conv", "delegated", "combine"]
    network = load(written(tmp_path / "model", alternating()), fallback="onnxruntime")
    report = network.report(100)
    assert "Part 1, by ONNX Runtime:\n  CumSum 'c'\n  Mod 'd' (fmod=1): it has inputs that are computed" in report
    assert report.index("conv c2_f4") < report.index("Part 1") < report.index("conv c4_f3") < report.index("Part 2")
    assert "fuse_activations" in network.dump(passes=True)
    assert "d: f32[N, T_d, 4] = onnxruntime(part=1, output=d) (b)" in network.dump("lowered")
    assert "direct_c4_f3" in network.dump("asm", layer="e")
    with pytest.raises(ValueError, match="d has no kernel to show: ONNX Runtime computes it"):
        network.dump("asm", layer="d")
    with pytest.raises(ValueError, match="computes no 'nothing'"):
        network.dump("asm", layer="nothing")


def test_what_networks_do(tmp_path: Path) -> None:
    """Outputs into arrays, new weights, other options, pickles; and no file of ours."""
    network = load(written(tmp_path / "model", alternating()), fallback="onnxruntime")
    x = numbers(9, 2, 11, 2)
    y = network(x)
    out = np.empty_like(y)
    assert network(x, out=out) is out
    np.testing.assert_array_equal(out, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(network))(x), y)
    strict = network.with_options({"accuracy": "strict", "num_threads": 1})
    np.testing.assert_allclose(strict(x), y, 1e-5, 1e-5)
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    assert not network(x).any()
    with pytest.raises(ValueError, match=r"2 parts of the network run in ONNX Runtime, .* Keep the ONNX file"):
        cc.save(network, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_strict_is_the_layers_one_by_one(tmp_path: Path) -> None:
    """What is ours has the bits of its layers, and what is ONNX Runtime's those of its operators by themselves."""
    network = load(written(tmp_path / "model", alternating()), fallback="onnxruntime", options={"accuracy": "strict"})
    weights = {name: network.weights[name] for name in ("a/kernel", "e/kernel")}
    first = cc.Conv1D(4, 3, padding="same", activation="relu", use_bias=False, weights=[weights["a/kernel"]])
    second = cc.Conv1D(3, 2, use_bias=False, weights=[weights["e/kernel"]])
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    middle = several(sums("x", "c"), n("Mod", ["c", "rest"], ["y"], fmod=1), inputs={"x": ("N", 4, "T")})
    last = several(sums("x", "y"), inputs={"x": ("N", 3, "T")})

    def by_runtime(model: Any, x: Any) -> Any:
        made = onnxruntime.InferenceSession(model.SerializeToString(), settings)
        return made.run(None, {"x": np.ascontiguousarray(x.transpose(0, 2, 1))})[0].transpose(0, 2, 1)

    x = numbers(9, 2, 31, 2)
    e = np.asarray(second(np.ascontiguousarray(by_runtime(middle, first(x)))))
    np.testing.assert_array_equal(network(x), by_runtime(last, e) + e)


def test_no_part_waits_for_itself() -> None:
    """A node outside, one that reads it, and a layer of ours on another way between the two: these are two parts."""
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        sums("a", "b"),
        n("Conv", ["b", "k4"], ["c"]),
        n("Mod", ["b", "c"], ["d"], fmod=1),
        n("Tanh", ["d"], ["y"]),
    )
    assert kinds(agrees(model, feeds(2, 2, 9), fallback=True, tolerance=1e-3).network) == [["CumSum"], ["Mod"]]
    turned = several(
        n("Conv", ["x", "k"], ["a"]),
        sums("a", "b"),
        n("Transpose", ["b"], ["c"], perm=[0, 2, 1]),  # which is no node of ours
        n("Transpose", ["c"], ["e"], perm=[0, 2, 1]),
        n("Mod", ["b", "e"], ["d"], fmod=1),
        n("Tanh", ["d"], ["y"]),
    )
    assert kinds(agrees(turned, feeds(2, 2, 9), fallback=True).network) == [["CumSum"], ["Mod"]]


def test_parts_are_as_large_as_can_be() -> None:
    """One reads what is made later than the other, but nothing of it: they are one part."""
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        sums("a", "b"),  # could run at once
        sums("a", "c"),
        n("Conv", ["c", "k4"], ["d"]),
        n("Mod", ["b", "d"], ["e"], fmod=1),  # must wait
        n("Tanh", ["e"], ["y"]),
    )
    network = agrees(model, feeds(2, 2, 9), fallback=True, tolerance=1e-3).network
    assert sorted(kinds(network)) == [["CumSum"], ["CumSum", "Mod"]]


def test_what_no_network_can_have_goes_from_part_to_part() -> None:
    """Places of the largest numbers: integers, which wait for a layer of ours that reads the numbers."""
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        n("MaxPool", ["a"], ["values", "all"], kernel_shape=[2], strides=[2]),
        n("Mod", ["all", "three"], ["places"]),
        n("Conv", ["values", "k4"], ["c"]),
        n("GatherElements", ["c", "places"], ["d"], axis=2),
        n("Conv", ["d", "k4"], ["y"]),
        three=np.array([3]),
    )
    for shape in ((2, 2, 9), (1, 2, 12)):
        found = agrees(model, feeds(*shape), fallback=True, tolerance=1e-3)
    assert kinds(found.network) == [["MaxPool", "Mod"], ["GatherElements"]]
    first, last = parts(found.network)
    (places,) = [given for given in last.inputs.values() if isinstance(given, MadeBy)]
    assert places.part is first
    fixed = several(*model.graph.node, inputs={"x": (1, 2, "T")}, three=np.array([3]))
    network = agrees(fixed, feeds(1, 2, 9), fallback=True, tolerance=1e-3).network
    x = numbers(1, 3, 8, 2)
    np.testing.assert_allclose(network(x), np.concatenate([network(x[i : i + 1]) for i in range(3)]), 1e-5, 1e-5)


def test_a_fixed_batch(tmp_path: Path) -> None:
    """Of 1 is any, sequence by sequence; another one is that."""
    nodes = [n("Conv", ["x", "k"], ["a"]), sums("a", "b"), n("Relu", ["b"], ["y"])]
    free = load(written(tmp_path / "model", several(*nodes)), fallback="onnxruntime")
    one = load(written(tmp_path / "model", several(*nodes, inputs={"x": (1, 2, 10)})), fallback="onnxruntime")
    x = numbers(9, 3, 10, 2)
    np.testing.assert_allclose(one(x), free(x), 1e-5, 1e-5)
    three = load(written(tmp_path / "model", several(*nodes, inputs={"x": (3, 2, 10)})), fallback="onnxruntime")
    np.testing.assert_allclose(three(x), free(x), 1e-5, 1e-5)
    with pytest.raises(ValueError, match=r"The file fixes the batch to 3, and parts of it .* Received: 2"):
        three(x[:2])


def test_lengths_that_parts_read() -> None:
    """Shapes that are computed from those of tensors of ours, and of what parts make."""
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        n("ReduceMax", ["a", "axes"], ["top"], keepdims=1),
        n("Shape", ["a"], ["shape"]),
        n("Expand", ["top", "shape"], ["b"]),
        n("Relu", ["b"], ["c"]),
        sums("c", "d"),
        n("Shape", ["d"], ["other"]),
        n("Slice", ["other", "two", "three"], ["long"]),
        n("ConstantOfShape", ["long"], ["zeros"]),
        n("Unsqueeze", ["zeros", "front"], ["row"]),
        n("Mod", ["d", "rest"], ["e"], fmod=1),
        n("Add", ["e", "row"], ["f"]),
        n("Tanh", ["f"], ["y"]),
        axes=np.array([2]),
        two=np.array([2]),
        three=np.array([3]),
        front=np.array([0, 1]),
    )
    agrees(model, feeds(2, 2, 9), feeds(1, 2, 20), fallback=True)


def test_a_condition_that_depends_on_the_input() -> None:
    """Whole, with what its branches read around it."""
    branches = [
        helper.make_graph([n(op, ["a", "rest"], ["i"])], op, [], [helper.make_tensor_value_info("i", 1, ["N", 4, "U"])])
        for op in ("Add", "Sub")
    ]
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        n("ReduceSum", ["a"], ["all"], keepdims=0),
        n("Greater", ["all", "zero"], ["more"]),
        n("If", ["more"], ["b"], then_branch=branches[0], else_branch=branches[1]),
        n("Relu", ["b"], ["y"]),
        zero=np.array(0.0, "float32"),
    )
    network = agrees(model, feeds(2, 2, 9), {"x": -numbers(9, 2, 2, 9)}, fallback=True).network
    assert "If" in kinds(network)[0]


def test_constants_that_are_not_read() -> None:
    """Words go to ONNX Runtime as they are."""
    mode = numpy_helper.from_array(np.array(["a"], object), "words")
    model = several(
        n("Conv", ["x", "k"], ["a"]),
        n("StringNormalizer", ["words"], ["w"]),
        n("Shape", ["w"], ["count"]),
        n("Cast", ["count"], ["number"], to=1),
        n("Mul", ["a", "number"], ["b"]),
        n("Relu", ["b"], ["y"]),
    )
    model.graph.initializer.append(mode)
    agrees(model, feeds(2, 2, 9), fallback=True)


def test_all_of_it(tmp_path: Path) -> None:
    """Also what reads a part alone, and an output that a part makes."""
    model = several(sums("x", "y"), n("Relu", ["y"], ["z"]), outputs=("y", "z", "y"))
    agrees(model, feeds(2, 2, 9), fallback=True)
    network = load(written(tmp_path / "model", model), fallback="onnxruntime")
    first, _, last = network(numbers(9, 2, 9, 2))
    assert not np.shares_memory(first, last)


@pytest.mark.parametrize("dtype", [TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_other_dtypes(dtype: int) -> None:
    word = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [n("Conv", ["x", "k"], ["a"]), n("Mod", ["a", "rest"], ["b"], fmod=1), n("Relu", ["b"], ["y"])]
    constants = {"k": CONSTANTS["k"].astype(word), "rest": CONSTANTS["rest"].astype(word)}
    model = model_of(nodes, {"x": ("N", 2, "T")}, constants=constants, dtype=dtype)
    agrees(model, {"x": numbers(9, 2, 2, 9, dtype=str(word))}, fallback=True, tolerance=1e-12 if word == "f8" else 5e-3)


# Any model, cut anywhere


def test_random_models_with_operators_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each still computes what ONNX's reference does, or is refused."""
    read = delegated = 0
    for seed in range(MODELS):
        rng = np.random.default_rng(seed)
        model, given = Drawing(seed).model()
        there = sorted({node.op_type for node in model.graph.node} & set(OPERATORS))
        with monkeypatch.context() as patch:
            for op_type in rng.choice(there, size=min(len(there), int(rng.integers(1, 4))), replace=False):
                patch.delitem(OPERATORS, str(op_type))
            try:
                found = agrees(model, given, tolerance=1e-3, fallback=True)
            except ValueError as error:
                if "no network here has" not in str(error) and "ONNX Runtime refuses a part" not in str(error):
                    raise AssertionError(f"seed {seed}") from error
                continue
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}\n{onnx.printer.to_text(model)}") from error
            read += 1
            delegated += len(parts(found.network))
    assert read > MODELS // 3
    assert delegated > read // 2
    print(f"{read} of {MODELS} models were read, with {delegated} parts")


def test_a_network_of_two_rates() -> None:
    """Several inputs, each with its own length."""
    model = several(
        n("Conv", ["fast", "k"], ["a"], strides=[2]),
        n("Conv", ["slow", "k"], ["b"], pads=[1, 1]),
        n("Mod", ["a", "rest"], ["c"], fmod=1),
        n("Concat", ["c", "b"], ["d"], axis=2),
        sums("d", "e"),
        n("Relu", ["e"], ["y"]),
        inputs={"fast": ("N", 2, "F"), "slow": ("N", 2, "S")},
    )
    run = Run(model, fallback=True)
    given = {"fast": numbers(1, 3, 2, 21), "slow": numbers(2, 3, 2, 7)}
    right = onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)[0]
    np.testing.assert_allclose(run(given)[0], right, 1e-4, 1e-4)
