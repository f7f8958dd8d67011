"""Blocks that are turned, in channels_first: the result stays, for lengths around vectors, tiles and blocks; each number
of the input is read once, into registers; and bits are those of kernels that read the rows of channels in place.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.helpers import (
    RUNNABLE,
    assert_exact,
    bits,
    exact_data,
    expected,
    real_data,
    run_compiled,
    run_interpreted,
)
from support.toom_helpers import assert_rational, toom_plan

from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import Accumulate, Bind, Block, For, Kernel, Store
from conv1d_codegen.ir.rewrite import loads_of, walk
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import PIPELINE, Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.fits import check_fits
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.verify import verify

#: A problem, a plan for it, and a machine.
CASES = [
    (
        "c16_f16_k3_g16_same_relu_f32_first",
        "depthwise lanes=channels 16x1 rows=8,4,1 block=16 unroll=3 turned",
        "avx512",
    ),
    (
        "c9_f18_k4_s2_g9_causal_linear_f32_first",
        "depthwise lanes=channels 8x1 rows=4,1 block=8 unroll=2 turned",
        "avx2",
    ),
    (
        "c5_f5_k3_d2_g5_pad5x4_linear_f32_first_nobias",
        "depthwise lanes=channels 4x1 rows=2,1 block=5 unroll=3 turned",
        "sse2",
    ),
    (
        "c8_f8_k11_g8_same_relu_f32_first",
        "depthwise lanes=channels 4x1 rows=8,4,1 block=12 unroll=4 edges=tiles:3 abreast=1,1,2 parts=2 turned",
        "neon",
    ),
    (
        "c5_f9_k3_same_relu_f32_first",
        "direct lanes=filters 8x1 rows=3,2,1 block=9 unroll=2 edges=shared:4 borrow=3 turned transposed",
        "avx2",
    ),
    (
        "c6_f10_k2_s3_g2_pad2x7_linear_f32_first",
        "direct lanes=filters 4x2 rows=5,4,1 block=10 unroll=4 turned transposed",
        "sse2",
    ),
]
#: A problem, F(m, r) and what else the plan has, and a machine.
WINDOWS: list[tuple[str, tuple[int, int], dict[str, Any], str]] = [
    ("c3_f9_k3_same_relu_f32_first", (4, 3), {"width": 8, "windows": 4, "prefetch": ("next_block",)}, "avx2"),
    ("c5_f6_k8_causal_linear_f32_first", (4, 4), {"windows": 5, "looped": True}, "sse2"),
    ("c6_f6_k5_s2_g2_valid_linear_f32_first", (3, 3), {"prefetch": ("next_block",)}, "neon"),
    ("c9_f5_k3_d2_same_linear_f32_first_nobias", (4, 3), {"width": 8, "prefetch": ("next_block",)}, "avx2"),
    ("c2_f17_k9_same_relu_f32_first", (6, 9), {"width": 16, "nested": (3,), "stream": 18, "input_width": 2}, "avx512"),
]


def lengths_of(problem: Problem, plan: Plan) -> Iterator[int]:
    """None, one, around a vector, around a block, and more than two."""
    for steps in (0, 1, plan.width, plan.block, 2 * plan.block + 3):
        for length in {steps * problem.stride + more for more in (-1, 0, 1)}:
            if length >= 0:
                yield length


@pytest.mark.parametrize(("text", "plan_text", "target"), CASES, ids=[f"{case[0]} {case[2]}" for case in CASES])
def test_each_pass_keeps_the_result(text: str, plan_text: str, target: str) -> None:
    problem, plan = Problem.parse(text), Plan.parse(plan_text)
    check_fits(problem, plan)
    kernel = lower(problem, plan)
    data = [exact_data(problem, 2, length, seed=length) for length in lengths_of(problem, plan)]
    wanted = [expected(problem, *arrays) for arrays in data]
    for name, after in [("lower", kernel), *stages(kernel, Context(problem, plan, TARGETS[target]), check=True)]:
        if name != "lower" and after == kernel:
            continue
        for arrays, right in zip(data, wanted, strict=True):
            assert_exact(problem, run_interpreted(after, problem, *arrays), right, f"after {name}, {arrays[0].shape}")
        kernel = after


@pytest.mark.parametrize(("text", "toom", "rest", "target"), WINDOWS, ids=[f"{case[0]} {case[3]}" for case in WINDOWS])
def test_windows_keep_the_result(text: str, toom: tuple[int, int], rest: dict[str, Any], target: str) -> None:
    problem, plan = Problem.parse(text), toom_plan(*toom, turned=True, transposed=True, **rest)
    check_fits(problem, plan)
    kernel = lower(problem, plan)
    last = dict(stages(kernel, Context(problem, plan, TARGETS[target]), check=True))[PIPELINE[-1][0]]
    verify(last, scheduled=True)
    for length in lengths_of(problem, plan):
        data = exact_data(problem, 1, length, seed=length)
        for stage in (kernel, last):
            assert_rational(problem, plan, stage, data, target)


def scheduled(text: str, plan: Plan, target: str) -> Kernel:
    problem = Problem.parse(text)
    return dict(stages(lower(problem, plan), Context(problem, plan, TARGETS[target])))[PIPELINE[-1][0]]


def readers(body: Block) -> Iterator[Store | Accumulate | Bind]:
    """The statements that read the caller's input."""
    for s in walk(body):
        if isinstance(s, Store | Accumulate | Bind) and any(
            not read.buffer.is_local and read.buffer.name == "x" for read in loads_of(s)
        ):
            yield s


@pytest.mark.parametrize("text", ["c16_f16_k3_g16_same_relu_f32_first", "c16_f64_k3_same_relu_f32_first"])
def test_the_input_is_read_by_what_turns_it_only(text: str) -> None:
    algorithm = "depthwise" if "_g16" in text else "direct"
    problem, target = Problem.parse(text), TARGETS["avx512"]
    plan = choose(problem, target, algorithm)
    if not plan.turned:
        plan = replace(plan, turned=True, prefetch=())
    found = list(readers(scheduled(text, plan, "avx512").body))
    assert found
    assert all(isinstance(s, Store) and s.buffer.is_local for s in found)


def test_windows_read_what_was_turned() -> None:
    """In place, only steps beside windows read the input, one number at a time."""
    problem = Problem.parse("c32_f64_k3_same_relu_f32_first")
    plan = choose(problem, TARGETS["avx512"], "cook_toom")
    assert plan.turned
    kernel = scheduled(str(problem), plan, "avx512")
    transforms = [s for s in walk(kernel.body) if isinstance(s, For) and s.kind == "lanes" and len(s.body) > 9]
    assert transforms
    assert not any(list(readers(s.body)) for s in transforms)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(
    "text",
    [
        "c19_f19_k3_g19_same_relu_f32",
        "c16_f32_k5_s2_g16_causal_relu_f32",
        "c33_f33_k9_d2_g33_pad3x20_linear_f64",
        "c8_f8_k31_g8_same_relu_f32",
    ],
)
def test_a_depthwise_kernel_has_the_bits_of_channels_last(text: str, target: str) -> None:
    last = Problem.parse(text)
    first = last.with_(channels_first=True)
    for length in (1, 15, 16, 17, 255, 257, 530):
        x, w, b = real_data(last, 2, length, seed=length)
        wanted = run_compiled(last, x, w, b, target, "depthwise")
        turned = run_compiled(first, np.ascontiguousarray(x.transpose(0, 2, 1)), w, b, target, "depthwise")
        assert bits(turned.transpose(0, 2, 1)) == bits(wanted), length


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        ("c48_f96_k3_same_relu_f32_first", "direct"),
        ("c20_f40_k4_s2_g2_causal_linear_f32_first", "direct"),
        ("c40_f24_k3_same_relu_f32_first", "cook_toom"),
        ("c17_f33_k7_s2_causal_linear_f32_first", "cook_toom"),
    ],
)
def test_a_turned_kernel_has_the_bits_of_one_in_place(text: str, algorithm: str, target: str) -> None:
    problem = Problem.parse(text)
    plan = choose(problem, TARGETS[target], algorithm)
    in_place, turned = (replace(plan, sequences=1, turned=each, prefetch=()) for each in (False, True))
    for length in (1, 16, 103, 105, 400):
        data = real_data(problem, 2, length, seed=length)
        results = [run_compiled(problem, *data, target, algorithm, each) for each in (in_place, turned)]
        assert bits(results[0]) == bits(results[1]), length


def test_what_is_turned_fits_in_a_cache() -> None:
    depthwise = Plan.parse("depthwise lanes=channels 16x1 rows=8,4,1 block=256 unroll=3 turned")
    with pytest.raises(CompileError, match=r"keeps up to \d+ numbers.*keeps 20513 steps of 16 channels"):
        check_fits(Problem.parse("c16_f16_k3_s80_d16_g16_same_relu_f32_first"), depthwise)
    with pytest.raises(CompileError, match="turned where the problem is channels-first, and only there"):
        check_fits(Problem.parse("c16_f16_k3_g16_same_relu_f32"), depthwise)
    with pytest.raises(CompileError, match="turned where the problem is channels-first, and only there"):
        check_fits(Problem.parse("c16_f16_k3_g16_same_relu_f32_first"), replace(depthwise, turned=False))
    with pytest.raises(CompileError, match=r"as many whole vectors of 16 channels each.*3 parts of the 16 channels"):
        check_fits(Problem.parse("c16_f16_k3_g16_same_relu_f32_first"), replace(depthwise, parts=3))
