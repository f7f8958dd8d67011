"""Operations by themselves: the shapes, the reach and the files of those that no layer has, and their text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conv1d_codegen as cc
from conv1d_codegen.network import Network, ops
from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.network.reference import compute
from conv1d_codegen.problem import Activation

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
OPS: list[ops.Op] = [
    *(ops.Function(kind) for kind in ops.FUNCTIONS),
    ops.Power(1.5),
    ops.Clip(-0.5, 0.25),
    ops.Clip(high=2.0),
    ops.Softmax(steps=True),
    ops.Slice(2, 0),
    ops.Slice(0, 3),
    ops.Slice(1, -1, 2),
    ops.Slice(-3, 0),
    ops.Slice(-5, -1, 2),
    ops.Slice(4, 2),
    ops.ChannelSlice(1, 2),
    ops.ChannelSlice(5, 3, -2),
    ops.Shuffle(2),
    *(ops.ChannelPool(kind) for kind in ops.REDUCTIONS),
    *(ops.GlobalPool(kind, keep) for kind in (*ops.REDUCTIONS, "first", "last") for keep in (False, True)),
    *(
        ops.Resize(mode, up, down, coordinates)
        for mode in ("nearest", "linear")
        for up, down in ((2, 1), (1, 2), (3, 2), (2, 5))
        for coordinates in (
            "half_pixel",
            "pytorch_half_pixel",
            "half_pixel_symmetric",
            "asymmetric",
            "align_corners",
            "align_ends",
        )
    ),
    *(ops.Resize("nearest", 3, 2, "half_pixel", rounding) for rounding in ("floor", "ceil", "round_prefer_ceil")),
    ops.Pool("max", 3, 2, (1, 1), dilation=2),
    ops.Pool("average", 3, 2, (1, 1), ceil=True),
    ops.Pool("average", 3, 3, "valid", ceil=True, dilation=2),
    ops.ConvTranspose(6, 4, 3, stride=2, groups=2),
    ops.SimpleRnn(3, TANH, SIGMOID, sequences=True),
    ops.SimpleRnn(3, TANH, SIGMOID, backwards=True, use_bias=False),
    ops.Lstm(3, TANH, SIGMOID, cell=True, sequences=True),
]


def weights_of(op: ops.Op, rng: np.random.Generator) -> dict[str, Any]:
    shapes = op.weights(ops.Shape(cc.Input(6).known.steps, 6))
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def graph_of(op: ops.Op, length: int | None = None) -> Graph:
    names = op.weights(ops.Shape(cc.Input(6).known.steps, 6))
    return Graph((Source("x", 6, length),), (Node("y", op, ("x",), tuple(names)),), ("y",))


@pytest.mark.parametrize("op", OPS, ids=str)
def test_shapes_are_those_of_results(op: ops.Op) -> None:
    rng = np.random.default_rng(0)
    weights, shape = weights_of(op, rng), graph_of(op).shapes["y"]
    for length in range(1, 14):
        with np.errstate(all="ignore"):
            try:
                y = compute(op, [rng.standard_normal((2, length, 6))], weights)
            except ValueError:
                assert shape.steps is not None
                assert shape.steps.evaluate({"T": length}) <= 0
                continue
        steps = () if shape.steps is None else (shape.steps.evaluate({"T": length}),)
        assert y.shape == (2, *steps, shape.channels)


@pytest.mark.parametrize("op", OPS, ids=str)
def test_reaches(op: ops.Op) -> None:
    """A NaN in one step of the input shows in outputs that may read it, and in no other."""
    rng = np.random.default_rng(1)
    weights, reach = weights_of(op, rng), op.reach()
    if reach is None:
        return
    for length in (7, 12):
        x = abs(rng.standard_normal((1, length, 6))) + 0.1
        for at in range(length):
            dirty = x.copy()
            dirty[0, at] = np.nan
            with np.errstate(all="ignore"):
                y = compute(op, [dirty], weights)
            for t in np.flatnonzero(np.isnan(y).any(axis=(0, -1))):
                first, last = reach.steps(int(t))
                assert first <= at <= last, (str(op), at, int(t))


@pytest.mark.parametrize("op", OPS, ids=str)
def test_files(op: ops.Op, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    graph = graph_of(op)
    weights = {name: value.astype("float32") for name, value in weights_of(op, rng).items()}
    network = Network.of(graph, weights)
    cc.save(network, tmp_path / "network")
    again = cc.load(tmp_path / "network")
    assert again.graph == graph
    x = abs(rng.standard_normal((2, 12, 6))).astype("float32")
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(again(x), network(x))


def test_operations_of_several_tensors() -> None:
    rng = np.random.default_rng(3)
    x, z = rng.standard_normal((2, 9, 4)), rng.standard_normal((2, 5, 4))
    trim = ops.Trim()
    np.testing.assert_array_equal(compute(trim, [x, z], {}), x[:, :5])
    np.testing.assert_array_equal(compute(trim, [z, x], {}), z)
    joined = ops.Concat(steps=True)
    np.testing.assert_array_equal(compute(joined, [x, z], {}), np.concatenate([x, z], 1))
    assert str(
        joined.shape(ops.Shape(cc.Input(1, name="a").known.steps, 4), ops.Shape(cc.Input(1, 3).known.steps, 4))
    ) == ("[N, T_a + 3, 4]")
    with pytest.raises(ValueError, match="equal channels"):
        joined.shape(ops.Shape(cc.Input(1).known.steps, 4), ops.Shape(cc.Input(1).known.steps, 3))
    np.testing.assert_array_equal(compute(ops.Combine("divide"), [x, x[:, :1]], {}), x / x[:, :1])
    turned = compute(ops.Transpose(), [x], {})
    np.testing.assert_array_equal(turned, x.transpose(0, 2, 1))
    with pytest.raises(ValueError, match="an input of known length"):
        ops.Transpose().shape(cc.Input(4).known)


def test_first_states() -> None:
    """A sequence in two parts, the second of which begins with the state of the first."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 9, 6))
    for op in (ops.SimpleRnn(3, TANH, SIGMOID), ops.Gru(3, TANH, SIGMOID), ops.Lstm(3, TANH, SIGMOID)):
        weights = weights_of(op, rng)
        whole = compute(op, [x], weights)
        state = [compute(op, [x[:, :4]], weights)]
        if isinstance(op, ops.Lstm):
            state.append(compute(ops.Lstm(3, TANH, SIGMOID, cell=True), [x[:, :4]], weights))
        np.testing.assert_allclose(compute(op, [x[:, 4:], *state], weights), whole)
        vector = ops.Shape(None, 3)
        op.shape(cc.Input(6).known, *[vector] * op.states)
        with pytest.raises(ValueError, match="no first state or"):
            op.shape(cc.Input(6).known, *[vector] * (op.states + 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ops.Function("gamma"), "A function is one of abs"),
        (lambda: ops.GlobalPool("median"), "A reduction of steps is one of max"),
        (lambda: ops.ChannelPool("first"), "A reduction is one of max"),
        (lambda: ops.Slice(0, 0, 0), "1 or more"),
        (lambda: ops.ChannelSlice(-1, 2), "counted from 0"),
        (lambda: ops.ChannelSlice(3, 4).shape(cc.Input(6).known), "takes channels of its input"),
        (lambda: ops.ChannelSlice(1, 3, -1).shape(cc.Input(6).known), "takes channels of its input"),
        (lambda: ops.Shuffle(4).shape(cc.Input(6).known), "divides the channels by groups"),
        (lambda: ops.Resize("cubic", 2), "Resizing is by one of nearest, linear"),
        (lambda: ops.Resize("linear", 2, 1, "tf_crop_and_resize"), "Resizing is by one of half_pixel"),
        (lambda: ops.Resize("linear", 0), "1 or more"),
        (lambda: ops.ConvTranspose(6, 4, 3, groups=4), "divides channels and filters by groups"),
        (lambda: ops.Softmax(steps=True).shape(ops.Shape(None, 3)), "takes a sequence"),
    ],
)
def test_what_is_no_operation(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
