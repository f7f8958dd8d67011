"""Maps that the kernel of another node stores: which these are, and what they give."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.networks import in_float64, random_weights
from support.type_helpers import Array

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.network.execution.along import along as along_in
from conv1d_codegen.network.execution.beside import beside
from conv1d_codegen.network.graph import Node
from conv1d_codegen.network.ops import Conv
from conv1d_codegen.network.symbols import Symbol
from conv1d_codegen.number_types import TYPES

Build = Callable[[Symbol], list[Symbol]]


def relu(x: Symbol, name: str) -> Symbol:
    made: Symbol = layers.Activation("relu", name=name)(x)
    return made


def norm_relu(x: Symbol, name: str) -> Symbol:
    return relu(layers.BatchNormalization()(x), name)


def conv(x: Symbol, name: str, taps: int = 3, filters: int | None = None, **given: Any) -> Symbol:
    made: Symbol = Conv1D(filters or x.known.channels, taps, padding="same", name=name, **given)(x)
    return made


def before(x: Symbol) -> list[Symbol]:
    """Residual blocks with the norm before the convolution."""
    trunk = conv(x, "first")
    for unit in range(2):
        trunk = layers.Add(name=f"sum{unit}")([trunk, conv(norm_relu(trunk, f"relu{unit}"), f"conv{unit}")])
    return [trunk]


def skips(x: Symbol) -> list[Symbol]:
    """What a block adds goes to the end too, as in keras-tcn."""
    trunk, ends = x, []
    for unit in range(3):
        y = conv(trunk, f"conv{unit}", dilation_rate=2**unit, activation="relu")
        trunk = relu(trunk + y, f"trunk{unit}")
        ends.append(y)
    return [layers.Add(name="ends")(ends), trunk]


def after_upsampling(x: Symbol) -> list[Symbol]:
    up = layers.Conv1DTranspose(6, 4, strides=2, padding="same", name="up")(x)
    return [up + conv(relu(up, "relu"), "conv")]


def after_depthwise(x: Symbol) -> list[Symbol]:
    y = layers.DepthwiseConv1D(9, padding="same", name="depthwise")(x)
    return [y + conv(norm_relu(y, "relu"), "conv", 1)]


def of_one_filter(x: Symbol) -> list[Symbol]:
    """The lanes of the convolution are channels."""
    y = conv(x, "one", filters=1)
    return [y, layers.Activation("tanh", name="tanh")(y), relu(y, "relu")]


def of_a_map(x: Symbol) -> list[Symbol]:
    """No convolution is near: a pool, whose output two maps read, of which one makes what a third reads."""
    pooled = layers.MaxPooling1D(2, strides=1, padding="same", name="pool")(x)
    both = layers.Multiply(name="both")([pooled, x])
    return [both, norm_relu(both, "relu"), conv(both, "conv")]


def in_a_concatenation(x: Symbol) -> list[Symbol]:
    """What makes it stores into a concatenation."""
    y = conv(x, "inside")
    return [layers.Concatenate(name="all")([y, conv(x, "other")]), relu(y, "relu")]


#: With the maps, and the nodes whose kernels store them; for 8 channels, and for so many that Cook–Toom takes the
#: convolutions.
CASES: tuple[tuple[Build, dict[str, str]], ...] = (
    (before, {"relu0": "first", "relu1": "sum0"}),
    (skips, {"trunk0": "conv0", "trunk1": "conv1"}),
    (after_upsampling, {"relu": "up"}),
    (after_depthwise, {"relu": "depthwise"}),
    (of_one_filter, {"tanh": "one", "relu": "one"}),
    (of_a_map, {"relu": "both"}),
    (in_a_concatenation, {}),
)


def made(build: Build, channels: int) -> Network:
    x = Input(channels, name="x")
    network = Network(x, build(x))
    network.set_weights(random_weights(network, np.random.default_rng(0)))
    return network


def outputs(network: Network, x: Array) -> list[Array]:
    y = network(x)
    return y if isinstance(y, list) else [y]


def maps_along(network: Network) -> dict[str, str]:
    graph = network._program.lowered
    return along_in(graph, beside(graph))


@pytest.mark.parametrize(("build", "wanted"), CASES, ids=lambda part: getattr(part, "__name__", ""))
def test_which_maps_are_along(build: Build, wanted: dict[str, str]) -> None:
    found = maps_along(made(build, 8))
    assert {name: by for name, by in found.items() if by in wanted.values()} == wanted


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("channels", [8, 35])
@pytest.mark.parametrize("build", [build for build, _ in CASES], ids=lambda build: build.__name__)
def test_they_are_what_their_formulas_say(
    build: Build, channels: int, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At lengths around tiles and blocks, by one thread and by three, whose bits are the same."""
    monkeypatch.setenv("CONV1D_CODEGEN_TARGET", target)
    if channels == 8:
        monkeypatch.setenv("CONV1D_CODEGEN_VERIFY", "1")
    network = made(build, channels)
    threads = [
        Network.of(network.graph, network.weights, CompileOptions(accuracy="standard", num_threads=count))
        for count in (1, 3)
    ]
    rng = np.random.default_rng(1)
    for batch, length in ((1, 1), (2, 23), (1, 700)):
        x = rng.standard_normal((batch, length, channels)).astype(np.float32)
        given = [outputs(other, x) for other in threads]
        for a, b, right in zip(*given, in_float64(network.graph, network.weights, x), strict=True):
            np.testing.assert_array_equal(a, b)
            scale = max(1.0, float(np.abs(right).max()))
            np.testing.assert_allclose(a, right, rtol=2e-4, atol=2e-5 * scale, err_msg=f"{batch}x{length}")


def in_dtype(network: Network, dtype: str) -> Network:
    """The same network with numbers of another type."""

    def changed(node: Node) -> Node:
        return replace(node, op=Conv(node.op.problem.with_(dtype=dtype))) if isinstance(node.op, Conv) else node

    graph = replace(network.graph, dtype=dtype, nodes=tuple(map(changed, network.graph.nodes)))
    return Network.of(graph, network.weights)


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
@pytest.mark.parametrize("build", [build for build, _ in CASES], ids=lambda build: build.__name__)
def test_they_have_the_bits_of_kernels_of_their_own(build: Build, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numbers are rounded as they are stored, a map is of the rounded one."""
    if not resolve(None).converts(dtype):
        pytest.skip("no float16 there")
    network = in_dtype(made(build, 19), dtype)
    x = np.random.default_rng(2).standard_normal((2, 61, 19)).astype(TYPES[dtype].numpy)
    along = outputs(network, x)
    monkeypatch.setattr("conv1d_codegen.network.execution.stores.along", lambda graph, beside: {})
    alone = outputs(Network.of(network.graph, network.weights), x)
    for a, b in zip(along, alone, strict=True):
        np.testing.assert_array_equal(a, b)


def along_of(build: Build) -> dict[str, str]:
    x = Input(8, name="x")
    return maps_along(Network(x, build(x)))


def test_a_kernel_stores_a_few_maps() -> None:
    def many(x: Symbol) -> list[Symbol]:
        y = conv(x, "y")
        return [y, *(norm_relu(y, f"relu{number}") for number in range(5))]

    assert along_of(many) == {"relu0": "y", "relu1": "y", "relu2": "y"}


def test_a_map_far_behind_stays() -> None:
    """Its tensor would be in use all the while."""

    def far(x: Symbol) -> list[Symbol]:
        y = conv(x, "y")
        between = y
        for number in range(9):
            between = conv(between, f"between{number}")
        return [between, relu(y, "relu")]

    assert along_of(far) == {}


def test_a_map_of_what_is_not_made_yet_stays() -> None:
    """The kernel that stores the last of what a map reads can't read another that it stores itself."""

    def together(x: Symbol) -> list[Symbol]:
        y = conv(x, "y")
        first = relu(y, "first")
        return [y, first, layers.Multiply(name="second")([first, y])]

    assert along_of(together) == {"first": "y"}


def test_a_map_is_along_with_the_last_that_it_reads() -> None:
    def both(x: Symbol) -> list[Symbol]:
        early, late = conv(x, "early"), conv(x, "late", 5)
        return [early, late, layers.Subtract(name="both")([early, late])]

    assert along_of(both) == {"both": "late"}


def test_equal_nodes_are_one() -> None:
    """But for outputs, which have names."""

    def twice(x: Symbol) -> list[Symbol]:
        a, b, c = (relu(x, name) for name in "abc")
        return [conv(a, "of_a"), conv(b, "of_b"), c]

    x = Input(8, name="x")
    network = Network(x, twice(x))
    lowered = network._program.lowered
    assert [node.name for node in lowered.nodes] == ["a", "of_a", "of_b", "c"]
    assert lowered.nodes[0].merged == ("b",)
    given = np.random.default_rng(0).standard_normal((1, 9, 8)).astype(np.float32)
    for y, right in zip(network(given), in_float64(network.graph, network.weights, given), strict=True):
        np.testing.assert_allclose(y, right, rtol=1e-5, atol=1e-5)


def test_what_can_be_seen() -> None:
    network = made(before, 8)
    assert "the kernel of first" in network.report()
    assert network.dump("loop", layer="relu0") == network.dump("loop", layer="first")
    assert "y1: f32[" in network.dump("loop", layer="first")
