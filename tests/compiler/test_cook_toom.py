"""Cook–Toom as lowered and after each pass, in rational numbers: for any F(m, r) the result is the formula's, exactly.

What rounding does to it, and what machine code does, is in `test_cook_toom_kernels.py` and
`test_cook_toom_accuracy.py`.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.helpers import assert_exact, exact_data, expected, real_data, run_interpreted
from support.toom_helpers import any_case, assert_rational, least_length, plan_of, run_exactly, toom_plan, windows_of

from conv1d_codegen import reference
from conv1d_codegen.ir import Block, For, Statement
from conv1d_codegen.ir.rewrite import map_statements
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import PIPELINE, Context, collapse_loops, simplify, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.details import detailed
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.toom import LARGEST
from conv1d_codegen.toom.split import Split
from conv1d_codegen.verify import verify

SHAPES = [(m, n + 1 - m) for n in range(2, LARGEST + 1) for m in range(2, n + 1)]

#: A problem, F(m, r), what else the plan has, and a machine.
ToomCase = tuple[str, tuple[int, int], dict[str, Any], str]
CASES: list[ToomCase] = [
    ("c2_f9_k3_same_relu_f32", (2, 3), {"rows": (3, 2, 1)}, "avx2"),
    ("c1_f17_k3_valid_linear_f32", (4, 3), {"width": 16, "windows": 4}, "avx512"),
    ("c3_f5_k2_causal_linear_f32_nobias", (2, 2), {"rows": (1,), "windows": 1}, "sse2"),
    ("c2_f7_k4_pad5x2_relu_f32", (3, 4), {"vectors": 2, "unroll": 1}, "neon"),
    ("c2_f3_k3_pad0x9_linear_f32", (2, 3), {}, "avx2"),
    ("c2_f3_k3_same_linear_f32", (3, 1), {}, "avx2"),
    ("c2_f3_k3_same_linear_f32", (8, 3), {}, "avx2"),
    ("c1_f4_k9_same_linear_f32", (3, 8), {}, "sse2"),
    ("c1_f3_k6_valid_linear_f32", (5, 6), {}, "avx512"),
    ("c2_f3_k1_valid_linear_f32", (3, 2), {}, "avx2"),  # fewer taps than a term has
    # Terms: the last one whole, or short of taps; inputs transformed once for all of them, or for each.
    ("c2_f3_k5_same_linear_f32", (4, 3), {}, "avx2"),
    ("c3_f2_k11_causal_relu_f32", (3, 2), {}, "avx2"),
    ("c2_f3_k7_same_linear_f32", (3, 3), {"rows": (4, 3, 1)}, "avx2"),
    ("c2_f3_k8_same_linear_f32", (4, 4), {"unroll": 4}, "avx512"),
    ("c1_f2_k12_d3_same_linear_f32", (2, 2), {}, "avx2"),
    # Chunks of the sums: of channels, even or with a rest; of terms, with a rest.
    ("c17_f1_k4_causal_linear_f32", (2, 4), {"rows": (4, 2, 1), "windows": 4}, "avx2"),
    ("c40_f1_k3_valid_linear_f32_nobias", (2, 3), {"rows": (3, 1), "unroll": 4}, "avx512"),
    ("c35_f1_k2_same_linear_f32", (3, 2), {"rows": (5, 4, 3, 1), "windows": 5}, "sse2"),
    ("c1_f2_k17_same_linear_f32", (2, 1), {"unroll": 4}, "avx2"),
    # Dilations, strides and both.
    ("c2_f3_k3_d2_causal_linear_f32", (4, 3), {}, "avx2"),
    ("c2_f3_k7_d2_same_relu_f32", (3, 3), {}, "sse2"),
    ("c1_f3_k10_d5_valid_linear_f32", (4, 4), {"windows": 7}, "avx2"),
    ("c2_f3_k5_s2_same_linear_f32", (2, 3), {}, "avx2"),
    ("c2_f4_k12_s2_causal_linear_f32", (2, 2), {}, "neon"),
    # the second phase is short of a term that the first one shares
    ("c2_f3_k5_s2_valid_linear_f32", (2, 2), {}, "sse2"),
    ("c2_f3_k2_s3_valid_linear_f32", (2, 1), {}, "avx2"),  # the third phase has no tap
    ("c2_f3_k3_s4_same_linear_f32", (2, 1), {}, "avx2"),
    ("c2_f3_k4_s3_d2_same_linear_f32", (2, 2), {"windows": 4}, "avx2"),
    ("c1_f3_k9_s2_d3_causal_relu_f32", (2, 3), {}, "avx512"),
    ("c2_f3_k3_s2_d2_same_linear_f32", (3, 3), {}, "avx2"),
    ("c1_f2_k7_s4_d6_pad7x20_linear_f32", (2, 2), {}, "avx2"),
    ("c1_f2_k5_s6_d4_valid_linear_f32", (2, 2), {}, "sse2"),
    # Nested: two levels and three, short of a tap, with dilations, strides and several terms; and windows that go over
    # one chunk of the weights after another.
    ("c2_f9_k9_same_relu_f32", (12, 9), {"nested": (3,)}, "avx512"),
    ("c2_f3_k11_d2_causal_linear_f32", (12, 12), {"nested": (3,), "stream": 36}, "avx2"),
    ("c35_f2_k4_same_linear_f32", (4, 4), {"nested": (2,), "rows": (3, 2, 1), "windows": 4, "stream": 16}, "avx2"),
    ("c40_f1_k3_causal_linear_f32", (2, 4), {"nested": (2,), "windows": 4, "stream": 8}, "sse2"),  # a term lacks a tap
    ("c2_f3_k8_valid_linear_f32", (8, 8), {"nested": (2, 2)}, "avx2"),
    ("c1_f3_k12_s2_same_linear_f32", (12, 6), {"nested": (3,)}, "avx2"),
    ("c2_f2_k9_s2_d3_causal_relu_f32", (4, 4), {"nested": (2,), "stream": 12}, "neon"),
    ("c4_f4_k11_g2_valid_linear_f32_first", (4, 4), {"nested": (2,)}, "sse2"),
    ("c20_f2_k10_d3_same_linear_f32", (4, 4), {"nested": (2,), "windows": 7, "stream": 28}, "avx512"),
    ("c3_f5_k12_same_linear_f64", (9, 12), {"nested": (3,), "vectors": 2}, "avx2"),
    # Folded steps: one level and nested, of one term, and several, shared and not; in both layouts, and of groups; steps
    # without a window in vectors, and some that lack taps in blocks.
    ("c1_f1_k5_valid_linear_f32", (2, 2), {"fold": 4}, "sse2"),
    ("c1_f1_k13_same_relu_f32", (2, 3), {"fold": 4, "rest": 2}, "avx2"),
    ("c1_f1_k33_causal_linear_f32_nobias", (2, 2), {"fold": 8, "vectors": 2, "edges": "shared", "edge_steps": 16}, "avx2"),
    ("c1_f1_k23_pad3x30_linear_f32_first", (3, 2), {"fold": 8, "stream": 9}, "avx2"),
    ("c1_f1_k2_same_linear_f32", (2, 2), {"fold": 4, "rest": 8}, "neon"),
    ("c1_f1_k40_same_linear_f64", (4, 4), {"fold": 8, "nested": (2,), "windows": 2, "looped": True}, "avx2"),
    ("c3_f3_k17_g3_same_linear_f32_first", (2, 3), {"fold": 4, "input_width": 2}, "sse2"),
    ("c1_f1_k50_valid_linear_bf16", (2, 3), {"fold": 16, "width": 16, "unroll": 4}, "avx512"),
    # Groups, layouts, types.
    ("c4_f6_k3_g2_same_linear_f32", (2, 3), {}, "avx2"),
    ("c6_f3_k5_s2_g3_causal_relu_f32", (3, 3), {}, "avx2"),
    ("c2_f5_k3_same_linear_f32_first", (4, 3), {}, "avx2"),
    ("c4_f6_k4_d2_g2_causal_relu_f32_first_nobias", (3, 2), {}, "sse2"),
    ("c3_f4_k3_same_relu_f64", (4, 3), {}, "avx2"),
    ("c2_f5_k3_same_linear_f16", (2, 3), {}, "avx2"),
    ("c2_f3_k4_s2_valid_linear_bf16", (3, 2), {}, "avx512"),
]  # fmt: skip


def parametrized(cases: list[ToomCase]) -> pytest.MarkDecorator:
    names = [f"{text} F({toom[0]},{toom[1]}) {target}" for text, toom, _, target in cases]
    return pytest.mark.parametrize(("text", "toom", "rest", "target"), cases, ids=names)


def prepared(text: str, toom: tuple[int, int], rest: dict[str, Any], target: str) -> tuple[Problem, Plan, Context]:
    problem, plan = Problem.parse(text), toom_plan(*toom, **rest)
    return problem, plan, Context(problem, plan, TARGETS[target])


def lengths_of(problem: Problem, plan: Plan) -> list[int]:
    """None, one, one too few for windows, just enough for them, and some blocks with something left over."""
    least = least_length(problem, plan)
    more = (plan.block + 2 * plan.outputs + 1) * problem.stride * plan.split(problem).sequences * plan.fold
    return sorted({0, 1, least - 1, least, least + more})


@parametrized(CASES)
def test_each_pass_keeps_the_result(text: str, toom: tuple[int, int], rest: dict[str, Any], target: str) -> None:
    problem, plan, context = prepared(text, toom, rest, target)
    kernel = lower(problem, plan)
    lengths = lengths_of(problem, plan)
    counts = [len(windows_of(problem, plan, length).first) for length in lengths]
    assert counts[-3] == 0 < counts[-2] < counts[-1] > plan.block // plan.outputs
    last = kernel
    for name, after in [("lower", kernel), *stages(kernel, context)]:
        if name != "lower" and after == last:
            continue
        for length in lengths if name in ("lower", PIPELINE[-1][0]) else lengths[-1:]:
            batch = 1 if length == lengths[-1] else 3  # sequences that may share a block
            assert_rational(
                problem, plan, after, exact_data(problem, batch, length, seed=length), f"after {name}, {target}"
            )
        last = after


@pytest.mark.parametrize(("m", "r"), SHAPES, ids=lambda number: str(number))
def test_every_algorithm_as_lowered(m: int, r: int) -> None:
    """With as many taps as it has, with one more (of which most of a term is lacking), and with a
    stride and a dilation.
    """
    for text in (
        f"c1_f2_k{r}_valid_linear_f32",
        f"c2_f1_k{r + 1}_same_linear_f32",
        f"c1_f1_k{r}_s2_d3_causal_linear_f32_nobias",
    ):
        problem, plan = Problem.parse(text), toom_plan(m, r)
        kernel = lower(problem, plan)
        assert_rational(problem, plan, kernel, exact_data(problem, 1, least_length(problem, plan) + problem.stride))


@settings(max_examples=30, deadline=None)
@given(any_case(), st.sampled_from(sorted(TARGETS)))
def test_any_problem_and_plan(case: tuple[Problem, Plan, int, int], target: str) -> None:
    problem, plan, batch, length = case
    kernel = dict(stages(lower(problem, plan), Context(problem, plan, TARGETS[target])))[PIPELINE[-1][0]]
    assert_rational(problem, plan, kernel, exact_data(problem, batch, length), f"on {target}")


@pytest.mark.parametrize("text", ["c2_f16_k3_same_relu_f32", "c4_f16_k5_d2_g2_causal_linear_f32_first"])
def test_parts_of_many_filters(text: str) -> None:
    """Each part transforms the input anew, and computes its own filters of the steps without a window."""
    problem = Problem.parse(text)
    plan = toom_plan(2, 3, width=2, vectors=1, parts=problem.group_filters // 4)
    context = Context(problem, plan, TARGETS["avx2"])
    kernel = lower(problem, plan)
    assert f"parallel part in 0..{problem.group_filters // 4}" in str(kernel)
    for after in (kernel, dict(stages(kernel, context))[PIPELINE[-1][0]]):
        for length in (1, 40):
            assert_rational(problem, plan, after, exact_data(problem, 2, length))


# --- what it saves ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "toom", "products", "transforms"),
    [
        ("c2_f3_k3_same_linear_f32", (4, 3), 6, 6),
        ("c2_f3_k4_same_linear_f32", (4, 4), 7, 7),
        ("c2_f3_k5_same_linear_f32", (4, 3), 11, 12),  # a term of two taps has no product at infinity
        ("c2_f3_k9_same_linear_f32", (3, 3), 15, 5),  # inputs that are transformed once for all terms
        ("c2_f3_k9_same_linear_f32", (4, 3), 18, 18),
        ("c1_f2_k11_d2_same_linear_f32", (3, 2), 23, 24),
        ("c1_f2_k6_s2_same_linear_f32", (2, 3), 8, 8),
        ("c2_f2_k4_g2_same_linear_f32", (2, 2), 6, 3),
        ("c2_f2_k9_same_linear_f32", (12, 9, 3), 30, 30),
        ("c2_f2_k11_same_linear_f32", (12, 12, 3), 34, 35),
        ("c1_f2_k8_same_linear_f32", (4, 4, 2), 18, 9),
    ],
)
def test_as_many_products_as_are_promised(text: str, toom: tuple[int, ...], products: int, transforms: int) -> None:
    """Of a window, a channel and a filter, counted as they are computed; and no output is computed twice."""
    problem, plan = Problem.parse(text), plan_of(toom, windows=1 << 8)
    length = 8 * plan.outputs * problem.dilation * problem.stride + problem.extent
    windows, split = windows_of(problem, plan, length), Split.of(problem, plan.taps)
    assert products == split.products(plan.toom.multiplications)
    assert products < plan.outputs * problem.kernel_size
    _, counted = run_exactly(lower(problem, plan), problem, plan, *exact_data(problem, 1, length))
    pairs = problem.group_channels * problem.filters
    rows = [len(windows.first)]
    if transforms < products:  # and some whose inputs others share, of each block or sequence
        rows += [len(windows.first) + blocks * split.halo for blocks in (1, 2)]
    assert counted["read wt"] in {count * products * pairs for count in rows}
    assert counted["written xt"] in {count * transforms * problem.channels for count in rows}
    assert counted["written y"] == problem.output_length(length) * problem.filters
    alone = set(range(problem.output_length(length))) - windows.inside
    taps = sum(
        0 <= t * problem.stride + j * problem.dilation - problem.left_padding(length) < length
        for t in alone
        for j in range(problem.kernel_size)
    )
    assert counted["read w"] == taps * pairs


# --- in floats --------------------------------------------------------------------------------------------------------


@parametrized(CASES[::4])
def test_in_float64(text: str, toom: tuple[int, int], rest: dict[str, Any], target: str) -> None:
    """As far off as numbers of 53 bits are: what the fractions of the transformed weights are
    rounded to is right too.
    """
    problem, plan, context = prepared(text, toom, rest, target)
    problem = problem.with_(dtype="f64")
    kernel = dict(stages(lower(problem, plan), Context(problem, plan, context.target)))[PIPELINE[-1][0]]
    length = lengths_of(problem, plan)[-1]
    x, w, b = real_data(problem, 1, length)
    error = np.abs(run_interpreted(kernel, problem, x, w, b) - expected(problem, x, w, b))
    bound = reference.error_bound(x, w, b, problem)
    assert (error <= 8 * bound).all(), f"{problem}@1x{length}, plan {plan}: {(error / bound).max()} of the bound"


@pytest.mark.parametrize(
    "text", ["c17_f5_k3_same_relu_f32", "c3_f5_k7_d2_causal_linear_f32", "c4_f6_k4_s2_g2_valid_linear_f32_first"]
)
def test_exact_in_floats(text: str) -> None:
    """Of small integers, F(2,2), F(2,3) and F(3,2) make others, or halves."""
    problem = Problem.parse(text)
    for toom in ((2, 2), (2, 3), (3, 2)):
        plan = toom_plan(*toom)
        kernel = dict(stages(lower(problem, plan), Context(problem, plan, TARGETS["avx2"])))[PIPELINE[-1][0]]
        x, w, b = exact_data(problem, 1, 50)
        assert_exact(
            problem, run_interpreted(kernel, problem, x, w, b), expected(problem, x, w, b), f"@1x50, plan {plan}"
        )


# --- the passes -------------------------------------------------------------------------------------------------------


@parametrized(CASES[1::6])
def test_passes_are_deterministic_and_clean_up_is_done_once(
    text: str, toom: tuple[int, int], rest: dict[str, Any], target: str
) -> None:
    problem, plan, context = prepared(text, toom, rest, target)
    kernel = lower(problem, plan)
    assert kernel == lower(problem, plan)
    for name, run, _ in PIPELINE:
        after = run(kernel, context)
        assert after == run(kernel, context)
        if run in (simplify.run, collapse_loops.run):
            assert run(after, context) == after, name
        kernel = after


@parametrized(CASES[::5])
def test_what_is_lowered_is_verified(text: str, toom: tuple[int, int], rest: dict[str, Any], target: str) -> None:
    verify(lower(*prepared(text, toom, rest, target)[:2]))


VERIFIED: list[ToomCase] = [
    ("c2_f9_k3_same_relu_f32", (2, 3), {"rows": (3, 2, 1)}, "avx2"),
    ("c5_f3_k5_s2_same_linear_f32", (2, 2), {}, "avx512"),
    ("c2_f3_k4_s3_d2_same_linear_f32", (2, 2), {}, "sse2"),
    ("c2_f17_k9_d5_causal_relu_f32", (3, 3), {"width": 16, "windows": 6}, "avx512"),
    ("c4_f6_k3_g2_valid_linear_f32_nobias", (4, 3), {"vectors": 2}, "neon"),
    ("c2_f5_k4_pad1x2_gelu_f32_first", (4, 4), {}, "avx2"),
    ("c40_f3_k5_same_tanh_f64", (4, 3), {"rows": (6, 5, 4, 1)}, "sse2"),
    ("c40_f17_k11_d2_same_relu_f32", (12, 12), {"nested": (3,), "width": 16, "stream": 36}, "avx512"),
    ("c6_f9_k9_s2_g3_causal_linear_f32_first", (4, 4), {"nested": (2,), "rows": (3, 2, 1)}, "avx2"),
]


@pytest.mark.slow
@parametrized(VERIFIED)
def test_each_pass_leaves_a_kernel_that_is_verified(
    text: str, toom: tuple[int, int], rest: dict[str, Any], target: str
) -> None:
    problem, plan, context = prepared(text, toom, rest, target)
    for _ in stages(lower(problem, plan), context, check=True):
        pass


@pytest.mark.parametrize("wrong", ["a product less", "a window later"])
def test_a_kernel_that_is_wrong_would_be_noticed(wrong: str) -> None:
    """The comparison itself, for a loop over terms that is one short, and one over windows that begins one late."""
    problem, plan, _ = prepared("c2_f3_k5_same_linear_f32", (2, 2), {}, "avx2")
    kernel = lower(problem, plan)

    def changed(s: Statement) -> Block | None:
        if isinstance(s, For) and wrong == "a product less" and s.note == "terms":
            return (replace(s, hi=s.hi - 1),)
        if isinstance(s, For) and wrong == "a window later" and s.note.endswith(": outputs"):
            return (replace(s, lo=s.lo + 1),)
        return None

    with pytest.raises(AssertionError, match=re.escape(f"{problem}@1x30")):
        assert_rational(
            problem, plan, kernel.with_body(map_statements(kernel.body, changed)), exact_data(problem, 1, 30)
        )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("c128_f512_k3_valid_linear_f32", 2),  # 6 numbers of 128 channels and 512 filters are 1.5 MiB
        ("c127_f512_k3_valid_linear_f32", 1),
        ("c64_f512_k6_valid_linear_f32", 2),  # as many of two terms
        ("c128_f256_k6_valid_linear_f32", 2),
        ("c64_f512_k3_valid_linear_f64", 2),
        ("c256_f1024_k3_valid_linear_f32", 4),
    ],
)
def test_into_how_many_parts_the_filters_are_cut(text: str, parts: int) -> None:
    """Those whose weights fill much of L2; where there are several, blocks need not be an even number to keep two
    threads at work.
    """
    problem = Problem.parse(text)
    loops = str(lower(problem, detailed(problem, TARGETS["avx2"], toom_plan(4, 3, width=16, rows=(6, 1), windows=24))))
    assert re.findall(r"parallel part in 0\.\.(\d+)", loops) == ([str(parts)] if parts > 1 else [])
    blocks = "max((windows + 23)//24, 1)" if parts > 1 else "max(2*((windows + 47)//48), 1)"
    assert f"let blocks := {blocks}\n" in loops
