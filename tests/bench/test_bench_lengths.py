"""The bench that looks for lengths at which a layer is slower than beside them."""

from __future__ import annotations

import pytest

from bench import lengths
from conv1d_codegen import Problem
from conv1d_codegen.machine import timing

TEXT = "c2_f3_k3_same_relu_f32_first"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call takes a microsecond a step; at 12 steps three times as long."""
    monkeypatch.setattr(timing, "pin", lambda: None)

    def interleaved(calls: dict[str, timing.Call], rounds: int) -> dict[str, float]:
        for call in calls.values():
            call()
        return {name: int(name) * (3e-6 if name == "12" else 1e-6) for name in calls}

    monkeypatch.setattr(timing, "interleaved", interleaved)


def test_a_step_counts_by_sequence() -> None:
    steps = lengths.measure(Problem.parse(TEXT), 2, [5, 12], rounds=3)
    assert steps == pytest.approx({5: 0.5e-6, 12: 1.5e-6})
    length, ratio = lengths.worst(steps)
    assert length == 12
    assert ratio == pytest.approx(3)


def test_a_cliff_is_found_in_its_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert lengths.main([TEXT, "--lengths", "5-7", "10-13", "--rounds", "1"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.endswith("CLIFF") for line in printed[1:]] == [False, True]
    assert "36.0 us at    12,  3.00 times" in printed[2]


def test_some_lengths_and_the_last_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert lengths.main([TEXT, "--lengths", "10-15", "--every", "3", "--rounds", "1"]) == 0
    assert "10 to     15" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["c2_f3"], [TEXT, "--lengths", "9-5"], [TEXT, "--lengths", "x"]])
def test_what_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        lengths.main(arguments)
    assert "bench lengths: argument" in capsys.readouterr().err
