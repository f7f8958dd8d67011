"""The function that Python calls: what it counts, what it lets go of where something fails, and where there is none."""

import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.call_zoo import ZOO
from support.helpers import compiled, exact_data, expected, python
from support.teams import TEAM
from support.type_helpers import Array

from conv1d_codegen.emit import template_folder
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime import fast_calls, pool, processors, python_function, team, threads
from conv1d_codegen.runtime.fast_calls import FastCall, FastCalls
from conv1d_codegen.runtime.python_function import FIRST_ARRAY

pytestmark = pytest.mark.skipif(not python_function.is_known(), reason="an interpreter without fast calls")

SMALL = Problem.parse("c8_f8_k3_same_linear_f32")
WITH_ROOM = Problem.parse("c512_f512_k2_s2_valid_linear_f32")


def prepared(problem: Problem, batch: int = 2, length: int = 20, **changes: Any) -> tuple[Any, Array, Array]:
    """A function for one shape, an input and the right output. `changes`: fields of the call that are others."""
    kernel = compiled(problem).kernel
    x, w, b = exact_data(problem, batch, length)
    call = kernel.fast_call((x.shape,), kernel.pack(w, b), 1, resolve(None))
    assert call is not None
    fields = {name: getattr(call, name) for name in FastCall.__slots__}
    calls = FastCalls()
    calls.missed((x.shape,), lambda _: FastCall(**{**fields, **changes}))
    assert calls.function is not None
    return calls.function, x, expected(problem, x, w, b)


@pytest.mark.parametrize("problem", [SMALL, WITH_ROOM], ids=str)
@pytest.mark.parametrize("flops", [0, 1 << 30], ids=["with the GIL", "without"])
def test_it_computes(problem: Problem, flops: int) -> None:
    function, x, right = prepared(problem, flops=flops)
    y = np.empty_like(right)
    np.testing.assert_array_equal(function(x), right)
    assert function(x, y) is y
    np.testing.assert_array_equal(y, right)
    np.testing.assert_array_equal(function(x, None), right)
    assert function() is None
    assert function(x, y, y) is None


@pytest.fixture(scope="module")
def small() -> dict[bool, tuple[Any, Array, Array]]:
    """Functions that give their output alone, and in a list."""
    return {listed: prepared(SMALL, listed=listed) for listed in (False, True)}


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("name", ZOO)
def test_nothing_is_kept_and_nothing_is_lost(
    small: dict[bool, tuple[Any, Array, Array]], name: str, listed: bool
) -> None:
    """References are the same after a call, and blocks of memory after many, whatever was given."""
    function, x, right = small[listed]
    y, owned = np.zeros_like(right), (np.ndarray, np.float32, x.dtype, *function.__self__)

    def count() -> list[int]:
        return [sys.getrefcount(each) for each in (x, y, *owned)]

    def call() -> None:
        try:
            ZOO[name](lambda inputs, out=None: function(inputs) if out is None else function(inputs, out), x, y)
        except (TypeError, ValueError):
            return  # what makes the arguments, or Python's own call, refuses

    def kept() -> int:
        """The blocks of memory that a hundred calls leave."""
        blocks = sys.getallocatedblocks()
        for _ in range(100):
            call()
        return sys.getallocatedblocks() - blocks

    for _ in range(3):
        call()
    before, none = count(), sys.getrefcount(None)
    # What a call keeps, every round of calls keeps; what the interpreter keeps for itself grows in some of them.
    assert min(kept() for _ in range(5)) < 50
    assert count() == before
    assert abs(sys.getrefcount(None) - none) < 50


def refusing(*_: object) -> Any:
    raise MemoryError("no more")


EMPTY: dict[str, Callable[..., Any]] = {
    "raises": refusing,
    "no array": lambda shape, dtype: bytearray(4),
    "a subclass": lambda shape, dtype: np.empty(shape, dtype).view(np.ma.MaskedArray),
    "another shape": lambda shape, dtype: np.empty(shape[1:], dtype),
    "another type": lambda shape, dtype: np.empty(shape, np.float64),
    "apart": lambda shape, dtype: np.empty((*shape, 2), dtype)[..., 0],
    "read-only": lambda shape, dtype: np.broadcast_to(np.zeros(1, dtype), shape),
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("outputs", [1, 2])
def test_outputs_that_can_not_be_made(monkeypatch: pytest.MonkeyPatch, name: str, outputs: int) -> None:
    """Of several, the last: those that were made before it are let go of."""
    made: list[Any] = []

    def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        made.append(EMPTY[name](shape, dtype) if len(made) % outputs == outputs - 1 else np.empty(shape, dtype))
        return made[-1]

    prepared(SMALL)  # which knows the type of numbers
    monkeypatch.setattr(fast_calls, "np", SimpleNamespace(**{**vars(np), "empty": empty}))
    function, x, _ = prepared(SMALL, outputs=outputs * ((2, 20, 8),), listed=outputs > 1)
    monkeypatch.undo()
    before = sys.getrefcount(x)
    assert function(x) is None
    assert sys.getrefcount(x) == before
    assert all(sys.getrefcount(each) <= 3 for each in made)  # the list's, the loop's, the argument's
    assert len(made) == (outputs - 1 if name == "raises" else outputs)


def test_shapes_of_several_arrays() -> None:
    """Of two inputs and two outputs, each has its place: x + 0 and y + 0, by one kernel, would not tell them apart."""
    function, x, right = prepared(
        SMALL,
        inputs=((2, 20, 8), (3,)),
        outputs=((2, 20, 8), (4, 5)),
        slots=_slots_with(SMALL, output=FIRST_ARRAY + 2),
        listed=True,
    )
    more, other = np.zeros(3, np.float32), np.zeros((4, 5), np.float32)
    y, z = function(x, more)
    np.testing.assert_array_equal(y, right)
    assert z.shape == (4, 5)
    y[:] = 0
    made = function(x, more, y, other)
    assert made[0] is y
    assert made[1] is other
    np.testing.assert_array_equal(y, right)
    shared = np.zeros(2 * 20 * 8 + 10, np.float32)
    for wrong in (
        (x,),
        (x, more, y),
        (more, x),
        (x, more, other, y),
        (x, more, None, None),
        (x, more, y, None),
        (x, more, y, x[0, :20].reshape(-1)[:20].reshape(4, 5)),
        (x, more, shared[:320].reshape(2, 20, 8), shared[310:330].reshape(4, 5)),
        (x, np.zeros(4, np.float32)),
        (x, more.astype(np.float64)),
    ):
        assert function(*wrong) is None


def _slots_with(problem: Problem, output: int) -> tuple[tuple[int, int], ...]:
    kernel = compiled(problem).kernel
    x, w, b = exact_data(problem, 2, 20)
    _slots_with.kept = weights = kernel.pack(w, b)  # type: ignore[attr-defined]
    call = kernel.fast_call((x.shape,), weights, 1, resolve(None))
    assert call is not None
    return tuple((output if base == FIRST_ARRAY + 1 else base, offset) for base, offset in call.slots)


def test_another_python_thread_runs_beside_a_long_call() -> None:
    function, x, right = prepared(Problem.parse("c128_f128_k5_same_linear_f32"), 1, 20_000)
    y, span, seen = np.zeros_like(right), [0.0, 0.0], []
    del right

    def call() -> None:
        span[0] = time.perf_counter()
        assert function(x, y) is y
        span[1] = time.perf_counter()

    caller = threading.Thread(target=call)
    caller.start()
    while caller.is_alive():
        seen.append(time.perf_counter())
    third = (span[1] - span[0]) / 3
    assert any(span[0] + third < moment < span[1] - third for moment in seen)


@TEAM
@pytest.mark.parametrize("problem", [SMALL, WITH_ROOM], ids=str)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_team_computes_the_same_bits(monkeypatch: pytest.MonkeyPatch, problem: Problem, count: int) -> None:
    """Call after call: counters begin at 0, and nobody works for a call that has ended."""
    alone, x, _ = prepared(problem, 5, 131)
    right = alone(x)
    monkeypatch.setattr(threads, "runtime", lambda: threads.Runtime("team", team.run, 1, team.seats))
    monkeypatch.setattr(processors, "usable", lambda: 64)
    kernel = compiled(problem).kernel
    x_, w, b = exact_data(problem, 5, 131)
    np.testing.assert_array_equal(x_, x)
    call = kernel.fast_call((x.shape,), kernel.pack(w, b), count, resolve(None))
    assert call is not None
    assert call.seats is not None
    long = replace(call, seats=call.seats._replace(wakes=1))  # so that threads that sleep are woken for it
    calls = FastCalls()
    calls.missed((x.shape,), lambda _: long)
    assert calls.function is not None
    words, y = team._made().words, np.empty_like(right)
    words.at("left").value = 0
    for _ in range(200):
        worked = words.at("worked").value
        y[:] = np.nan
        assert calls.function(x, y) is y
        np.testing.assert_array_equal(y, right)
        assert words.at("left").value != 0 or words.at("worked").value > worked  # it was the team's
    np.testing.assert_array_equal(calls.function(x), right)


def test_no_call_of_threads_that_machine_code_can_not_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "runtime", lambda: threads.Runtime("another", pool.run, 1))
    monkeypatch.setattr(processors, "usable", lambda: 64)
    kernel = compiled(SMALL).kernel
    x, w, b = exact_data(SMALL, 2, 20)
    packed = kernel.pack(w, b)
    assert kernel.fast_call((x.shape,), packed, 2, resolve(None)) is None
    assert kernel.fast_call((x.shape,), packed, 1, resolve(None)) is not None


@TEAM
def test_a_child_has_a_team_of_its_own() -> None:
    """A function that knows the parent's team does nothing there; the next one knows the child's."""
    code = """
import os, sys, numpy as np
from conv1d_codegen import Conv1D
from conv1d_codegen.runtime import processors, team
processors.usable = lambda: 2
layer = Conv1D(64, 9, options={"num_threads": 2})
x = np.ones((4, 1000, 64), np.float32)
y = layer(x)
first = layer._weights.fast.function
assert first(x) is not None and team._team.members == 1
pid = os.fork()
if pid == 0:
    assert first(x) is None and team._team is None
    assert np.array_equal(layer(x), y)
    second = layer._weights.fast.function
    assert np.array_equal(second(x), y) and team._team.members == 1
    os._exit(0)
assert first(x) is not None
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    code_, out, err = python(code, CONV1D_CODEGEN_RUNTIME="team", PYTHONWARNINGS="ignore")
    assert code_ == 0, out + err


def test_the_function_owns_all_that_it_needs() -> None:
    function, x, right = prepared(WITH_ROOM)
    fast_calls.forget_room()  # another one from now on
    for _ in range(3):
        np.testing.assert_array_equal(function(x), right)


def test_a_child_finds_the_room_free() -> None:
    """Another thread of the parent had it; it is not in the child."""
    code = """
import os, sys, numpy as np
from conv1d_codegen import Conv1D
from conv1d_codegen.runtime import fast_calls
layer = Conv1D(512, 2, strides=2, options={"num_threads": 1})
x = np.ones((1, 130, 512), np.float32)
y = layer(x)
function = layer._weights.fast.function
assert function(x) is not None
fast_calls._room[0] = 1
assert function(x) is None
pid = os.fork()
if pid == 0:
    made = function(x)
    os._exit(0 if made is not None and np.array_equal(made, y) else 1)
assert function(x) is None
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    code_, out, err = python(code)
    assert code_ == 0, out + err


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("sys.implementation", SimpleNamespace(name="pypy")),
        ("sys.version_info", (3, 10, 9)),
        ("os.name", "nt"),
        ("sys.abiflags", "t"),
        ("struct.calcsize", lambda _: 4),
    ],
)
def test_interpreters_that_are_not_known(monkeypatch: pytest.MonkeyPatch, place: str, value: object) -> None:
    module, name = place.split(".")
    fields = {**vars(getattr(python_function, module)), name: value}
    assert python_function.is_known.__wrapped__()
    monkeypatch.setattr(python_function, module, SimpleNamespace(**fields))
    assert not python_function.is_known.__wrapped__()


def test_what_is_not_known_goes_through_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_calls, "is_known", lambda: False)
    calls = FastCalls()
    calls.missed(((1, 2, 3),), lambda _: pytest.fail("prepared"))
    assert calls.function is None


def test_a_number_type_without_a_name() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert fast_calls._type_code(np.dtype(ml_dtypes.bfloat16)) == 0
    assert [chr(fast_calls._type_code(np.dtype(name))) for name in ("f2", "f4", "f8")] == ["e", "f", "d"]
    assert fast_calls._type_code(np.dtype("f4").newbyteorder()) == 0


def test_calls_that_need_too_much_memory_are_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the room holds that is there, though one for the processors of today would hold it."""
    fits, more = fast_calls.room_bytes(), 1 + 2 * processors.usable()
    monkeypatch.setattr(processors, "usable", lambda: more)
    prepared(WITH_ROOM, room=fits)
    with pytest.raises(AssertionError):
        prepared(WITH_ROOM, room=fits + 1)


def test_only_the_functions_that_are_listed_are_called() -> None:
    text = (template_folder() / "fast_call.ll.j2").read_text()
    assert sorted(re.findall(r"^declare .*@(\w+)\(", text, re.MULTILINE)) == sorted(python_function._API)
