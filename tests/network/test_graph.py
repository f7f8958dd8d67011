"""Graphs: their text, their shapes, and what makes no network."""

import re
from fractions import Fraction

import numpy as np
import pytest

from conv1d_codegen import Conv1D, Problem
from conv1d_codegen.network import Input, Network, Sequential, layers, reference
from conv1d_codegen.network.graph import Graph, Node, Source, checked
from conv1d_codegen.network.ops import (
    BatchNorm,
    Combine,
    Conv,
    Crop,
    GroupNorm,
    LayerNorm,
    Op,
    Pad,
    Pool,
    PRelu,
    Repeat,
    Reshape,
    RmsNorm,
    Shape,
)
from conv1d_codegen.network.reach import Reach
from conv1d_codegen.network.reference import compute
from conv1d_codegen.symbolic.index import index, var

CONV = Conv(Problem.parse("c2_f4_k3_same_linear_f32"))
T = var("T")


def small() -> Network:
    x = Input(2, name="x")
    h = Conv1D(4, 3, padding="same", name="conv")(x)
    h = layers.BatchNormalization(name="norm")(h)
    h = layers.Activation("relu", name="relu")(h)
    y = layers.Add(name="sum")([h, Conv1D(4, 1, name="side")(x)])
    return Network(x, y)


def test_the_text_of_a_graph() -> None:
    assert str(small().graph) == (
        "x: input f32[N, T, 2]\n"
        "conv: f32[N, T, 4] = conv c2_f4_k3_same_linear_f32 (x) conv/kernel, conv/bias\n"
        "norm: f32[N, T, 4] = batch_norm (conv) norm/gamma, norm/beta, norm/mean, norm/variance\n"
        "relu: f32[N, T, 4] = relu (norm)\n"
        "side: f32[N, T, 4] = conv c2_f4_k1_valid_linear_f32 (x) side/kernel, side/bias\n"
        "sum: f32[N, T, 4] = add (relu, side)\n"
        "output sum\n"
    )


def test_norm_and_activation_become_part_of_the_convolution() -> None:
    network = small()
    assert network.dump("lowered") == (
        "x: input f32[N, T, 2]\n"
        "relu: f32[N, T, 4] = conv c2_f4_k3_same_relu_f32 (x) norm/folded_kernel, norm/folded_bias\n"
        "sum: f32[N, T, 4] = conv c2_f4_k1_valid_linear_f32 then (in0 + sum) (x, relu) side/kernel, side/bias\n"
        "output sum\n"
    )
    assert re.search(
        r"relu +\[N, T, 4\] +conv c2_f4_k3_same_relu_f32, with conv, norm +direct lanes=filters [^\n]+ 0.048\n",
        network.report(),
    )
    with pytest.raises(ValueError, match="Stages: graph, lowered"):
        network.dump("asm")


def test_a_norm_before_a_padded_convolution_stays() -> None:
    """Padding is zero after the norm, and not before."""
    network = Sequential([Input(2), layers.BatchNormalization(), Conv1D(4, 3, padding="same")])
    assert "map (((in0 - channel0) * channel1) + channel2)" in network.dump("lowered")


def test_a_tensor_that_others_read_is_not_fused_away() -> None:
    x = Input(2, name="x")
    h = Conv1D(4, 3, name="conv")(x)
    network = Network(x, [layers.Activation("relu")(h), h])
    assert "conv: " in network.dump("lowered")
    a, b = network(np.ones((1, 9, 2), "float32"))
    np.testing.assert_array_equal(a, np.maximum(b, 0))


def test_zeros_around_an_input_become_padding() -> None:
    padded = Sequential([Input(2), layers.ZeroPadding1D((2, 1)), Conv1D(4, 3)])
    assert "pad2x1" in padded.dump("lowered")
    causal = Sequential([Input(2), layers.ZeroPadding1D((0, 3)), Conv1D(4, 3, padding="causal", dilation_rate=2)])
    assert "pad4x3" in causal.dump("lowered")
    same = Sequential([Input(2), layers.ZeroPadding1D(1), Conv1D(4, 3, padding="same")])
    assert "\npad" not in same.dump("lowered")
    assert "pad(left=1, right=1)" in same.dump("lowered")


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (CONV, [Shape(T, 3)], "takes 2 channels"),
        (CONV, [Shape(None, 2)], "takes a sequence"),
        (Combine("add"), [Shape(T, 3)], "two inputs or more"),
        (Combine("subtract"), [Shape(T, 3)] * 3, "takes two inputs"),
        (Combine("add"), [Shape(T, 3), Shape(T, 4)], "equal channels"),
        (Pool("max", 2, 2), [Shape(None, 3)], "takes a sequence"),
    ],
)
def test_inputs_that_an_operation_can_not_have(op: Op, inputs: list[Shape], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        op.shape(*inputs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Combine("modulo"), "is one of add"),
        (lambda: Pad(-1, 0), "0 steps or more"),
        (lambda: Pad(1, 0, "mirror"), "is one of zeros"),
        (lambda: Crop(0, -1), "0 steps or more"),
        (lambda: Pool("median", 2, 2), "is one of max"),
        (lambda: Pool("max", 0, 2), "1 or more"),
        (lambda: Repeat(0), "once or more"),
        (lambda: Pad(1.5, 0), "0 steps or more. Received: 1.5, 0"),  # type: ignore[arg-type]
        (lambda: Reshape(0, 3), "1 or more"),
        (lambda: GroupNorm(groups=0).shape(Shape(T, 4)), "one group or more"),
        (lambda: BatchNorm(float("nan")), "epsilon is a number"),
        (lambda: LayerNorm("small"), "epsilon is a number"),  # type: ignore[arg-type]
        (lambda: RmsNorm(-1.0), "epsilon is a number"),
        (lambda: Graph((), (), ("x",)), "has an input and an output"),
        (lambda: Graph((Source("x", 2),), (), ("y",)), "made by no node"),
        (lambda: Graph((Source("x", 2),), (Node("x", PRelu(), ("x",), ("a",)),), ("x",)), "each is given once"),
        (lambda: Graph((Source("a b", 2),), (), ("a b",)), "without spaces"),
        (lambda: Graph((Source("x", 2),), (Node("y", PRelu(), ("z",), ("a",)),), ("y",)), "reads z, which no node"),
        (lambda: Graph((Source("x", 2),), (Node("y", PRelu(), ("x",)),), ("y",)), "has weights alpha. Received: none"),
        (
            lambda: Graph((Source("x", 3),), (Node("y", CONV, ("x",), ("k", "b")),), ("y",)),
            "Node y: .* takes 2 channels",
        ),
        (lambda: Graph((Source("x", 2),), (), ("x",), "f8"), "dtype of a network"),
    ],
)
def test_what_is_no_network(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_weights_that_do_not_fit() -> None:
    graph = Graph((Source("x", 2),), (Node("y", PRelu(), ("x",), ("alpha",)),), ("y",))
    with pytest.raises(ValueError, match=r"alpha of shape \(2,\) is missing"):
        checked(graph, {})
    with pytest.raises(ValueError, match=r"has shape \(2,\). Received: \(3,\)"):
        checked(graph, {"alpha": np.zeros(3)})
    shared = Graph((Source("x", 2),), (Node("y", CONV, ("x",), ("w", "b")), Node("z", PRelu(), ("y",), ("b",))), ("z",))
    assert shared.weight_shapes() == {"w": (3, 2, 4), "b": (4,)}
    other = Graph((Source("x", 2),), (Node("y", CONV, ("x",), ("w", "b")), Node("z", PRelu(), ("x",), ("b",))), ("z",))
    with pytest.raises(ValueError, match="used with shapes"):
        other.weight_shapes()


def test_lengths_are_formulas() -> None:
    x = Input(2, name="x")
    y = layers.UpSampling1D(3)(layers.MaxPooling1D(2)(Conv1D(4, 3, strides=2)(x)))
    graph = Network(x, y).graph
    steps = graph.shapes[graph.outputs[0]].steps
    assert steps is not None
    assert steps.evaluate({"T": 21}) == 3 * (((21 - 3) // 2 + 1) // 2)
    assert graph.shapes["x"] == Shape(index(T), 2)


def test_reaches_compose() -> None:
    down, up = Reach(Fraction(2), Fraction(-1), Fraction(1)), Reach(Fraction(1, 2))
    assert down.after(down) == Reach(Fraction(4), Fraction(-3), Fraction(3))
    assert down.after(up).steps(3) == (2, 3)  # steps 5 to 7 of an input whose steps come twice
    assert Reach().with_(down) is None
    assert Reach().with_(Reach(first=Fraction(-4))) == Reach(first=Fraction(-4))
    assert (down.field, down.after(down).field) == (3, 7)


@pytest.mark.parametrize(
    ("pool", "wanted"),
    [
        (Pool("average", 3, 2, (1, 1), count_padding=True), [1, 3, 5, 7, 9]),
        (Pool("average", 3, 2, (1, 1)), [1.5, 3, 5, 7, 9]),
        (Pool("max", 3, 2, (1, 1)), [2, 4, 6, 8, 10]),
        (Pool("max", 4, 3, (0, 2)), [4, 7, 10]),
        (Pool("average", 4, 3, (0, 2), count_padding=True), [2.5, 5.5, 8.5]),
    ],
)
def test_pools_with_explicit_padding(pool: Pool, wanted: list[float]) -> None:
    """Of the steps 1 to 10, as torch pools them."""
    x = np.arange(1.0, 11).reshape(1, 10, 1)
    np.testing.assert_allclose(compute(pool, [x], {}).ravel(), wanted)


def test_what_follows_a_concatenation_becomes_part_of_what_is_before_it() -> None:
    x = Input(3, name="x")
    branches = [Conv1D(count, 3, padding="same", use_bias=False, name=f"conv{count}")(x) for count in (4, 2, 1)]
    h = layers.BatchNormalization(name="norm")(layers.Concatenate(name="all")(branches))
    y = layers.Multiply(name="times")([layers.Activation("relu", name="relu")(h), Conv1D(1, 1, name="gate")(x)])
    network = Network(x, y)
    rng = np.random.default_rng(0)
    network.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in network.get_weights()])
    text = network.dump("lowered")
    assert text.count("map") == 0
    assert "times[1]: f32[N, T, 2] = conv c3_f2_k3_same_linear_f32_nobias then (relu(" in text
    assert "norm/mean[4:6], norm/factor[4:6], norm/beta[4:6]" in text
    given = rng.standard_normal((2, 20, 3)).astype(np.float32)
    wanted = reference.run(network.graph, network.weights, {"x": given})["times"]
    np.testing.assert_allclose(network(given), wanted, rtol=1e-5, atol=1e-5)


def test_a_concatenation_that_others_read_stays_whole() -> None:
    x = Input(3)
    h = layers.Concatenate()([x, Conv1D(2, 1)(x)])
    assert "map relu(in0)" in Network(x, [layers.Activation("relu")(h), h]).dump("lowered")


def test_weights_that_passes_make_take_no_name_that_another_has() -> None:
    """Names of weights are the user's: those of one layer may be another's."""
    norm = BatchNorm(scale=False, center=False)
    conv = Problem.parse("c2_f2_k1_valid_linear_f32_nobias")
    nodes = (
        Node("first", Conv(conv), ("x",), ("norm/folded_kernel",)),
        Node("norm", norm, ("first",), ("norm/folded_bias", "variance")),
        Node("other", norm, ("x",), ("mean", "other/mean")),
        Node("more", Combine("add"), ("norm", "other")),
        Node("last", norm, ("more",), ("norm/mean", "norm/factor")),
    )
    graph = Graph((Source("x", 2),), nodes, ("last", "more"))
    rng = np.random.default_rng(0)
    weights = {name: rng.uniform(0.5, 1.5, shape) for name, shape in graph.weight_shapes().items()}
    x = rng.standard_normal((2, 9, 2)).astype(np.float32)
    wanted = reference.run(graph, weights, {"x": x})
    for y, name in zip(Network.of(graph, weights)(x), graph.outputs, strict=True):
        np.testing.assert_allclose(y, wanted[name], rtol=1e-5, atol=1e-5)
