"""Networks of one operation each, all of them together, and what is wrong with a peer's translation of them.

`python -c "from support import translated; translated.show_operations('jax')"` prints it: libraries are tried in a process
of their own, where what they set for good disturbs no other test.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import network_measure, networks
from conv1d_codegen.benchmark import peers
from conv1d_codegen.benchmark.translations import LEFT_OUT, LEFT_OUT_ACTIVATIONS
from conv1d_codegen.network import Network, ops
from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.reference.activations import ELEMENTWISE

TOP = Path(__file__).resolve().parents[2]
_BATCH, _STEPS, _CHANNELS = 2, 23, 6
_TANH, _SIGMOID = Activation("tanh"), Activation("sigmoid")
_VECTOR = ops.GlobalPool("average")  # what makes a vector


def conv(**given: Any) -> ops.Conv:
    return ops.Conv(Problem(_CHANNELS, **{"filters": 4, "kernel_size": 3, **given}))


#: Chains of operations, of which the last is tried, on one sequence.
CHAINS: tuple[tuple[ops.Op, ...], ...] = (
    *(
        (conv(stride=stride, dilation=dilation, padding=padding),)
        for stride, dilation, padding in itertools.product((1, 2), (1, 3), ("valid", "same", "causal", (3, 1)))
    ),
    (conv(kernel_size=4, padding="same"),),
    (conv(groups=2, use_bias=False),),
    (conv(filters=12, groups=6, activation=Activation("relu")),),
    (_VECTOR, conv(kernel_size=1, activation=_SIGMOID)),
    (_VECTOR, conv(kernel_size=1, use_bias=False)),
    *(
        (ops.ConvTranspose(_CHANNELS, 4, size, stride, dilation, left, right, use_bias),)
        for size, stride, dilation, left, right, use_bias in (
            (4, 2, 1, 1, 1, True),
            (3, 4, 1, 0, -1, True),
            (5, 2, 1, 1, 2, False),
            (3, 2, 1, 0, 1, True),
            (3, 1, 2, 2, 2, True),
            (16, 8, 1, 4, 4, True),
        )
    ),
    *(
        (kind(5, _TANH, _SIGMOID, use_bias, sequences, backwards),)
        for kind in (ops.Lstm, ops.Gru)
        for use_bias, sequences, backwards in ((True, True, False), (True, False, True), (False, True, True))
    ),
    *((op(),) for op in (ops.PRelu, ops.Softmax, ops.Glu, ops.BatchNorm, ops.LayerNorm, ops.RmsNorm)),
    *((_VECTOR, op()) for op in (ops.PRelu, ops.Softmax, ops.Glu, ops.BatchNorm, ops.LayerNorm, ops.RmsNorm)),
    (ops.Softmax(log=True),),
    (ops.ChannelSlice(1, 2),),
    (ops.ChannelSlice(4, 2, -3),),
    (_VECTOR, ops.ChannelSlice(0, 3, 2)),
    (ops.Function("abs"), ops.Function("sqrt")),
    (ops.Function("reciprocal"),),
    (ops.BatchNorm(scale=False),),
    (ops.LayerNorm(center=False, scale=False),),
    (ops.GroupNorm(groups=3),),
    (_VECTOR, ops.GroupNorm(groups=2, scale=False)),
    *((ops.Pad(2, 3, mode),) for mode in ops.PAD_MODES),
    (ops.Crop(2, 3),),
    (ops.Repeat(3),),
    *(
        (ops.Pool(kind, size, stride, padding, count),)
        for kind, size, stride, padding, count in (
            ("max", 3, 2, "same", False),
            ("max", 4, 4, "valid", False),
            ("average", 3, 2, "same", False),
            ("average", 2, 2, "valid", False),
            ("average", 3, 2, (1, 1), True),
            ("average", 3, 2, (1, 1), False),
        )
    ),
    *((ops.GlobalPool(kind, keep),) for kind in ops.POOLS for keep in (True, False)),
    (ops.Reshape(None, _STEPS * _CHANNELS),),
    (ops.Reshape(2 * _STEPS, _CHANNELS // 2),),
    (_VECTOR, ops.Reshape(2, 3)),
    *((ops.Activate(Activation(name)),) for name in ELEMENTWISE if name not in LEFT_OUT_ACTIVATIONS),
    (ops.Activate(Activation("leaky_relu", (("negative_slope", 0.1),))),),
    (ops.Activate(Activation("elu", (("alpha", 0.5),))),),
    (ops.Activate(Activation("gelu", (("approximate", 1.0),))),),
    (ops.Activate(Activation("hard_shrink", (("threshold", 0.7),))),),
)


def _chain(*operations: ops.Op) -> Graph:
    return _graph((op, (n,)) for n, op in enumerate(operations))


def _graph(nodes: Iterator[tuple[ops.Op, tuple[int, ...]]]) -> Graph:
    """A graph whose tensors are numbered; the input is 0."""
    source = Source("t0", _CHANNELS, _STEPS)
    made: list[Node] = []
    for number, (op, inputs) in enumerate(nodes, 1):
        names = tuple(f"t{n}" for n in inputs)
        shapes = Graph((source,), tuple(made), ("t0",)).shapes
        weights = tuple(f"t{number}/{name}" for name in op.weights(*(shapes[name] for name in names)))
        made.append(Node(f"t{number}", op, names, weights))
    return Graph((source,), tuple(made), (made[-1].name,))


def graphs() -> Iterator[tuple[str, Graph]]:
    """Every operation, with what prints it."""
    for chain in CHAINS:
        yield " ".join(map(str, chain)), _chain(*chain)
    for kind in ops.COMBINATIONS:
        combine = ops.Combine(kind)
        yield kind, _graph(iter([(ops.Activate(_TANH), (0,)), (combine, (0, 1))]))
        yield f"{kind} of a sequence and a vector", _graph(iter([(_VECTOR, (0,)), (combine, (0, 1))]))
    yield "average of three", _graph(iter([(ops.Activate(_TANH), (0,)), (ops.Combine("average"), (0, 1, 0))]))
    yield "concat", _graph(iter([(ops.Activate(_TANH), (0,)), (ops.Concat(), (0, 1))]))
    yield "concat of vectors", _graph(iter([(_VECTOR, (0,)), (ops.Concat(), (1, 1))]))


def concrete() -> set[type[ops.Op]]:
    """The operations that nodes can have: classes of which none is made."""
    every = {getattr(ops, name) for name in ops.__all__ if name not in ("Shape", "Op")}
    classes = {each for each in every if isinstance(each, type) and issubclass(each, ops.Op)}
    return classes - {ops.Scaling, ops.Recurrent}


def show_operations(peer: str) -> None:
    """Prints what is wrong with a peer's operations and activations, a line each, and how many were right."""
    module = {"torch": "torch_module", "jax": "jax_function"}.get(peer, "onnx_export")
    translation: Any = __import__(f"conv1d_codegen.benchmark.translations.{module}", fromlist=["OPERATIONS"])
    for op in concrete() ^ (translation.OPERATIONS.keys() | LEFT_OUT.keys()):
        print(f"{op.__name__} is not translated, or is and does not exist")
    for name in ELEMENTWISE.keys() ^ (translation.ACTIVATIONS.keys() | LEFT_OUT_ACTIVATIONS.keys()):
        print(f"the activation {name} is not translated, or is and does not exist")
    rng, right = np.random.default_rng(5), 0
    for text, graph in graphs():
        weights = {
            name: rng.uniform(0.5, 1.5, shape).astype(np.float32) if "variance" in name else _normal(rng, shape)
            for name, shape in graph.weight_shapes().items()
        }
        network = Network.of(graph, weights)
        fault = _fault(peer, network, _normal(rng, (_BATCH, _STEPS, _CHANNELS)))
        right += fault is None
        if fault:
            print(f"{text}: {fault}")
    print(f"{right} right")


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def show_networks(*names: str) -> None:
    """Prints what is wrong with the peers' networks, each at its shortest length, and how many were right."""
    right = 0
    for case in networks.CASES:
        network = case.network(case.least)
        for peer in names:
            fault = _fault(peer, network, case.inputs(network, case.least))
            right += fault is None
            if fault:
                print(f"{case.name}: {peer}: {fault}")
    print(f"{right} right")


def show_compiled() -> None:
    """Prints what is wrong with the tiny network, compiled by torch."""
    (case,) = (case for case in networks.CASES if case.name == "tiny")
    network = case.network()
    print(_fault("torch_compile", network, case.inputs(network)))


def _fault(peer: str, network: Network, x: Any) -> str | None:
    return network_measure.peer_candidate(peer, network, x, network_measure.expected(network, x), 1)[1]


def printed(call: str) -> list[str]:
    """What a call of this module prints in a process of its own."""
    paths = os.pathsep.join([str(TOP), str(TOP / "tests")])
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **one_thread, "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", f"from support import translated; translated.{call}"],
        cwd=TOP,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the peers that are."""
    return tuple(name for name in names if not peers.missing([name], peers.NETWORK_NEEDS))
