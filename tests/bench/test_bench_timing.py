"""How the bench times: the machine's peak, the cost of a call, compilations, and the clocks."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from support.bench_helpers import case

from bench import any_problem, calls, compile_time
from conv1d_codegen import Activation, Problem
from conv1d_codegen.machine import jit, peak, timing
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS

pytestmark = pytest.mark.usefixtures("llvm_makes_all")


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_the_peak_is_plausible_and_its_loop_computed(dtype: str) -> None:
    loop = peak.FmaPeak(host(), dtype)
    speed = loop.flops / timing.interleaved({"peak": loop}, rounds=3)["peak"]
    assert 1e9 < speed < 1e12
    last = loop.sums[-1]
    assert last == (peak.chains(host()) + 0.25 * peak.ITERATIONS if host().fma else 1.0)


@pytest.mark.parametrize("name", TARGETS)
def test_the_loop_of_the_peak_is_nothing_but_arithmetic(name: str) -> None:
    target = TARGETS[name]
    text = jit.assembly(peak.loop_ir(target), target)
    arm = target.triple.startswith("aarch64")
    loop = text[text.index("LBB0_1:") :].split("\tb." if arm else "\tj")[0]
    instruction = "fmla" if arm else "vfmadd" if target.fma else "mulps"
    assert loop.count(instruction) == peak.chains(target)
    assert "(%rsp)" not in loop
    assert "[sp" not in loop


def test_the_cost_of_a_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    assert calls.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if line.startswith("tiny/")]
    mflop, at_peak, kernel, out, over, new, over_new, *shares = map(float, row[30:].split())
    assert mflop == pytest.approx(case("tiny/realtime").flops / 1e6, abs=5e-4)
    assert min(at_peak, out) > 0
    assert over == pytest.approx(out - kernel, abs=0.002)
    assert over_new == pytest.approx(new - kernel, abs=0.002)
    assert len(shares) == 3
    assert shares == sorted(shares)
    named = {
        line[:45].strip(): [float(number) for number in line[45:].split()]
        for line in lines
        if re.fullmatch(r"\S.{44}[ \d.-]+", line)
    }
    assert {
        "layer(x, out=y)",
        "the machine code called",
        "layer(x, out=y), through Python",
        "the argument block",
        "the pool",
    } <= set(named)
    assert {"1 layers", "10 layers", "6.1 MFLOP"} <= set(named)
    assert all(spent > 0 for numbers in named.values() for spent in numbers[:1])
    for arguments in (["--rounds", "0"], ["--filter", "no such case"]):
        with pytest.raises(SystemExit) as stop:
            calls.main(arguments)
        assert stop.value.code == 2


def test_interleaved_gives_the_median_of_each() -> None:
    def busy(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    times = timing.interleaved({"short": lambda: busy(1e-4), "long": lambda: busy(4e-4)}, rounds=5)
    assert 1e-4 <= times["short"] < 2e-4
    assert 2 < times["long"] / times["short"] < 5


def test_a_compile_is_measured_from_cold_and_stage_by_stage() -> None:
    first, second = (compile_time.measure(case("tiny/realtime").problem) for _ in range(2))
    for taken in (first, second):
        assert all(taken.seconds[stage] > 0 for stage in compile_time.STAGES)
        assert sum(taken.seconds.values()) <= taken.total
    assert first.lines == second.lines > 100


def test_the_table_of_compile_times(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(compile_time, "import_seconds", lambda: 0.1)
    assert compile_time.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["ms", "tiny/realtime", "median", "worst", "import"]
    assert len({len(line) for line in lines[:2]}) == 1
    assert compile_time.main(["--filter", "no such case"]) == 2
    assert compile_time.main(["--every", "--filter", "tiny/realtime", "--rounds", "1", "--longest", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line][-3:] == ["compiling", "verifying", "verifying"]
    assert compile_time.main(["--every", "--filter", "no such case"]) == 2


def test_the_table_of_compile_times_of_random_problems(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(any_problem, "problems", lambda _: iter([Problem(1, 1, 1)] * 9))
    assert compile_time.main(["--random", "3", "--longest", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == [
        "ms",
        *["c1_f1_k1_valid_linear_f32"] * 2,
        "compiling",
        "verifying",
        "verifying",
    ]
    monkeypatch.setattr(any_problem, "problems", lambda _: iter([Problem(1, 1, 1, activation=Activation("unknown"))]))
    assert compile_time.main(["--random", "1"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_random_problems_are_the_same_for_a_seed() -> None:
    first, second = (list(itertools.islice(any_problem.problems(3), 200)) for _ in range(2))
    assert first == second
    assert {problem.dtype for problem in first} == {"f32", "f64", "f16", "bf16"}
    assert max(problem.kernel_size for problem in first) > 5000
    assert len({problem.activation.name for problem in first}) > 20


def test_noise_is_the_distance_of_the_quartiles() -> None:
    assert timing.Timing.of([4.0, 1.0, 2.0, 3.0, 5.0]) == timing.Timing(3.0, 2 / 3)
    assert timing.Timing.of([2.0]) == timing.Timing(2.0, 0.0)


def test_one_thread_is_charged_for_the_work_of_others_and_several_for_the_wait() -> None:
    assert timing.clock_for(1) is time.process_time
    assert timing.clock_for(2) is time.perf_counter
