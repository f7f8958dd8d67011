"""The driver: kernels one after another, alone and in teams whose members come late or not at all."""

import ctypes
import itertools
import threading

import numpy as np
import pytest
from support.type_helpers import Array

from conv1d_codegen.compiler import compile_operation
from conv1d_codegen.emit.abi import FIRST_RUN
from conv1d_codegen.ir import Expression, Operand, Ref
from conv1d_codegen.lower.operations import Map
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.runtime import threads
from conv1d_codegen.runtime.driver import FIRST_ARRAY, MEMORY, WORDS, Driver, Place, Step, Table, driver, number
from conv1d_codegen.runtime.native import Native
from conv1d_codegen.runtime.threads import Runtime
from conv1d_codegen.runtime.work import Work

SIZE = 50_000  # some shares


def doubling() -> Native:
    """y := x + x, on rows."""
    return compile_operation(Map("f32", 1, Expression(Ref("in0") + Ref("in0"), (Operand(1),)))).native


def chain(steps: int, team: int) -> tuple[Table, Array, Array, Array]:
    """x doubled `steps` times, through two rows of memory by turns, into y."""
    native = doubling()
    x, y, memory = (np.full(count * SIZE, np.nan, np.float32) for count in (1, 1, 2))
    x[:] = np.arange(SIZE)
    places = [Place(FIRST_ARRAY, 0), *(Place(MEMORY, at % 2 * 4 * SIZE) for at in range(steps - 1))]
    places.append(Place(FIRST_ARRAY + 1, 0))
    (iterations,) = native.entry.iterations
    sizes = {"N": 1, "T": SIZE}
    calls = [
        Step(native, (source, target, number(1), number(SIZE)), iterations.evaluate(sizes))
        for source, target in itertools.pairwise(places)
    ]
    return Table(calls, team), x, y, memory


def run(table: Table, x: Array, y: Array, memory: Array) -> None:
    table.run(driver(resolve(None)), 0, memory.ctypes.data, [x.ctypes.data, y.ctypes.data], (x, y, memory))


@pytest.mark.parametrize("team", [1, 2, 3, 8])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_each_step_sees_what_the_one_before_it_left(steps: int, team: int) -> None:
    for _ in range(20):
        table, x, y, memory = chain(steps, team)
        run(table, x, y, memory)
        np.testing.assert_array_equal(y, x * 2**steps)


def test_no_steps() -> None:
    table = Table([], 1)
    table.run(driver(resolve(None)), 0, 0, [], ())


def by(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "runtime", lambda: runtime)


def test_a_team_of_which_one_comes_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    by(Runtime("alone", lambda work, _: work(), 1), monkeypatch)
    table, x, y, memory = chain(5, 4)
    run(table, x, y, memory)
    np.testing.assert_array_equal(y, x * 32)


def test_who_comes_when_all_is_done_finds_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(work: Work, _: int) -> None:
        work()
        y[:] = -1
        memory[:] = -1
        others = [threading.Thread(target=work) for _ in range(3)]
        for other in others:
            other.start()
        for other in others:
            other.join(10)
            assert not other.is_alive()

    by(Runtime("late", late, 1), monkeypatch)
    table, x, y, memory = chain(5, 4)
    run(table, x, y, memory)
    assert (y == -1).all()
    assert (memory == -1).all()


def test_who_is_late_does_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that begin at any time, while others are somewhere in the table."""

    def staggered(work: Work, count: int) -> None:
        begin = threading.Barrier(count)

        def member(after: int) -> None:
            begin.wait()
            for _ in range(after * 2000):
                pass
            work()

        others = [threading.Thread(target=member, args=(after,)) for after in range(1, count)]
        for other in others:
            other.start()
        member(0)
        for other in others:
            other.join()

    by(Runtime("staggered", staggered, 1), monkeypatch)
    for _ in range(20):
        table, x, y, memory = chain(9, 4)
        run(table, x, y, memory)
        np.testing.assert_array_equal(y, x * 512)


def test_a_share_that_was_taken_is_waited_for() -> None:
    """A member that holds a share of the first step, and has not done it, keeps the others from the second."""
    table, x, y, memory = chain(2, 2)
    one = driver(resolve(None))
    counters = (ctypes.c_int64 * (2 * (FIRST_RUN + 2)))()
    counters[0] = 1  # somebody has begun
    addresses = (x.ctypes.data, y.ctypes.data)
    block = np.array(
        [*table.begin, ctypes.addressof(counters), one.pause, 0, 0, memory.ctypes.data, *addresses], np.int64
    )
    assert len(block) == len(WORDS) + 2
    member = threading.Thread(target=one.function, args=(block.tobytes(),))
    member.start()
    member.join(0.3)
    assert member.is_alive()
    assert np.isnan(y).all()
    counters[1] += 1  # and ends now
    member.join(10)
    assert not member.is_alive()
    np.testing.assert_array_equal(y, x * 4)


def test_the_driver_is_made_once_for_a_target() -> None:
    assert driver(resolve(None)) is driver(resolve(None))
    assert isinstance(driver(resolve(None)), Driver)
