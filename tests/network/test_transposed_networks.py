"""Transposed convolutions in networks: by kernels, with what follows them, and what they give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.networks import in_float64
from support.type_helpers import Array

from conv1d_codegen import get_num_threads, set_num_threads
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.network.execution import parts
from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.network.ops import ConvTranspose
from conv1d_codegen.network.symbols import Symbol
from conv1d_codegen.problem import Activation

Layer = dict[str, Any]
#: channels, and the arguments of a layer
LAYERS: tuple[tuple[int, Layer], ...] = (
    (3, {"filters": 5, "kernel_size": 4, "strides": 2, "padding": "same"}),
    (16, {"filters": 8, "kernel_size": 16, "strides": 8, "padding": "same"}),
    (4, {"filters": 3, "kernel_size": 2, "strides": 5}),
    (2, {"filters": 17, "kernel_size": 3, "strides": 3, "output_padding": 2, "use_bias": False}),
    (1, {"filters": 1, "kernel_size": 5, "strides": 4, "padding": "same", "output_padding": 1}),
    (5, {"filters": 4, "kernel_size": 3, "strides": 1, "dilation_rate": 3, "padding": "same"}),
)


def integers(network: Network, rng: np.random.Generator) -> None:
    """Small integers as weights, so that sums are exact."""
    network.set_weights([rng.integers(-3, 4, weight.shape) for weight in network.weights.values()])


def made(
    channels: int, arguments: Layer, after: Callable[[Symbol], Symbol] = lambda y: y, dtype: str = "f32"
) -> Network:
    x = Input(channels, name="x")
    network = Network(x, after(layers.Conv1DTranspose(**arguments)(x)))
    integers(network, np.random.default_rng(0))
    return network


def wanted(network: Network, x: Array) -> Array:
    return in_float64(network.graph, network.weights, x)[0]


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(("channels", "arguments"), LAYERS, ids=str)
def test_a_layer_gives_the_reference(
    channels: int, arguments: Layer, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_TARGET", target)
    network = made(channels, arguments)
    for batch, length in ((1, 1), (2, 2), (3, 19)):
        x = np.random.default_rng(length).integers(-3, 4, (batch, length, channels)).astype(np.float32)
        np.testing.assert_array_equal(network(x), wanted(network, x), f"{network.graph} @{batch}x{length}")


@pytest.mark.parametrize(("channels", "arguments"), LAYERS[:3], ids=str)
def test_what_follows_is_part_of_it(channels: int, arguments: Layer) -> None:
    def after(y: Symbol) -> Symbol:
        return layers.Activation("tanh")(layers.BatchNormalization()(y))

    x = Input(channels, name="x")
    network = Network(x, after(layers.Conv1DTranspose(**arguments)(x)))
    rng = np.random.default_rng(1)
    network.set_weights(
        [
            rng.uniform(0.5, 1.5, w.shape) if name.endswith("variance") else rng.standard_normal(w.shape) * 0.2
            for name, w in network.weights.items()
        ]
    )
    assert len(network.report().splitlines()) == 3, network.report()  # with the head and the memory
    for length in (1, 3, 30):
        given = rng.standard_normal((2, length, channels)).astype(np.float32)
        np.testing.assert_allclose(network(given), wanted(network, given), rtol=1e-4, atol=1e-5)


def test_a_skip_connection_is_part_of_it() -> None:
    """An upsampling that is added to another branch of as many steps, and activated; phases with and without taps."""
    for size in (4, 3, 2):
        x = Input(4, name="x")
        up = layers.Conv1DTranspose(6, size, strides=4, padding="same")(x)
        other = layers.UpSampling1D(4)(layers.Dense(6)(x))
        network = Network(x, layers.Activation("relu")(layers.Add()([up, other])))
        integers(network, np.random.default_rng(size))
        assert "in0" in network.report(), network.report()
        for length in (1, 2, 23):
            given = np.random.default_rng(length).integers(-3, 4, (2, length, 4)).astype(np.float32)
            np.testing.assert_array_equal(network(given), wanted(network, given))


def test_steps_that_are_cropped_after_it_are_not_computed() -> None:
    for crop in ((0, 2), (3, 0), (9, 1)):
        cropping = layers.Cropping1D(crop)
        network = made(3, {"filters": 5, "kernel_size": 4, "strides": 2}, cropping)
        assert len(network.report().splitlines()) == 3, network.report()  # with the head and the memory
        assert f"left={crop[0]}" in network.report() or not crop[0]
        for length in (6, 7, 20):
            given = np.random.default_rng(length).integers(-3, 4, (2, length, 3)).astype(np.float32)
            np.testing.assert_array_equal(network(given), wanted(network, given))
        with pytest.raises(ValueError, match="steps"):
            made(3, {"filters": 5, "kernel_size": 4, "strides": 2}, layers.Cropping1D((9, 9)))(given[:, :1])


def test_what_has_other_channels_stays_beside_it() -> None:
    """One channel that counts for all lies in no rows like the output's."""
    x = Input(4, name="x")
    up = layers.Conv1DTranspose(6, 4, strides=2, padding="same")(x)
    one = layers.UpSampling1D(2)(layers.Dense(1)(x))
    network = Network(x, layers.Multiply()([up, one]))
    integers(network, np.random.default_rng(5))
    given = np.random.default_rng(6).integers(-3, 4, (2, 9, 4)).astype(np.float32)
    np.testing.assert_array_equal(network(given), wanted(network, given))


def test_several_threads_give_the_same_bits() -> None:
    network = made(32, {"filters": 24, "kernel_size": 9, "strides": 4, "padding": "same"})
    given = np.random.default_rng(7).standard_normal((2, 700, 32)).astype(np.float32)
    before, found = get_num_threads(), []
    try:
        for count in (1, 2, 3):
            set_num_threads(count)
            found.append(network(given).tobytes())
    finally:
        set_num_threads(before)
    assert len(set(found)) == 1


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(("channels", "arguments"), LAYERS, ids=str)
def test_very_many_parts_are_one_kernel(
    channels: int, arguments: Layer, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_MOST_PARTS", 0)
    monkeypatch.setenv("CONV1D_CODEGEN_TARGET", target)
    network = made(channels, arguments, layers.Activation("relu6"))
    assert len(network._program.tasks_of(network.graph.nodes[0].name, 9)) == 1
    for batch, length in ((1, 1), (2, 2), (3, 19)):
        x = np.random.default_rng(length).integers(-3, 4, (batch, length, channels)).astype(np.float32)
        np.testing.assert_array_equal(network(x), wanted(network, x))


#: channels, filters, taps, stride, dilation, left, right, groups
GROUPED = (
    (4, 6, 3, 2, 1, 1, 0, 2),
    (16, 16, 4, 2, 1, 1, 1, 16),
    (32, 32, 16, 8, 1, 4, 4, 32),
    (6, 3, 5, 3, 2, 0, -1, 3),
    (48, 96, 3, 4, 1, 2, -1, 3),
    (8, 8, 3, 1, 2, 0, 0, 4),
    (4, 4, 5, 40, 1, 2, -3, 2),
)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("sizes", GROUPED, ids=str)
def test_groups(sizes: tuple[int, ...], target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_TARGET", target)
    channels, filters, size, stride, dilation, left, right, groups = sizes
    op = ConvTranspose(channels, filters, size, stride, dilation, left, right, True, groups)
    nodes = (
        Node("y", op, ("x",), ("kernel", "bias")),
        Node("act", ops.Activate(Activation("relu")), ("y",)),
        Node("sum", ops.Combine("add"), ("act", "act")),
    )
    graph = Graph((Source("x", sizes[0]),), nodes, ("sum",))
    rng = np.random.default_rng(0)
    weights = {name: rng.integers(-3, 4, shape) for name, shape in graph.weight_shapes().items()}
    network = Network.of(graph, weights)
    assert len(network._program.lowered.nodes) == 1, network.report()
    for batch, length in ((1, 2), (2, 3), (3, 19)):
        x = rng.integers(-3, 4, (batch, length, sizes[0])).astype(np.float32)
        np.testing.assert_array_equal(network(x), wanted(network, x), f"{graph} @{batch}x{length}")


def test_sizes_that_no_address_space_holds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2\*\*46"):
        ConvTranspose(1, 1, 3, stride=1 << 60)


def test_a_crop_behind_what_is_done_to_each_step_is_not_computed() -> None:
    def after(y: Symbol) -> Symbol:
        y = layers.PReLU(shared_axes=[1])(layers.Activation("tanh", name="tanh")(layers.BatchNormalization()(y)))
        return layers.Cropping1D((2, 1), name="crop")(y)

    network = made(3, {"filters": 5, "kernel_size": 4, "strides": 2}, after)
    network.set_weights([np.abs(weight) + 1 for weight in network.weights.values()])
    assert [node.name for node in network._program.lowered.nodes] == ["crop"]
    x = np.random.default_rng(3).standard_normal((2, 11, 3)).astype(np.float32)
    np.testing.assert_allclose(network(x), wanted(network, x), rtol=1e-5, atol=1e-5)


def test_a_crop_of_what_others_read_too_stays() -> None:
    x = Input(3, name="x")
    y = layers.Activation("relu", name="relu")(layers.Conv1DTranspose(5, 4, strides=2, name="up")(x))
    network = Network(x, [layers.Cropping1D(1, name="crop")(y), y])
    assert "crop(left=1, right=1)" in network.dump("lowered")
    given = np.random.default_rng(4).standard_normal((1, 7, 3)).astype(np.float32)
    for out, right in zip(network(given), in_float64(network.graph, network.weights, given), strict=True):
        np.testing.assert_allclose(out, right, rtol=1e-5, atol=1e-5)
