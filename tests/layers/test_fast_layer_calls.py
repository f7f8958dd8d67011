"""Calls of layers that go to machine code at once are the calls that go through Python: same results, same errors."""

import copy
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.call_zoo import ZOO, outcome
from support.helpers import in_threads
from support.type_helpers import Array

import conv1d_codegen as cc
from conv1d_codegen import Conv1D
from conv1d_codegen.machine.target import Target
from conv1d_codegen.runtime import fast_calls, python_function, threads
from conv1d_codegen.runtime.python_function import PythonFunction
from conv1d_codegen.runtime.work import Work

pytestmark = pytest.mark.skipif(not python_function.is_known(), reason="an interpreter without fast calls")

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "channels first": {"data_format": "channels_first"},
    "strided float64": {"strides": 2, "dtype": "float64"},
    "float16": {"dtype": "float16", "activation": "relu"},
    "callable": {"activation": np.tanh},
    "no autocast": {"autocast": False},
    "loss": {"activity_regularizer": "l2", "groups": 2},
}


def layer_and_arrays(monkeypatch: pytest.MonkeyPatch, fast: bool, **arguments: Any) -> tuple[Conv1D, Array, Array]:
    """A layer that was called for the shapes of two arrays, one for input and one for output."""
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", str(int(fast)))
    layer = Conv1D(8, 3, padding="same", name="c", **arguments)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 8, 20) if arguments.get("data_format") == "channels_first" else (2, 20, 8))
    x = x.astype(layer.compute_dtype)
    layer.build(x.shape)
    layer.set_weights([rng.standard_normal(weight.shape) for weight in layer.weights])
    y = layer(x)
    return layer, x, np.zeros_like(y)


def function_of(layer: Conv1D) -> Any:
    assert layer._weights is not None
    return layer._weights.fast.function


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("kind", KINDS)
def test_every_call_is_the_one_through_python(monkeypatch: pytest.MonkeyPatch, kind: str, name: str) -> None:
    call = ZOO[name]
    slow, x, y = layer_and_arrays(monkeypatch, False, **KINDS[kind])
    fast, _, _ = layer_and_arrays(monkeypatch, True, **KINDS[kind])
    assert function_of(slow) is None
    assert (function_of(fast) is None) == (kind == "callable")
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "0")
    right = outcome(call, slow, x, y)
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    for _ in range(3):  # shapes of its own are prepared at the first
        assert outcome(call, fast, x, y) == right, name
        assert str(fast.losses) == str(slow.losses)


def test_a_plain_call_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x, y = layer_and_arrays(monkeypatch, True)
    monkeypatch.setattr("conv1d_codegen.layers.conv1d.convolve", None)  # of the way through Python
    assert layer(x, out=y) is y
    np.testing.assert_array_equal(layer(x), y)


def test_overridden_methods_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(Conv1D):
        def call(self, inputs: Any, out: Array | None = None) -> Array:
            return 2 * super().call(inputs, out)

    class Own(Conv1D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Array:
            return 3 * super().convolution_op(inputs, kernel)

    layer, x, y = layer_and_arrays(monkeypatch, True, use_bias=False)
    y = layer(x)
    for kind, factor in ((Doubled, 2), (Own, 3)):
        other = kind(8, 3, padding="same", use_bias=False)
        other.build(x.shape)
        other.set_weights(layer.get_weights())
        for _ in range(3):
            np.testing.assert_allclose(other(x), factor * y, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(layer, "call", lambda inputs: inputs)
    assert layer(x) is x


def test_new_weights_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x, y = layer_and_arrays(monkeypatch, True)
    first = layer(x)
    for _ in range(3):
        layer.set_weights([2 * weight for weight in layer.get_weights()])
        assert function_of(layer) is None
        for _ in range(2):
            second = layer(x)
            np.testing.assert_array_equal(second, 2 * first)
        first = second
    layer.bias = np.zeros(8)
    np.testing.assert_array_equal(layer(np.zeros_like(x), out=y), 0)


def test_weights_that_change_while_others_call(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x, y = layer_and_arrays(monkeypatch, True)
    sets = [[factor * weight for weight in layer.get_weights()] for factor in (1, 2)]
    once, stop, wrong = layer(x), threading.Event(), []

    def call() -> None:
        own = np.empty_like(y)
        while not stop.is_set():
            made = layer(x, out=own)
            if not any(np.array_equal(made, factor * once) for factor in (1, 2)):
                wrong.append(made.copy())

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for number in range(200):
        layer.set_weights(sets[number % 2])
        layer(x)
    stop.set()
    for caller in callers:
        caller.join()
    assert not wrong


def test_copies_have_functions_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x, _ = layer_and_arrays(monkeypatch, True)
    y = layer(x)
    for again in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert function_of(again) is None
        for _ in range(2):
            np.testing.assert_array_equal(again(x), y)
        assert function_of(again) is not function_of(layer)
    assert function_of(layer) is not None


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = cc.get_num_threads()
    yield
    cc.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_more_threads_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    layer, x, _ = layer_and_arrays(monkeypatch, True)
    y = layer(x)
    original = threads.runtime().run

    def run(work: Work, count: int) -> None:
        counts.append(count)
        original(work, count)

    monkeypatch.setattr(threads, "worth", lambda flops, iterations, limit: min(limit, iterations))
    monkeypatch.setattr(threads, "runtime", lambda: threads.Runtime("noted", run, 1))
    cc.set_num_threads(2)
    for _ in range(3):
        np.testing.assert_array_equal(layer(x), y)
    assert counts == [2] * 3
    assert function_of(layer) is None
    cc.set_num_threads(1)
    for _ in range(3):
        np.testing.assert_array_equal(layer(x), y)
    assert counts == [2] * 3
    assert function_of(layer) is not None


def test_many_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are prepared at a time, twice: each has its own result, and few are prepared in vain."""
    made: list[int] = []

    def noted(target: Target, words: bytes, keep: tuple[object, ...]) -> PythonFunction:
        made.append(len(words))
        return python_function.python_function(target, words, keep)

    monkeypatch.setattr(fast_calls, "python_function", noted)
    layer, _, _ = layer_and_arrays(monkeypatch, True)
    whole = layer(np.ones((1, 300, 8), np.float32))
    for _ in range(4):
        for length in range(5, 105):
            y = layer(np.ones((1, length, 8), np.float32))
            np.testing.assert_array_equal(y[:, 1:-1], whole[:, 1 : length - 1])
    assert 32 < len(made) < 128


def test_many_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that needs memory, which all calls share: who finds it taken goes through Python."""
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    layer = Conv1D(512, 2, strides=2, options={"num_threads": 1})
    inputs = [np.random.default_rng(k).standard_normal((1, 130, 512), np.float32) for k in range(4)]
    right = [layer(x) for x in inputs]
    assert layer._weights is not None
    (prepared,) = layer._weights.of_length.values()
    assert prepared.kernel.scratch_bytes
    assert function_of(layer)(inputs[0]) is not None

    def call(number: int) -> None:
        for _ in range(50):
            np.testing.assert_array_equal(layer(inputs[number]), right[number])

    in_threads(4, call)
    assert fast_calls._room is not None
    fast_calls._room[0] = 1
    assert function_of(layer)(inputs[0]) is None
    np.testing.assert_array_equal(layer(inputs[0]), right[0])
    fast_calls._room[0] = 0
    assert function_of(layer)(inputs[0]) is not None


def test_red_zones_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_RED_ZONES", "1")
    layer, x, _ = layer_and_arrays(monkeypatch, True)
    layer(x)
    assert function_of(layer) is None


def test_the_switch_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x, _ = layer_and_arrays(monkeypatch, True)
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "2")
    more = np.concatenate([x, x])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"CONV1D_CODEGEN_FAST_CALL must be 0 or 1\. Received: '2'"):
            layer(more)
    monkeypatch.setenv("CONV1D_CODEGEN_FAST_CALL", "1")
    layer(more)
    assert function_of(layer)(more) is not None
