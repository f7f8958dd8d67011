"""The first call of a network: machine code of several kernels at a time, each once, whatever comes in between."""

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from support.natives import make_fast_code
from support.networks import program_of
from support.type_helpers import Array

from conv1d_codegen import Conv1D, Input, Network, Sequential, UnprovedWarning, compiler, executable
from conv1d_codegen.executable import Executable, make_together
from conv1d_codegen.ir import Kernel
from conv1d_codegen.machine import jit
from conv1d_codegen.network import layers
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime import driver
from conv1d_codegen.verify import InvalidKernel, verify

pytestmark = pytest.mark.usefixtures("llvm_makes_all")

KERNELS = 4


def small() -> Network:
    """Five nodes, of which two have the same kernel, and one is no convolution."""
    same = {"filters": 5, "kernel_size": 2, "padding": "causal", "activation": "relu"}
    return Sequential(
        [Input(3), Conv1D(5, 3), Conv1D(**same), Conv1D(**same), layers.MaxPooling1D(2), Conv1D(2, 1)]  # type: ignore[arg-type]
    )


def check(network: Network) -> None:
    x = np.random.default_rng(0).standard_normal((2, 20, 3)).astype(np.float32)
    np.testing.assert_allclose(network(x), wanted(network, x), rtol=1e-5, atol=1e-6)


def wanted(network: Network, x: Array) -> Array:
    return program_of(network)._interpreted([x])[0]


@pytest.fixture(autouse=True)
def nothing_is_compiled() -> None:
    forget()


def forget() -> None:
    """As in a new process."""
    compiler.KEPT.clear()
    compiler.KEPT_OPERATIONS.clear()
    driver.driver.cache_clear()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads on which object code of kernels is made, and the driver's."""
    threads: list[str] = []
    make_fast_code()
    object_code = jit.object_code

    def noted(ir: str, *arguments: object) -> bytes:
        threads.append("driver" if "driver" in ir.splitlines()[0] else threading.current_thread().name)
        return object_code(ir, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(jit, "object_code", noted)
    return threads


def test_each_kernel_is_made_once_and_beside_the_others(made: list[str]) -> None:
    check(small())
    *kernels, last = made
    assert last == "driver"
    assert len(kernels) == KERNELS
    assert len(set(kernels)) == 1
    assert kernels[0] != threading.current_thread().name
    check(small())
    assert len(made) == KERNELS + 1


def test_a_second_process_makes_none(made: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CONV1D_CODEGEN_CODE_MIB", "1")
    check(small())
    assert len(made) == KERNELS + 1
    assert len(list(tmp_path.iterdir())) == KERNELS + 1  # with the driver
    forget()
    check(small())
    assert len(made) == KERNELS + 1


def test_without_threads_it_is_made_all_the_same(made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as changed:
        changed.setattr(threading.Thread, "start", refuse)
        check(small())
    assert len(made) == KERNELS + 1


def test_what_is_not_proved_gives_its_place_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def strict(kernel: Kernel, scheduled: bool = False) -> None:
        if not refused or (refused[-1] == kernel.name and len(refused) < 2):
            refused.append(kernel.name)
            raise InvalidKernel("for the test")
        verify(kernel, scheduled)

    monkeypatch.setattr(executable, "verify", strict)
    with pytest.warns(UnprovedWarning, match="for the test"):
        check(small())
    assert len(refused) == 2


def test_what_llvm_refuses_is_told_by_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(kernel: Kernel, *arguments: object, **named: object) -> str:
        return "nonsense"

    monkeypatch.setattr(executable, "emit", broken)
    with pytest.raises(RuntimeError, match="LLVM refuses the generated IR"):
        check(small())


def test_an_interruption_leaves_nothing_half_done() -> None:
    """At several times of the first call; the work stops soon, and the next call does the rest."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    interrupted = 0
    try:
        for seconds in (0.02, 0.1, 0.3):
            forget()
            network = small()
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                check(network)
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            check(network)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_waits_for_it() -> None:
    begun = threading.Event()

    class Slow(compiler.Program):
        @property
        def scheduled(self) -> Kernel:
            begun.set()
            time.sleep(0.05)
            return super().scheduled

    found = compiler.compile_problem(Problem(2, 3, 2))
    programs: list[Executable] = [Slow(Problem(2, 3, size), found.plan, found.target) for size in (2, 3)]
    other = threading.Thread(target=make_together, args=(programs,))
    other.start()
    assert begun.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            check(small())
            os._exit(0)
        except BaseException:
            os._exit(1)
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all(not program.is_to_be_made() for program in programs)
