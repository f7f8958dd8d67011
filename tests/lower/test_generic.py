"""Generic kernels some of whose run-time sizes are constants all the same: each computes what all others do, bit by bit."""

from dataclasses import replace
from itertools import combinations

import pytest
from support.helpers import RUNNABLE, assert_exact, compiled, exact_data, expected, run_compiled

from conv1d_codegen import CompileOptions, Plan, Problem
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.errors import CompileError
from conv1d_codegen.lower import representative
from conv1d_codegen.schedule.plan import RUN_TIME

SUBSETS = [subset for count in range(len(RUN_TIME) + 1) for subset in combinations(RUN_TIME, count)]
PROBLEMS = [
    "c16_f32_k3_d2_g2_causal_relu_f32",
    "c3_f7_k9_s3_pad4x1_relu_f32_first",
    "c5_f5_k300_g5_same_linear_f64",  # one channel of a group, and chunks of taps
    "c600_f17_k2_d4_valid_linear_f32_nobias",  # chunks of channels
    "c1_f1_k1_valid_linear_f32",
]


def generic(problem: Problem, target: str | None = None, constants: tuple[str, ...] = ()) -> Plan:
    return replace(compiled(problem, target, "generic").plan, constants=constants)


@pytest.mark.parametrize("constants", SUBSETS, ids=",".join)
def test_it_computes_the_problem(constants: tuple[str, ...]) -> None:
    """On one problem and one machine each; `kernel_fuzzer.py` draws any."""
    number = SUBSETS.index(constants)
    problem, target = Problem.parse(PROBLEMS[number % len(PROBLEMS)]), RUNNABLE[number % len(RUNNABLE)]
    plan = generic(problem, target, constants)
    for batch, length in ((1, 1), (2, 17), (1, 320)):
        if problem.output_length(length):
            x, w, b = exact_data(problem, batch, length)
            y = run_compiled(problem, x, w, b, target, plan=plan)
            assert_exact(problem, y, expected(problem, x, w, b), f"{plan} {batch}x{length} {target}")


@pytest.mark.quick
@pytest.mark.parametrize("name", RUN_TIME)
def test_a_constant_is_no_size_of_the_kernel(name: str) -> None:
    """One that is known is in the code, and no argument; what is known by it is neither."""
    problem = Problem.parse(PROBLEMS[0])
    at_run_time, known = (
        [size for size, _ in compiled(problem, plan=generic(problem, constants=each)).program.scheduled.sizes]
        for each in ((), (name,))
    )
    letter = {"kernel_size": "K", "stride": "S", "dilation": "D", "groups": "G", "channels": "C", "filters": "F"}[name]
    assert known == [size for size in at_run_time if size != letter]
    both = compiled(problem, plan=generic(problem, constants=("kernel_size", "channels"))).program.scheduled.sizes
    assert not {"K", "C", "J", "M"} & {size for size, _ in both}


@pytest.mark.quick
@pytest.mark.parametrize("constants", [(), *((name,) for name in RUN_TIME), RUN_TIME], ids=",".join)
def test_no_constant_takes_the_tiles_away(constants: tuple[str, ...]) -> None:
    """A dilation that is known to be 1, beside a stride that is not, once left every step by itself."""
    problem = Problem.parse("c64_f64_k3_same_relu_f32")
    assert "f32[8, 2, 16]" in compiled(problem, "avx512", plan=generic(problem, "avx512", constants)).dump("scheduled")


def test_problems_share_a_kernel_that_differ_in_what_it_takes() -> None:
    problem = Problem.parse(PROBLEMS[0])
    plan = generic(problem, constants=("stride", "channels"))
    program = compile_problem(problem, CompileOptions(plan=plan)).program
    longer, strided = problem.with_(kernel_size=9, padding="same", dilation=1), problem.with_(stride=2, dilation=1)
    assert compile_problem(longer, CompileOptions(plan=plan)).program is program
    assert compile_problem(strided, CompileOptions(plan=plan)).program is not program
    assert representative(problem, plan) == representative(longer, plan) != representative(strided, plan)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("direct constants=stride lanes=filters 8x1 rows=1 block=8 unroll=1", "generic plan can have constants"),
        ("generic constants=stride,stride lanes=filters 8x1 rows=1 block=8 unroll=1", "once, in this order"),
        ("generic constants=stride,kernel_size lanes=filters 8x1 rows=1 block=8 unroll=1", "once, in this order"),
        ("generic constants=padding lanes=filters 8x1 rows=1 block=8 unroll=1", "among kernel_size, stride"),
    ],
)
def test_what_is_no_plan(text: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        Plan.parse(text)
