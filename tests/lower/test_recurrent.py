"""Recurrent cells: loops, passes and machine code against the float64 reference."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.networks import in_float64
from support.operation_helpers import Called, assert_as_interpreted, epsilon_of, interpreted, numbers, staged, wide
from support.type_helpers import Array

from conv1d_codegen.lower.operations import Gru, Lstm, SimpleRnn
from conv1d_codegen.lower.operations.recurrent import Cell
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import Input, Network, layers, ops, reference
from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.network.ops.fused import CellSteps
from conv1d_codegen.problem import Activation

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
KINDS = (*("lstm", "gru", "gru_bias", "gru_before", "simple"), *("lstm_cell_given", "gru_bias_given", "simple_given"))
WAYS = tuple(itertools.product((False, True), repeat=2))  # sequences, backwards


def cell(
    kind: str,
    units: int,
    dtype: str = "f32",
    way: tuple[bool, bool] = (True, False),
    activation: Activation = TANH,
    gate: Activation = SIGMOID,
) -> Cell:
    given = kind.endswith("given")
    if kind.startswith("lstm"):
        return Lstm(dtype, units, activation, gate, *way, cell="cell" in kind, given=given)
    if kind.startswith("simple"):
        return SimpleRnn(dtype, units, activation, gate, *way, given=given)
    return Gru(dtype, units, activation, gate, *way, kind != "gru_before", "bias" in kind, given=given)


def op_of(cell: Cell) -> CellSteps:
    given = cell.units, cell.activation, cell.gate
    if isinstance(cell, Gru):
        return CellSteps(ops.Gru(*given, cell.bias, cell.sequences, cell.backwards, cell.reset_after))
    if isinstance(cell, SimpleRnn):
        return CellSteps(ops.SimpleRnn(*given, True, cell.sequences, cell.backwards))
    assert isinstance(cell, Lstm)
    return CellSteps(ops.Lstm(*given, True, cell.sequences, cell.backwards, cell.cell))


def drawn(cell: Cell, batch: int, length: int) -> tuple[dict[str, Array], Array]:
    """Weights, and what the first state is if it is given; and the products of the inputs."""
    rng = np.random.default_rng(length)
    many = cell.gates * cell.units
    weights = {"recurrent_kernel": numbers(rng, cell.dtype, cell.units, many) / np.sqrt(cell.units).astype(np.float32)}
    if isinstance(cell, Gru) and cell.bias:
        weights["recurrent_bias"] = numbers(rng, cell.dtype, many)
    for state in cell.first:
        weights[state.name] = numbers(rng, cell.dtype, batch, 1, cell.units)
    x = numbers(rng, cell.dtype, batch, length, many)
    return {name: array.astype(x.dtype) for name, array in weights.items()}, x


def expected(cell: Cell, weights: dict[str, Array], x: Array) -> Array:
    own = wide(weights)
    first = [own.pop(state.name)[:, 0] for state in cell.first]
    with np.errstate(all="ignore"):
        y = reference.compute(op_of(cell), [x.astype(np.float64), *first], own)
    return y if cell.sequences else y[:, None]


def assert_close(cell: Cell, weights: dict[str, Array], x: Array, y: Array, note: str = "") -> None:
    """Some roundings of sums of `units` products, which the steps pass on, and that of the output."""
    wanted = expected(cell, weights, x)
    error = epsilon_of(cell.compute) * (16 + 4 * np.sqrt(cell.units))
    bound = error * (1 + np.abs(wanted)) + epsilon_of(cell.dtype) * np.abs(wanted)
    assert y.shape == wanted.shape
    wrong = np.abs(y.astype(np.float64) - wanted) - bound
    assert wrong.max() <= 0, f"{cell} {note}: {wrong.max()}"


@pytest.mark.parametrize("target", ["sse2", "avx512"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_pass_keeps_the_meaning(kind: str, target: str) -> None:
    for units, dtype, way in ((1, "f32", (False, False)), (5, "f64", (True, True)), (18, "f32", (True, False))):
        operation = cell(kind, units, dtype, way)
        for name, kernel in staged(operation, target):
            own, x = drawn(operation, 2 if units < 18 else 1, 2)
            assert_close(operation, own, x, interpreted(kernel, own, x), name)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("units", [1, 3, 16, 33, 128, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_the_code_gives_what_the_formula_says(kind: str, units: int, target: str) -> None:
    operation = cell(kind, units)
    code = Called(operation, target)
    for batch, length in ((1, 1), (3, 2), (1, 20)):
        own, x = drawn(operation, batch, length)
        assert_close(operation, own, x, code(own, x), f"{target} @{batch}x{length}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_is_what_the_loops_say(kind: str) -> None:
    operation = cell(kind, 19)
    assert_as_interpreted(operation, *drawn(operation, 1, 3))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_sequences_and_directions(kind: str, way: tuple[bool, bool]) -> None:
    operation = cell(kind, 20, "f64", way)
    own, x = drawn(operation, 2, 7)
    y = Called(operation, RUNNABLE[-1])(own, x)
    np.testing.assert_allclose(y, expected(operation, own, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_other_types(dtype: str, target: str) -> None:
    """The state is kept in float32."""
    if not TARGETS[target].converts(dtype):
        pytest.skip("no float16 there")
    for kind in KINDS:
        operation = cell(kind, 19, dtype)
        own, x = drawn(operation, 2, 9)
        assert_close(operation, own, x, Called(operation, target)(own, x), target)


@pytest.mark.parametrize(
    "names", [("relu", "hard_sigmoid"), ("linear", "gelu"), ("elu", "softsign"), ("silu", "relu6")]
)
def test_other_activations(names: tuple[str, str]) -> None:
    for kind in KINDS:
        operation = cell(kind, 9, "f64", (True, False), *map(Activation, names))
        own, x = drawn(operation, 1, 3)
        wanted = expected(operation, own, x)
        found = Called(operation, RUNNABLE[-1])(own, x)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max(), err_msg=str(operation))


@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_in_its_sequence_and_goes_on_from_its_step(kind: str) -> None:
    operation = cell(kind, 17)
    own, x = drawn(operation, 3, 6)
    x[1, 3, 2] = np.nan
    y = Called(operation, RUNNABLE[-1])(own, x)
    with np.errstate(all="ignore"):
        wanted = expected(operation, own, x)
    assert (np.isnan(y) == np.isnan(wanted)).all()
    assert np.isnan(y[1, 4:]).all()
    assert not np.isnan(y[[0, 2]]).any()
    assert not np.isnan(y[1, :3]).any()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_network_has_them_as_kernels(way: tuple[bool, bool], bias: bool) -> None:
    """The products of all inputs are a convolution."""
    sequences, backwards = way
    for made in (layers.LSTM, layers.GRU):
        for more in ({}, {"reset_after": False}) if made is layers.GRU else ({},):
            x = Input(6)
            given: dict[str, Any] = {"return_sequences": sequences, "use_bias": bias, **more}
            layer = made(5, **given)
            network = Network(x, layers.Bidirectional(layer, made(5, **given))(x) if backwards else layer(x))
            rng = np.random.default_rng(0)
            network.set_weights([rng.standard_normal(weight.shape) for weight in network.weights.values()])
            assert "steps of" in network.report()
            for batch, length in ((1, 1), (3, 11)):
                data = rng.standard_normal((batch, length, 6)).astype(np.float32)
                (wanted,) = in_float64(network.graph, network.weights, data)
                np.testing.assert_allclose(network(data), wanted, rtol=1e-5, atol=1e-5, err_msg=str(network.graph))


def test_a_sequence_of_no_steps_is_refused() -> None:
    network = Network(x := Input(4), layers.LSTM(3)(x))
    with pytest.raises(ValueError, match="no output of 0 steps"):
        network(np.zeros((1, 0, 4), np.float32))


def test_nodes_and_weights_of_the_names_that_the_products_get() -> None:
    rng, op = np.random.default_rng(0), op_of(cell("lstm", 3)).cell
    nodes = (
        Node("cell/inputs", ops.PRelu(), ("x",), ("cell/inputs_kernel",)),
        Node("cell", op, ("cell/inputs",), ("kernel", "recurrent", "bias")),
        Node("norm", ops.RmsNorm(), ("cell",), ("cell/recurrent_kernel",)),
    )
    graph = Graph((Source("x", 4),), nodes, ("norm",))
    weights = {name: rng.standard_normal(shape) for name, shape in graph.weight_shapes().items()}
    network, x = Network.of(graph, weights), rng.standard_normal((1, 3, 4)).astype(np.float32)
    (wanted,) = in_float64(graph, weights, x)
    np.testing.assert_allclose(network(x), wanted, rtol=1e-5, atol=1e-5)
