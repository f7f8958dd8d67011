"""What each constant is worth: which kernels are compared, that all are right, and what is printed, written and drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as bench
from conv1d_codegen.__main__ import main
from conv1d_codegen.benchmark import check, constants, record
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.benchmark.record import ConstantsResult
from conv1d_codegen.machine import timing
from conv1d_codegen.schedule.plan import RUN_TIME

TEXT = "c16_f20_k3_same_relu_f32@2x60"


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "pin", lambda count=1: [])


@pytest.mark.quick
def test_each_kernel_knows_one_constant_more() -> None:
    plans = constants.plans_of(Case.parse(TEXT), None)
    assert list(plans)[:1] == ["generic"]
    grown = [plans[f"to {name}"].constants for name in RUN_TIME]
    assert grown == [RUN_TIME[:count] for count in range(1, len(RUN_TIME) + 1)]
    assert [plans[f"only {name}"].constants for name in RUN_TIME] == [(name,) for name in RUN_TIME]
    assert plans["direct"].algorithm == "direct"
    large = constants.plans_of(Case.parse("c64_f64_k3_same_relu_f32@1x5000"), None)
    assert large["compiled"].algorithm == "cook_toom"
    depthwise = constants.plans_of(Case.parse("c64_f64_k3_g64_same_relu_f32@1x5000"), None)
    assert depthwise["direct"].algorithm == "depthwise"


def test_the_table_has_a_row_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--json", str(tmp_path / "run.json"), "--plot", str(tmp_path / "run.png")]
    assert main(["bench", "constants", TEXT, TEXT.replace("_f32", "_f32_first"), "--rounds", "1", *files]) == 0
    out = capsys.readouterr().out
    assert out.count("+ kernel size") == out.count("nothing: converted to the other layout") == 2
    run = record.read(tmp_path / "run.json")
    assert run.kind == "constants"
    for result in run.results:
        assert isinstance(result, ConstantsResult)
        wanted = {f"{which} {name}" for which in ("to", "only") for name in RUN_TIME}
        assert set(result.timings) == {*wanted, "nothing", "generic", "direct", "compiled", "peak"}
        assert result.ratio("generic", "generic") == 1
        row = next(line for line in out.splitlines() if line.startswith("+ groups"))
        assert len(row.split()) == 7
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert bench.main(["compare", str(tmp_path / "run.json"), str(tmp_path / "run.json")]) == 0
    assert "constants: 1.000 times the time" in capsys.readouterr().out


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def wrong(case: Case, layer: object, *_: object) -> str | None:
        return "off" if getattr(layer, "options").plan.constants == ("stride",) else None  # noqa: B009

    monkeypatch.setattr(check, "wrong", wrong)
    assert main(["bench", "constants", TEXT, "--rounds", "1"]) == 1
    assert "WRONG: only stride: off" in capsys.readouterr().out


def test_the_cases_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["constants", "--filter", "tiny/realtime", "--rounds", "1"]) == 0
    assert "c8_f8_k3_d2_pad4x0_relu_f32@1x64" in capsys.readouterr().out
    assert bench.main(["constants", "--filter", "no such case"]) == 2


def test_what_can_not_be_written_is_refused_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bench", "constants", TEXT, "--plot", "/no/such/folder/x.png"])
    assert stop.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
