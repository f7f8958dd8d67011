"""Runs cases in child processes, several at a time, and says what came of each: also when one crashes or hangs."""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST = 120.0  # seconds of one case, after which it counts as hanging: some take 5 s, on a machine that is busy 40
_MOST_CASES = 500  # of one process: what it keeps of kernels is bounded, and this bounds the rest
#: BLAS and OpenMP in the oracle would take turns with the kernels' own threads on the same cores.
_SINGLE = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_KEPT = ("CONV1D_CODEGEN_RUNTIME", "CONV1D_CODEGEN_VERIFY")
_SET = {"CONV1D_CODEGEN_RED_ZONES": "1", **dict.fromkeys(_SINGLE, "1")}


#: What the child processes run.
LAYERS = ("-m", "conv1d_codegen.selftest.worker")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: the outputs that were compared, how long it took, and what failed, or nothing."""

    case: Any
    outputs: int
    seconds: float
    failure: str


class Worker:
    """One child process, which has at most one case at a time: a line of text, as `str` gives it."""

    def __init__(self, command: Sequence[str] = LAYERS) -> None:
        self.case: Any = None
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._cases = 0
        self.started = 0.0

    @property
    def output(self) -> Any:
        """Where its answer comes."""
        assert self._process is not None
        return self._process.stdout

    def begin(self, case: Any) -> None:
        """Give it a case; starts the process where there is none."""
        if self._process is None or self._cases >= _MOST_CASES:
            self.end()
            self._process = self._new()
        self.case, self.started = case, time.monotonic()
        self._cases += 1
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{case}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died before: the answer says so

    def _new(self) -> subprocess.Popen[str]:
        self._cases = 0
        top = str(Path(__file__).resolve().parents[2])
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith("CONV1D_CODEGEN_") or name in _KEPT
        }
        path = os.pathsep.join(filter(None, [top, os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            [sys.executable, *self._command],
            env={**kept, **_SET, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def finish(self) -> Outcome:
        """What came of its case, once there is an answer, or the process has ended."""
        assert self._process is not None
        assert self.case is not None
        line, case, self.case = self._process.stdout.readline() if self._process.stdout else "", self.case, None
        seconds = time.monotonic() - self.started
        if line.endswith("\n"):
            outputs, seconds, failure = json.loads(line)
            return Outcome(case, outputs, seconds, failure)
        code = self._process.wait()
        self.end()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Outcome(case, 0, seconds, f"the process died: {name}")

    def give_up(self) -> Outcome:
        """What came of a case that takes too long: the process is killed."""
        assert self.case is not None
        case, self.case = self.case, None
        self.end()
        return Outcome(case, 0, time.monotonic() - self.started, f"no result after {_LONGEST:.0f} s")

    def run(self, case: Any) -> Outcome:
        """What comes of a case, which is waited for."""
        self.begin(case)
        ready, _, _ = select.select([self.output], [], [], _LONGEST)
        return self.finish() if ready else self.give_up()

    def end(self) -> None:
        """Kill the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def outcomes(cases: Iterable[Any], jobs: int, command: Sequence[str] = LAYERS) -> Iterator[Outcome]:
    """What came of each case, in the order in which they are done, from so many processes.

    Closing the iterator ends the processes.
    """
    waiting = iter(cases)
    workers = [Worker(command) for _ in range(jobs)]
    try:
        with selectors.DefaultSelector() as selector:
            for worker in workers:
                _begin_next(worker, waiting, selector)
            while busy := [worker for worker in workers if worker.case is not None]:
                left = min(worker.started for worker in busy) + _LONGEST - time.monotonic()
                ready = [key.data for key, _ in selector.select(max(0.0, left))]
                late = [
                    worker for worker in busy if worker not in ready and time.monotonic() - worker.started > _LONGEST
                ]
                for worker in (*ready, *late):
                    selector.unregister(worker.output)
                    yield worker.finish() if worker in ready else worker.give_up()
                    _begin_next(worker, waiting, selector)
    finally:
        for worker in workers:
            worker.end()


def _begin_next(worker: Worker, waiting: Iterator[Any], selector: selectors.BaseSelector) -> None:
    case = next(waiting, None)
    if case is not None:
        worker.begin(case)
        selector.register(worker.output, selectors.EVENT_READ, worker)
