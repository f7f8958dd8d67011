"""What the bench makes of its measurements: tables, targets, files, comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import shapes
from conv1d_codegen.benchmark import compare, record, table, targets
from conv1d_codegen.machine import timing

CASES = {case.name: case for case in shapes.load()}


def result(
    name: str = "seed/example", threads: int = 1, noise: float = 0.01, plan: str = "direct", **seconds: float
) -> record.Result:
    """A result of a case, on a machine of 100 GFLOP/s, that writes every output in 1 µs and copies in 2 µs."""
    this = CASES[name]
    every = {"write": 1e-6, "copy": 2e-6, "peak": 1e-5, **seconds}
    timings = {who: timing.Timing(value, noise) for who, value in every.items()}
    return record.Result(name, str(this), threads, this.flops, 100e9, timings, {}, this.kind, bytes=1000, plan=plan)


TOOM = "cook_toom F(4,3) lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4"


def a_run(*results: record.Result, peers: tuple[str, ...] = (), **machine: str) -> record.Run[record.Result]:
    limits = [record.Limits(threads, [0], 100e9, 1e10) for threads in sorted({each.threads for each in results})]
    options = {"peers": list(peers), "target": None, "dtype": "f32"}
    return record.Run(
        "2026-01-01", {"cpu": "a", "llvm_cpu": "a", **machine}, {"numpy": "2"}, options, limits, list(results)
    )


def test_the_table_lines_up_and_has_every_ratio() -> None:
    this = result(compiled=1e-5, generic=3e-5, torch=4e-5, jax=2e-5)
    row = table.row(this, ["torch", "jax"])
    assert row.split()[-3:] == ["3.00", "2.00", "jax"]
    for title, word in (("bound by", "arithmetic"), ("target", "met   "), ("best peer", "jax")):
        assert table.header(1).index(title) == row.index(word)
    assert row.split()[-6:-3] == ["arithmetic", "78.6", "met"]  # 0.786432 MFLOP at 100 GFLOP/s
    other = result("tiny/realtime", compiled=1e-5, generic=12e-5, torch=0.5e-5)
    titles, means = table.means([this, other], ["torch", "jax"]).splitlines()
    assert titles.startswith("geometric means")
    assert means.split() == ["tiny", "2", "28.0", "6.00", "1.00", "1"]
    assert "torch" not in table.row(this, [])


def test_the_table_shows_cook_toom_beside_direct() -> None:
    this, other = result(plan=TOOM, compiled=1e-5, generic=3e-5, direct=1.5e-5), result(compiled=1e-5, generic=3e-5)
    row = table.row(this, [])
    assert row.split()[-4:] == ["met", "F(4,3)", "1.50", "3.00"]
    assert row.index("F(4,3)") == table.header(1).index("F(m,r)") == table.header(2).index("F(m,r)")
    assert table.row(other, []).split()[-2:] == ["met", "3.00"]
    assert len(table.row(other, [])) == len(row) <= 140
    titles, means = table.means([this, other], []).splitlines()
    assert "vs direct" in titles
    assert means.split() == ["tiny", "2", "78.6", "1.50", "3.00"]  # the mean is over the one that has it
    assert table.means([other], []).splitlines()[1].split() == ["tiny", "1", "78.6", "3.00"]


def test_the_picture_has_direct_beside_cook_toom_and_room_above_the_peak(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from conv1d_codegen.benchmark import plot

    toom, direct = (
        result("hifigan/c256_k3d1", plan=TOOM, compiled=1.6e-3, direct=2.8e-3),
        result("hifigan/c128_k7d3", compiled=13e-3),
    )
    for results, said in (([toom, direct], True), ([direct], False)):
        plot.draw(tmp_path / "run.svg", a_run(*results))
        text = (tmp_path / "run.svg").read_text(encoding="utf-8")
        assert ("direct, beside Cook–Toom" in text) is said
        assert "<!-- 200 -->" in text  # GFLOP/s: the peak is 100


def test_the_table_of_two_threads_shows_them_against_one() -> None:
    this = result("hifigan/c32_k3d1", threads=2, compiled=1e-3, generic=1e-3, single=1.8e-3)
    assert "vs one" in table.header(2)
    assert table.row(this, []).split()[-3:] == ["1.80", "missed", "1.00"]
    assert table.means([this], []).splitlines()[1].split() == ["dense", "1", "1.80", "1.00"]


def test_a_wrong_peer_is_marked_in_the_table() -> None:
    this = result(compiled=1e-5, generic=3e-5)
    this.faults["jax"] = "off by 7"
    assert "WRONG: jax: off by 7" in table.row(this, ["jax"])
    assert targets.verdicts([this], ["jax"])[-1].wanted.startswith("tiny")


@pytest.mark.parametrize(
    ("name", "bound", "limit", "goal"),  # seconds, on the machine of `result`
    [
        ("hifigan/c256_k3d1", "arithmetic", 2.70533e-3, 2.70533e-3 / 1.65),
        ("onednn/1d/conv1d:3", "arithmetic", 3.67002e-3, 3.67002e-3 / 0.85),
        ("onednn/1d/conv1d:11", "arithmetic", 1.425e-5, None),  # 1.4 MFLOP: too few for a target
        ("tcn/add_d8", "arithmetic", 1.6128e-3, 1.6128e-3 / 0.75),
        ("encodec/in", "arithmetic", 1.0752e-4, 1.0752e-4 / 0.6),
        ("hifigan/msd3", "arithmetic", 5.502927e-2, 5.502927e-2 / 0.75),
        ("convtasnet/dw_d16", "arithmetic", 9.827e-5, 1.25 * 2e-6),
        ("conformer/dw512_k15_causal", "arithmetic", 1.57286e-4, 1.57286e-4 / 0.65),
        ("tiny/realtime", "writing", 1e-6, 2.4576e-7 + 4e-6),
    ],
)
def test_each_case_has_its_limit_and_its_target(name: str, bound: str, limit: float, goal: float | None) -> None:
    this = result(name, compiled=1.0)
    assert targets.limit(this).bound == bound
    assert targets.limit(this).seconds == pytest.approx(limit, rel=1e-3)
    assert targets.goal(this) == (None if goal is None else pytest.approx(goal, rel=1e-3))
    assert targets.goal(result(name, threads=2, compiled=1.0)) is None


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("wavenet_voc/gate_d8", 1.65),  # 3 taps, 128 channels
        ("tcn/word_d4", 1.65),
        ("hifigan/c32_k3d1", 1.5),
        ("inceptiontime/k20", 1.55),
        ("hifigan/c64_k11d5", 1.55),
        ("onednn/wavenet/wavenet:conv1d_1", 1.25),  # 2 taps
        ("encodec/down64_k8s4", 1.25),
        ("whisper/tiny_conv2", 1.1),  # 3 taps, stride 2
        ("encodec/down256_k16s8", 0.85),  # of the strides there are targets for only some
        ("hifigan/conv_pre", 0.85),  # 49 MFLOP
        ("wav2vec2/1s_pos_conv", 0.75),  # 16 groups
    ],
)
def test_fewer_multiplications_set_targets_beyond_the_peak(name: str, share: float) -> None:
    this = result(name, compiled=1.0)
    arithmetic = this.flops / this.peak
    assert targets.goal(this) == pytest.approx(arithmetic / share)
    assert targets.goal(this, transforms=False) == pytest.approx(arithmetic / min(share, 0.85))
    assert " missed" in table.row(result(name, compiled=1.01 * arithmetic / share), [])
    assert " met" in table.row(result(name, compiled=0.99 * arithmetic / share), [])
    assert " met" in table.row(result(name, compiled=0.99 * arithmetic / min(share, 0.85)), [], transforms=False)


def test_cook_toom_is_to_be_no_slower_than_direct_but_for_the_noise() -> None:
    cases = {"hifigan/c256_k3d1": 1.7, "hifigan/conv_pre": 0.985, "seed/example": 0.97}
    results = [result(name, plan=TOOM, compiled=1e-3, direct=ratio * 1e-3) for name, ratio in cases.items()]
    every = {verdict.wanted: verdict for verdict in targets.verdicts(results, [])}
    verdict = every["Cook–Toom, wherever it is chosen: no slower than direct"]
    assert (verdict.cases, verdict.found, verdict.met, verdict.missed) == (
        3,
        "worst 0.97 times as fast",
        False,
        ["seed/example"],
    )


def test_memory_bounds_what_does_little_arithmetic() -> None:
    assert targets.limit(result("convtasnet/dw_d16", compiled=1.0, copy=1e-3)) == targets.Limit(1e-3, "copying")
    many = result("conformer/dw512_k15_causal", compiled=1.0, copy=1e-6)
    assert targets.limit(many).bound == "arithmetic"
    assert targets.goal(many) == pytest.approx(many.flops / many.peak / 0.65)
    many = result("conformer/dw512_k15_causal", compiled=1.0, copy=1e-3)  # whose arrays lie beyond L2
    assert targets.limit(many) == targets.Limit(1e-3, "copying")
    assert targets.goal(many) == pytest.approx(1.25e-3)
    assert targets.goal(result("encodec/in", compiled=1.0, write=1e-3)) == pytest.approx(1.3e-3)


def test_every_case_but_the_smallest_has_a_target() -> None:
    without = [this for this in CASES.values() if targets.goal(result(this.name, compiled=1.0)) is None]
    assert all(this.flops < 30e6 and this.kind in ("dense", "dilated", "strided", "pointwise") for this in without)


def test_targets_are_met_and_missed_with_numbers() -> None:
    fast = result("hifigan/c256_k3d1", compiled=2.7053e-3, torch=3e-3)
    slow = result("hifigan/c32_k3d1", compiled=2.7053e-3, torch=2e-3)
    mean, each, none_slower, twice = targets.verdicts([fast, slow], ["torch"], transforms=False)
    assert (each.met, each.missed, each.found) == (False, ["hifigan/c32_k3d1"], "worst takes 1.70 of that time")
    assert (mean.met, mean.found) == (False, "70.7 %")
    assert (none_slower.met, none_slower.missed, none_slower.found) == (
        False,
        ["hifigan/c32_k3d1"],
        "worst 0.74 times as fast",
    )
    assert (twice.met, twice.found) == (False, "0.91 times")
    assert all(verdict.met for verdict in targets.verdicts([fast], [], transforms=False))
    text = table.summary([fast, slow], ["torch"], transforms=False)
    assert "MISSED  odd" not in text
    assert "1 miss it: hifigan/c32_k3d1" in text


def test_with_fewer_multiplications_more_is_wanted_against_the_peers() -> None:
    dense, wide = (
        result("hifigan/c256_k3d1", compiled=1e-3, torch=2.3e-3),
        result("hifigan/c128_k7d3", compiled=1e-3, torch=2.1e-3),
    )
    tiny = result("tiny/realtime", compiled=1e-5, torch=3e-5)
    found = [
        verdict
        for verdict in targets.verdicts([dense, wide, tiny], ["torch"])
        if verdict.wanted.startswith("best of torch, ")
    ]
    assert [(each.wanted[15:].split()[:2], each.cases, each.found, each.met) for each in found] == [
        (["all:", "2.4"], 3, "2.44 times", True),
        (["dense:", "2.2"], 1, "2.30 times", True),
        (["dilated:", "2.2"], 1, "2.10 times", False),
    ]


@pytest.mark.parametrize(
    ("name", "ratio", "met"),
    [
        ("hifigan/c32_k3d1", 1.8, True),  # 135 MFLOP, and a target beyond the peak
        ("hifigan/c32_k3d1", 1.79, False),
        ("hifigan/conv_pre", 1.85, True),  # 49 MFLOP
        ("hifigan/conv_pre", 1.84, False),
        ("hifigan/conv_post", 1.5, True),  # 9.9 MFLOP
        ("hifigan/conv_post", 1.49, False),
        ("tiny/realtime", 0.99, True),  # no slower, but for the noise of 1 % twice
        ("tiny/realtime", 0.97, False),
    ],
)
def test_two_threads_are_held_against_one(name: str, ratio: float, met: bool) -> None:
    this = result(name, threads=2, compiled=1e-4, single=ratio * 1e-4)
    assert not targets.scaling_met(replace(this, timings={**this.timings, "compiled": timing.Timing(2e-4, 3.0)}))
    assert targets.scaling_met(this) is met
    (verdict,) = targets.verdicts([this], [])
    assert verdict.met is met
    assert verdict.missed == ([] if met else [name])


def test_of_two_threads_more_is_wanted_of_direct_kernels() -> None:
    this = result("hifigan/c32_k3d1", threads=2, compiled=1e-4, single=1.84e-4)
    assert targets.scaling_met(this)
    assert not targets.scaling_met(this, transforms=False)


def test_a_run_survives_the_file(tmp_path: Path) -> None:
    before = a_run(result(compiled=1e-5, torch=2e-5), result(threads=2, compiled=1e-5, single=2e-5), peers=("torch",))
    before.results[0].faults["jax"] = "wrong"
    before.write(tmp_path / "run.json")
    after = record.read(tmp_path / "run.json")
    assert after == before
    assert after.results[0].best(["torch", "jax"]) == "torch"
    assert after.results[0].problem == CASES["seed/example"].problem


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"format": 99}',
        '{"format": 1}',
        '{"format": 1, "limits": [{}]}',
        '{"format": 1, "limits": 3}',
        "\x00",
    ],
)
def test_a_file_that_is_no_run_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(record.RecordError, match=r"run\.json is not what"):
        record.read(path)
    assert compare.main([str(path), str(path)]) == 2
    assert compare.main([str(tmp_path / "none.json"), str(path)]) == 2
    assert "none.json" in capsys.readouterr().err


def test_a_result_with_no_time_is_refused(tmp_path: Path) -> None:
    a_run(result(compiled=0.0)).write(tmp_path / "run.json")
    with pytest.raises(record.RecordError, match="not positive"):
        record.read(tmp_path / "run.json")


def test_compare_says_what_moved_and_fails_for_what_got_slower() -> None:
    old = a_run(result(compiled=1e-5, torch=1e-5), result("tiny/realtime", compiled=1e-5))
    text, slower = compare.report(
        old, a_run(result(compiled=1.2e-5, torch=0.8e-5), result("tiny/realtime", compiled=1.04e-5))
    )
    assert slower
    moved = [line.split() for line in text.splitlines() if "by" in line and line.startswith(("seed", "tiny"))]
    assert [(line[2], line[3], line[5]) for line in moved] == [
        ("compiled", "slower", "20.0"),
        ("torch", "faster", "25.0"),
    ]
    assert "2 of 3 times moved" in text
    assert "warning" not in text
    text, slower = compare.report(old, old)
    assert not slower
    assert "0 of 3 times moved" in text


def test_compare_takes_the_noise_and_the_clock_into_account() -> None:
    old, noisy = result(compiled=1e-5, noise=0.1), result(compiled=1.15e-5, noise=0.1)
    assert not compare.report(a_run(old), a_run(noisy))[1]
    slow_core = a_run(replace(result(compiled=1.2e-5), peak=100e9 / 1.2))
    assert not compare.report(a_run(result(compiled=1e-5)), slow_core)[1]
    text, slower = compare.report(a_run(result(compiled=1e-5)), replace(slow_core, machine={"llvm_cpu": "b"}))
    assert slower  # of another processor, the peak says nothing about the clock
    assert "llvm_cpu was 'a' and is 'b'" in text


def test_compare_reads_what_was_written_before_there_was_another_algorithm() -> None:
    old, new = a_run(result(compiled=1e-5)), a_run(result(plan=TOOM, compiled=0.5e-5, direct=1e-5))
    text, slower = compare.report(old, replace(new, options={**new.options, "accuracy": "standard"}))
    assert not slower
    assert "compiled    faster by  100.0 %" in text
    assert "1 of 1 times moved" in text
    assert "accuracy was None and is 'standard'" in text


def test_compare_warns_of_cases_that_only_one_run_has() -> None:
    text, slower = compare.report(a_run(result(compiled=1e-5)), a_run(result("tiny/realtime", compiled=1e-5)))
    assert "only the old run has seed/example (1)" in text
    assert "The runs have no time in common" in text
    assert not slower
