"""The bench that holds what auto chooses for random problems against direct."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from bench import random_problems
from conv1d_codegen import Activation, Problem
from conv1d_codegen.benchmark import check, timing
from conv1d_codegen.benchmark.cases import Case

CASE = Case("a case", "random", 1, 64, Problem(64, 64, 3, padding="same", activation=Activation("relu")))


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "pin", lambda: None)


def clock(monkeypatch: pytest.MonkeyPatch, *ratios: float) -> list[int]:
    """Measurements that find direct to take as many times as long; gives the rounds of each that is made."""
    made: list[int] = []

    def interleaved(calls: dict[str, timing.Call], rounds: int) -> dict[str, float]:
        made.append(rounds)
        return {"auto": 1e-4, "direct": ratios[len(made) - 1] * 1e-4}

    monkeypatch.setattr(timing, "interleaved", interleaved)
    return made


def test_the_problems_are_those_of_the_seed_and_differ_in_everything() -> None:
    first, second, other = ([str(case) for case in islice(random_problems.cases(seed), 300)] for seed in (0, 0, 1))
    assert first == second
    assert not set(first) & set(other)
    problems = [case.problem for case in islice(random_problems.cases(0), 300)]
    for name, least in (
        ("channels", 100),
        ("filters", 100),
        ("kernel_size", 30),
        ("stride", 4),
        ("dilation", 8),
        ("groups", 4),
    ):
        assert len({getattr(problem, name) for problem in problems}) >= least, name
    assert {problem.padding if isinstance(problem.padding, str) else "pair" for problem in problems} == {
        "valid",
        "same",
        "causal",
        "pair",
    }


def test_the_problems_are_of_the_sizes_asked_for() -> None:
    for case in islice(random_problems.cases(0, channels_first=True), 300):
        p = case.problem
        assert p.channels_first
        assert p.output_length(case.length) >= 1
        sizes = (p.kernel_size, p.stride, p.dilation, p.channels, p.filters, case.batch, case.length)
        assert all(size <= most for size, most in zip(sizes, (41, 4, 8, 512, 512, 32, 4000), strict=True))
        assert 2e6 < case.flops < 500e6
        assert str(case) == case.name


def test_what_is_chosen_is_timed_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = clock(monkeypatch, 1.5)
    found = random_problems.measure(CASE, None, "standard", rounds=5)
    assert found is not None
    assert (found.plan.algorithm, found.fault, made) == ("cook_toom", "", [5])
    assert found.ratio == pytest.approx(1.5)
    assert 0 < found.error < 1
    assert random_problems.row(found).split()[-2:] == ["1.50", f"{found.error:.2f}"]
    assert random_problems.measure(CASE, None, "strict", rounds=5) is None  # direct: there is nothing to compare


@pytest.mark.parametrize(("ratios", "slower"), [((0.9, 0.95), True), ((0.96, 1.0), False), ((0.975,), False)])
def test_what_is_slower_is_so_twice(ratios: tuple[float, ...], slower: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = clock(monkeypatch, *ratios)
    found = random_problems.measure(CASE, None, "standard", rounds=3)
    assert found is not None
    assert found.ratio == pytest.approx(max(ratios))
    assert ("slower" in found.fault) is slower
    assert made == [3, 12][: len(ratios)]


@pytest.mark.parametrize(
    ("ratio", "share", "code", "said"), [(1.5, 0.4, 0, ""), (0.8, 0.4, 1, "slower: 2"), (1.5, 1.1, 1, "wrong: 2")]
)
def test_the_exit_code_says_whether_auto_is_slower_or_wrong(
    ratio: float,
    share: float,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pointwise = Case("another", "random", 1, 64, Problem(64, 64, 1, activation=Activation("relu")))
    monkeypatch.setattr(random_problems, "cases", lambda *_: iter([CASE, pointwise, CASE, CASE]))
    monkeypatch.setattr(check, "largest_share", lambda *_: share)
    clock(monkeypatch, *[ratio] * 4)
    assert random_problems.main(["--count", "3"]) == code
    out = capsys.readouterr().out
    assert "3 problems: of 2 auto chose Cook–Toom, of 1 the same plan" in out
    assert f"geometric mean {ratio:.2f}, worst {ratio:.2f} (a case)" in out
    assert said in out


def test_what_fails_is_shown_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(case: Case, *_: object) -> None:
        if case is CASE:
            raise RuntimeError("of the compiler")

    monkeypatch.setattr(random_problems, "cases", lambda *_: iter([CASE, replace(CASE)]))
    monkeypatch.setattr(random_problems, "measure", fails)
    assert random_problems.main(["--count", "2"]) == 1
    out = capsys.readouterr().out
    assert "FAILED: RuntimeError: of the compiler" in out
    assert "of 1 the same plan as direct does, and 1 FAILED" in out


def test_a_real_run_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert random_problems.main(["--count", "2", "--rounds", "1", "--accuracy", "strict"]) == 0
    assert "2 problems: of 0 auto chose Cook–Toom" in capsys.readouterr().out
