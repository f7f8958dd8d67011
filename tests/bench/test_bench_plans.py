"""The bench that holds the cost model's plans against a search."""

from __future__ import annotations

import pytest

from bench import plans, shapes
from conv1d_codegen import Plan
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import host
from conv1d_codegen.tuning import trials

CHOSEN, BETTER = (Plan("direct", "filters", 8, 1, (rows, 1), 32, 4) for rows in (4, 8))
CASE = next(case for case in shapes.load() if case.name == "tiny/realtime")


@pytest.fixture(autouse=True)
def a_search_that_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)
    monkeypatch.setattr(plans, "search", lambda bench, seconds: trials.Result(CHOSEN, BETTER, 1.2, 1e-6, tried=7))


@pytest.mark.parametrize(("measured", "best", "ratio"), [(1.3, BETTER, 1.3), (0.9, CHOSEN, 1.0)])
def test_a_plan_that_won_by_luck_does_not_win_again(
    measured: float, best: Plan, ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        plans, "compare", lambda chosen, best, seconds: measured if (chosen.plan, best.plan) == (CHOSEN, BETTER) else 0
    )
    result = plans.measure(CASE, host(), seconds=1, final=0.1)
    assert (result.chosen, result.best, result.ratio, result.tried) == (CHOSEN, best, ratio, 7)


@pytest.mark.parametrize(
    ("measured", "code", "share"), [(1.04, 0, "1 of 1 cases, 100%"), (1.06, 1, "0 of 1 cases, 0%")]
)
def test_the_share_of_good_plans_decides(
    measured: float, code: int, share: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plans, "compare", lambda chosen, best, seconds: measured)
    assert plans.main(["--filter", "tiny/realtime"]) == code
    out = capsys.readouterr().out
    assert f"within 5% of the best found in {share} (wanted: 90%)" in out
    assert f"{measured:.3f}" in out
    assert str(CHOSEN) in out
    assert str(BETTER) in out


def test_arguments_that_fit_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert plans.main(["--filter", "no such case"]) == 2
    foreign = "neon" if host().name != "neon" else "sse2"
    for arguments in (["--final", "0"], ["--seconds", "0"], ["--seconds", "nan"], ["--target", foreign]):
        with pytest.raises(SystemExit) as stop:
            plans.main(arguments)
        assert stop.value.code == 2
    assert "must be above 0" in capsys.readouterr().err


def test_a_real_search_ends_and_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(plans, "search", trials.search)
    assert plans.main(
        ["--filter", "tiny/realtime", "--seconds", "0.01", "--final", "0.01", "--layout", "channels_first"]
    ) in (0, 1)
    assert "of 1 cases" in capsys.readouterr().out
