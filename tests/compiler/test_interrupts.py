"""KeyboardInterrupt at any point of a first call: afterwards the same layer, and others, compile and give right answers
on any thread.

Each point is tried in a forked child of a process that has imported everything and compiled nothing, so that what is
made once for a process is interrupted too. Either the point is the n-th call or return of Python code or of C code, in
the order of the run, or it is where a timer's signal finds the interpreter. An hour of it, 3000 points with seed 7:

    PYTHONPATH=tests python tests/compiler/test_interrupts.py 3000 7
"""

import copy
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pytest
from support.helpers import python
from support.type_helpers import Array

from conv1d_codegen import Conv1D, reference

pytestmark = pytest.mark.usefixtures("llvm_makes_all")

CONFIGS = (
    {"filters": 5, "kernel_size": 3, "padding": "causal", "activation": "tanh"},
    {"filters": 4, "kernel_size": 2, "groups": 2, "data_format": "channels_first"},
    {"filters": 4, "kernel_size": 3, "groups": 4, "strides": 2, "padding": "same"},
    {"filters": 8, "kernel_size": 7, "options": {"algorithm": "cook_toom"}},
)
LONGEST = 0.2  # seconds of processor time that a first call takes, more or less: when the timer may ring


@contextmanager
def at_event(number: int) -> Iterator[None]:
    """Raise at the n-th call or return."""
    left = number

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextmanager
def at_time(seconds: float) -> Iterator[None]:
    """Raise as a signal does, after a time."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def count_events(config: dict[str, Any]) -> int:
    """How many events the first call of a process has, counted in a child."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        events = 0

        def profile(frame: FrameType, event: str, argument: object) -> None:
            nonlocal events
            events += 1

        sys.setprofile(profile)
        Conv1D(**config)(inputs(config))
        sys.setprofile(None)
        os.write(writer, str(events).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20))


def inputs(config: dict[str, Any]) -> Array:
    shape = (3, 4, 40) if config.get("data_format") == "channels_first" else (3, 40, 4)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def is_right(layer: Conv1D, x: Array) -> bool:
    y = layer(x)
    if layer.activation.__name__ == "tanh":
        plain = np.tanh(
            reference.conv1d(
                x, layer.kernel, layer.bias, layer.problem.with_(activation=type(layer.problem.activation)())
            )
        )
    else:
        plain = reference.conv1d(x, layer.kernel, layer.bias, layer.problem)
    return np.allclose(y, plain, rtol=1e-5, atol=1e-5)


def try_point(config: dict[str, Any], interrupt: AbstractContextManager[None]) -> bool:
    """In a child: whether the call was interrupted. Raises where anything is wrong afterwards, and dies where anything
    hangs.
    """
    signal.alarm(60)
    layer, x = Conv1D(**config), inputs(config)
    interrupted = False
    try:
        with interrupt:
            layer(x)
    except KeyboardInterrupt:
        interrupted = True
    wrong = []
    others = [
        layer,
        Conv1D(**config),
        copy.deepcopy(layer),
        Conv1D(6, 2, activation="relu", data_format=layer.data_format),
    ]

    def work(which: int) -> None:
        try:
            if not is_right(others[which], x):
                wrong.append(f"the output of layer {which}")
        except BaseException as error:
            wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(len(others))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not is_right(layer, x):
        wrong.append("the output on the thread that was interrupted")
    assert not wrong, wrong
    return interrupted


def main(count: int, seed: int) -> None:
    """`count` points; prints each that goes wrong, and how many calls were interrupted."""
    draw = random.Random(seed)
    totals = [count_events(config) for config in CONFIGS]
    interrupted = 0
    for number in range(count):
        which = number % len(CONFIGS)
        late = draw.random() < 0.3  # in what loads the code, of which few events are, and that keeps most
        point = (
            draw.randint(totals[which] * 49 // 50 if late else 1, totals[which])
            if draw.random() < 0.6
            else draw.uniform(1e-4, LONGEST)
        )
        child = os.fork()
        if child == 0:
            try:
                hit = try_point(CONFIGS[which], at_event(point) if isinstance(point, int) else at_time(point))
                os._exit(10 if hit else 0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        interrupted += status == 10
        assert status in (0, 10), f"{CONFIGS[which]} interrupted at {point} ended with {status}"
    print(interrupted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_first_call_that_is_interrupted_anywhere() -> None:
    code, out, err = python("import test_interrupts as t; t.main(24, 0)", timeout=240, PYTHONWARNINGS="ignore")
    assert code == 0, err[-3000:]
    assert int(out) >= 14, f"only {out.strip()} of 24 calls were interrupted"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
