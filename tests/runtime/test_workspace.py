"""The memory for large scratch arrays: one buffer for each Python thread, kept from call to call, and a slice of it for
each of a team.
"""

import os
import struct
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support.helpers import compiled, exact_data, expected, in_threads, python
from support.kernel_helpers import call
from support.teams import RUNTIMES, run_of, use
from support.type_helpers import Array, the

from conv1d_codegen.emit import scratch as layout
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime import workspace as scratch
from conv1d_codegen.runtime.kernel import CompiledKernel, PackedWeights
from conv1d_codegen.runtime.work import Work

LARGE = "c512_f512_k2_s2_valid_linear_f32"  # streamed weights: 126 KiB of totals
SMALL = "c8_f8_k3_same_linear_f32"
#: A kernel with large scratch, its packed weights, inputs and the right output.
Large = tuple[CompiledKernel, PackedWeights, Array, Array]


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> Large:
    """A kernel with large scratch, its packed weights, inputs and the right output."""
    problem = Problem.parse(LARGE)
    kernel = compiled(problem).kernel
    assert kernel.scratch_bytes > layout._SMALL
    x, w, b = exact_data(problem, 4, 130)
    return kernel, kernel.pack(w, b), x, expected(problem, x, w, b)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_team(monkeypatch: pytest.MonkeyPatch, large: Large, runtime: str) -> None:
    kernel, packed, x, right = large
    use(monkeypatch, run_of(runtime))
    for threads in (1, 2, 3, 2):
        for _ in range(3):
            np.testing.assert_array_equal(call(kernel, packed, x, threads), right)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_many_python_threads(monkeypatch: pytest.MonkeyPatch, large: Large, runtime: str) -> None:
    kernel, packed, x, right = large
    use(monkeypatch, run_of(runtime))
    wrong, everyone = [], threading.Barrier(4)

    def work(seed: int) -> None:
        everyone.wait()
        for number in range(8):
            if not np.array_equal(call(kernel, packed, x, 1 + (number + seed) % 2), right):
                wrong.append((seed, number))

    in_threads(4, work)
    assert not wrong


def slots_of(monkeypatch: pytest.MonkeyPatch, kernel: CompiledKernel, *arguments: Any) -> tuple[int, ...]:
    """The block of a call that does nothing."""
    blocks: list[bytes] = []
    with monkeypatch.context() as patch:
        patch.setattr(kernel, "_function", blocks.append)
        call(kernel, *arguments)
    return struct.unpack(f"{len(blocks[0]) // 8}q", blocks[0])


def test_the_buffer_stays_from_call_to_call_and_none_is_passed_where_none_is_wanted(
    monkeypatch: pytest.MonkeyPatch, large: Large
) -> None:
    kernel, packed, x, _ = large
    scratch.give_back(scratch.take(3 * kernel.scratch_bytes))
    addresses = [slots_of(monkeypatch, kernel, packed, x[:batch])[-3] for batch in (4, 1, 4)]
    assert len(set(addresses)) == 1
    assert addresses[0] % 64 == 0
    assert addresses[0] != 0
    monkeypatch.setattr(scratch, "take", None)  # not even called
    small = compiled(Problem.parse(SMALL)).kernel
    x, w, b = exact_data(small.problem, 2, 9)
    assert slots_of(monkeypatch, small, small.pack(w, b), x)[-3:] == (0, 1, 0)


def test_a_team_has_a_slice_for_each(monkeypatch: pytest.MonkeyPatch, large: Large) -> None:
    kernel, packed, x, _ = large
    asked, take = [], scratch.take

    def noted(size: int) -> scratch.Room:
        asked.append(size)
        return take(size)

    monkeypatch.setattr(scratch, "take", noted)
    use(monkeypatch, lambda work, count: work())
    for threads in (1, 2, 3):
        call(kernel, packed, x, threads)
    assert asked == [kernel.scratch_bytes * threads for threads in (1, 2, 3)]


def room_of(work: Work) -> scratch.Room:
    """The buffer that a team's work keeps."""
    return the(scratch.Room, work.keep[-1])


def test_a_call_within_a_call_has_a_buffer_of_its_own(monkeypatch: pytest.MonkeyPatch, large: Large) -> None:
    """As from a signal handler, while this thread waits for others that are at work."""
    kernel, packed, x, right = large
    inner: list[Work] = []

    def run(work: Work, count: int) -> None:
        if not inner:
            inner.append(work)
            np.testing.assert_array_equal(call(kernel, packed, x, 2), right)
        inner.append(work)
        work()

    use(monkeypatch, run)
    np.testing.assert_array_equal(call(kernel, packed, x, 2), right)
    outer, within, _ = inner
    assert room_of(outer).address != room_of(within).address


def test_a_call_that_fails_does_not_give_its_buffer_to_the_next(monkeypatch: pytest.MonkeyPatch, large: Large) -> None:
    """Other threads may still be at work in it. They keep it alive."""
    kernel, packed, x, _ = large
    works = []

    def run(work: Work, count: int) -> None:
        works.append(work)
        raise KeyboardInterrupt

    use(monkeypatch, run)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            call(kernel, packed, x, 2)
    assert len({room_of(work).address for work in works}) == 3


# --- the buffer -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_own", scratch._Own())


@pytest.mark.usefixtures("fresh")
def test_a_buffer_grows_and_is_kept() -> None:
    sizes = (64, 1 << 10, 64, 1 << 22, 1 << 12)
    found = []
    for size in sizes:
        room = scratch.take(size)
        assert room.size >= size
        assert room.size == room.array.nbytes
        assert room.address == room.array.ctypes.data
        assert room.address % 64 == 0
        scratch.give_back(room)
        found.append(room)
    assert [a is b for a, b in pairwise(found)] == [False, True, False, True]


@pytest.mark.usefixtures("fresh")
def test_of_two_buffers_the_larger_one_is_kept() -> None:
    for order in (1, -1):
        pair = [scratch.take(64), scratch.take(1 << 12)]
        assert pair[0].address != pair[1].address
        for room in pair[::order]:
            scratch.give_back(room)
        assert scratch.take(64) is pair[1]


@pytest.mark.usefixtures("fresh")
def test_each_thread_has_its_own() -> None:
    mine, others = scratch.take(64), []
    scratch.give_back(mine)
    other = threading.Thread(target=lambda: others.append(scratch.take(64)))
    other.start()
    other.join()
    assert others[0].address != mine.address


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child() -> None:
    code = f"""
import os
from support.helpers import *
problem = Problem.parse("{LARGE}")
x, w, b = exact_data(problem, 1, 130)
right = expected(problem, x, w, b)
assert (run_compiled(problem, x, w, b) == right).all()
pid = os.fork()
ok = (run_compiled(problem, x, w, b) == right).all()
if pid == 0:
    os._exit(0 if ok else 1)
assert ok and os.waitpid(pid, 0)[1] == 0
"""
    returned, _, err = python(code, PYTHONWARNINGS="ignore")
    assert returned == 0, err
