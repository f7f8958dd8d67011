"""Every pass keeps the result, for every problem, plan and machine: the interpreter computes the same before and after.

Data are exact integers, outputs start as NaN, and registers and scratch do too; so a term too many or too few, an
element that is not written and a number that is read too early all show. That indices stay in range for all lengths is
the verifier's to prove.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.helpers import algorithms, assert_exact, exact_data, expected, run_interpreted
from support.pass_helpers import SMALL, planned
from support.plans import with_details

from conv1d_codegen.ir import Axis, Block, For, Statement
from conv1d_codegen.ir.rewrite import map_statements
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import PIPELINE, Context, collapse_loops, simplify, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import Plan

LENGTHS = (1, 3, 19)


CASES = [
    pytest.param(text, target, algorithm, id=f"{text} {target} {algorithm}")
    for text in SMALL
    for target in TARGETS
    for algorithm in algorithms(Problem.parse(text))
    if target == "avx2" or algorithm != "generic"
]


@pytest.mark.parametrize(("text", "target", "algorithm"), CASES)
def test_each_pass_keeps_the_result(text: str, target: str, algorithm: str) -> None:
    problem, context = planned(text, target, algorithm)
    kernel = lower(problem, context.plan)
    data = [exact_data(problem, 1, length, seed=length) for length in LENGTHS]
    wanted = [expected(problem, *arrays) for arrays in data]
    for name, after in [("lower", kernel), *stages(kernel, context)]:
        if name != "lower" and after == kernel:
            continue
        for length, arrays, right in zip(LENGTHS, data, wanted, strict=True):
            assert_exact(
                problem,
                run_interpreted(after, problem, *arrays),
                right,
                f"@1x{length} after {name}, plan {context.plan}",
            )
        kernel = after


VERIFIED = [
    ("c2_f9_k3_same_relu_f32", "avx2", "direct"),
    ("c3_f5_k2_d2_causal_linear_f32", "avx512", "direct"),
    ("c2_f4_k3_s2_same_linear_f32", "avx2", "direct"),
    ("c2_f3_k3_s3_d2_causal_linear_f32", "sse2", "direct"),
    ("c2_f9_k2_s2_pad2x9_linear_f32", "avx512", "direct"),
    ("c4_f6_k2_g2_same_linear_f32", "neon", "direct"),
    ("c5_f5_k3_g5_same_relu_f32", "avx2", "depthwise"),
    ("c3_f6_k2_d3_g3_causal_linear_f32", "sse2", "depthwise"),
    ("c9_f9_k2_g9_valid_linear_f32", "sse2", "depthwise"),
    ("c9_f9_k9_g9_valid_linear_f32", "avx2", "depthwise"),
    ("c9_f9_k9_s2_g9_same_linear_f32", "avx2", "depthwise"),
    ("c16_f16_k15_g16_causal_linear_f32", "avx512", "depthwise"),
    ("c2_f10_k1_g2_pad2x7_linear_f32", "sse2", "direct"),
    ("c2_f5_k3_same_linear_f32_first", "avx2", "direct"),
    ("c1_f3_k2_s2_causal_linear_f32_first", "avx2", "direct"),
    ("c16_f8_k3_same_relu_f32_first", "sse2", "direct"),
    ("c16_f3_k7_s2_same_relu_f32", "avx512", "direct"),
    ("c8_f1_k5_d2_causal_gelu_f32", "avx2", "direct"),
    ("c2_f3_k2_causal_gelu_f32", "avx2", "direct"),
    ("c2_f3_k3_same_relu_f64", "avx2", "generic"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "target", "algorithm"), VERIFIED)
def test_each_pass_leaves_a_kernel_that_is_verified(text: str, target: str, algorithm: str) -> None:
    problem, context = planned(text, target, algorithm)
    for _ in stages(lower(problem, context.plan), context, check=True):
        pass


@st.composite
def any_plan(draw: st.DrawFn, problem: Problem) -> Plan:
    """Any plan that obeys the rules of `Plan` and fits the problem's layout."""
    algorithm = draw(st.sampled_from(algorithms(problem)))
    width = draw(st.sampled_from([1, 2, 4, 8, 16]))
    vectors = draw(st.integers(1, 3))
    block = draw(st.sampled_from([1, 2, 5, 8, 64]))
    unroll = draw(st.integers(1, 6))
    if algorithm == "direct" and problem.channels_first and problem.stride == 1 and draw(st.booleans()):
        return Plan("direct", "time", width, vectors, (draw(st.integers(1, 6)),), block, unroll)
    if (
        algorithm == "direct"
        and problem.group_channels % width == 0
        and not problem.channels_first
        and width > 1
        and draw(st.booleans())
    ):
        return Plan(
            "direct", "channels", width, vectors, tuple(dict.fromkeys((draw(st.integers(1, width)), 1))), block, unroll
        )
    lanes = "channels" if algorithm == "depthwise" else "filters"
    rows = sorted(draw(st.sets(st.integers(2, 7), max_size=3)), reverse=True)
    return Plan(algorithm, lanes, width, vectors, (*rows, 1), block, unroll)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_plan_gives_the_same_result(data: st.DataObject) -> None:
    problem = Problem.parse(data.draw(st.sampled_from([text for text in SMALL if "f16" not in text])))
    plan = with_details(data.draw(any_plan(problem)), problem, lambda choices: data.draw(st.sampled_from(choices)))
    length = data.draw(st.integers(0, 24))
    arrays = exact_data(problem, 1, length)
    kernel = lower(problem, plan)
    for name, after in stages(kernel, Context(problem, plan, TARGETS["avx2"])):
        if name in ("tile", PIPELINE[-1][0]):
            assert_exact(
                problem,
                run_interpreted(after, problem, *arrays),
                expected(problem, *arrays),
                f"@1x{length} after {name}, {plan}",
            )


@pytest.mark.parametrize("text", SMALL[:12])
def test_passes_are_deterministic(text: str) -> None:
    for algorithm in algorithms(Problem.parse(text)):
        problem, context = planned(text, "avx2", algorithm)
        kernel = lower(problem, context.plan)
        assert kernel == lower(problem, context.plan)
        for _, run, _ in PIPELINE:
            before = str(kernel)
            after = run(kernel, context)
            assert after == run(kernel, context)
            assert str(kernel) == before
            kernel = after


@pytest.mark.parametrize("text", SMALL)
def test_clean_up_is_done_once(text: str) -> None:
    """Simplifying and collapsing what is simplified and collapsed changes nothing."""
    for algorithm in algorithms(Problem.parse(text)):
        problem, context = planned(text, "avx2", algorithm)
        after = dict(stages(lower(problem, context.plan), context))
        assert simplify.run(after["simplify"], context) == after["simplify"]
        assert collapse_loops.run(after["collapse_loops"], context) == after["collapse_loops"]


def test_a_pass_that_is_wrong_would_be_noticed() -> None:
    """The comparison itself: a kernel whose tap loop is one short does not give the reference's result."""
    problem, context = planned("c2_f9_k3_valid_linear_f32", "avx2", "direct")
    scheduled = list(stages(lower(problem, context.plan), context))[-1][1]

    def shortened(s: Statement) -> Block | None:
        return (replace(s, hi=s.hi - 1),) if isinstance(s, For) and s.axis is Axis.TAP else None

    x, w, b = exact_data(problem, 1, 19)
    wrong = run_interpreted(scheduled.with_body(map_statements(scheduled.body, shortened)), problem, x, w, b)
    assert not np.array_equal(wrong, expected(problem, x, w, b))
