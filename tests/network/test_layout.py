"""Runs of layers of few channels are computed with steps side by side; at their borders tensors are turned."""

from collections.abc import Callable

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.networks import in_float64, random_weights

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.network.graph import Graph
from conv1d_codegen.network.ops import Conv
from conv1d_codegen.network.ops.fused import Mapped, Turn
from conv1d_codegen.network.simplify import simplified, stages
from conv1d_codegen.network.symbols import Symbol


def mono(length: int | None = None) -> tuple[Symbol, Symbol]:
    """One channel in and out: nothing is turned."""
    x = y = Input(1, length, name="x")
    for layer in range(3):
        y = Conv1D(5, 3, dilation_rate=2**layer, padding="causal", activation="relu", name=f"layer{layer}")(y)
    return x, Conv1D(1, 1, name="last")(y)


def between(length: int | None = None) -> tuple[Symbol, Symbol]:
    """A run between wide layers, with a residual, which what follows reads too."""
    x = Input(40, length, name="x")
    narrow = first = Conv1D(6, 3, padding="same", name="narrow0")(x)
    for layer in range(1, 5):
        narrow = Conv1D(6, 5, padding="same", activation="tanh", name=f"narrow{layer}")(narrow)
    both = layers.Add(name="both")([narrow, first])
    return x, layers.Concatenate(name="beside")([Conv1D(33, 3, padding="same", name="wide")(both), both])


def output(length: int | None = None) -> tuple[Symbol, Symbol]:
    """A run from an input to an output."""
    x = y = Input(4, length, name="x")
    for layer in range(5):
        y = Conv1D(8, 3, padding="same", name=f"layer{layer}")(y)
        y = layers.Activation("gelu", name=f"activation{layer}")(layers.Add(name=f"add{layer}")([y, y]))
    return x, y


def normed(length: int | None = None) -> tuple[Symbol, Symbol]:
    """Norms before activations, which are maps with weights, and slices of channels."""
    x = Input(1, length, name="x")
    y = Conv1D(7, 3, padding="same", name="first")(x)
    for layer in range(2):
        active = layers.Activation("relu")(layers.BatchNormalization(name=f"norm{layer}")(y))
        halves = [Symbol.made(f"half{layer}_{k}", ops.ChannelSlice(k, 6), [active]) for k in (0, 1)]
        y = layers.Add(name=f"add{layer}")([y, Conv1D(7, 3, padding="same")(layers.Multiply()(halves))])
    return x, Conv1D(1, 1, name="last")(y)


BUILDERS: list[Callable[..., tuple[Symbol, Symbol]]] = [mono, between, output, normed]


def network_of(built: tuple[Symbol, Symbol], **options: str) -> Network:
    network = Network(*built, CompileOptions(**options))  # type: ignore[arg-type]
    network.set_weights(random_weights(network, np.random.default_rng(4)))
    return network


def firsts(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes if isinstance(node.op, Conv) and node.op.problem.channels_first]


@pytest.mark.parametrize("build", BUILDERS)
def test_it_computes_the_same(build: Callable[..., tuple[Symbol, Symbol]]) -> None:
    """Before and after each pass, interpreted."""
    network = network_of(build())
    x = np.random.default_rng(5).standard_normal((2, 77, network.graph.sources[0].channels))
    (wanted,) = in_float64(network.graph, network.weights, x)
    for name, graph, weights in stages(network.graph, network.weights, False, 16):
        (y,) = in_float64(graph, weights, x)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6, err_msg=name)
    assert firsts(graph)
    maps = [node for node in graph.nodes if isinstance(node.op, Mapped)]
    assert all(node.op.channels_first for node in maps if isinstance(node.op, Mapped))
    assert bool(maps) == (build is normed)


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("accuracy", ["strict", "standard"])
@pytest.mark.parametrize("build", BUILDERS)
def test_as_code(build: Callable[..., tuple[Symbol, Symbol]], accuracy: str, target: str) -> None:
    """Sequences one after another and tiles that do not fill, on all targets, whose vectors are of other lanes."""
    network = network_of(build(), accuracy=accuracy, target=target)
    for batch, length in ((1, 300), (3, 67), (2, 5)):
        x = np.random.default_rng(5).standard_normal((batch, length, network.graph.sources[0].channels))
        (wanted,) = in_float64(network.graph, network.weights, x)
        y = network(x.astype(np.float32))
        np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5 * max(1, np.abs(wanted).max()))
        np.testing.assert_array_equal(y[-1:], network(x[-1:].astype(np.float32)))


def test_strict_has_the_same_bits_in_either_layout() -> None:
    """Of a network of a known length, so short that nothing is turned, and of any."""
    x = np.random.default_rng(6).standard_normal((2, 64, 40)).astype(np.float32)
    long, short = (network_of(between(length), accuracy="strict", target=RUNNABLE[-1]) for length in (None, 64))
    graphs = [simplified(net.graph, net.weights, True, 16)[0] for net in (long, short)]
    assert firsts(graphs[0])
    assert not firsts(graphs[1])
    np.testing.assert_array_equal(long(x), short(x))


def test_one_channel_is_not_turned() -> None:
    network = network_of(mono())
    graph, _ = simplified(network.graph, network.weights, lanes=16)
    turns = [graph.shapes[node.name].channels for node in graph.nodes if isinstance(node.op, Turn)]
    assert turns == [1, 1]
    wide = network_of(mono(), target="avx512")
    (row,) = (line for line in wide.report().splitlines() if line.startswith("last  "))
    assert "turn" in row
    assert "nothing" in row
    with pytest.raises(ValueError, match="no kernel"):
        wide.dump("loop", layer="x/first")


def test_where_nothing_is_gained() -> None:
    """Vectors that channels fill, one narrow layer between wide ones, and sequences that are known to be short."""
    networks = {"mono": network_of(mono()), "short": network_of(mono(64))}
    x = Input(40, name="x")
    networks["single"] = network_of((x, Conv1D(40, 1)(Conv1D(8, 1, padding="same")(x))))
    found = {
        (name, lanes): bool(firsts(simplified(network.graph, network.weights, lanes=lanes)[0]))
        for name, network in networks.items()
        for lanes in (4, 16)
    }
    assert found["mono", 16]
    assert not any(found["short", lanes] or found["single", lanes] for lanes in (4, 16))
    full = network_of((y := Input(1, name="y"), Conv1D(1, 1)(Conv1D(4, 3, padding="same")(Conv1D(4, 3)(y)))))
    assert not firsts(simplified(full.graph, full.weights, lanes=1)[0])


def test_what_can_be_seen() -> None:
    network = network_of(between(), target="avx512")
    text = network.dump("graph", passes=True)
    assert "# channels_first_where_narrow" in text
    assert "= turn(channels_first=True)" in text
    assert "lanes=time" in network.report()
    assert "lanes=time" in network.dump("plan", layer="narrow2")
