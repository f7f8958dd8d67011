"""`python -m bench scale`: its points, its table and its picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import scale
from bench.scale_measure import Settings
from conv1d_codegen.benchmark import check, record
from conv1d_codegen.machine import timing
from conv1d_codegen.problem import parse_case

SMALL = "c4_f8_k3_same_relu_f32"


def result(text: str, kind: str, share: float) -> record.Result:
    """A point on a machine of 100 GFLOP/s, of which it reaches a share."""
    problem, batch, length = parse_case(text)
    assert batch is not None
    assert length is not None
    flops = problem.flops(batch, length)
    timings = {"compiled": timing.Timing(flops / (share * 100e9), 0.01), "peak": timing.Timing(1e-5, 0.01)}
    return record.Result(text, text, 1, flops, 100e9, timings, {}, kind, 1000, "direct")


def test_points_lie_over_six_decades() -> None:
    cases = Settings((SMALL,)).cases(SMALL)
    lengths = [case.length for case in cases if case.kind == "length"]
    batches = [case.batch for case in cases if case.kind == "batch"]
    assert (lengths[0], lengths[-1], len(lengths)) == (10, 10_000_000, 13)
    assert (batches[0], batches[-1], len(batches)) == (1, 1_000_000, 13)
    assert {case.batch for case in cases if case.kind == "length"} == {1}
    assert {case.length for case in cases if case.kind == "batch"} == {32}


def test_points_without_output_or_memory_are_left_out() -> None:
    assert min(case.length for case in Settings(steps=5).cases("c4_f8_k33_valid_relu_f32")) == 100
    wide = Settings(gibibytes=1).cases("c64_f64_k3_same_relu_f32")
    assert max(case.batch * case.length for case in wide) * 512 <= 1 << 30
    assert max(case.length for case in wide) == 1_000_000


def test_what_held_is_of_long_ones_only_and_of_each_axis() -> None:
    results = [
        result(f"{SMALL}@1x{length}", "length", share) for length, share in ((100, 0.2), (10_000, 0.8), (100_000, 0.6))
    ]
    results.append(result(f"{SMALL}@10x32", "batch", 0.3))
    (line,) = scale.held(results).splitlines()
    assert line.split()[:2] == [SMALL, "length"]
    assert line.endswith("0.75")
    assert scale.row(results[1]).split()[4] == "80.0"


def test_a_wrong_output_is_said() -> None:
    wrong = record.Result(SMALL, f"{SMALL}@1x10", 1, 1, 1e9, {}, {"compiled": "off by 7"}, "length", 1, "direct")
    assert scale.row(wrong).endswith("WRONG: off by 7")


@pytest.mark.usefixtures("in_this_process")
def test_a_run_measures_checks_and_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = Settings((SMALL,)).cases(SMALL)
    few = [case for case in points if case.batch * case.length in (10, 320)]
    monkeypatch.setattr(Settings, "cases", lambda self, text: few)
    path = tmp_path / "run.json"
    assert scale.main([SMALL, "--quick", "--json", str(path)]) == 0
    written = record.read(path)
    assert [each.text for each in written.results] == [f"{SMALL}@1x10", f"{SMALL}@1x320", f"{SMALL}@10x32"]
    assert [each.kind for each in written.results] == ["length", "length", "batch"]
    assert all(each.peak > 0 for each in written.results)
    assert "3 cases in" in capsys.readouterr().out
    monkeypatch.setattr(check, "wrong", lambda case, *_: f"{case}: wrong")
    assert scale.main([SMALL, "--quick"]) == 1
    assert f"WRONG: {SMALL}@1x10: wrong" in capsys.readouterr().out


def test_what_is_no_problem_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        scale.main(["c4_f8"])
    assert stop.value.code == 2
    assert "PROBLEM" in capsys.readouterr().err


def test_the_picture_has_both_axes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench import scale_plot

    results = [result(f"{SMALL}@1x{length}", "length", 0.5) for length in (10, 1000)]
    results.append(result(f"{SMALL}@10x32", "batch", 0.5))
    limits = [record.Limits(1, [0], 100e9, 1e10)]
    machine = {"cpu": "a", "llvm_cpu": "a"}
    scale_plot.draw(
        tmp_path / "run.svg", record.Run("2026-01-01", machine, {"numpy": "2"}, {"steps": 32}, limits, results)
    )
    text = (tmp_path / "run.svg").read_text(encoding="utf-8")
    assert f"<!-- {SMALL} -->" in text
    assert "<!-- steps of sequences of 32 -->" in text
