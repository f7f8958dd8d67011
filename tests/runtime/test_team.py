"""The team waits for those who have come, and for nobody else; it leaves the caller its processor, and ends with the
process.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.helpers import python
from support.teams import TEAM

from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import host
from conv1d_codegen.runtime import processors, team
from conv1d_codegen.runtime.team import Team, Words
from conv1d_codegen.runtime.work import Work

pytestmark = TEAM
TWO = pytest.mark.skipif(processors.usable() < 2, reason="one processor")
_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_made: list[object] = []  # callbacks live as long as threads may call them


def work_of(function: Callable[[], None]) -> Work:
    """Work that calls a Python function, on whatever thread."""
    callback = _FUNCTION(lambda block: function())
    _made.append(callback)
    return Work(callback, b"", ())


@pytest.fixture(scope="module")
def of_four() -> Team:
    made = Team()
    made.run(work_of(lambda: None), 4)
    assert made.members == 3
    return made


def test_those_who_have_come_are_waited_for(of_four: Team) -> None:
    everyone, ended = threading.Barrier(4), []

    def function() -> None:
        everyone.wait(10)
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.03)  # the caller looks, then sleeps, and is woken
        ended.append(threading.get_ident())

    for rounds in range(1, 4):
        of_four.words.at("left").value = 0
        of_four.run(work_of(function), 4)
        assert len(ended) == 4 * rounds
    assert len(set(ended)) == 4


def test_who_has_not_come_is_not_waited_for() -> None:
    """Threads that are busy elsewhere, here inside another call, keep nobody."""
    made, inside, release = Team(), threading.Barrier(3), threading.Event()

    def hold() -> None:
        inside.wait(10)
        release.wait(10)

    holder = threading.Thread(target=made.run, args=(work_of(hold), 2))
    holder.start()
    inside.wait(10)  # the holder and the only member are in there
    called = []
    made.run(work_of(lambda: called.append(threading.get_ident())), 2)
    assert called == [threading.get_ident()]
    assert not release.is_set()
    release.set()
    holder.join(10)
    assert not holder.is_alive()


def asleep(made: Team) -> bool:
    """Whether all members sleep, as they do a millisecond after the last call, which is that long ago now."""
    end = time.monotonic() + 10
    time.sleep(0.005)
    while made.words.at("sleepers").value < made.members and time.monotonic() < end:
        time.sleep(0.005)
    return made.words.at("sleepers").value == made.members


def test_who_sleeps_is_not_woken_for_a_short_call() -> None:
    made, callers = Team(), []
    short = replace(work_of(lambda: callers.append(threading.get_ident())), flops=1)
    made.run(short, 2)
    for _ in range(5):
        assert asleep(made)
        callers.clear()
        made.run(short, 2)
        assert callers == [threading.get_ident()]
        assert made.words.at("sleepers").value == 1


def test_who_sleeps_is_woken_for_a_long_call_and_for_the_second_of_several() -> None:
    made, both = Team(), threading.Barrier(2)

    def meet() -> None:
        both.wait(10)

    meeting = work_of(meet)
    made.run(meeting, 2)
    for _ in range(3):
        assert asleep(made)
        made.words.at("left").value = 0
        made.run(meeting, 2)  # long, as nobody says otherwise
    assert asleep(made)
    came: set[int] = set()
    end = time.monotonic() + 10
    while len(came) < 2 and time.monotonic() < end:  # one after another, unless the system holds this thread up
        made.words.at("left").value = 0
        made.run(replace(work_of(lambda: came.add(threading.get_ident())), flops=1), 2)
    assert len(came) == 2


def test_no_more_come_than_there_are_seats(of_four: Team) -> None:
    count = []
    for _ in range(300):
        of_four.run(work_of(lambda: count.append(1)), 2)
    assert 300 <= len(count) <= 600


def test_one_where_the_system_gives_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    made, tries, called = Team(), [], []

    def refuse(*arguments: object) -> int:
        tries.append(arguments)
        return 11  # EAGAIN

    monkeypatch.setattr(made, "_create", refuse)
    for _ in range(3):
        made.run(work_of(lambda: called.append(1)), 4)
    assert (len(called), len(tries), made.members) == (3, 1, 0)


MODE = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define void @mode(ptr %to, ptr %from) {
  call void @llvm.x86.sse.stmxcsr(ptr %to)
  %nothing = icmp eq ptr %from, null
  br i1 %nothing, label %done, label %set
set:
  call void @llvm.x86.sse.ldmxcsr(ptr %from)
  br label %done
done:
  ret void
}
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the mode is MXCSR here")
def test_members_treat_subnormal_numbers_as_the_caller_does(of_four: Team) -> None:
    code = jit.load(MODE, "mode", host())
    mode = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address)
    before, flushing, found = ctypes.c_uint32(), ctypes.c_uint32(), []
    everyone = threading.Barrier(4)

    def function() -> None:
        now = ctypes.c_uint32()
        mode(ctypes.addressof(now), None)
        everyone.wait(10)
        found.append(now.value | 0x3F)  # but for what has happened

    mode(ctypes.addressof(before), None)
    for bits in (0x8040, 0):  # subnormal numbers are zeros, or not
        flushing.value = before.value & ~0x8040 | bits
        of_four.words.at("left").value = 0
        mode(ctypes.addressof(ctypes.c_uint32()), ctypes.addressof(flushing))
        try:
            of_four.run(work_of(function), 4)
        finally:
            mode(ctypes.addressof(ctypes.c_uint32()), ctypes.addressof(before))
        assert found == [flushing.value | 0x3F] * 4
        found.clear()


@TWO
def test_members_leave_the_callers_processor() -> None:
    """A caller that stays on one processor never finds a member there, once that has had time to leave."""
    allowed = os.sched_getaffinity(0)
    made, places, main = Team(), [], threading.get_ident()
    getcpu = ctypes.CDLL(None).sched_getcpu

    def function() -> None:
        time.sleep(0.002)
        if threading.get_ident() != main:
            places.append(getcpu())

    try:
        for mine in sorted(allowed)[:2]:
            made.run(work_of(lambda: None), 2)
            os.sched_setaffinity(0, {mine})
            for _ in range(20):
                made.words.at("left").value = 0
                made.run(work_of(function), 2)
            assert len(places) > 5
            assert mine not in places[-5:]
            os.sched_setaffinity(0, allowed)
            places.clear()
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system doesn't show threads")
def test_members_take_no_signals() -> None:
    before = set(os.listdir("/proc/self/task"))
    made = Team()
    made.run(work_of(lambda: None), 3)
    new = set(os.listdir("/proc/self/task")) - before
    assert len(new) >= 2
    blocked = [Path(f"/proc/self/task/{task}/status").read_text().split("SigBlk:")[1].split()[0] for task in new]
    assert sum(int(mask, 16) & (1 << 1 | 1 << 14) == (1 << 1 | 1 << 14) for mask in blocked) >= 2  # SIGINT, SIGTERM


def test_a_process_ends_while_members_look_out_for_work() -> None:
    code = (
        "import numpy as np, conv1d_codegen as cc; from conv1d_codegen.runtime import processors, team\n"
        "processors.usable = lambda: 4\n"
        "layer = cc.Conv1D(64, 9, options=cc.CompileOptions(num_threads=4)); layer(np.zeros((4, 1000, 64), 'f4'))\n"
        "assert team._team.members == 3"
    )
    for _ in range(5):
        code_of, _, err = python(code, CONV1D_CODEGEN_RUNTIME="team")
        assert code_of == 0, err


class TestPause:
    """What `note` makes of calls, and that a call looks at it."""

    @pytest.fixture
    def words(self) -> Words:
        return Words()

    def together(self, words: Words, took: int, waited: int) -> None:
        """A call of a team that took, and waited, so many nanoseconds."""
        code = jit.link(team.image(), "note")
        note = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_int64, ctypes.c_int64)(code.address)
        note(words.address, took, waited)

    def test_one_hiccup_costs_as_much_again(self, words: Words) -> None:
        self.together(words, took=1_100_000, waited=1_000_000)
        assert words.at("left").value == 1_000_000

    def test_what_is_no_slower_than_alone_costs_none(self, words: Words) -> None:
        self.together(words, took=2_000_000, waited=1_000_000)
        self.together(words, took=350_000, waited=300_000)
        assert words.at("left").value == 0
        assert words.at("worked").value == 2_350_000

    def test_pauses_double_while_it_happens_again(self, words: Words) -> None:
        lengths = []
        for _ in range(14):
            self.together(words, took=1_000_000, waited=1_000_000)
            lengths.append(words.at("left").value)
            self.together(words, took=500_000, waited=0)
        assert lengths[:4] == [1_000_000, 2_000_000, 4_000_000, 8_000_000]
        assert lengths[-1] == team._LONGEST_PAUSE
        self.together(words, took=team._LONGEST_PAUSE, waited=0)
        self.together(words, took=1_000_000, waited=1_000_000)
        assert words.at("left").value == 1_000_000

    def test_calls_are_done_alone_until_it_is_over(self) -> None:
        """A call takes what it takes off the pause."""
        made, called = Team(), []
        left = made.words.at("left")
        made.run(work_of(lambda: time.sleep(0.005)), 2)  # who has begun is in there, or sleeps
        left.value = 10_000_000

        def function() -> None:
            called.append(threading.get_ident())
            time.sleep(0.004)

        while left.value > 0:
            before = left.value
            assert made.run(work_of(function), 2) == 0
            assert left.value <= before - 4_000_000
        assert set(called) == {threading.get_ident()}
        assert 1 <= len(called) <= 3

    def test_who_is_waited_for_too_long_begins_one(self) -> None:
        made, everyone = Team(), threading.Barrier(2)
        main = threading.get_ident()

        def function() -> None:
            everyone.wait(10)
            if threading.get_ident() != main:
                time.sleep(0.02)

        waited = made.run(work_of(function), 2)
        assert 10_000_000 < waited == made.words.at("left").value
