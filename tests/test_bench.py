"""The bench: its cases, its limits, its checks, and that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conv1d_codegen import jit
from conv1d_codegen.target import TARGETS, host

TOP = Path(__file__).resolve().parent.parent
sys.path.append(str(TOP))  # the bench is no part of the package

from bench import calls, check, peak, run, shapes, table, timing  # noqa: E402


def case(name: str, channels_first: bool = False) -> shapes.Case:
    return next(case for case in shapes.load(channels_first) if case.name == name)


@pytest.mark.parametrize("command", [["-m", "bench"], [str(TOP / "bench" / "run.py"), "--layout", "channels_first"]])
def test_the_bench_runs(command: list[str], tmp_path: Path) -> None:
    folder = TOP if command[0] == "-m" else tmp_path
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, *command, "--filter", "tiny/realtime", "--quick"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert any(line.startswith("tiny/realtime ") for line in lines)
    assert any(line.startswith("geometric means") for line in lines)
    assert lines[-1].startswith("1 cases in ")
    assert done.stderr == ""


def test_there_are_59_cases_of_known_sizes() -> None:
    cases = shapes.load()
    assert len(cases) == len({case.name for case in cases}) == 59
    assert str(case("wavenet_voc/gate_d8")) == "c128_f256_k3_d8_pad16x0_relu_f32@1x10240"
    assert case("wavenet_voc/gate_d8").flops == 2_013_265_920
    assert str(case("tiny/realtime", channels_first=True)) == "c8_f8_k3_d2_pad4x0_relu_f32_first@1x64"


@pytest.mark.parametrize("name", ["tiny/realtime", "onednn/1d/conv_dw", "onednn/1d/conv1d:2", "tcresnet8/b24_conv0"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_a_case_is_computed_as_its_problem_says(name: str, channels_first: bool) -> None:
    this = case(name, channels_first)
    layer, x = this.layer(), this.inputs()
    assert layer.problem == this.problem
    assert check.wrong(this, layer, x, layer(x)) is None


@pytest.mark.parametrize("name", ["tiny/realtime", "hifigan/c64_k11d5", "onednn/1d/conv1d:2"])  # all of it, and parts
@pytest.mark.parametrize("channels_first", [False, True])
def test_the_check_catches_a_wrong_kernel(name: str, channels_first: bool) -> None:
    this = case(name, channels_first)
    layer, other, x = this.layer(), this.layer(), this.inputs()
    weights = layer.kernel.copy()
    weights[-1, -1] = 0.0  # the last tap forgets a channel
    other.kernel = weights
    assert "off by" in (check.wrong(this, layer, x, other(x)) or "")
    y = layer(x)
    assert check.wrong(this, layer, x, y) is None
    y[-1, -1, -1] += 1.0
    assert "off by" in (check.wrong(this, layer, x, y) or "")
    y[0, y.shape[1] // 3, y.shape[2] // 3] = np.nan
    assert "never written" in (check.wrong(this, layer, x, y) or "")


def test_a_wrong_result_is_not_timed_and_makes_the_run_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(run, "copy_bandwidth", lambda: 1e9)
    monkeypatch.setattr(check, "wrong", lambda case, *_: f"{case}: wrong")
    assert run.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 1
    out = capsys.readouterr().out
    assert "WRONG: compiled: c8_f8_k3_d2_pad4x0_relu_f32@1x64: wrong" in out
    assert "geometric means" not in out


def test_an_algorithm_that_does_not_fit_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(run, "copy_bandwidth", lambda: 1e9)
    assert run.main(["--filter", "tiny/realtime", "--algorithm", "depthwise"]) == 0
    assert "skipped: The depthwise algorithm" in capsys.readouterr().out


def test_arguments_that_fit_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--filter", "no such case"]) == 2
    for arguments in (["--rounds", "0"], ["--target", "neon" if host().name != "neon" else "sse2"]):
        with pytest.raises(SystemExit) as stop:
            run.main(arguments)
        assert stop.value.code == 2
    assert "1 or more" in capsys.readouterr().err


def test_the_peak_is_plausible_and_its_loop_computed() -> None:
    loop = peak.FmaPeak(host())
    speed = loop.flops / timing.interleaved({"peak": loop}, rounds=3)["peak"]
    assert 1e9 < speed < 1e12
    last = loop.sums[-1]
    assert last == (peak.chains(host()) + 0.25 * peak.ITERATIONS if host().fma else 1.0)


@pytest.mark.parametrize("name", TARGETS)
def test_the_loop_of_the_peak_is_nothing_but_arithmetic(name: str) -> None:
    target = TARGETS[name]
    text = jit.assembly(peak.loop_ir(target), target)
    loop = text[text.index("LBB0_1:") :].split("\tj" if name != "neon" else "\tb.")[0]
    instruction = {"sse2": "mulps", "neon": "fmla"}.get(name, "vfmadd")
    assert loop.count(instruction) == peak.chains(target)
    assert "(%rsp)" not in loop
    assert "[sp" not in loop


def test_the_cost_of_a_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    assert calls.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:34].strip(): [float(number) for number in line[34:].split()] for line in lines if line.startswith("tiny/")}
    mflop, at_peak, call, over = rows["tiny/realtime"]
    assert mflop == pytest.approx(case("tiny/realtime").flops / 1e6, abs=5e-4)
    assert over == pytest.approx(call - at_peak, abs=0.02)
    named = {line[:45].strip(): float(line[45:]) for line in lines[2:] if line and "µs" not in line}
    assert {"layer(x, out=y)", "the machine code called", "the argument block", "the pool"} <= set(named)
    assert all(spent > 0 for spent in named.values())
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


def test_the_table_lines_up() -> None:
    result = table.Result(case("seed/example"), compiled=1e-5, generic=3e-5, peak=100e9)
    assert len(table.header()) == len(table.row(result))
    assert result.ratio == pytest.approx(3)
    assert result.share == pytest.approx(0.786432)
    other = table.Result(case("tiny/realtime"), compiled=1e-5, generic=12e-5, peak=100e9)
    assert table.means([result, other]).splitlines()[1].split()[-1] == "6.00"
