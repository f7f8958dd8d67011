"""Channels-last problems of few channels and filters, whose steps go into the lanes."""

from __future__ import annotations

import pytest
from support.helpers import RUNNABLE, assert_exact, bits, exact_data, expected, real_data, run_compiled

from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.schedule.registers import fitting_width

NARROW = (
    "c1_f1_k1_valid_linear_f32",
    "c1_f1_k9_d3_causal_relu_f32",
    "c1_f1_k300_same_linear_f32",
    "c1_f2_k31_pad5x2_tanh_f32",
    "c1_f3_k40_same_relu_f64",
    "c1_f4_k31_s2_same_relu_f32",
    "c2_f2_k31_valid_relu_f32",
    "c3_f1_k7_d2_same_linear_f32",
)


@pytest.mark.parametrize(
    ("line", "avx512", "avx2"),
    [
        ("c1_f1_k1025_same_linear_f32", "time", "time"),  # 5.7 times as fast as filters (avx512)
        ("c1_f1_k1_same_relu_f32", "time", "time"),  # 1.8
        ("c1_f2_k31_same_relu_f32", "time", "time"),  # 5.1, and 1.7 (avx2)
        ("c1_f2_k3_same_relu_f32", "time", "filters"),  # 1.3 and 0.77
        ("c1_f4_k31_same_relu_f32", "time", "filters"),  # 1.7 and 0.99
        ("c1_f4_k3_same_relu_f32", "filters", "filters"),  # 0.72 and 0.42
        ("c2_f2_k31_same_relu_f32", "time", "filters"),  # 1.6 and 0.38
        ("c4_f4_k31_same_relu_f32", "filters", "filters"),  # 0.93 and 0.38
        ("c4_f1_k31_same_relu_f32", "channels", "channels"),  # 0.40 and 0.13
        ("c1_f8_k31_same_relu_f32", "filters", "filters"),  # 0.99
    ],
)
def test_what_is_in_the_lanes_was_measured_to_be_faster(line: str, avx512: str, avx2: str) -> None:
    problem = Problem.parse(line)
    assert choose(problem, TARGETS["avx512"], "direct").lanes == avx512
    assert choose(problem, TARGETS["avx2"], "direct").lanes == avx2


@pytest.mark.parametrize("line", NARROW)
@pytest.mark.parametrize("target", RUNNABLE)
def test_around_every_vector_and_block(line: str, target: str) -> None:
    """Exact, and bit for bit what filters in the lanes give, from no step that has all taps to more than one block."""
    problem = Problem.parse(line)
    plan = choose(problem, TARGETS[target], "direct")
    lanes = TARGETS[target].lanes(problem.compute)
    if plan.lanes != "time":
        plan = Plan("direct", "time", lanes, 2, (problem.filters,), 24 * lanes, 4)
    filters = Plan("direct", "filters", fitting_width(problem.filters, lanes), 1, (4, 1), 64, 1)
    reach = problem.extent + problem.stride * plan.width * plan.vectors
    for length in (problem.extent, reach - 1, reach, reach + 1, problem.extent + problem.stride * plan.block + 3):
        data = exact_data(problem, 2, length)
        assert_exact(problem, run_compiled(problem, *data, target=target, plan=plan), expected(problem, *data))
        data = real_data(problem, 1, length)
        got = run_compiled(problem, *data, target=target, plan=plan)
        assert bits(got) == bits(run_compiled(problem, *data, target=target, plan=filters)), f"{problem}@1x{length}"
