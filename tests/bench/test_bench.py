"""The bench's run: what it refuses, measures, marks and writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import run, shapes
from conv1d_codegen.benchmark import check, measure, process, record
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import host

TOP = Path(__file__).resolve().parents[2]


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


@pytest.mark.usefixtures("in_this_process")
def test_a_wrong_result_is_not_timed_and_makes_the_run_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "wrong", lambda case, *_: f"{case}: wrong")
    assert run.main(["--filter", "tiny/realtime", "--rounds", "1"]) == 1
    out = capsys.readouterr().out
    assert "WRONG: compiled: c8_f8_k3_d2_pad4x0_relu_f32@1x64: wrong" in out
    assert "geometric means" not in out


@pytest.mark.usefixtures("in_this_process")
def test_an_algorithm_that_does_not_fit_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--filter", "tiny/realtime", "--algorithm", "depthwise"]) == 0
    assert "skipped: The depthwise algorithm" in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_cook_toom_is_measured_beside_direct(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--filter",
        "tcresnet8/b48_conv1",
        "--quick",
        "--algorithm",
        "cook_toom",
        "--json",
        str(tmp_path / "run.json"),
    ]
    assert run.main(arguments) == 0
    (this,) = record.read(tmp_path / "run.json").results
    assert set(this.timings) == {"write", "copy", "peak", "compiled", "generic", "direct"}
    assert this.plan.startswith(f"cook_toom {this.toom} ")
    assert f" {this.toom} " in capsys.readouterr().out


@pytest.mark.usefixtures("in_this_process")
def test_a_wrong_direct_kernel_makes_the_run_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        check, "wrong", lambda case, layer, *_: "wrong" if layer.options.algorithm == "direct" else None
    )
    assert (
        run.main(["--filter", "tcresnet8/b48_conv1", "--rounds", "1", "--sweeps", "1", "--algorithm", "cook_toom"]) == 1
    )


def test_arguments_that_fit_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--filter", "no such case"]) == 2
    for arguments in (["--rounds", "0"], ["--target", "neon" if host().name != "neon" else "sse2"]):
        with pytest.raises(SystemExit) as stop:
            run.main(arguments)
        assert stop.value.code == 2
    assert "1 or more" in capsys.readouterr().err


def test_the_commands_are_found_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    loaded: list[str] = []

    def load(name: str) -> SimpleNamespace:
        loaded.append(name)
        return SimpleNamespace(main=lambda argv: len(argv))

    monkeypatch.setattr(command, "import_module", load)
    assert command.main(["compile", "a", "b"]) == 2
    assert command.main(["compare"]) == 0
    assert loaded == ["bench.compile_time", "conv1d_codegen.benchmark.compare"]
    assert command.main(["--filter", "no such case"]) == 2
    assert "No case has 'no such case' in its" in capsys.readouterr().err
    assert command.main(["c4_f4_k3_valid_relu_f32@1x9"]) == 2
    assert "conv1d-codegen bench" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "keras"], "not 'keras'"),
        (["--threads", "0"], "numbers of 1 or more"),
        (["--threads", "1000"], "this process may use"),
        (["--json", "/no/such/folder/x.json"], "there is no folder"),
        (["--peers", "all", "--dtype", "f64"], "f32 only"),
        (["--sweeps", "0"], "1 or more is needed"),
        (["--rounds", "few"], "1 or more is needed, not 'few'"),
        (["--target", "z80"], "is needed, not 'z80'"),
        (["--accuracy", "exact"], "invalid choice: 'exact'"),
        (["--accuracy", "strict", "--algorithm", "cook_toom"], "strict excludes --algorithm cook_toom"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_measuring(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run.main(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_a_process_that_dies_is_reported_with_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(process.ProcessFailed, match="ended with code 1 at the start"):
        list(process.events(measure.Settings()))


@pytest.mark.usefixtures("in_this_process")
def test_everything_is_written_that_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["--filter", "realtime", "--rounds", "2", "--sweeps", "2", "--dtype", "f64"]
    assert run.main([*arguments, "--json", str(tmp_path / "run.json"), "--plot", str(tmp_path / "run.png")]) == 0
    written = record.read(tmp_path / "run.json")
    (this,) = written.results
    assert this.text == "c8_f8_k3_d2_pad4x0_relu_f64@1x64"
    assert this.bytes == 8 * (8 * 64 + 3 * 8 * 8 + 8 + 8 * 64)
    assert set(this.timings) == {"write", "copy", "peak", "compiled", "generic"}
    assert written.options["accuracy"] == "standard"
    assert this.plan.startswith("direct lanes=")
    assert written.machine["cores"] == os.cpu_count()
    assert written.options["threads"] == [1]
    assert {"python", "numpy", "llvmlite", "conv1d_codegen"} <= set(written.versions)
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert "2 sweeps" in capsys.readouterr().out


@pytest.mark.skipif(len(timing.cores()) < 2, reason="one core only")
def test_two_threads_are_measured_beside_one() -> None:
    found = list(
        process.events(
            measure.Settings(measure.Settings.listed(shapes.load(text="realtime")), rounds=1, sweeps=1, threads=2)
        )
    )
    limits = record.Limits(**found[0]["limits"])
    assert (limits.threads, len(limits.cores)) == (2, 2)
    assert 0.3 < limits.more_flops < 3.0  # one, where another process has a core
    assert 0.3 < limits.more_bytes < 3.0
    assert record.result_from(found[-1]["result"]).ratio("single", "compiled") is not None
