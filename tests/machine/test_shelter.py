"""Calls that no signal's handler interrupts: their results, what they raise, and what comes from outside meanwhile."""

import _thread
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import pytest
from support.type_helpers import known

from conv1d_codegen.machine.shelter import sheltered

pytestmark = pytest.mark.usefixtures("llvm_makes_all")


def test_what_it_gives_and_raises() -> None:
    assert sheltered(lambda: 3) == 3
    assert sheltered(lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        sheltered(lambda: 1 // 0)

    def interrupt() -> None:
        raise KeyboardInterrupt("the work's own")

    with pytest.raises(KeyboardInterrupt, match="the work's own"):
        sheltered(interrupt)


def test_where_it_runs() -> None:
    """Beside the main thread, as there handlers run; on any other thread, there."""
    assert sheltered(threading.current_thread) is not threading.main_thread()
    found = []
    other = threading.Thread(target=lambda: found.append(sheltered(threading.current_thread)))
    other.start()
    other.join()
    assert found == [other]


def test_where_there_are_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert sheltered(threading.current_thread) is threading.main_thread()


def test_a_signal_waits_for_the_end() -> None:
    """The handler runs at once, and what it raises comes when the work is done, which nothing interrupts."""
    times: dict[str, float] = {}

    def handler(number: int, frame: FrameType | None) -> None:
        times.setdefault("handler", time.monotonic())
        raise KeyboardInterrupt("of the handler")

    def work() -> int:
        for _ in range(3):
            signal.pthread_kill(known(threading.main_thread().ident), signal.SIGUSR1)
            time.sleep(0.03)
        times["done"] = time.monotonic()
        return 1

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(KeyboardInterrupt, match="of the handler"):
            sheltered(work)
        assert times["handler"] < times["done"]
        time.sleep(0.01)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sheltered(lambda: 4) == 4


@pytest.mark.parametrize("begins", [True, False])
def test_an_interruption_as_the_thread_starts(monkeypatch: pytest.MonkeyPatch, begins: bool) -> None:
    """Work that has begun is waited for; work that has not never begins."""
    start, calls = _thread.start_new_thread, []
    has_begun = threading.Event()

    def interrupted(function: Callable[[], None], arguments: tuple[()]) -> NoReturn:
        def late() -> None:
            time.sleep(0.02)
            function()

        start(function if begins else late, arguments)
        if begins:
            has_begun.wait()
        raise KeyboardInterrupt

    def work() -> None:
        has_begun.set()
        time.sleep(0.02)
        calls.append(1)

    monkeypatch.setattr(_thread, "start_new_thread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sheltered(work)
    assert calls == [1] * begins
    time.sleep(0.05)
    assert calls == [1] * begins
