"""The layer fuzzer: that it covers what it says, finds what is wrong, and finds nothing where nothing is wrong."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE, expected, real_data
from support.type_helpers import Array, known

from conv1d_codegen import Activation, Conv1D
from conv1d_codegen.__main__ import main
from conv1d_codegen.reference.activations import ELEMENTWISE, evaluate
from conv1d_codegen.selftest import checks, formulas, oracle, run
from conv1d_codegen.selftest.case import Case
from conv1d_codegen.selftest.covering import Coverage
from conv1d_codegen.selftest.driver import Worker, outcomes
from conv1d_codegen.selftest.parameters import CONSTRAINED, FUSED, allowed, parameters, runnable
from conv1d_codegen.selftest.sampler import sample
from conv1d_codegen.selftest.shrink import shrink

JOBS = 2
GOOD = "c5_f7_k4_s2_same_tanh_f32_first@2x36,1x2x17 threads=2 input=strided seed=3"


def failures(cases: Iterable[Case]) -> list[str]:
    return [f"{outcome.case}\n    {outcome.failure}" for outcome in outcomes(cases, JOBS) if outcome.failure]


@pytest.mark.slow
def test_every_pair_of_features() -> None:
    """A table of some four hundred layers that holds every pair of classes of all parameters: some 60 to 100 s, in two
    processes.
    """
    stream = run.Stream(runnable(), seed=0)
    found = failures(stream.pairs())
    seen, possible = stream.coverage.counts(2)
    assert seen == possible > 7000
    assert not found, (
        f"{len(found)} layers, to be run again with `python -m conv1d_codegen selftest --case LINE`:\n"
        + "\n".join(found)
    )


def test_every_failure_that_was_found_stays_mended(request: pytest.FixtureRequest) -> None:
    lines = (request.path.parents[1] / "data" / "regressions.txt").read_text().splitlines()
    cases = [Case.parse(line) for line in lines if line and not line.startswith("#")]
    found = failures(case for case in cases if case.target in ("host", *RUNNABLE))
    assert not found, "\n".join(found)


# Covering


def test_a_table_covers_all_pairs_that_are_possible() -> None:
    classes = {"a": ("0", "1", "2"), "b": ("0", "1"), "c": ("0", "1", "2", "3"), "d": ("0", "1")}

    def fits(row: dict[str, str]) -> bool:
        return (row.get("a"), row.get("b")) != ("2", "1")

    coverage = Coverage(classes, (("a", "b"),), fits)
    rows = list(coverage.rows(np.random.default_rng(0), 2))
    pairs = {(x, y) for row in rows for x in row.items() for y in row.items() if x < y}
    assert coverage.counts(2) == (len(pairs), 3 * 2 + 3 * 4 + 3 * 2 + 2 * 4 + 2 * 2 + 4 * 2 - 1)
    assert all(fits(row) for row in rows)
    assert len(rows) < 20
    list(coverage.rows(np.random.default_rng(0), 3))
    seen, possible = coverage.counts(3)
    assert seen == possible == 3 * 2 * 4 + 3 * 2 * 2 + 3 * 4 * 2 + 2 * 4 * 2 - 4 - 2


def test_cases_are_the_same_for_a_seed_and_have_a_text_form() -> None:
    streams = [run.Stream(runnable(), seed) for seed in (4, 4, 5)]
    first, again, other = ([case for case, _ in zip(stream, range(60), strict=False)] for stream in streams)
    assert first == again != other
    assert [Case.parse(str(case)) for case in first] == first


def test_every_class_of_every_parameter_can_be_drawn() -> None:
    classes = parameters(runnable())
    rng = np.random.default_rng(1)
    coverage = Coverage(classes, CONSTRAINED, allowed)
    for name, values in classes.items():
        for value in values:
            row = next(row for row in iter(lambda: coverage.draw(rng), None) if row[name] == value)
            assert isinstance(sample(row, partial(dict, row), rng), Case)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c1_f1_k1_valid_linear_f32",
        "c1_f1_k1_valid_linear_f32@2",
        GOOD + " colour=red",
        GOOD + " input=wet",
        GOOD + " policy=mixed_float16",
    ],
)
def test_what_is_no_case_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expected|has target|is one of"):
        Case.parse(text)


# What is right


@pytest.mark.parametrize(
    "text",
    [
        "c5_f7_k4_s2_same_tanh_f32_first@2x36",
        "c6_f8_k5_s3_d2_g2_pad4x2_gelu_f64@1x30",
        "c3_f3_k9_d3_g3_causal_elu_f64@2x5",
    ],
)
def test_the_oracle_and_the_reference_agree(text: str) -> None:
    """They share no code."""
    case = Case.parse(text)
    p, (batch, length) = case.problem, case.shapes[0]
    x, w, b = (known(array).astype(np.float64) for array in real_data(p, batch, length))
    right = expected(p, x, w, b).astype(np.float64)
    found = oracle.wanted(case, x.transpose(0, 2, 1) if p.channels_first else x, w, b, False, False, right.dtype)
    assert found.low.shape == right.shape
    assert ((found.low <= right) & (right <= found.high)).all()
    assert (found.high - found.low).max() < 1e-3


def test_a_layer_that_is_right_passes() -> None:
    assert checks.run(Case.parse(GOOD)) == 2 * (2 * 7 * 18 + 2 * 7 * 9)


@pytest.mark.parametrize("text", FUSED)
def test_the_self_test_writes_an_activation_as_the_reference_does(text: str) -> None:
    x = np.linspace(-8.0, 8.0, 257)
    wanted = evaluate(Activation.parse(text), x)
    np.testing.assert_allclose(formulas.activation(text)(x), wanted, rtol=1e-12, atol=1e-15, err_msg=text)


def test_the_self_test_draws_every_activation() -> None:
    assert {Activation.parse(text).name for text in FUSED} == set(ELEMENTWISE)


# What is wrong


def wrong_by(monkeypatch: pytest.MonkeyPatch, change: Callable[[Conv1D, Array, Array], Array]) -> str:
    """What a case finds where a layer's results are changed, on their way."""
    right = Conv1D.__call__

    def call(self: Conv1D, inputs: Any, out: Array | None = None) -> Array:
        y = right(self, inputs, out)
        return change(self, np.asarray(inputs), y)

    monkeypatch.setattr(Conv1D, "__call__", call)
    with pytest.raises(checks.Failed) as failure:
        checks.run(Case.parse(GOOD))
    return str(failure.value)


def test_a_wrong_output_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_off(layer: Conv1D, x: Array, y: Array) -> Array:
        y.reshape(-1)[-1] += 0.001
        return y

    assert "are wrong" in wrong_by(monkeypatch, one_off)


def test_an_output_that_is_not_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def skipped(layer: Conv1D, x: Array, y: Array) -> Array:
        y.reshape(-1)[0] = np.nan
        return y

    assert "1 of 252 outputs are wrong" in wrong_by(monkeypatch, skipped)


def test_other_bits_for_one_thread_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(layer: Conv1D, x: Array, y: Array) -> Array:
        return y * np.float32(1 + 2**-22) if layer.options.num_threads == 1 else y

    assert "2 threads and 1: other bits" in wrong_by(monkeypatch, differs)


def test_a_nan_that_spreads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def spreads(layer: Conv1D, x: Array, y: Array) -> Array:
        return y * np.nan if np.isnan(x).any() else y

    assert "outputs that do not read the NaN" in wrong_by(monkeypatch, spreads)


def test_a_shape_that_should_be_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fewer steps than the kernel reaches over."""
    case = Case.parse("c1_f1_k3_valid_linear_f32@1x2")
    assert checks.run(case) == 0
    monkeypatch.setattr(Conv1D, "__call__", lambda layer, x: np.zeros((1, 1, 1), np.float32))
    with pytest.raises(checks.Failed, match=r"at 1x2: should be refused .* and gives \(1, 1, 1\)"):
        checks.run(case)


def test_a_process_that_dies_is_a_failure_and_the_next_case_runs() -> None:
    worker = Worker(("-c", "import os, sys; sys.stdin.readline(); os.abort()"))
    try:
        assert worker.run("anything").failure == "the process died: SIGABRT"
        assert worker.run("anything").failure == "the process died: SIGABRT"
    finally:
        worker.end()


def test_shrinking_leaves_what_is_needed() -> None:
    def fails(case: Case) -> bool:
        return case.problem.channels_first and case.problem.dilation > 2 and case.shapes[0][-1] > 20

    large = Case.parse(
        "c40_f24_k25_d17_g8_pad3x4_tanh_bf16_first_nobias@2x3x200,1x1x5 threads=3 policy=mixed_bfloat16 input=cast seed=9"
    )
    small = shrink(large, fails)
    assert str(small) == "c1_f1_k1_d3_valid_linear_f32_first@1x21 seed=9"


# The command line


def test_the_command_line_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--seconds", "100", "--layers", "4", "--seed", "1", "--target", RUNNABLE[0]]) == 0
    out, err = capsys.readouterr()
    assert "4 layers in " in out
    assert "pairs of features" in out
    assert "0 failures" in out
    assert err == ""
    assert main(["selftest", "--case", GOOD]) == 0
    assert "outputs are right" in capsys.readouterr().out
    assert main(["selftest", "--case", "nonsense"]) == 2
    assert main(["selftest", "--jobs", "0"]) == 2
    assert main(["selftest", "--seconds", "nan"]) == 2


def test_a_run_that_is_too_short_for_a_layer_checks_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--seconds", "0.001", "--target", RUNNABLE[0]]) == 0
    assert "\n1 layers in " in capsys.readouterr().out
