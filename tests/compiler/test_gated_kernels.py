"""Kernels of two sums: two convolutions of one input, and an expression of both, in either layout."""

import numpy as np
import pytest
from support.helpers import RUNNABLE, dtype_of, exact_data, expected, options
from support.natives import call
from support.type_helpers import Array

from conv1d_codegen.compiler import Program, compile_problem
from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import Activate, Binary, Expression, Operand, Ref
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.schedule.cost_model import choose, simpler_plans
from conv1d_codegen.verify import verify

#: Channels that fill vectors and that do not, edges on both sides, one channel, a stride, other numbers; each in both
#: layouts.
PROBLEMS = [
    Problem.parse(text).with_(channels_first=first)
    for text in (
        "c8_f8_k3_d2_causal_linear_f32",
        "c3_f9_k4_same_relu_f32",
        "c1_f5_k2_valid_linear_f32_nobias",
        "c16_f20_k3_s2_same_linear_f32",
        "c5_f33_k1_valid_linear_f64",
        "c4_f6_k3_causal_linear_bf16",
    )
    for first in (False, True)
]


def expression(filters: int) -> Expression:
    """max(sum, 2 sum1) + in0 · channel0, all of which are integers for inputs that are."""
    value = Binary("max", Ref("sum"), Ref("sum1") * 2.0) + Ref("in0") * Ref("channel0")
    return Expression(value, (Operand(filters + 2, 1),), 1, sums=2)


def data(problem: Problem, batch: int, length: int) -> tuple[dict[str, Array], Array]:
    """Arrays by the names of the formula, and the output in NumPy, written down anew."""
    x, w, b = exact_data(problem, batch, length)
    rng = np.random.default_rng(length)
    dtype = dtype_of(problem)
    w1 = rng.integers(-2, 3, w.shape).astype(w.dtype)
    b1 = None if b is None else rng.integers(-2, 3, b.shape).astype(b.dtype)
    totals = [expected(problem, x, *own).astype(np.float64) for own in ((w, b), (w1, b1))]
    channels = rng.integers(-2, 3, problem.filters).astype(dtype)
    steps = problem.output_length(length)
    in0 = rng.integers(-2, 3, (batch, steps, problem.filters + 2)).astype(dtype)
    added = in0[..., 1 : 1 + problem.filters].astype(np.float64) * channels.astype(np.float64)
    arrays = {"x": x, "w": w, "w1": w1, "channel0": channels}
    arrays["in0"] = np.ascontiguousarray(in0.transpose(0, 2, 1)) if problem.channels_first else in0
    arrays |= {} if b is None or b1 is None else {"b": b, "b1": b1}
    added = added.transpose(0, 2, 1) if problem.channels_first else added
    return arrays, np.maximum(totals[0], 2 * totals[1]) + added


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_each_pass_keeps_it(problem: Problem) -> None:
    """As interpreted, before and after each."""
    plan = choose(problem, TARGETS["avx2"], sums=2)
    kernel = lower(problem, plan, expression(problem.filters))
    verify(kernel)
    batch, length = 1, 7 + problem.extent
    arrays, right = data(problem, batch, length)
    before = None
    for name, each in [("lowered", kernel), *stages(kernel, Context(problem, plan, TARGETS["avx2"]))]:
        if each == before:
            continue
        before = each
        y = np.full(right.shape, np.nan, dtype_of(problem))
        interpret(each, {**arrays, "y": y}, {"N": batch, "T": length})
        np.testing.assert_array_equal(y.astype(np.float64), right, err_msg=f"{problem} {plan} {name}")


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_plans_that_may_take_its_place_are_proved(problem: Problem) -> None:
    target = TARGETS["avx512"]
    for plan in simpler_plans(problem, target, choose(problem, target, sums=2), 2):
        if plan.algorithm != "generic":  # which has no expressions
            *_, (_, kernel) = stages(lower(problem, plan, expression(problem.filters)), Context(problem, plan, target))
            verify(kernel, scheduled=True)


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_as_code(problem: Problem, target: str) -> None:
    native = compile_problem(problem, options(target), epilogue=expression(problem.filters)).native
    for length in (2, 13, 67, 200):
        if problem.output_length(length) < 1:
            continue
        arrays, right = data(problem, 2, length)
        for team in (1, 3):
            y = np.full(right.shape, np.nan, dtype_of(problem))
            call(native, {**arrays, "y": y}, {"N": 2, "T": length}, target, team)
            np.testing.assert_array_equal(y.astype(np.float64), right, err_msg=f"{problem}@2x{length} {target} {team}")


@pytest.mark.parametrize("first", [False, True])
def test_sums_wait_for_large_activations(first: bool) -> None:
    """Both halves of a tile go through scratch memory, and rows of them are then activated in a loop."""
    problem = Problem.parse("c8_f8_k3_causal_linear_f32").with_(channels_first=first)
    gate = Expression(Activate(Activation("tanh"), Ref("sum")) * Activate(Activation("sigmoid"), Ref("sum1")), sums=2)
    plan = choose(problem, TARGETS["avx512"], sums=2)
    text = str(Program(problem, plan, TARGETS["avx512"], epilogue=gate).scheduled)
    assert "tile_out_1: scratch f32" in text


def test_a_sum_more_is_one_of_direct_kernels() -> None:
    problem = Problem.parse("c8_f8_k3_same_linear_f32")
    windows = choose(problem, TARGETS["avx512"], "cook_toom")
    with pytest.raises(CompileError, match="cook_toom kernel has one sum"):
        lower(problem, windows, expression(8))
