"""Transposed convolutions as kernels of their phases: as loops, after every pass, and as machine code."""

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.transposed import CASES, by_definition, exact_data, interpreted, programs, run

from conv1d_codegen import CompileError
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.ir import SUM, Activate, Expression, Operand, Ref, Rows, buffer, load, loop, store
from conv1d_codegen.ir.nodes import Kernel
from conv1d_codegen.lower import Placement
from conv1d_codegen.lower.transposed import Transposed, takes
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.passes import Context, operations, stages
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.symbolic.index import Indexable, var
from conv1d_codegen.verify import InvalidKernel, verify

LENGTHS = (1, 2, 3, 8, 21)
#: Which are proved, and interpreted, but not compiled to machine code.
OTHERS = [
    Transposed(2, 3, kernel_size, stride, dilation, left, right)
    for kernel_size, stride, dilation, left, right in (
        (12, 5, 1, 4, -4),
        (4, 6, 4, 2, -1),
        (7, 1, 1, 2, 2),
        (2, 7, 2, 0, 0),
    )
]
#: Some on every machine, and of the others each on one.
ON_MACHINES = [
    (whole, target)
    for number, whole in enumerate(CASES)
    for target in (RUNNABLE if number < 3 else [RUNNABLE[number % len(RUNNABLE)]])
]


@pytest.mark.parametrize("whole", [*CASES, *OTHERS], ids=str)
def test_the_loops_give_the_definition(whole: Transposed) -> None:
    for length in (1, 4):
        if whole.output_length(length) > 0:
            data = exact_data(whole, 2, length)
            wanted = by_definition(whole, data)
            for stage in ("loop", "scheduled"):
                np.testing.assert_array_equal(interpreted(whole, data, stage), wanted, f"{whole} @2x{length} {stage}")


@pytest.mark.parametrize("whole", [*CASES, *OTHERS], ids=str)
def test_what_runs_is_proved_for_all_lengths(whole: Transposed) -> None:
    for part, program, _ in programs(whole, 50, "avx512" if whole.filters % 2 else "avx2"):
        verify(program.loop)
        verify(program.scheduled, scheduled=True)
        if part.phase.taps:  # for the lengths at which the steps that are read are all left out
            verify(operations_of(part.bare(None)), scheduled=True)


def operations_of(operation: object) -> Kernel:
    *_, (_, kernel) = operations.stages(operation, operation.kernel(), TARGETS["avx2"])  # type: ignore[arg-type, attr-defined]
    return kernel


def test_every_pass_keeps_rows_provable() -> None:
    for part in CASES[0].parts()[:2]:
        compilation = compile_problem(part.problem, CompileOptions(target="avx2"), placement=part.placement)
        context = Context(part.problem, compilation.plan, TARGETS["avx2"])
        assert list(stages(compilation.program.loop, context, check=True))


@pytest.mark.parametrize(("whole", "target"), ON_MACHINES, ids=str)
def test_machine_code_gives_the_definition(whole: Transposed, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONV1D_CODEGEN_TARGET", target)
    for length in LENGTHS:
        if whole.output_length(length) > 0:
            data = exact_data(whole, 2, length)
            np.testing.assert_array_equal(run(whole, data), by_definition(whole, data), f"{whole} @2x{length}")


def test_windows_of_several_rows() -> None:
    """Cook–Toom over rows that lie apart; its weights are rounded, so no integers."""
    whole = Transposed(16, 8, 9, 3, 1, 4, 2)
    for length in (1, 7, 64):
        data = {name: array / 3 for name, array in exact_data(whole, 2, length).items()}
        made = run(whole, data, algorithm="cook_toom")
        np.testing.assert_allclose(made, by_definition(whole, data), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("whole", CASES[:2], ids=str)
def test_an_epilogue_has_inputs_in_the_same_rows(whole: Transposed) -> None:
    epilogue = Expression(
        Activate(Activation("relu"), SUM * Ref("channel0")) + Ref("in0"), (Operand(whole.filters),), 1
    )
    assert takes(epilogue, whole.filters)
    assert not takes(Expression(SUM + Ref("in0"), (Operand(1),)), whole.filters)
    for length in (1, 4, 21):
        data = exact_data(whole, 2, length)
        wanted = by_definition(whole, data)
        beside = np.arange(wanted.size, dtype=np.float32).reshape(wanted.shape)
        factor = np.arange(whole.filters, dtype=np.float32) - 2
        made = run(whole, data, epilogue, {"channel0": factor, "in0": beside})
        np.testing.assert_array_equal(made, np.maximum(wanted * factor, 0) + beside)


@pytest.mark.parametrize(("kernel_size", "stride", "dilation", "left"), [(3, 2, 1, 1), (4, 3, 2, 0)])
def test_it_is_the_input_gradient_of_a_convolution(kernel_size: int, stride: int, dilation: int, left: int) -> None:
    """d/dx Σ g·conv(x), which is linear in x, for every remainder of the length by the stride."""
    problem = Problem(2, 3, kernel_size, stride, dilation, padding=(left, 1))
    for length in range(11, 11 + stride):
        steps = problem.output_length(length)
        right = (steps - 1) * stride + problem.extent - left - length
        whole = Transposed(3, 2, kernel_size, stride, dilation, left, right, use_bias=False)
        data = exact_data(whole, 1, steps)
        gradient = np.zeros((1, length, 2))
        for t in range(steps):
            for j in range(kernel_size):
                if 0 <= (at := t * stride + j * dilation - left) < length:
                    gradient[:, at] += (
                        data["x"][:, t] @ data["w"][j].T
                    )  # w[j] is (channels, filters) of the convolution
        np.testing.assert_array_equal(run(whole, data), gradient)


def test_nan_stays_with_the_steps_that_read_it() -> None:
    """Nothing is multiplied by a zero: phases without taps, and steps beside, have no product."""
    whole = Transposed(4, 3, 2, 5, 1, 0, -3)
    data = exact_data(whole, 1, 9)
    data["x"][0, 4] = np.nan
    y = run(whole, data)
    assert set(np.flatnonzero(np.isnan(y).any((0, 2)))) == {20, 21}


def copy_in_rows(rows: Rows, count: Indexable) -> Kernel:
    """y[n, t, c] := x[n, t, c], with the output's rows as given."""
    x = buffer("x", "f32", (var("N"), count, 4), "input")
    y = buffer("y", "f32", (var("N"), count, 4), "output", rows=rows)
    place = var("n"), var("t"), var("c")
    body = loop("t", 0, count, (loop("c", 0, 4, (store(y, place, load(x, *place)),)),))
    return Kernel("copy", "f32", (("N", 1), ("T", 0)), (x, y), (loop("n", 0, var("N"), (body,), "parallel"),))


def test_rows_must_lie_apart_and_within() -> None:
    verify(copy_in_rows(Rows(4, 8, var("T") * 8), var("T")))
    for rows in (
        Rows(0, 3, var("T") * 8),  # they overlap
        Rows(5, 8, var("T") * 8),  # the last ends one number later
        Rows(-1, 8, var("T") * 8),
        Rows(0, 8, var("T") * 8 - 5),
    ):
        with pytest.raises(InvalidKernel, match="the rows of y"):
            verify(copy_in_rows(rows, var("T")))


def test_the_interpreter_checks_rows_too() -> None:
    kernel = copy_in_rows(Rows(5, 8, var("T") * 8), var("T"))
    with pytest.raises(IndexError, match="rows of y"):
        interpret(kernel, {"x": np.zeros((1, 3, 4)), "y": np.zeros((1, 24))}, {"N": 1, "T": 3})


def test_what_has_a_placement_is_not_called_as_a_problem() -> None:
    """Its arrays are larger, or smaller, than those that such a call checks."""
    problem = Problem.parse("c4_f4_k3_valid_linear_f32")
    for given in ({"placement": Placement(0, 8, 0)}, {"epilogue": Expression(SUM * 2.0)}):
        with pytest.raises(CompileError, match="as a network does"):
            _ = compile_problem(problem, **given).kernel


def test_rows_are_channels_last() -> None:
    with pytest.raises(ValueError, match="channels-last"):
        _ = compile_problem(Problem.parse("c4_f4_k3_valid_linear_f32_first"), placement=Placement(0, 8, 0)).program.loop
