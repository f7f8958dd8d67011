"""Kernels of several convolutions: two of one input, whose sums meet in an expression, or three of three inputs, which are
one sum; in either layout.
"""

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
CASES = [(problem, kind) for problem in PROBLEMS for kind in ("sums", "terms")]


def expression(problem: Problem, kind: str) -> Expression:
    """Of sums, or of terms, with an input and a weight; of integers it makes integers."""
    added, operands = Ref("in0") * Ref("channel0"), (Operand(problem.filters + 2, 1),)
    if kind == "sums":
        return Expression(Binary("max", Ref("sum"), Ref("sum1") * 2.0) + added, operands, 1, sums=2)
    return Expression(Ref("sum") + added, operands, 1, terms=3)


def data(problem: Problem, kind: str, batch: int, length: int) -> tuple[dict[str, Array], Array]:
    """Arrays by the names of the formula, and the output in NumPy, written down anew."""
    x, w, b = exact_data(problem, batch, length)
    rng, dtype = np.random.default_rng(length), dtype_of(problem)

    def small(*shape: int) -> Array:
        return rng.integers(-2, 3, shape).astype(dtype)

    arrays = {"x": x, "w": w, "w1": small(*w.shape), "channel0": small(problem.filters)}
    if b is not None:
        arrays["b"] = b
    linear = problem.with_(activation=Activation(), use_bias=False)
    total = expected(problem, x, w, b).astype(np.float64)
    if kind == "sums":
        bias = None if b is None else small(*b.shape)
        total = np.maximum(total, 2 * expected(problem, x, arrays["w1"], bias).astype(np.float64))
        arrays |= {} if bias is None else {"b1": bias}
    else:
        arrays |= {"x1": small(*x.shape), "x2": small(*x.shape), "w2": small(*w.shape)}
        total = expected(problem.with_(activation=Activation()), x, w, b).astype(np.float64)
        for number in (1, 2):
            total = total + expected(linear, arrays[f"x{number}"], arrays[f"w{number}"], None).astype(np.float64)
        total = np.maximum(total, 0) if problem.activation.name == "relu" else total
    in0 = small(batch, problem.output_length(length), problem.filters + 2)
    added = in0[..., 1 : 1 + problem.filters].astype(np.float64) * arrays["channel0"].astype(np.float64)
    arrays["in0"] = np.ascontiguousarray(in0.transpose(0, 2, 1)) if problem.channels_first else in0
    return arrays, total + (added.transpose(0, 2, 1) if problem.channels_first else added)


def assert_equal(y: Array, right: Array, what: str) -> None:
    """But for the rounding of bfloat16, whose numbers have 8 bits."""
    rounding = 0 if y.dtype in (np.float32, np.float64) else 2.0**-8
    np.testing.assert_allclose(y.astype(np.float64), right, rtol=rounding, atol=0, err_msg=what)


@pytest.mark.parametrize(("problem", "kind"), CASES, ids=str)
def test_each_pass_keeps_it(problem: Problem, kind: str) -> None:
    """As interpreted, before and after each."""
    target, epilogue = TARGETS["avx2"], expression(problem, kind)
    plan = choose(problem, target, epilogue=epilogue)
    kernel = lower(problem, plan, epilogue)
    verify(kernel)
    batch, length = 1, 7 + problem.extent
    arrays, right = data(problem, kind, batch, length)
    before = None
    for name, each in [("lowered", kernel), *stages(kernel, Context(problem, plan, target))]:
        if each == before:
            continue
        before = each
        y = np.full(right.shape, np.nan, dtype_of(problem))
        interpret(each, {**arrays, "y": y}, {"N": batch, "T": length})
        assert_equal(y, right, f"{problem} {plan} {name}")


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "kind"), CASES, ids=str)
def test_all_plans_are_proved(problem: Problem, kind: str) -> None:
    """The one that is chosen, and those that may take its place."""
    target, epilogue = TARGETS["avx512"], expression(problem, kind)
    chosen = choose(problem, target, epilogue=epilogue)
    for plan in (chosen, *simpler_plans(problem, target, chosen, epilogue)):
        if plan.algorithm != "generic":  # which has no expressions
            *_, (_, kernel) = stages(lower(problem, plan, epilogue), Context(problem, plan, target))
            verify(kernel, scheduled=True)


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(("problem", "kind"), CASES, ids=str)
def test_as_code(problem: Problem, kind: str, target: str) -> None:
    native = compile_problem(problem, options(target), epilogue=expression(problem, kind)).native
    for length in (2, 13, 67, 200):
        if problem.output_length(length) < 1:
            continue
        arrays, right = data(problem, kind, 2, length)
        for team in (1, 3):
            y = np.full(right.shape, np.nan, dtype_of(problem))
            call(native, {**arrays, "y": y}, {"N": 2, "T": length}, target, team)
            assert_equal(y, right, f"{problem}@2x{length} {kind} {target} team {team}")


@pytest.mark.parametrize("first", [False, True])
def test_sums_wait_for_large_activations(first: bool) -> None:
    """Both halves of a tile go through scratch memory, and rows of them are then activated in a loop."""
    problem = Problem.parse("c8_f8_k3_causal_linear_f32").with_(channels_first=first)
    gate = Expression(Activate(Activation("tanh"), Ref("sum")) * Activate(Activation("sigmoid"), Ref("sum1")), sums=2)
    plan = choose(problem, TARGETS["avx512"], epilogue=gate)
    text = str(Program(problem, plan, TARGETS["avx512"], epilogue=gate).scheduled)
    assert "tile_out_1: scratch f32" in text


def test_several_convolutions_are_direct_and_of_few_products() -> None:
    problem = Problem.parse("c8_f8_k3_same_linear_f32")
    windows, direct = (choose(problem, TARGETS["avx512"], name) for name in ("cook_toom", "direct"))
    with pytest.raises(CompileError, match="cook_toom kernel has one convolution"):
        lower(problem, windows, expression(problem, "sums"))
    with pytest.raises(CompileError, match="11 times, with 264 products"):
        lower(problem, direct, Expression(Ref("sum"), terms=11))
    with pytest.raises(ValueError, match="one sum has several terms, and not 2 of them 2"):
        Expression(Ref("sum"), sums=2, terms=2)
