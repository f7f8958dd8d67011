"""Compiled Cook–Toom kernels: exact where numbers are, else within what the error model says; and blind to what they
must not see.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.helpers import (
    RUNNABLE,
    assert_exact,
    bits,
    compiled,
    exact_data,
    expected,
    real_data,
    run_compiled,
    run_interpreted,
    supports,
)
from support.kernel_helpers import call
from support.toom_helpers import (
    any_case,
    least_length,
    like_auto,
    like_direct,
    mixed,
    plan_for,
    plan_of,
    predicted_share,
    reads_of,
    share_of_bound,
    steps_first,
    windows_of,
)
from support.type_helpers import the

from conv1d_codegen.ir.packing import Mixing
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import CompiledKernel
from conv1d_codegen.schedule.plan import Plan

FUSED = [name for name in RUNNABLE if TARGETS[name].fma]


def targets(problem: Problem) -> Iterator[str]:
    return (target for target in RUNNABLE if supports(target, problem))


def toom_kernel(problem: Problem, plan: Plan, target: str) -> CompiledKernel:
    return compiled(problem, target, "cook_toom", plan).kernel


#: Of small integers these make others, or halves, so that their sums are exact.
EXACT: list[tuple[str, tuple[int, ...]]] = [
    ("c16_f65_k3_causal_relu_f32", (2, 3)),
    ("c8_f16_k2_same_linear_f32_nobias", (2, 2)),
    ("c5_f12_k5_pad9x2_relu_f32", (2, 3)),
    ("c33_f40_k4_same_linear_f32", (3, 2)),
    ("c3_f7_k9_same_linear_f32", (2, 2)),
    ("c1_f32_k12_valid_relu_f32", (2, 3)),
    ("c17_f1_k3_same_linear_f32", (3, 1)),
    ("c40_f31_k3_d5_same_linear_f32", (2, 3)),
    ("c7_f16_k7_s2_d3_same_linear_f32", (2, 2)),
    ("c6_f8_k5_s3_d2_pad4x2_linear_f32_first", (2, 2)),
    ("c4_f8_k6_s4_d6_causal_linear_f32", (3, 2)),
    ("c12_f40_k3_g2_causal_relu_f32", (2, 3)),
    ("c8_f12_k4_g4_same_linear_f32_first", (3, 2)),
    ("c256_f512_k3_same_linear_f32", (2, 3)),  # parts
    ("c512_f9_k2_valid_linear_f32", (2, 2)),  # rows of scratch set apart
    ("c16_f20_k3_same_relu_f64", (2, 3)),
    ("c7_f9_k4_s2_causal_linear_f64_first", (2, 2)),
    ("c16_f33_k3_same_relu_f16", (2, 3)),
    ("c16_f17_k3_same_linear_bf16", (3, 2)),
    # Nested, with the points 0, 1, -1 and infinity.
    ("c40_f65_k4_causal_relu_f32", (4, 4, 2)),
    ("c33_f40_k11_same_linear_f32", (4, 6, 2)),
    ("c17_f9_k7_d3_same_linear_f32_nobias", (4, 4, 2)),
    ("c7_f33_k7_s2_d3_pad4x2_linear_f32", (6, 4, 2)),
    ("c12_f40_k8_g2_causal_relu_f32_first", (4, 8, 2, 2)),
    ("c16_f20_k6_same_relu_f64", (4, 6, 2)),
    ("c16_f33_k4_same_relu_f16", (4, 4, 2)),
    # Folded steps.
    ("c1_f1_k40_same_relu_f32", (2, 3)),
    ("c1_f1_k70_causal_linear_f32_first_nobias", (2, 2)),
    ("c1_f1_k200_pad9x2_linear_f64", (4, 4, 2)),
    ("c1_f1_k50_valid_linear_f16", (3, 2)),
    ("c3_f3_k33_g3_same_linear_f32_first", (2, 3)),
]


def on_targets(cases: Sequence[tuple[str, tuple[int, ...]]]) -> pytest.MarkDecorator:
    """Each problem on each machine: on one of them, by turns, in fast tests."""
    parameters = [
        pytest.param(
            text,
            toom,
            target,
            id=f"{text} F({','.join(map(str, toom))}) {target}",
            marks=[pytest.mark.slow] * bool((at + number) % 3),
        )
        for at, (text, toom) in enumerate(cases)
        for number, target in enumerate(RUNNABLE)
        if supports(target, Problem.parse(text))
    ]
    return pytest.mark.parametrize(("text", "toom", "target"), parameters)


@on_targets(EXACT)
def test_exact(text: str, toom: tuple[int, ...], target: str) -> None:
    """Every length: none, too short for windows, just enough for them, one and two steps more, and some blocks."""
    problem = Problem.parse(text)
    plan = like_auto(problem, target, *toom)
    kernel = toom_kernel(problem, plan, target)
    _, w, b = exact_data(problem, 1, 1)
    packed = kernel.pack(w, b)
    least = least_length(problem, plan)
    several = least + (plan.block + plan.outputs + 1) * problem.stride * problem.dilation * plan.fold
    assert len(windows_of(problem, plan, several).first) > plan.block // plan.outputs
    for length in (0, 1, 2, 13, least - 1, least, least + 1, least + 2, 67, several):
        x, _, _ = exact_data(problem, 2, length, seed=length)
        assert_exact(problem, call(kernel, packed, x), expected(problem, x, w, b), f"@2x{length} {target}, plan {plan}")


@pytest.mark.parametrize(("batch", "length"), [(0, 40), (3, 0), (0, 0)])
def test_no_output_at_all(batch: int, length: int) -> None:
    problem = Problem.parse("c5_f12_k5_same_relu_f32")
    x, w, b = exact_data(problem, batch, length)
    assert_exact(
        problem, run_compiled(problem, x, w, b, algorithm="cook_toom"), expected(problem, x, w, b), f"@{batch}x{length}"
    )


@pytest.mark.parametrize("toom", [(2, 3), (4, 3), (3, 4), (8, 3), (2, 9)])
def test_transformed_weights_are_rounded_once(toom: tuple[int, ...]) -> None:
    problem, plan = Problem.parse("c3_f2_k10_s2_valid_linear_f32"), plan_of(toom)
    (mixing,) = (the(Mixing, packing) for packing in lower(problem, plan).packings)
    _, w, _ = real_data(problem, 1, 1)
    made = mixing(w, np.dtype(np.float32), {})
    exact = mixed(mixing, np.vectorize(Fraction, [object])(w.astype(np.float64)), plan)
    assert made.dtype == np.float32
    for number, fraction in zip(made.flat, exact.flat, strict=True):
        assert abs(Fraction(float(number)) - fraction) <= Fraction(float(np.spacing(abs(number)))) * Fraction(
            500001, 1000000
        )


# --- what is rounded --------------------------------------------------------------------------------------------------


REAL: list[tuple[str, tuple[int, ...]]] = [
    ("c64_f64_k3_same_linear_f32", (4, 3)),
    ("c3_f9_k5_pad2x0_linear_f32", (4, 3)),
    ("c17_f33_k9_same_linear_f32_nobias", (3, 3)),
    ("c5_f7_k7_causal_linear_f32", (4, 5)),
    ("c9_f16_k3_same_linear_f32", (8, 3)),
    ("c32_f16_k8_same_linear_f32", (3, 8)),
    ("c8_f16_k7_s2_valid_linear_f32", (2, 4)),
    ("c8_f16_k5_s3_d2_same_linear_f32", (2, 2)),
    ("c8_f17_k8_d2_causal_linear_f32", (4, 4)),
    ("c8_f16_k5_g2_same_linear_f32_first", (2, 5)),
    ("c16_f20_k3_same_linear_f64", (4, 3)),
    ("c9_f8_k4_d3_valid_linear_f64_first", (5, 4)),
    ("c16_f20_k3_same_linear_f16", (4, 3)),
    ("c16_f20_k3_same_linear_bf16", (6, 3)),
    ("c32_f17_k9_same_linear_f32", (12, 9, 3)),
    ("c40_f9_k11_d2_causal_linear_f32", (12, 12, 3)),
    ("c8_f16_k16_s2_valid_linear_f32_first", (12, 8, 4)),
    ("c17_f33_k15_same_linear_f32", (9, 15, 3)),
    ("c16_f20_k9_same_linear_f64", (9, 9, 3)),
    ("c1_f1_k129_same_linear_f32", (4, 3)),
    ("c1_f1_k300_causal_linear_f32_first", (12, 9, 3)),
]


@on_targets(REAL)
def test_errors_are_within_what_is_predicted(text: str, toom: tuple[int, ...], target: str) -> None:
    """Of outputs in windows half as large again as the error model says, for 10^7 outputs, of others within direct's
    bound.
    """
    problem = Problem.parse(text)
    plan = like_auto(problem, target, *toom)
    kernel = toom_kernel(problem, plan, target)
    most = 1.5 * predicted_share(problem, plan)
    if problem.dtype in ("f16", "bf16"):  # of which most is the rounding of the output
        most = max(1.0, most)
    for length in (problem.extent, least_length(problem, plan), 301):
        x, w, b = real_data(problem, 2, length, seed=length)
        share = share_of_bound(problem, call(kernel, kernel.pack(w, b), x), x, w, b)
        inside = sorted(windows_of(problem, plan, length).inside)
        case = f"{problem}@2x{length} {target}, plan {plan}"
        assert share[:, inside].max(initial=0) <= most, f"{case}: {share[:, inside].max()} of the bound"
        assert np.delete(share, inside, axis=1).max(initial=0) <= 1, case


@pytest.mark.skipif(not FUSED, reason="a machine without fused multiply-adds")
@pytest.mark.parametrize(("text", "toom"), REAL[1::2])
def test_machine_code_computes_what_the_loops_say(text: str, toom: tuple[int, ...]) -> None:
    """Bit by bit: multiply-adds are fused in both, and nothing else is."""
    problem = Problem.parse(text)
    problem, plan = problem.with_(channels=problem.groups * 2, filters=problem.groups * 5), plan_of(toom)
    compilation = compiled(problem, FUSED[-1], "cook_toom", plan)
    x, w, b = real_data(problem, 1, least_length(problem, plan) + 3)
    actual = call(compilation.kernel, compilation.kernel.pack(w, b), x)
    wanted = run_interpreted(compilation.program.scheduled, problem, x, w, b)
    assert bits(actual) == bits(wanted), f"{problem}@1x{least_length(problem, plan) + 3} {FUSED[-1]}, plan {plan}"


@settings(max_examples=15, deadline=None)
@given(any_case(), st.sampled_from(RUNNABLE), st.sampled_from(["f32", "f32", "f64", "bf16"]))
def test_any_problem_and_plan(case: tuple[Problem, Plan, int, int], target: str, dtype: str) -> None:
    problem, plan, batch, length = case
    problem = problem.with_(dtype=dtype)
    kernel = toom_kernel(problem, plan, target)
    x, w, b = real_data(problem, batch, length)
    share = share_of_bound(problem, call(kernel, kernel.pack(w, b), x), x, w, b)
    most = max(1.0, 1.5 * predicted_share(problem, plan))
    assert share.max(initial=0) <= most, f"{problem}@{batch}x{length} {target}, plan {plan}: {share.max()} of the bound"


# --- what a kernel must not see ---------------------------------------------------------------------------------------


SEEING = [
    ("c3_f9_k3_same_linear_f32", (4, 3)),
    ("c3_f5_k5_causal_linear_f32", (4, 3)),
    ("c2_f9_k7_d2_same_linear_f32", (3, 3)),
    ("c3_f9_k5_s2_same_linear_f32", (3, 2)),
    ("c2_f4_k4_s3_d2_pad4x3_linear_f32_first", (2, 2)),
    ("c4_f6_k3_g2_valid_linear_f64", (6, 3)),
    ("c1_f1_k9_same_linear_f32", (2, 2)),
    ("c1_f1_k6_pad3x1_linear_f32_first", (2, 3)),
]
seeing = pytest.mark.parametrize(("text", "toom"), SEEING, ids=[f"{text} F({m},{r})" for text, (m, r) in SEEING])


@seeing
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_nan_reaches_the_windows_that_read_it_and_no_others(text: str, toom: tuple[int, ...], poison: float) -> None:
    """It reaches all outputs whose taps fall on it, and at most those of a window that has it among its inputs. An
    infinity too, which may become a NaN, as it is subtracted from itself."""
    problem = Problem.parse(text)
    plan, target = plan_for(problem, toom), RUNNABLE[-1]
    kernel = toom_kernel(problem, plan, target)
    length = least_length(problem, plan) + 9
    x, w, b = real_data(problem, 3, length)
    packed = kernel.pack(w, b)
    clean = call(kernel, packed, x)
    windows, reads = windows_of(problem, plan, length), reads_of(problem, plan, length)
    # of the first group
    left, steps, filters = problem.left_padding(length), problem.output_length(length), problem.group_filters
    spread = 0
    for step in range(length):
        wild = x.copy()
        steps_first(problem, wild, 1)[step, 0] = poison
        result = call(kernel, packed, wild)
        y, usual = (steps_first(problem, array, 1) for array in (result, clean))
        case = f"{problem}@3x{length} {target}, plan {plan}, {poison} in step {step}"
        must = {
            t
            for t in range(steps)
            for j in range(problem.kernel_size)
            if t * problem.stride + j * problem.dilation - left == step
        }
        reading = [first for first, read in zip(windows.first, reads, strict=True) if step in read]
        may = must | {first + a * windows.between for first in reading for a in range(windows.outputs)}
        touched = set(np.flatnonzero(~np.isfinite(y[:, :filters]).all(axis=1)))
        assert must <= touched <= may, case
        assert not np.isfinite(y[sorted(must), :filters]).any(), case
        kept = sorted(set(range(steps)) - may)
        assert bits(y[kept]) == bits(usual[kept]), case
        assert bits(y[:, filters:]) == bits(usual[:, filters:]), case
        assert bits(result[::2]) == bits(clean[::2]), f"{case}: another sequence"
        spread += len(touched - must)
    assert spread, "windows are there"


@seeing
def test_steps_without_a_window_are_as_direct(text: str, toom: tuple[int, ...]) -> None:
    problem = Problem.parse(text)
    plan, target = plan_for(problem, toom), RUNNABLE[-1]
    for length in (1, least_length(problem, plan) - 1, least_length(problem, plan), 67):
        x, w, b = real_data(problem, 1, length)
        y = steps_first(problem, run_compiled(problem, x, w, b, target, "cook_toom", plan))
        direct = steps_first(problem, run_compiled(problem, x, w, b, target, plan=like_direct(plan)))
        inside = windows_of(problem, plan, length).inside
        alone = sorted(set(range(problem.output_length(length))) - inside)
        assert bits(y[alone]) == bits(direct[alone]), f"{problem}@1x{length} {target}, plan {plan}"
        assert not inside or bits(y) != bits(direct)


@seeing
def test_nothing_beside_the_input_leaks_in(text: str, toom: tuple[int, ...]) -> None:
    problem = Problem.parse(text)
    for target in targets(problem):
        kernel = toom_kernel(problem, plan_for(problem, toom), target)
        x, w, b = real_data(problem, 2, 53)
        packed = kernel.pack(w, b)
        room = np.full(x.size + 256, np.nan, x.dtype)
        inside = room[128 : 128 + x.size].reshape(x.shape)
        inside[...] = x
        assert bits(call(kernel, packed, inside)) == bits(call(kernel, packed, x)), f"{problem}@2x53 {target}"


def test_a_weight_that_is_not_finite_belongs_to_its_filter() -> None:
    """Wherever it is among the taps and channels; and no warning is given."""
    problem = Problem.parse("c3_f9_k5_valid_linear_f32")
    for poison in (np.nan, np.inf, 3e38):
        x, w, b = real_data(problem, 1, 60)
        clean = run_compiled(problem, x, w, b, algorithm="cook_toom")
        w[3, 1, 4] = poison
        y = run_compiled(problem, x, w, b, algorithm="cook_toom")
        others = np.delete(np.arange(9), 4)
        assert bits(y[..., others]) == bits(clean[..., others]), str(poison)
        assert not np.isfinite(y[..., 4]).any() or poison == 3e38
