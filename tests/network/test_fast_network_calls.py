"""Calls of networks that go to machine code at once are the calls that go through Python: same results, same errors."""

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.call_zoo import INPUTS, OUTPUTS, ZOO, outcome
from support.networks import drawn, random_weights
from support.teams import TEAM
from support.type_helpers import Array

from conv1d_codegen import Conv1D
from conv1d_codegen.network import Input, Network, layers
from conv1d_codegen.network.execution import Program
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.runtime import processors, python_function, team, threads

pytestmark = pytest.mark.skipif(not python_function.is_known(), reason="an interpreter without fast calls")


def plain() -> Network:
    x = Input(8, name="x")
    h = Conv1D(12, 3, padding="same", activation="relu", name="a")(x)
    h = layers.LayerNormalization(name="n")(h)
    return Network(x, Conv1D(8, 3, padding="same", name="b")(h))


def whole() -> Network:
    """A vector for each sequence."""
    x = Input(8, name="x")
    h = Conv1D(12, 3, padding="same", activation="relu", name="a")(x)
    return Network(x, layers.Dense(5, name="d")(layers.GlobalAveragePooling1D(name="p")(h)))


def several() -> Network:
    """Two inputs, one of a fixed length, and three outputs, of which two are of one shape."""
    x, z = Input(8, name="x"), Input(4, name="z")
    h = layers.Concatenate(name="c")([x, z])
    a = Conv1D(8, 3, padding="same", name="a")(h)
    return Network([x, z], [a, Conv1D(8, 3, padding="same", name="b")(a), layers.GlobalMaxPooling1D(name="m")(a)])


def one_of_two() -> Network:
    x, z = Input(8, name="x"), Input(8, name="z")
    return Network([x, z], layers.Add(name="s")([Conv1D(8, 3, padding="same", name="a")(x), z]))


def a_list_of_one() -> Network:
    x = Input(8, name="x")
    return Network([x], [Conv1D(8, 3, padding="same", name="a")(x)])


def made(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], Network], fast: bool
) -> tuple[Network, list[Array], list[Array]]:
    """A network that was called for the shapes of some arrays, those for its inputs and those for its outputs."""
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", str(int(fast)))
    network, rng = build(), np.random.default_rng(3)
    network.set_weights(random_weights(network, rng))
    inputs = [rng.standard_normal((2, 20, source.channels)).astype(np.float32) for source in network.graph.sources]
    outputs = network(inputs if len(inputs) > 1 else inputs[0])
    return network, inputs, [np.zeros_like(y) for y in (outputs if isinstance(outputs, list) else [outputs])]


Made = tuple[Network, list[Array], list[Array]]


@pytest.fixture(scope="module")
def kept() -> dict[tuple[Callable[[], Network], bool], Made]:
    """Networks that several tests call."""
    return {}


def both(
    monkeypatch: pytest.MonkeyPatch, kept: dict[tuple[Callable[[], Network], bool], Made], build: Callable[[], Network]
) -> tuple[Made, Made]:
    """One whose calls go through Python, and one whose calls are fast."""
    for fast in (False, True):
        if (build, fast) not in kept:
            kept[build, fast] = made(monkeypatch, build, fast)
        assert (kept[build, fast][0]._program.fast.function is not None) == fast
    return kept[build, False], kept[build, True]


@pytest.mark.parametrize("build", [plain, whole])
@pytest.mark.parametrize("name", ZOO)
def test_every_call_is_the_one_through_python(
    monkeypatch: pytest.MonkeyPatch,
    kept: dict[tuple[Callable[[], Network], bool], Made],
    name: str,
    build: Callable[[], Network],
) -> None:
    (slow, (x,), (y,)), (fast, _, _) = both(monkeypatch, kept, build)
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "0")
    right = outcome(ZOO[name], slow, x, y)
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    for _ in range(3):  # shapes of its own are prepared at the first
        assert outcome(ZOO[name], fast, x, y) == right


#: Ways to give several arrays, and to have several.
WAYS: dict[str, Callable[[Any, list[Any], list[Any]], Any]] = {
    "a list": lambda f, given, _: f(given),
    "a tuple": lambda f, given, _: f(tuple(given)),
    "by name": lambda f, given, _: f(dict(zip("xz", given, strict=False))),
    "too few": lambda f, given, _: f(given[:-1]),
    "too many": lambda f, given, _: f([*given, given[0]]),
    "inputs and outputs in one": lambda f, given, wanted: f([*given, *wanted]),
    "the first alone": lambda f, given, _: f(given[0]),
    "one array of both": lambda f, given, _: f(np.stack([given[0], given[0]])),
    "the other way round": lambda f, given, _: f(given[::-1]),
    "one longer": lambda f, given, _: f([np.concatenate([given[0], given[0]], 1), *given[1:]]),
    "one batch larger": lambda f, given, _: f([np.concatenate([given[0], given[0]]), *given[1:]]),
    "into a list": lambda f, given, wanted: f(given, out=wanted),
    "into a tuple": lambda f, given, wanted: f(given, out=tuple(wanted)),
    "into the first": lambda f, given, wanted: f(given, out=wanted[0]),
    "into too few": lambda f, given, wanted: f(given, out=wanted[:-1]),
    "into too many": lambda f, given, wanted: f(given, out=[*wanted, wanted[0]]),
    "into nothing": lambda f, given, wanted: f(given, out=[None] * len(wanted)),
    "into the last, and nothing": lambda f, given, wanted: f(given, out=[*[None] * (len(wanted) - 1), wanted[-1]]),
    "into one twice": lambda f, given, wanted: f(given, out=[wanted[0], wanted[0], *wanted[2:]]),
    "into parts of one": lambda f, given, wanted: f(given, out=[wanted[0], wanted[0].view(), *wanted[2:]]),
    "into the first input": lambda f, given, wanted: f(given, out=[given[0], *wanted[1:]]),
    "into an array of arrays": lambda f, given, wanted: f(given, out=np.stack([wanted[0]] * len(wanted))),
}
ODD: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Any]]] = {}
ODD |= {f"input: {name}": (make, lambda y: y) for name, make in INPUTS.items()}
ODD |= {f"output: {name}": (lambda x: x, make) for name, make in OUTPUTS.items()}


@pytest.mark.parametrize("build", [several, one_of_two, a_list_of_one])
@pytest.mark.parametrize("name", [*WAYS, *ODD])
def test_several_arrays(
    monkeypatch: pytest.MonkeyPatch,
    kept: dict[tuple[Callable[[], Network], bool], Made],
    name: str,
    build: Callable[[], Network],
) -> None:
    (slow, inputs, outputs), (fast, _, _) = both(monkeypatch, kept, build)

    def call(function: Any, x: Array, y: Array) -> Any:
        given, wanted = [x, *(more.copy() for more in inputs[1:])], [y, *(more.copy() for more in outputs[1:])]
        if name in WAYS:
            return WAYS[name](function, given, wanted)
        change_input, change_output = ODD[name]
        given[-1], wanted[-1] = change_input(given[-1]), change_output(wanted[-1])
        if isinstance(given[-1], list):
            given[-1] = np.asarray(given[-1])
        return function(given, out=wanted if len(wanted) > 1 or build is a_list_of_one else wanted[0])

    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "0")
    right = outcome(call, slow, inputs[0], outputs[0])
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    for _ in range(3):
        assert outcome(call, fast, inputs[0], outputs[0]) == right


@pytest.mark.parametrize("build", [plain, whole, several, one_of_two, a_list_of_one])
def test_a_plain_call_is_fast(monkeypatch: pytest.MonkeyPatch, build: Callable[[], Network]) -> None:
    network, inputs, outputs = made(monkeypatch, build, True)
    monkeypatch.setattr(network._program, "run", None)
    given = inputs if len(inputs) > 1 else inputs[0]
    single = build not in (several, a_list_of_one)
    results = network(given, out=outputs[0] if single else outputs)
    again = network(given)
    for y, wanted, fresh in zip([results] if single else results, outputs, [again] if single else again, strict=True):
        assert y is wanted
        np.testing.assert_array_equal(fresh, y)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The same bits at once and through Python; with threads, too."""
    rng = np.random.default_rng(seed)
    network = drawn(lambda choices: choices[int(rng.integers(len(choices)))], int(rng.integers(1, 7)))
    weights = dict(zip(network.weights, random_weights(network, rng), strict=True))
    for count in (1, 2):
        options = CompileOptions(accuracy="standard", num_threads=count)
        results = []
        for fast in (False, True):
            monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", str(int(fast)))
            own = Network.of(network.graph, weights, options)
            source = network.graph.sources[0]
            x = np.random.default_rng(1).standard_normal((2, source.length or 24, source.channels), np.float32)
            for _ in range(3):
                made_ = own(x)
                results.append([y.tobytes() for y in (made_ if isinstance(made_, list) else [made_])])
        assert all(result == results[0] for result in results)


def test_weights_that_change_while_others_call(monkeypatch: pytest.MonkeyPatch) -> None:
    network, (x,), _ = made(monkeypatch, plain, True)
    sets = [network.get_weights(), random_weights(network, np.random.default_rng(8))]
    right = []
    for weights in sets:
        network.set_weights(weights)
        assert network._program.fast.function is None
        right.append(network(x))
    stop, wrong = threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            y = network(x)
            if not any(np.array_equal(y, each) for each in right):
                wrong.append(y)

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for number in range(20):
        network.set_weights(sets[number % 2])
        np.testing.assert_array_equal(network(x), right[number % 2])
    stop.set()
    for caller in callers:
        caller.join()
    assert not wrong


def test_copies_have_functions_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    network, (x,), _ = made(monkeypatch, plain, True)
    y = network(x)
    for again in (copy.copy(network), copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        for _ in range(2):
            np.testing.assert_array_equal(again(x), y)
        assert again._program.fast.function is not network._program.fast.function


@TEAM
def test_calls_of_a_team(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits as on one thread, call after call."""
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    monkeypatch.setattr(processors, "usable", lambda: 4)
    source = Input(32, name="x")
    h = Conv1D(64, 9, padding="same", activation="relu", name="a")(source)
    network = Network(source, layers.Add(name="s")([h, Conv1D(64, 5, padding="causal", name="b")(h)]))
    network = Network.of(network.graph, network.weights, CompileOptions(num_threads=1))
    x = np.random.default_rng(0).standard_normal((2, 3000, 32), np.float32)
    y = network(x)
    for count in (2, 4):
        shared = Network.of(network.graph, network.weights, CompileOptions(num_threads=count))
        monkeypatch.setattr(threads, "runtime", lambda: threads.Runtime("team", team.run, 1, team.seats))
        np.testing.assert_array_equal(shared(x), y)
        function, out = shared._program.fast.function, np.empty_like(y)
        assert function is not None
        for _ in range(50):
            out[:] = np.nan
            assert function(x, out) is out
            np.testing.assert_array_equal(out, y)


def test_what_is_more_than_one_run_goes_through_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs that are copied afterwards, and sequences that go through the network in groups."""
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    x = Input(4, 10, name="x")
    h = Conv1D(4, 3, padding="same", name="a")(x)
    network = Network(x, [h, layers.Reshape((20, 2))(h)])
    a = np.random.default_rng(1).standard_normal((2, 10, 4), np.float32)
    first, second = network(a), network(a)
    assert network._program.fast.function is None
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    network, (x_,), _ = made(monkeypatch, plain, True)
    assert isinstance(network._program, Program)
    (found,) = network._program._launches.values()
    assert found is not None
    dtype = np.dtype(np.float32)
    assert found.fast_call((x_.shape,), dtype, False, None) is not None
    assert replace(found, groups=2).fast_call((x_.shape,), dtype, False, None) is None
    assert replace(found, copied=(("b", 1),)).fast_call((x_.shape,), dtype, False, None) is None
