"""Plans that are found by measuring: what is tried, who wins, and what is remembered."""

import json
import stat
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, exact_data, expected, options, python, run_compiled
from support.layer_helpers import held
from support.tuning_helpers import PROBLEM, WINNER, pretend, recall, without_unrolling

from conv1d_codegen import CompileError, CompileOptions, Conv1D, Plan, Problem, get_num_threads, tune
from conv1d_codegen.__main__ import main
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.schedule import tuned_plans
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.tuning import Trial, Workbench, search, trials
from conv1d_codegen.tuning.candidates import ASPECTS, candidates

pytestmark = pytest.mark.usefixtures("nothing_is_remembered")
KINDS = [
    "c4_f8_k3_same_relu_f32",
    "c3_f40_k5_s2_d3_pad2x4_linear_f64",
    "c5_f2_k3_causal_relu_f32",
    "c6_f20_k4_same_relu_f32_first",
    "c6_f24_k4_s3_g2_valid_relu_f32_first_nobias",
    "c24_f24_k3_g24_causal_relu_f32",
    "c24_f24_k3_g24_causal_relu_f32_first",
]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("text", KINDS)
def test_a_candidate_is_another_plan_and_differs_in_one_aspect(text: str, target: Target) -> None:
    problem = Problem.parse(text)
    chosen = choose(problem, target)
    for aspect in ASPECTS:
        found = candidates(aspect, chosen, problem, target)
        assert found or aspect in ("prefetch", "order", "shape")
        assert chosen not in found
        assert len(found) == len(set(found)) < 40
        for other in found:
            assert other.algorithm == chosen.algorithm
            assert (other.unroll != chosen.unroll) == (aspect == "unroll")
            tile = (other.lanes, other.width, other.vectors, other.rows) != (
                chosen.lanes,
                chosen.width,
                chosen.vectors,
                chosen.rows,
            )
            assert tile == (aspect == "tile") or (aspect == "tile" and other.block != chosen.block)


def test_every_field_of_a_plan_is_searched() -> None:
    """But for what a plan is of: its algorithm, F(m, r) and its levels, or what a generic one knows."""
    fixed, searched = {"algorithm", "outputs", "taps", "nested", "fold", "constants"}, set()
    for text, algorithm in (*((text, "auto") for text in KINDS), ("c64_f512_k3_same_gelu_f32", "cook_toom")):
        problem = Problem.parse(text)
        chosen = choose(problem, TARGETS["avx512"], algorithm)
        for other in (other for aspect in ASPECTS for other in candidates(aspect, chosen, problem, TARGETS["avx512"])):
            searched |= {f.name for f in fields(Plan) if getattr(other, f.name) != getattr(chosen, f.name)}
    assert searched == {f.name for f in fields(Plan)} - fixed


def test_candidates_have_tiles_that_the_registers_hold() -> None:
    for target in TARGETS.values():
        chosen = choose(PROBLEM.with_(filters=64), target)
        for other in candidates("tile", chosen, PROBLEM.with_(filters=64), target):
            assert other.rows[0] * other.vectors + other.vectors < target.registers


def test_both_kinds_of_lanes_are_tried_where_they_can_pay() -> None:
    def lanes(text: str) -> set[str]:
        problem = Problem.parse(text)
        return {other.lanes for other in candidates("tile", choose(problem, TARGETS["avx2"]), problem, TARGETS["avx2"])}

    assert lanes("c8_f32_k3_same_relu_f32_first") == {"filters", "time"}
    assert lanes("c5_f1_k3_same_relu_f32") == {"filters", "time"}
    assert lanes("c8_f1_k9_same_relu_f32") == {"channels"}
    assert lanes("c8_f32_k3_same_relu_f32") == {"filters"}
    assert lanes("c8_f8_k3_g8_same_relu_f32") == {"channels"}


def test_half_vectors_are_tried_where_they_leave_fewer_lanes_empty() -> None:
    def widths(filters: int) -> set[int]:
        problem = PROBLEM.with_(filters=filters)
        return {other.width for other in candidates("tile", choose(problem, TARGETS["avx2"]), problem, TARGETS["avx2"])}

    assert widths(12) == {8, 4}
    assert widths(15) == widths(600) == {8}


@pytest.mark.parametrize("text", KINDS)
def test_every_candidate_computes_the_problem(text: str) -> None:
    problem = Problem.parse(text)
    x, w, b = exact_data(problem, 2, 70)
    for target in RUNNABLE:
        chosen = choose(problem, TARGETS[target])
        tiles = candidates("tile", chosen, problem, TARGETS[target])
        for other in tiles[:: max(1, len(tiles) // 3)]:
            y = run_compiled(problem, x, w, b, target, plan=other)
            assert bits(y) == bits(expected(problem, x, w, b)), f"{problem} {target} {other}"


# --- the search -------------------------------------------------------------------------------------------------------


def test_the_search_finds_the_fastest_plan_one_aspect_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Workbench(PROBLEM, host(), 1, 40, threads=1)
    chosen = choose(PROBLEM, host(), length=40)

    def seconds(plan: Plan) -> float:
        return 1.5 - 0.1 * ((plan.rows != chosen.rows) + (plan.unroll == 1) + (plan.block > chosen.block))

    pretend(monkeypatch, seconds)
    monkeypatch.setattr(trials, "ASPECTS", ASPECTS)
    monkeypatch.setattr(trials, "candidates", lambda *arguments: candidates(*arguments)[:3])
    found = search(bench, seconds=600)
    assert found.chosen == chosen
    assert (found.best.unroll, found.best.block > chosen.block, found.best.rows != chosen.rows) == (1, True, True)
    assert found.speedup == pytest.approx(1.5 / 1.2)
    assert found.seconds == pytest.approx(1.2)
    assert found.tried > 6


@pytest.mark.parametrize("gain", [0.0, 0.01])
def test_a_plan_must_be_faster_by_more_than_measuring_is_off(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    pretend(monkeypatch, lambda plan: 1.0 - gain * (plan.unroll == 1))
    found = search(Workbench(PROBLEM, host(), 1, 40, threads=1), seconds=600)
    assert found.tried > 3
    assert found.best == found.chosen
    assert found.speedup == 1.0


def test_the_search_ends_when_its_time_is_up() -> None:
    found = search(Workbench(PROBLEM, host(), 1, 40, threads=1), seconds=1e-9)
    assert found.tried == 1
    assert found.best == found.chosen == choose(PROBLEM, host(), length=40)
    assert found.seconds > 0


def test_a_plan_with_other_bits_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose(PROBLEM, host(), length=40)
    monkeypatch.setattr(Trial, "output", lambda trial: b"these" if trial.plan == chosen else b"those")
    with pytest.raises(
        CompileError, match=r"c4_f8_k3_same_relu_f32 has other bits with the plan `direct .*fault of the compiler"
    ):
        search(Workbench(PROBLEM, host(), 1, 40, threads=1), seconds=600)


def test_a_trial_measures_what_it_runs() -> None:
    bench = Workbench(PROBLEM, host(), 2, 40, threads=2)
    trial = Trial(WINNER, bench)
    assert trial.output() == Trial(choose(PROBLEM, host()), bench).output()
    assert np.isfinite(bench.y).all()
    assert 0 < trial.sample() == trial.times[-1]


@pytest.mark.parametrize("text", ["c4_f8_k3_valid_relu_f16", "c4_f8_k3_valid_relu_f64_first_nobias"])
def test_dtypes_and_missing_biases_are_tuned_too(text: str) -> None:
    assert isinstance(tune(Problem.parse(text), 1, 9, seconds=1e-9), Plan)


# --- tune -------------------------------------------------------------------------------------------------------------


def built(**arguments: Any) -> Conv1D:
    layer = Conv1D(8, 3, padding="same", activation="relu", **arguments)
    layer.build((None, None, 4))
    return layer


def test_layers_take_a_plan_that_was_found_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = built(), np.random.default_rng(0).standard_normal((2, 40, 4), np.float32)
    before = layer(x)
    default = layer.dump("plan")
    pretend(monkeypatch, without_unrolling)
    found = tune(layer, 2, 40, seconds=600)
    assert found.unroll == 1
    assert layer.dump("plan") == f"{found}\n" != default
    assert not held(layer)  # the kernel that it had is not called again
    assert bits(layer(x)) == bits(before)
    assert built().dump("plan") == f"{found}\n"


def test_a_found_plan_counts_only_where_nothing_else_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, without_unrolling)
    found = tune(PROBLEM, 2, 40, seconds=600)
    default = choose(PROBLEM, host())
    assert compile_problem(PROBLEM).plan == found
    assert compile_problem(PROBLEM, CompileOptions(plan=WINNER)).plan == WINNER
    assert compile_problem(PROBLEM, CompileOptions(algorithm="direct")).plan == default
    assert compile_problem(PROBLEM.with_(filters=9)).plan.unroll != 1
    assert compile_problem(PROBLEM, options("sse2")).plan == choose(PROBLEM, TARGETS["sse2"])


def test_no_file_is_written_unless_a_directory_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    tune(PROBLEM, 1, 9, seconds=1e-9)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("named", ["argument", "switch"])
def test_a_plan_is_kept_in_a_private_file_for_other_processes(
    named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    directory = tmp_path / "new" / "plans"
    pretend(monkeypatch, without_unrolling)
    if named == "switch":
        monkeypatch.setenv("CONV1D_CODEGEN_CACHE_DIR", str(directory))
    found = tune(PROBLEM, 2, 40, seconds=600, directory=directory if named == "argument" else None)
    (file,) = directory.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    record = json.loads(file.read_text().partition("\n")[2])
    assert (record["plan"], record["problem"]) == (str(found), str(PROBLEM))
    assert record["target"]["features"] == host().features
    assert record["measured"] == {
        "case": f"{PROBLEM}@2x40",
        "threads": get_num_threads(),
        "seconds": 1.0,
        "speedup": 2.0,
    }
    code = "from conv1d_codegen.compiler import *; print(compile_problem(Problem.parse('c4_f8_k3_same_relu_f32')).plan)"
    assert python(code, CONV1D_CODEGEN_CACHE_DIR=str(directory)) == (0, f"{found}\n", "")
    assert python(code) == (0, f"{choose(PROBLEM, host())}\n", "")


def test_a_directory_that_is_not_private_is_warned_of_and_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.warns(RuntimeWarning, match=r"kept in this process, but in no file: .* has mode 0o770.*chmod go-w"):
        found = tune(PROBLEM, 1, 9, seconds=1e-9, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert tuned_plans.recall(PROBLEM, host()) == found


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("c4_f8", 1, 9), TypeError, "built Conv1D or a Problem.*'c4_f8'"),
        ((Conv1D(8, 3, name="raw"), 1, 9), ValueError, "'raw' isn't built"),
        ((PROBLEM, 0, 9), ValueError, "batch=0"),
        ((PROBLEM, 1, 0), ValueError, "length=0"),
        ((PROBLEM, 1.5, 9), TypeError, "float"),
        ((PROBLEM.with_(padding="valid"), 1, 2), ValueError, "no output for a length of 2.*3 steps"),
    ],
)
def test_what_cannot_be_tuned(arguments: tuple[Any, Any, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tune(*arguments)
    with pytest.raises(ValueError, match="num_threads=0"):
        tune(PROBLEM, 1, 9, num_threads=0)
    with pytest.raises(ValueError, match="seconds=nan"):
        tune(PROBLEM, 1, 9, seconds=float("nan"))


@pytest.mark.parametrize("options", [{"plan": WINNER}, {"algorithm": "generic"}])
def test_a_layer_that_says_its_plan_is_not_tuned(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="leave both out to tune it"):
        tune(built(options=options), 1, 9)


def test_another_machine_is_not_tuned_for() -> None:
    with pytest.raises(CompileError, match="can't run on this machine"):
        tune(built(options={"target": "neon" if host().name != "neon" else "sse2"}), 1, 9)


# --- a plan's text, the command line ----------------------------------------------------------------------------------


def test_a_plan_is_read_as_it_is_printed() -> None:
    for text in KINDS:
        for target in TARGETS.values():
            for algorithm in ("auto", "generic"):
                chosen = choose(Problem.parse(text), target, algorithm)
                assert Plan.parse(str(chosen)) == chosen
    assert Plan.parse("direct lanes=filters 4x2 rows=5,1 block=35 unroll=2") == WINNER


@pytest.mark.parametrize(
    "change",
    [("direct", "fast"), ("35", "0"), ("35", "99999"), ("35", "123456"), ("5,1", "1,5"), (" unroll=2", ""), ("2", "२")],
)
def test_other_text_is_no_plan(change: tuple[str, str]) -> None:
    with pytest.raises(CompileError):
        Plan.parse(str(WINNER).replace(*change))


def test_the_command_line_tunes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, without_unrolling)
    assert main(["tune", f"{PROBLEM}@2x40", "--seconds", "600", "--directory", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    (file,) = tmp_path.iterdir()
    assert f"{PROBLEM}@2x40" in out
    assert f"2000000.0 µs  {choose(PROBLEM, host(), length=40)}\n" in out
    assert f"1000000.0 µs  {recall(tmp_path, monkeypatch)}\n" in out
    assert out.endswith(f"kept in {file}\n")
    assert err == ""
    monkeypatch.delenv("CONV1D_CODEGEN_CACHE_DIR")
    assert main(["tune", f"{PROBLEM}@2x40", "--seconds", "1e-9"]) == 0
    assert "kept in no file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([str(PROBLEM)], "BATCHxLENGTH"),
        ([f"{PROBLEM}@0x40"], "batch=0"),
        ([f"{PROBLEM}@1x40", "--threads", "0"], "num_threads=0"),
        ([f"{PROBLEM}@1x9", "--seconds", "1e-9", "--directory", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_the_command_line_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
