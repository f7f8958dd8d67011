"""The bench that holds what auto chooses for random problems against direct."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from bench import random_problems
from conv1d_codegen import Activation, Plan, Problem
from conv1d_codegen.benchmark import check
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS

CASE = Case("a case", "random", 1, 64, Problem(64, 64, 3, padding="same", activation=Activation("relu")))


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "pin", lambda _: None)


def clock(monkeypatch: pytest.MonkeyPatch, *ratios: float) -> list[int]:
    """Measurements that find all others to take as many times as long as auto, which comes first; gives the rounds of each
    that is made. In a first call all are near.
    """
    made: list[int] = []

    def samples(calls: dict[str, timing.Call], rounds: int, threads: int) -> dict[str, list[float]]:
        made.append(rounds)
        first = next(iter(calls))
        return {name: [1e-4 if name == first else ratios[len(made) - 1] * 1e-4] for name in calls}

    monkeypatch.setattr(timing, "samples", samples)
    monkeypatch.setattr(timing, "sample", lambda *_: 1e-4)
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


def test_short_ones_have_few_steps() -> None:
    lengths = [case.length for case in islice(random_problems.cases(0, short=True), 300)]
    assert max(lengths) <= 100
    assert sum(length < 30 for length in lengths) > 50


def test_all_that_can_be_asked_for_stands_beside_auto() -> None:
    target = TARGETS["avx512"]
    kinds = [
        random_problems.kind(plan)
        for plan in random_problems.others(Problem.parse("c64_f64_k9_same_relu_f32"), target, "standard")
    ]
    assert {"direct filters", "generic", "F(3,3) ⊗ F(4,3)", "F(4,5)"} <= set(kinds)
    assert "depthwise" not in kinds
    assert len(kinds) == len(set(kinds))
    strict = random_problems.others(Problem.parse("c64_f64_k3_g64_same_relu_f32"), target, "strict")
    assert [plan.algorithm for plan in strict] == ["direct", "depthwise", "generic"]


def test_what_is_chosen_is_timed_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = clock(monkeypatch, 1.5)
    found = random_problems.measure(CASE, None, "standard", rounds=5)
    assert (found.plan.algorithm, found.fault, made) == ("cook_toom", "", [5])
    assert found.best != found.plan
    assert found.ratio == pytest.approx(1.5)
    assert 0 < found.error < 1
    assert random_problems.row(found).split()[-2:] == ["1.50", f"{found.error:.2f}"]


def test_what_is_far_behind_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 1.0)
    taken = iter([9.0] * 100)  # auto comes first, and takes the least

    def sample(call: timing.Call, *_: object) -> float:
        return 1.0 if call.func.options.plan is None else next(taken)  # type: ignore[attr-defined]

    monkeypatch.setattr(timing, "sample", sample)
    found = random_problems.measure(CASE, None, "standard", rounds=5)
    assert found.ratio == math.inf
    assert found.best == found.plan
    assert set(found.all_seconds.values()) == {1e-4, 9.0}


@pytest.mark.parametrize(("ratios", "slower"), [((0.9, 0.95), True), ((0.96, 1.0), False), ((0.975,), False)])
def test_what_is_slower_is_so_twice(ratios: tuple[float, ...], slower: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = clock(monkeypatch, *ratios)
    found = random_problems.measure(CASE, None, "standard", rounds=3)
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
    monkeypatch.setattr(random_problems, "cases", lambda *_: iter([CASE, CASE, CASE]))
    monkeypatch.setattr(check, "largest_share", lambda *_: share)
    clock(monkeypatch, *[ratio] * 4)
    assert random_problems.main(["--count", "2"]) == code
    out = capsys.readouterr().out
    assert "2 problems: for 2 another algorithm is near or better" in out
    assert f"geometric mean {ratio:.2f}, worst {ratio:.2f} ({CASE})" in out
    assert said in out


def test_what_fails_is_shown_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    far = replace(random_problems.measure(CASE, None, "standard", rounds=1), ratio=math.inf)

    def fails(case: Case, *_: object) -> random_problems.Comparison:
        if case is CASE:
            raise RuntimeError("of the compiler")
        return far

    monkeypatch.setattr(random_problems, "cases", lambda *_: iter([CASE, replace(CASE)]))
    monkeypatch.setattr(random_problems, "measure", fails)
    assert random_problems.main(["--count", "2"]) == 1
    out = capsys.readouterr().out
    assert "FAILED: RuntimeError: of the compiler" in out
    assert "2 problems: for 0 another algorithm is near or better, and 1 FAILED" in out


def test_a_real_run_ends_with_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "random.svg"
    random_problems.main(["--count", "3", "--rounds", "1", "--short", "--plot", str(picture)])
    out = capsys.readouterr().out
    assert "seed 0, short, one thread" in out
    assert "3 problems: for " in out
    assert picture.exists() == ("written: " in out)


def test_the_shapes_of_the_bench_can_stand_for_random_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    far = random_problems.measure(CASE, None, "standard", rounds=1)
    monkeypatch.setattr(random_problems, "measure", lambda *_: replace(far, ratio=math.inf))
    assert random_problems.main(["--shapes", "--layout", "channels_first"]) == 0
    assert "59 problems: for 0 another" in capsys.readouterr().out


def test_records_hold_the_seconds_of_every_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock(monkeypatch, *[1.5] * 3)
    file = tmp_path / "records.json"
    for skipped in ("0", "2"):
        random_problems.main(["--count", "1", "--skip", skipped, "--short", "--records", str(file)])
    drawn = list(islice(random_problems.cases(0, short=True), 3))
    first, third = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["case"], third["case"]) == (str(drawn[0]), str(drawn[2]))
    assert first["threads"] == 1
    plans = {Plan.parse(text) for text in first["seconds"]}
    assert Plan.parse(first["taken"]) in plans
    assert set(random_problems.others(drawn[0].problem, host(), "standard")) <= plans
    assert set(first["seconds"].values()) == {1e-4, 1.5e-4}


def test_more_threads_than_cores_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        random_problems.main(["--threads", "4096"])
    assert "argument --threads: 4096 want as many cores" in capsys.readouterr().err
