"""How networks run: the bits of layers one by one, threads, arrays that are given, memory, and what can be seen of it."""

import math
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.networks import drawn, random_weights
from support.type_helpers import Array

import conv1d_codegen as cc
from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.network import Input, Network, Sequential, layers, reference
from conv1d_codegen.network.execution import launch
from conv1d_codegen.network.execution.stores import Stores
from conv1d_codegen.network.graph import Graph, Source

STRICT = CompileOptions(accuracy="strict")


def random_network(seed: int, options: CompileOptions | None = None) -> tuple[Network, Array]:
    rng = np.random.default_rng(seed)
    network = drawn(lambda choices: choices[int(rng.integers(len(choices)))], int(rng.integers(1, 7)))
    weights = dict(zip(network.weights, random_weights(network, rng), strict=True))
    network = Network.of(network.graph, weights, options)
    source = network.graph.sources[0]
    return network, rng.standard_normal((2, source.length or 24, source.channels)).astype(np.float32)


def outputs_of(made: object) -> list[Array]:
    return list(made) if isinstance(made, list) else [np.asarray(made)]


def one_by_one(network: Network, x: Array) -> list[Array]:
    """The outputs of the layers as networks of their own, each of what the others gave."""
    graph = network.graph
    tensors = {graph.sources[0].name: x}
    for node in graph.nodes:
        read = dict.fromkeys(node.inputs)
        if any(tensors[name].ndim != 3 for name in read):  # vectors are no inputs
            given = [tensors[name].astype(np.float64) for name in node.inputs]
            shapes = [graph.shapes[name] for name in node.inputs]
            names = node.op.weights(*shapes)
            own = {n: network.weights[w].astype(np.float64) for n, w in zip(names, node.weights, strict=True)}
            tensors[node.name] = reference.compute(node.op, given, own).astype(np.float32)
            continue
        sources = tuple(Source(name, tensors[name].shape[2], tensors[name].shape[1]) for name in read)
        alone = Graph(sources, (node,), (node.name,), graph.dtype)
        own = {name: network.weights[name] for name in alone.weight_shapes()}
        tensors[node.name] = Network.of(alone, own, STRICT)([tensors[name] for name in read])
    return [tensors[name] for name in graph.outputs]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_strict_has_the_bits_of_its_layers(seed: int) -> None:
    network, x = random_network(seed, STRICT)
    vectors = any(shape.steps is None for shape in network.graph.shapes.values())
    for y, right in zip(outputs_of(network(x)), one_by_one(network, x), strict=True):
        if vectors:
            np.testing.assert_allclose(y, right, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(right).max(initial=0))))
        else:
            np.testing.assert_array_equal(y, right, err_msg=network.dump(passes=True))


@pytest.mark.parametrize("seed", range(6))
def test_the_same_bits_for_any_number_of_threads(seed: int) -> None:
    one, x = random_network(seed, CompileOptions(num_threads=1))
    three = Network.of(one.graph, one.weights, CompileOptions(num_threads=3))
    for a, b in zip(outputs_of(one(x)), outputs_of(three(x)), strict=True):
        np.testing.assert_array_equal(a, b)


def wide() -> Network:
    """Large enough that threads share its kernels."""
    x = Input(32, name="x")
    h = Conv1D(64, 9, padding="same", activation="relu")(x)
    h = layers.Add()([h, Conv1D(64, 5, padding="causal")(h)])
    h = layers.MaxPooling1D(2)(layers.BatchNormalization()(h))
    return Network(x, layers.Concatenate()([h, Conv1D(16, 1)(h)]))


def test_teams_share_a_large_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conv1d_codegen.runtime.processors.usable", lambda: 4)
    network = wide()
    x = np.random.default_rng(0).standard_normal((2, 3000, 32)).astype(np.float32)
    y = network(x)
    for count in (2, 4):
        team = Network.of(network.graph, network.weights, CompileOptions(num_threads=count, accuracy="standard"))
        for _ in range(5):
            np.testing.assert_array_equal(team(x), y)


def test_several_threads_call_one_network() -> None:
    network = wide()
    xs = [np.random.default_rng(k).standard_normal((1, 200 + k, 32)).astype(np.float32) for k in range(8)]
    alone = [network(x) for x in xs]
    again = Network.of(network.graph, network.weights)
    with ThreadPoolExecutor(8) as pool:
        for y, right in zip(pool.map(again, xs * 4), alone * 4, strict=True):
            np.testing.assert_array_equal(y, right)


def test_outputs_are_written_where_they_are_wanted() -> None:
    x = Input(4)
    h = Conv1D(8, 3, padding="same")(x)
    network = Network(x, [h, x, layers.Activation("relu")(h)])
    given = np.random.default_rng(1).standard_normal((2, 30, 4)).astype(np.float32)
    plain = network(given)
    np.testing.assert_array_equal(plain[1], given)
    assert plain[1] is not given
    out = [np.full_like(y, np.nan) for y in plain]
    made = network(given, out=out)
    assert all(a is b for a, b in zip(made, out, strict=True))
    for y, right in zip(out, plain, strict=True):
        np.testing.assert_array_equal(y, right)
    one = Network(x, h)
    assert one(given, out=out[0]) is out[0]
    for wrong, message in (
        ([out[0]], "an array for each of 3 outputs. Received: 1"),
        ([out[0], out[1], out[2][:, ::-1]], "C-contiguous"),
        ([out[0], given, out[2]], "must not share memory"),
        ([out[0], out[1], out[2].astype("f8")], "must have dtype float32"),
    ):
        with pytest.raises(ValueError, match=message):
            network(given, out=wrong)


def test_a_tensor_that_is_given_twice() -> None:
    x = Input(4, 6)
    h = Conv1D(8, 3, padding="same")(x)
    network = Network(x, [h, layers.Flatten()(h), h])
    a, b, c = network(np.ones((2, 6, 4), np.float32))
    np.testing.assert_array_equal(a.reshape(2, -1), b)
    np.testing.assert_array_equal(a, c)


def test_empty_inputs() -> None:
    network = Sequential([Input(4), Conv1D(8, 3, padding="same"), layers.MaxPooling1D(2, padding="same")])
    assert network(np.zeros((0, 10, 4), np.float32)).shape == (0, 5, 8)
    assert network(np.zeros((2, 0, 4), np.float32)).shape == (2, 0, 8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("batch", [0, 2])
def test_nothing_is_normed_without_a_warning(batch: int) -> None:
    network = Sequential([Input(4), layers.GroupNormalization(2), layers.LayerNormalization()])
    assert network(np.zeros((batch, 0 if batch else 10, 4), np.float32)).shape[0] == batch


@pytest.mark.parametrize("seed", range(20))
def test_memory_is_used_again(seed: int) -> None:
    """Little more than the largest sum of tensors that are in use at one time."""
    network, x = random_network(seed)
    graph = network._program.lowered
    at = graph.shapes_at({graph.length_name(s): x.shape[1] for s in graph.sources})
    sizes = {
        name: 4 * len(x) * (shape.steps.constant or 0 if shape.steps else 1) * shape.channels
        for name, shape in at.items()
    }
    stores = Stores.of(graph, len(x), at)
    whole = {name: place.concat for name, place in stores.beside.items()}  # which is in use from its first part on
    begins = {node.name: number for number, node in enumerate(graph.nodes)}
    begins |= {name: begins[by] for name, by in stores.along.items()}
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    inside = {
        node.name: min(begins[node.name], *(begins[part] for part in whole if whole[part] == node.name), math.inf)
        for node in graph.nodes
        if node.name not in graph.outputs and node.name not in whole
    }
    alive = [
        sum(math.ceil(sizes[n] / 64) * 64 for n, first in inside.items() if first <= now <= max(first, last.get(n, 0)))
        for now in range(len(graph.nodes))
    ]
    assert launch.memory(graph, len(x), at) <= 1.05 * max(alive, default=0) + 64


def test_what_can_be_seen() -> None:
    x = Input(8, name="x")
    h = Conv1D(16, 3, name="conv")(x)
    h = layers.BatchNormalization(name="norm")(h)
    network = Network(x, layers.MaxPooling1D(2, name="pool")(layers.Activation("relu", name="relu")(h)))
    report = network.report(length=500)
    assert re.search(
        r"relu +\[N, T - 2, 16\] +conv c8_f16_k3_valid_relu_f32, with conv, norm +(direct|cook_toom) ", report
    )
    assert "For one sequence of 500 steps: 31 KiB of memory beside inputs and outputs." in report
    assert "kernel direct_c8_f16_k3" in network.dump("loop", layer="conv")
    assert network.dump("asm", layer="relu") == network.dump("asm", layer="norm")
    assert "max_pool c16_k2_s2_valid f32" in network.dump("problem", layer="pool")
    log = network.dump(passes=True)
    assert log.index("# fold_norms") < log.index("# fuse_activations")
    assert "# fuse_maps" not in log
    for stage, layer, message in (
        ("asm", None, "Stages: graph, lowered; and of each layer=...: problem, plan"),
        ("asm", "other", "computes no 'other'. It computes: relu, pool"),
        ("nothing", "conv", "There is no stage 'nothing'"),
    ):
        with pytest.raises(ValueError, match=message):
            network.dump(stage, layer=layer)


def test_options_of_a_network() -> None:
    x = Input(8)
    h = layers.BatchNormalization()(Conv1D(16, 3)(x))
    assert "folded" in Network(x, h).dump("lowered")
    assert "folded" not in Network(x, h, options={"accuracy": "strict"}).dump("lowered")
    assert "folded" not in Sequential([Input(8), Conv1D(4, 3), layers.BatchNormalization()], STRICT).dump("lowered")
    for wrong in ({"algorithm": "direct"}, {"explicit_padding": (1, 1)}):
        with pytest.raises(ValueError, match=r"belongs to one layer\. Received: "):
            Network(x, h, options=wrong)


def test_new_weights_do_not_compile_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = wide()
    x = np.ones((1, 50, 32), np.float32)
    y = network(x)
    monkeypatch.setattr("conv1d_codegen.machine.jit.load", lambda *_: pytest.fail("compiled again"))
    network.set_weights([w * 2 for w in network.get_weights()])
    assert not np.array_equal(network(x), y)


def test_a_target_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Input(4)
    network = Network(x, Conv1D(8, 3)(x), options={"target": "sse2"})
    assert "sse2" in network.dump("llvm", layer=network.graph.nodes[0].name)
    np.testing.assert_allclose(network(np.ones((1, 9, 4), np.float32)).shape, (1, 7, 8))
    assert cc.get_num_threads() >= 1


def test_parts_are_written_where_a_concatenation_has_them() -> None:
    x = Input(3, name="x")
    others = Input(2, name="others")
    branches = [
        Conv1D(4, 3, padding="same", name="same")(x),
        Conv1D(5, 4, padding="valid", name="longer")(layers.ZeroPadding1D((1, 2))(x)),
        layers.Activation("tanh", name="map")(Conv1D(2, 1, strides=2, name="strided")(layers.UpSampling1D(2)(x))),
        layers.DepthwiseConv1D(3, padding="causal", name="depthwise")(x),
        layers.Add(name="sum")([Conv1D(2, 1)(x), others]),
        x,
        layers.MaxPooling1D(3, strides=1, padding="same", name="pool")(x),
    ]
    all_ = layers.Concatenate(name="all")(branches)
    y = layers.Activation("relu", name="y")(Conv1D(3, 1)(all_))
    for outputs in ([y], [y, all_], [all_, y, branches[0]]):
        network = Network([x, others], outputs)
        rng = np.random.default_rng(len(outputs))
        given = [rng.standard_normal((2, 30, count)).astype(np.float32) for count in (3, 2)]
        wanted = reference.run(network.graph, network.weights, {"x": given[0], "others": given[1]})
        for y_, name in zip(outputs_of(network(given)), network.graph.outputs, strict=True):
            np.testing.assert_allclose(y_, wanted[name], rtol=1e-5, atol=1e-5, err_msg=name)
        # what is strided, an input or pooled; or all, where less than half would be written there
        copied = 7 if branches[0] in outputs else 3
        kept = network._program.tasks_of("all", 30)[0].kernel
        assert sum(buffer.name.startswith("in") for buffer in kept.native.kernel.buffers) == copied


def test_a_concatenation_of_nothing_but_convolutions_costs_nothing() -> None:
    x = Input(8, name="x")
    parts = [Conv1D(16, k, padding="same", name=f"k{k}")(x) for k in (3, 5)]
    network = Network(x, layers.Concatenate(name="all")(parts))
    assert re.search(r"all +\[N, T, 32\] +concat +nothing", network.report())
    given = np.random.default_rng(0).standard_normal((3, 50, 8)).astype(np.float32)
    alone = [Network(x, part)(given) for part in parts]
    np.testing.assert_array_equal(network(given), np.concatenate(alone, -1))
    with pytest.raises(ValueError, match="all has no kernel to show"):
        network.dump("asm", layer="all")
