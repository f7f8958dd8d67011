"""Every operation that a network can have is a kernel, or part of another tensor's memory: NumPy computes none."""

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.networks import in_float64
from support.type_helpers import Array

from conv1d_codegen import CompileOptions
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import Network, ops
from conv1d_codegen.network.execution import Program
from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.network.ops import fused
from conv1d_codegen.network.ops.moves import COORDINATES, ROUNDINGS
from conv1d_codegen.network.reference import _MEANING
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.problem import Activation, Problem

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
CELL = (12, TANH, SIGMOID)
#: of one sequence of 12 channels, and 10 steps
OF_ONE: tuple[ops.Op, ...] = (
    ops.Activate(Activation("gelu")),
    *map(ops.Function, ops.FUNCTIONS),
    *map(ops.Power, (-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 5.0, 1.7, 33.0)),
    *(ops.Clip(-0.5, 0.25), ops.Clip(low=0.0), ops.PRelu(), ops.Glu()),
    *(ops.Softmax(log, steps) for log in (False, True) for steps in (False, True)),
    *(ops.BatchNorm(), ops.LayerNorm(), ops.RmsNorm(), ops.GroupNorm(groups=3), ops.GroupNorm(1e-5, False, False)),
    ops.Conv(Problem(12, 5, 3, stride=2, padding="same", activation=TANH)),
    ops.ConvTranspose(12, 6, 4, 2, 1, 1, 0),
    ops.ConvTranspose(12, 24, 4, 3, 1, 1, -1, groups=12),
    ops.ConvTranspose(12, 4, 3, 50, 10, 0, 0, groups=2),
    *(ops.Pool(kind, 3, 2, padding, True, 2, True) for kind in ops.POOLS for padding in ("valid", "same", (2, 1))),
    *(ops.GlobalPool(kind, keep) for kind in (*ops.REDUCTIONS, "first", "last") for keep in (False, True)),
    *map(ops.ChannelPool, ops.REDUCTIONS),
    *(ops.Pad(2, 3, mode) for mode in ops.PAD_MODES),
    *(ops.Crop(2, 1), ops.Crop(0, 0), ops.Last(4), ops.Repeat(3), ops.Transpose(), ops.Reshape(20, 6), ops.Shuffle(4)),
    *(ops.Slice(start, end, step) for start in (0, 2, -7) for end in (0, 9, -1) for step in (1, 2, 5)),
    *(ops.ChannelSlice(11, 4, -3), ops.ChannelSlice(2, 5)),
    *(ops.Resize("nearest", 7, 3, coordinates, rounding) for coordinates in COORDINATES for rounding in ROUNDINGS),
    *(ops.Resize("linear", 7, 3, coordinates) for coordinates in COORDINATES),
    *(ops.SimpleRnn(*CELL), ops.Gru(*CELL, sequences=True), ops.Gru(*CELL, reset_after=False), ops.Lstm(*CELL)),
)
#: of the sequence twice; of it and another of 7 steps; of it and vectors
OF_TWO: tuple[ops.Op, ...] = (*map(ops.Combine, ops.COMBINATIONS), ops.Concat())
OF_OTHER: tuple[ops.Op, ...] = (ops.Trim(), ops.Concat(steps=True))
WITH_STATES: tuple[ops.Recurrent, ...] = (
    ops.SimpleRnn(*CELL, sequences=True),
    ops.Gru(*CELL, backwards=True),
    *(ops.Lstm(*CELL, sequences=sequences, cell=cell) for sequences in (False, True) for cell in (False, True)),
)
MADE_BY_PASSES = {fused.Mapped, fused.ConvThen, fused.TransposeThen, fused.CellSteps, fused.Turn}


def graph_of(op: ops.Op, inputs: tuple[str, ...], dtype: str) -> Graph:
    """An activation, the operation, and an activation of what it makes."""
    before = (
        Node("before", ops.Activate(TANH), ("x",)),
        Node("other", ops.Slice(1, 8), ("before",)),
        Node("state", ops.GlobalPool("average"), ("before",)),
    )
    shapes = Graph((Source("x", 12, 10),), before, ("before",), dtype).shapes
    names = tuple(op.weights(*(shapes[name] for name in inputs)))
    nodes = (*before, Node("y", op, inputs, names), Node("after", ops.Activate(Activation("softsign")), ("y",)))
    return Graph((Source("x", 12, 10),), nodes, ("after",), dtype)


def drawn(graph: Graph, batch: int) -> tuple[dict[str, Array], Array]:
    rng = np.random.default_rng(0)
    weights = {name: rng.uniform(0.1, 1, shape) / 3 for name, shape in graph.weight_shapes().items()}
    return weights, rng.uniform(0.1, 2, (batch, 10, 12)).astype(TYPES[graph.dtype].numpy)


def all_of(op: ops.Op) -> tuple[str, ...]:
    if op in OF_TWO:
        return ("before", "before")
    if op in OF_OTHER:
        return ("before", "other")
    return ("before", *["state"] * op.states) if op in WITH_STATES and isinstance(op, ops.Recurrent) else ("before",)


EVERY = (*OF_ONE, *OF_TWO, *OF_OTHER, *WITH_STATES)


def test_all_are_tried() -> None:
    assert {type(op) for op in EVERY} | MADE_BY_PASSES == set(_MEANING)


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_each_is_native_and_what_the_reference_says(dtype: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not TARGETS[target].converts(dtype):
        pytest.skip(f"{target} has no {dtype}")
    monkeypatch.setattr(Program, "_interpreted", lambda *_: pytest.fail("NumPy computed it"))
    close = {"f32": 1e-5, "f16": 4e-3}[dtype]
    for op in EVERY if dtype == "f32" and target == RUNNABLE[-1] else EVERY[::4]:
        graph = graph_of(op, all_of(op), dtype)
        for batch in (1, 3):
            weights, x = drawn(graph, batch)
            network = Network.of(graph, weights, CompileOptions(accuracy="standard", target=target))
            (wanted,) = in_float64(graph, network.weights, x)
            np.testing.assert_allclose(network(x), wanted, rtol=close, atol=close, err_msg=f"@{batch}\n{graph}")
