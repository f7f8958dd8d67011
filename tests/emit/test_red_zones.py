"""With red zones, a kernel that writes beside a scratch array says so; without them, nothing is different."""

import numpy as np
import pytest
from support.helpers import RUNNABLE, assert_exact, empty_output, exact_data, expected, supports
from support.natives import call
from support.type_helpers import Array

from conv1d_codegen.compiler import Compilation, Program, compile_problem
from conv1d_codegen.emit import emit
from conv1d_codegen.emit.scratch import MARGIN
from conv1d_codegen.errors import RedZoneError
from conv1d_codegen.ir import Alloc, Const, Kernel, buffer, load, loop, store
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import CompiledKernel
from conv1d_codegen.runtime.native import Native
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.symbolic.index import var

#: With scratch arrays: on the stack, in the caller's memory, and both.
WITH_SCRATCH = (
    "c8_f16_k3_causal_gelu_f32",
    "c40_f24_k25_d17_g8_same_relu_f32",
    "c64_f32_k25_same_linear_f32",
    "c40_f24_k9_same_relu_f64",
    "c16_f33_k3_same_tanh_f16",
)
N, T = var("N"), var("T")
X = buffer("x", "f32", (N, T, 1), "input")
Y = buffer("y", "f32", (N, T, 1), "output")
W = buffer("w", "f32", (1, 1, 1), "constant")


def zoned(problem: Problem, target: str, algorithm: str = "auto") -> CompiledKernel:
    """A problem, compiled with red zones."""
    plan = choose(problem, TARGETS[target], algorithm)
    return Compilation(problem, Program(problem, plan, TARGETS[target], red_zones=True)).kernel


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("text", WITH_SCRATCH)
def test_right_kernels_leave_their_red_zones_alone(text: str, target: str) -> None:
    problem = Problem.parse(text)
    if not supports(target, problem):
        pytest.skip("no float16 there")
    for algorithm in ("direct", "cook_toom"):
        kernel = zoned(problem, target, algorithm)
        for length, threads in ((1, 1), (37, 1), (150, 3)):
            x, w, b = exact_data(problem, 2, length)
            y = empty_output(problem, 2, length)
            kernel(x, kernel.pack(w, b), y, threads)
            if algorithm == "direct":
                assert_exact(problem, y, expected(problem, x, w, b), f"@2x{length} {target}")


def astray(size: int, dtype: str, first: int) -> Kernel:
    """A kernel that copies x through a scratch array of `size`, and writes one number at `first`, beside it."""
    tmp = buffer("tmp", dtype, (size,), "scratch")
    body = (
        Alloc(tmp),
        store(tmp, (0,), load(X, var("n"), var("t"), 0)),
        store(tmp, (var("N") - 1 + first,), Const(1.0)),  # not a constant, so that nobody sees through it
        store(Y, (var("n"), var("t"), 0), load(tmp, 0)),
    )
    steps = loop("n", 0, N, (loop("t", 0, T, body),), "parallel")
    return Kernel("astray", "f32", (("N", 1), ("T", 0)), (X, W, Y), (steps,))


def run(kernel: Kernel, red_zones: bool = True) -> Array:
    target = TARGETS[RUNNABLE[-1]]
    problem = Problem.parse("c1_f1_k1_valid_linear_f32_nobias")
    code = jit.load(emit(kernel, target, "astray", "by hand", red_zones), kernel.name, target)
    compiled = CompiledKernel(problem, Native(kernel, code, red_zones))
    x, y = np.ones((1, 5, 1), np.float32), np.zeros((1, 5, 1), np.float32)
    compiled(x, compiled.pack(np.ones((1, 1, 1), np.float32), None), y)
    return y


@pytest.mark.parametrize("team", [1, 3])
def test_the_driver_looks_for_it_too(team: int) -> None:
    target, x, y = TARGETS[RUNNABLE[-1]], np.ones((1, 5, 1), np.float32), np.zeros((1, 5, 1), np.float32)
    arrays = {"x": x, "w": np.ones((1, 1, 1), np.float32), "y": y}
    for first, damaged in ((8, True), (7, False)):
        kernel = astray(8, "f32", first)
        native = Native(kernel, jit.load(emit(kernel, target, "astray", "by hand", True), kernel.name, target), True)
        if not damaged:
            call(native, arrays, {"N": 1, "T": 5}, target, team)
            continue
        with pytest.raises(RedZoneError, match="of the network has written beside a scratch array"):
            call(native, arrays, {"N": 1, "T": 5}, target, team)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("size", [1, 3, 8, 24, 20_000])
def test_a_write_beside_a_scratch_array_is_found(size: int, dtype: str) -> None:
    """The first number behind it, the last one before it, and the outermost of each margin; on the stack and in the
    caller's memory.
    """
    item = 4 if dtype == "f32" else 2
    for first in (size, -1, size + MARGIN // item - 1, -(MARGIN // item)):
        with pytest.raises(RedZoneError, match="written beside a scratch array"):
            run(astray(size, dtype, first))
    assert (run(astray(size, dtype, size - 1)) == 1).all() or size == 1


def test_what_is_read_before_it_is_written_is_not_a_number() -> None:
    tmp = buffer("tmp", "f32", (4,), "scratch")
    body = (Alloc(tmp), store(Y, (var("n"), var("t"), 0), load(tmp, var("N"))))
    steps = loop("n", 0, N, (loop("t", 0, T, body),), "parallel")
    assert np.isnan(run(Kernel("unwritten", "f32", (("N", 1), ("T", 0)), (X, W, Y), (steps,)))).all()


def test_the_switch_is_part_of_what_a_kernel_is_known_by(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.parse("c8_f16_k3_causal_gelu_f32")
    plain = compile_problem(problem)
    monkeypatch.setenv("CONV1D_CODEGEN_RED_ZONES", "1")
    zoned = compile_problem(problem)
    assert zoned is not plain
    assert "check.body" in zoned.dump("llvm")
    assert "check.body" not in plain.dump("llvm")
    monkeypatch.setenv("CONV1D_CODEGEN_RED_ZONES", "yes")
    with pytest.raises(ValueError, match="must be 0 or 1"):
        compile_problem(problem)
