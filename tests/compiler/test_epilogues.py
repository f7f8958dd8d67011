"""Convolutions with an epilogue: an expression of what they store, of further inputs and of weights for each channel; and
what is stored beside that.
"""

import numpy as np
import pytest
from support.helpers import LENGTHS, PROBLEMS, RUNNABLE, algorithms, dtype_of, exact_data, expected, options
from support.natives import call
from support.pass_helpers import SMALL, planned
from support.type_helpers import Array, known

from conv1d_codegen.compiler import Program, compile_problem
from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import STORED, SUM, Activate, Binary, Expression, Operand, Ref, Value
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import stages
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.verify import verify

IN0, IN1, IN2, SCALE, SHIFT = Ref("in0"), Ref("in1"), Ref("in2"), Ref("channel0"), Ref("channel1")
RELU = Activation("relu")


def expressions(filters: int) -> dict[str, Expression]:
    """A residual; all that there can be: a slice of wider channels, one channel, one step, weights, what is read twice;
    and tensors beside the first, of which one has an activation of many operations.
    """
    residual = Expression(Activate(RELU, SUM + IN0), (Operand(filters),))
    much: Value = Activate(RELU, SUM * SCALE + SHIFT)
    much = Binary("max", much, much * IN0) + IN1 * IN2
    operands = (Operand(filters + 3, 2), Operand(1), Operand(filters, steps=False))
    beside = Activate(RELU, STORED * SCALE + SHIFT), Activate(Activation("tanh"), STORED) + IN0
    return {
        "residual": residual,
        "much": Expression(much, operands, 2),
        "also": Expression(SUM + IN0, (Operand(filters),), 2, beside),
    }


#: Every third problem with each.
PAIRS = [
    (text, ("residual", "much", "also")[number % 3])
    for number, text in enumerate(text for text in PROBLEMS if "first" not in text)
]


def computed_by(text: str) -> list[str]:
    """The algorithms that have epilogues and can compute a problem."""
    problem = Problem.parse(text)
    if problem.channels_first:
        return []
    of_sizes = problem.dtype in ("f32", "f64") and problem.kernel_size > 1 and problem.group_channels > 1
    return [*(name for name in algorithms(problem) if name != "generic"), *(["cook_toom"] if of_sizes else [])]


def further(problem: Problem, expression: Expression, batch: int, steps: int) -> dict[str, Array]:
    rng = np.random.default_rng(steps)

    def small(*shape: int) -> Array:
        return rng.integers(-3, 4, shape).astype(dtype_of(problem))

    arrays = {
        f"in{k}": small(batch, steps if operand.steps else 1, operand.channels)
        for k, operand in enumerate(expression.inputs)
    }
    return arrays | {f"channel{k}": small(problem.filters) for k in range(expression.weights)}


def by_formula(kind: str, filters: int, total: Array, arrays: dict[str, Array]) -> dict[str, Array]:
    """The same in NumPy, written down anew: all that is stored, by name."""
    wide = {name: array.astype(np.float64) for name, array in arrays.items()}
    if kind == "residual":
        return {"y": np.maximum(total + wide["in0"], 0)}
    if kind == "also":
        y = (total + wide["in0"]).astype(arrays["in0"].dtype).astype(np.float64)
        relu = np.maximum(y * wide["channel0"] + wide["channel1"], 0)
        return {"y": y, "y1": relu, "y2": np.tanh(y) + wide["in0"]}
    much = np.maximum(total * wide["channel0"] + wide["channel1"], 0)
    return {"y": np.maximum(much, much * wide["in0"][..., 2 : 2 + filters]) + wide["in1"] * wide["in2"]}


def assert_alike(problem: Problem, name: str, y: Array, right: Array, what: str) -> None:
    """Equal where nothing is rounded: but by 16-bit numbers, and by activations that are no integers."""
    rounding = {"f16": 2e-3, "bf16": 1e-2}.get(problem.dtype, 0.0)
    if problem.activation.name not in ("linear", "relu", "leaky_relu") or name == "y2":
        rounding = max(rounding, 1e-5)
    what = f"{what} {name}"
    np.testing.assert_allclose(y.astype(np.float64), right, rtol=rounding, atol=rounding * 8, err_msg=what)


@pytest.mark.parametrize("kind", ["much", "also"])
@pytest.mark.parametrize(("text", "algorithm"), [(text, name) for text in SMALL for name in computed_by(text)])
def test_each_pass_keeps_it(text: str, algorithm: str, kind: str) -> None:
    """As interpreted, before and after each."""
    problem = Problem.parse(text)
    problem, context = planned(text, "avx2", algorithm)
    expression = expressions(problem.filters)[kind]
    kernel = lower(problem, context.plan, expression)
    verify(kernel)
    batch, length = 1, 7 + problem.extent
    x, w, b = exact_data(problem, batch, length)
    total = expected(problem, x, w, b).astype(np.float64)
    arrays = further(problem, expression, batch, total.shape[1])
    wanted = by_formula(kind, problem.filters, total, arrays)
    given = {"x": x, "w": w, **({} if b is None else {"b": b}), **arrays}
    before = None
    for name, each in [("lowered", kernel), *stages(kernel, context)]:
        if each == before:
            continue
        before = each
        outputs = {of: np.full(total.shape, np.nan, dtype_of(problem)) for of in wanted}
        interpret(each, {**given, **outputs}, {"N": batch, "T": length})
        for of, right in wanted.items():
            if algorithm == "cook_toom":
                np.testing.assert_allclose(outputs[of], right, rtol=1e-3, atol=1e-2, err_msg=f"{text} {name} {of}")
            else:
                assert_alike(problem, of, outputs[of], right, f"{text} {name}")


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(("text", "kind"), PAIRS)
def test_as_code(text: str, kind: str, target: str) -> None:
    problem = Problem.parse(text)
    expression = expressions(problem.filters)[kind]
    for algorithm in (name for name in computed_by(text) if name != "cook_toom"):
        try:
            native = compile_problem(problem, options(target, algorithm), epilogue=expression).native
        except CompileError:
            pytest.skip(f"{target} has no float16")
        for length in LENGTHS:
            batch, steps = 2, problem.output_length(length)
            if steps < 1:
                continue
            x, w, b = exact_data(problem, batch, length)
            total = expected(problem, x, w, b).astype(np.float64)
            arrays = further(problem, expression, batch, steps)
            wanted = by_formula(kind, problem.filters, total, arrays)
            for team in (1, 3):
                outputs = {of: np.full(total.shape, np.nan, dtype_of(problem)) for of in wanted}
                given = {"x": x, "w": w, **({} if b is None else {"b": known(b)}), **arrays, **outputs}
                call(native, given, {"N": batch, "T": length}, target, team)
                for of, right in wanted.items():
                    what = f"{text}@{batch}x{length} {algorithm} {target} team {team}"
                    assert_alike(problem, of, outputs[of], right, what)


def test_one_program_for_equal_epilogues() -> None:
    problem = Problem.parse("c8_f16_k3_same_relu_f32")
    first, again = (compile_problem(problem, epilogue=expressions(16)["residual"]) for _ in range(2))
    other = compile_problem(problem, epilogue=expressions(16)["much"])
    assert first.program is again.program
    assert other.program is not first.program
    assert compile_problem(problem).program is not first.program
    assert "then relu((sum + in0))" in first.program.title


def test_an_expression_knows_its_names() -> None:
    with pytest.raises(ValueError, match="no in1; there are channel0, in0, sum"):
        Expression(IN0 + IN1, (Operand(3),), 1)
    with pytest.raises(ValueError, match="3 channels has no channel 3"):
        Operand(3, 3)


def test_what_is_read_twice_is_computed_once() -> None:
    much = expressions(16)["much"]
    problem, context = planned("c2_f9_k3_same_relu_f32", "avx2", "direct")
    text = str(Program(problem, context.plan, TARGETS["avx2"], epilogue=much).scheduled)
    assert "common := " in text
