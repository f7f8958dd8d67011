"""Calls on several threads: the same bits, whoever runs them; as many threads as pay; pools, OpenMP, forks and what
they can't do.
"""

import concurrent.futures
import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import bits, compiled, empty_output, in_threads, python, real_data
from support.teams import OPENMP, RUNTIMES, TEAM, run_of, use
from support.type_helpers import Array

from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime import openmp, pool, team, threads
from conv1d_codegen.runtime.work import Work

PROBLEMS = ("c16_f33_k3_same_relu_f32", "c8_f8_k5_g8_causal_linear_f32", "c5_f7_k4_s2_same_tanh_f64_first")


def prepared(text: str, batch: int = 5, length: int = 61, algorithm: str = "auto") -> Callable[[int], Array]:
    """A function that calls a kernel with a number of threads and gives the output."""
    problem = Problem.parse(text)
    kernel = compiled(problem, algorithm=algorithm).kernel
    x, w, b = real_data(problem, batch, length)
    packed = kernel.pack(w, b)

    def call(num_threads: int) -> Array:
        y = empty_output(problem, batch, length)
        kernel(x, packed, y, num_threads)
        return y

    return call


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("text", PROBLEMS)
@pytest.mark.parametrize("algorithm", ["auto", "generic"])
def test_the_same_bits_for_every_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, runtime: str, text: str, algorithm: str
) -> None:
    use(monkeypatch, run_of(runtime))
    call = prepared(text, algorithm=algorithm)
    alone = bits(call(1))
    for count in (2, 3, 7):
        for _ in range(10):
            assert bits(call(count)) == alone, f"{text} {algorithm}: {count} threads of {runtime}"


@pytest.mark.parametrize("come", [1, 2, 3, 9])
@pytest.mark.parametrize("text", PROBLEMS)
def test_the_number_of_threads_that_really_come_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, text: str, come: int
) -> None:
    """Whoever comes takes what is left; who comes later writes nothing."""
    late = []

    def run(work: Work, count: int) -> None:
        for _ in range(come):
            work()
        late.append(work)

    call = prepared(text)
    alone = bits(call(1))
    use(monkeypatch, run)
    y = call(3)
    assert bits(y) == alone
    y[...] = np.nan
    late[0]()
    assert np.isnan(y).all()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_many_python_threads_call_with_threads(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    use(monkeypatch, run_of(runtime))
    calls = [prepared(text, length=length) for text in PROBLEMS[:2] for length in (20, 61)]
    alone = [bits(call(1)) for call in calls]
    wrong = []

    def work(seed: int) -> None:
        for number in range(60):
            which = (number + seed) % len(calls)
            if bits(calls[which](2 + number % 2)) != alone[which]:
                wrong.append((seed, number))

    in_threads(4, work)
    assert not wrong


FORK = """
import os, signal
from support.helpers import *
from conv1d_codegen.runtime import processors, threads
processors.usable = lambda: 4
problem = Problem.parse("c32_f32_k3_same_relu_f32")
x, w, b = exact_data(problem, 4, 2000)
right = expected(problem, x, w, b)
def check():
    assert (run_compiled(problem, x, w, b, num_threads=3) == right).all()
check()
before = threads.runtime().name
pid = os.fork()
if pid == 0:
    signal.alarm(20)  # a child that hangs dies of this
    check()
    os._exit(0 if threads.runtime().name != "openmp" else 1)
assert os.waitpid(pid, 0)[1] == 0
check()
print(before)
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_forked_child_uses_no_openmp(runtime: str) -> None:
    code, out, err = python(FORK, PYTHONWARNINGS="ignore", CONV1D_CODEGEN_RUNTIME=runtime)
    assert (code, out) == (0, f"{runtime}\n"), err[-3000:]


# --- how many, and whose ----------------------------------------------------------------------------------------------


def test_as_many_threads_as_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, run_of("pool"), least_flops=1000)
    assert threads.worth(flops=999, iterations=50, limit=8) == 1
    assert threads.worth(flops=1999, iterations=50, limit=8) == 1
    assert threads.worth(flops=3000, iterations=50, limit=8) == 3
    assert threads.worth(flops=10**9, iterations=50, limit=8) == 8
    assert threads.worth(flops=10**9, iterations=2, limit=8) == 2
    assert threads.worth(flops=10**9, iterations=100, limit=100) == 64


def test_small_work_stays_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    teams = []

    def run(work: Work, count: int) -> None:
        teams.append(count)
        work()

    use(monkeypatch, run, least_flops=10**6)
    small, large = prepared(PROBLEMS[0], 4, 40), prepared(PROBLEMS[0], 4, 400)  # 0.5 and 5 MFLOP
    small(2)
    assert teams == []
    large(2)
    assert teams == [2]


@pytest.fixture
def choosing() -> Iterator[None]:
    """Let the runtime be chosen anew, before and after a test."""
    threads.runtime.cache_clear()
    yield
    threads.runtime.cache_clear()


@pytest.mark.usefixtures("choosing")
class TestTheChoice:
    @TEAM
    def test_a_team_where_it_is_known(self) -> None:
        assert threads.runtime().name == "team"

    @TEAM
    def test_no_team_where_the_system_lacks_what_it_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(team._SYSTEM, "getcpu", "sched_getcpu_of_another_system")
        assert threads.runtime().name != "team"

    @OPENMP
    def test_openmp_where_there_is_no_team(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        assert threads.runtime().name == "openmp"

    def test_the_pool_where_nothing_else_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        monkeypatch.setattr(openmp, "libraries", lambda: iter(()))
        assert threads.runtime().name == "pool"

    def test_the_pool_where_a_library_has_no_such_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        monkeypatch.setattr(openmp, "libraries", lambda: iter([ctypes.CDLL(None)]))
        assert threads.runtime().name == "pool"

    def test_the_pool_where_it_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONV1D_CODEGEN_RUNTIME", "pool")
        assert threads.runtime().name == "pool"

    def test_a_team_that_is_asked_for_and_not_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONV1D_CODEGEN_RUNTIME", "team")
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        with pytest.raises(ValueError, match=r"CONV1D_CODEGEN_RUNTIME=team, but .* Unset the switch"):
            threads.runtime()

    def test_openmp_that_is_asked_for_and_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONV1D_CODEGEN_RUNTIME", "openmp")
        monkeypatch.setattr(openmp, "libraries", lambda: iter(()))
        with pytest.raises(ValueError, match=r"CONV1D_CODEGEN_RUNTIME=openmp, but .* Install .* or unset the switch"):
            threads.runtime()


@OPENMP
def test_a_runtime_that_is_loaded_is_found_and_preferred() -> None:
    show = "print(openmp.loaded(), next(openmp.libraries())._name)"
    code, out, err = python(
        f"import ctypes; from conv1d_codegen.runtime import openmp; {show}; ctypes.CDLL('libgomp.so.1'); {show}"
    )
    assert code == 0, err
    nothing, loaded = out.splitlines()
    assert nothing == "[] libgomp.so.1"
    path = loaded.split("'")[1]
    assert loaded == f"['{path}'] {path}"


@pytest.mark.parametrize(
    ("file", "is_one"),
    [
        ("/usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0", True),
        ("/site-packages/torch/lib/libgomp-a34b3233.so.1", True),
        ("/opt/intel/libiomp5.so", True),
        ("/usr/lib/llvm/libomp.so.5", True),
        ("/usr/lib/libompitrace.so.40", False),
        ("/usr/lib/libomptarget.so", False),
        ("/usr/lib/libgomp.so.1 (deleted)", False),
        ("/usr/lib/libgomp.so.d/readme", False),
    ],
)
def test_names_of_runtimes(monkeypatch: pytest.MonkeyPatch, file: str, is_one: bool) -> None:
    mapping = f"7f52c8a00000-7f52c8a40000 r-xp 00000000 08:01 1835 {file}\n"
    monkeypatch.setattr(Path, "read_text", lambda path, **_: mapping)
    assert openmp.loaded() == [file] * is_one


def test_the_switch_for_threads_is_read_once() -> None:
    code = "import os; from conv1d_codegen import get_num_threads as n; print(n()); os.environ['CONV1D_CODEGEN_THREADS'] = '7'; print(n())"
    assert python(code, CONV1D_CODEGEN_THREADS="3")[1] == "3\n3\n"


# --- the pool ---------------------------------------------------------------------------------------------------------


class Shares:
    """Work that counts what was done. It can be called by any number of threads."""

    def __init__(self, count: int) -> None:
        self.left = iter(range(count))
        self.done: list[int] = []

    def __call__(self) -> None:
        for share in self.left:
            self.done.append(share)


def test_a_pool_that_can_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is done when `run` returns, also if the system gives no thread for some."""
    for allowed in range(4):
        executor = ThreadPoolExecutor(8)
        monkeypatch.setattr(executor, "submit", refusing_after(allowed, executor.submit))
        monkeypatch.setattr(pool, "_pool", executor)
        work = Shares(20)
        pool.run(work, 6)
        assert sorted(work.done) == list(range(20))
        assert pool._pool is None


def refusing_after(allowed: int, submit: Callable[..., Any]) -> Callable[..., Any]:
    left = iter(range(allowed))

    def refusing(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        return submit(*arguments)

    return refusing


def test_calls_that_began_are_waited_for_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_pool", ThreadPoolExecutor(3))
    everyone = threading.Barrier(4)
    done = []

    def work() -> None:
        everyone.wait()
        if threading.current_thread() is threading.main_thread():
            raise KeyError("the caller's")
        time.sleep(0.05)
        done.append(1)

    with pytest.raises(KeyError, match="the caller's"):
        pool.run(work, 4)
    assert len(done) == 3


@pytest.mark.parametrize("where", ["wait", "submit"])
def test_an_interruption_waits_for_calls_that_began(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """They write to arrays that the caller may use again: also if the signal comes while they are
    started or waited for.
    """
    executor = ThreadPoolExecutor(3)
    monkeypatch.setattr(pool, "_pool", executor)
    begun, done, alarms = (
        threading.Barrier(3 if where == "wait" else 2),
        [],
        [KeyboardInterrupt("twice"), KeyboardInterrupt("at first")],
    )

    def interrupted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if alarms and (where == "wait" or len(alarms) == 1):
                raise alarms.pop()
            if where == "submit":
                alarms.pop()
            return function(*arguments)

        return call

    def work() -> None:
        begun.wait()
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.05)
            done.append(1)

    if where == "wait":
        monkeypatch.setattr(pool, "wait", interrupted(concurrent.futures.wait))
    else:  # the second call is not handed in
        monkeypatch.setattr(executor, "submit", interrupted(executor.submit))
        threading.Thread(target=begun.wait).start()  # in the place of the caller, who never comes to its share
    with pytest.raises(KeyboardInterrupt):
        pool.run(work, 3)
    assert len(done) == (2 if where == "wait" else 1)


def test_what_another_thread_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_pool", ThreadPoolExecutor(1))
    both = threading.Barrier(2)

    def work() -> None:
        both.wait()
        if threading.current_thread() is not threading.main_thread():
            raise KeyError("the other's")

    with pytest.raises(KeyError, match="the other's"):
        pool.run(work, 2)


def test_calls_that_never_began_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ThreadPoolExecutor(1)
    monkeypatch.setattr(pool, "_pool", executor)
    release = threading.Event()
    busy = executor.submit(release.wait)
    work = Shares(20)
    pool.run(work, 3)  # would hang if it waited for the busy thread
    assert sorted(work.done) == list(range(20))
    assert not busy.done()
    release.set()
    executor.shutdown()


def test_many_callers_share_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_pool", ThreadPoolExecutor(8))
    finished = []

    def call(seed: int) -> None:
        for count in range(1, 40):
            work = Shares(40)
            pool.run(work, 1 + (count + seed) % 8)
            finished.append(sorted(work.done) == list(range(40)))

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert finished == [True] * (6 * 39)
