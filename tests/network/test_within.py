"""Tensors that are part of another's memory: what is sliced of one sequence, or joined in time, is copied nowhere."""

import re

import numpy as np
import pytest
from support.networks import in_float64
from support.type_helpers import Array

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.layers.base import automatic_name
from conv1d_codegen.network import Input, Network, layers, ops
from conv1d_codegen.network.execution.stores import Stores
from conv1d_codegen.network.symbols import Symbol

VIEWS: tuple[ops.Op, ...] = (
    ops.Slice(3, -2),
    ops.Slice(-9, 0),
    ops.Last(5),
    ops.Crop(2, 1),
    ops.GlobalPool("first", keep=True),
    ops.GlobalPool("last", keep=True),
)


def made(op: ops.Op, *inputs: Symbol) -> Symbol:
    return Symbol.made(automatic_name(op.word()), op, inputs, ())


def conv(x: Symbol, filters: int = 6) -> Symbol:
    result: Symbol = Conv1D(filters, 3, padding="same", activation="tanh")(x)
    return result


def check(network: Network, *lengths: int) -> None:
    """What it gives, for one sequence and for several, alone and in a team."""
    rng = np.random.default_rng(0)
    for batch, length in [(batch, length) for batch in (1, 3) for length in lengths]:
        x = rng.standard_normal((batch, length, network.graph.sources[0].channels)).astype(np.float32)
        for threads in (1, 2):
            options = CompileOptions(accuracy="strict", num_threads=threads)
            found = Network.of(network.graph, network.weights, options)(x)
            for y, right in zip(found if isinstance(found, list) else [found], wanted(network, x), strict=True):
                np.testing.assert_allclose(
                    y, right, rtol=1e-5, atol=1e-5, err_msg=f"@{batch}x{length}\n{network.graph}"
                )


def wanted(network: Network, x: Array) -> list[Array]:
    return in_float64(network.graph, network.weights, x)


def by(network: Network, op: ops.Op) -> str:
    """What computes the nodes of an operation, as the report says."""
    found = {line.split("  ")[-1].strip() for line in network.report(40).splitlines() if f" {op} " in line}
    assert len(found) == 1, network.report(40)
    return found.pop()


@pytest.mark.parametrize("op", VIEWS, ids=str)
def test_steps_of_one_sequence_are_where_they_are(op: ops.Op) -> None:
    x = Input(4)
    network = Network(x, conv(made(op, conv(x))))
    assert by(network, op) == "nothing"
    check(network, 10, 33)


@pytest.mark.parametrize("op", VIEWS, ids=str)
def test_what_the_network_gives_is_whole(op: ops.Op) -> None:
    """It is copied to where the caller wants it; and so is what is another shape of it, and what is sliced of the input."""
    x = Input(4)
    h = conv(x)
    network = Network(x, [made(op, h), h])
    assert by(network, op) != "nothing"
    check(network, 10, 33)
    check(Network(x, made(op, x)), 10)
    y = Input(4, 12)
    part = made(op, conv(y))
    size = (part.known.steps.constant or 0) * 6 if part.known.steps is not None else 6
    check(Network(y, made(ops.Reshape(None, size), part)), 12)


def test_slices_of_slices_and_of_several_readers() -> None:
    x = Input(4)
    h = conv(x)
    part = made(ops.Slice(2, 0), made(ops.Crop(1, 1), h))
    other = made(ops.Last(3), part)
    network = Network(x, [conv(other), layers.Activation("relu")(part), made(ops.Slice(0, -1, 2), part)])
    check(network, 9, 30)


def test_a_trim_of_nothing_is_free_for_any_batch() -> None:
    x = Input(4)
    h = conv(x)
    trimmed = made(ops.Trim(), h, x)
    network = Network(x, conv(trimmed))
    shapes = network.graph.shapes_at({"T": 20})
    for batch in (1, 3):
        assert trimmed.name in Stores.of(network.graph, batch, shapes).within.views
    check(network, 20)
    check(Network(x, conv(made(ops.Trim(), h, made(ops.Slice(0, 7), x)))), 5, 20)


def test_what_is_joined_in_time_is_written_there() -> None:
    """Of one sequence: by convolutions, maps and recurrent cells alike, and by what writes beside others."""
    x = Input(4)
    branches = [
        conv(x),
        layers.LSTM(6, return_sequences=True)(x),
        layers.Concatenate()([conv(x, 2), conv(x, 4)]),
        layers.MaxPooling1D(2)(conv(x)),
    ]
    joined = made(ops.Concat(steps=True), *branches)
    network = Network(x, conv(joined))
    assert by(network, ops.Concat(steps=True)) == "nothing"
    check(network, 8, 31)
    check(Network(x, joined), 8)
    check(Network(x, [conv(joined), branches[0]]), 8)


def test_what_others_read_is_copied_to_what_is_joined() -> None:
    """An input, a part of a tensor, and a tensor twice."""
    x = Input(6)
    h = conv(x)
    for given in ([x, h], [made(ops.Slice(1, 4), h), h, h], [h, made(ops.Last(2), x)]):
        network = Network(x, conv(made(ops.Concat(steps=True), *given)))
        assert re.search(r"copy_into f32", network.dump("problem", layer=network.graph.nodes[-2].name))
        check(network, 5, 20)


def test_memory_is_that_of_the_whole() -> None:
    x = Input(4)
    network = Network(x, conv(made(ops.Slice(2, -2), conv(x))))
    assert "For one sequence of 1024 steps: 24 KiB of memory" in network.report(1024)
