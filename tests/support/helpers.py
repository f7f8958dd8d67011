"""What the tests of the compiler share: problems, exact data, and running a problem in the interpreter or compiled.

Data are small integers in float arrays: every product and every sum is exact, so results are compared bit by bit,
whatever the order of the sum. Only what an activation rounds has a tolerance.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from support.type_helpers import Array, Data

from conv1d_codegen import reference
from conv1d_codegen.compiler import Compilation, compile_problem
from conv1d_codegen.ir import Kernel
from conv1d_codegen.lower import lower
from conv1d_codegen.lower.generic import SIZES
from conv1d_codegen.machine.host import runs_here
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem
from conv1d_codegen.problem.summation import chunk_shape
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan

ROOT = Path(__file__).resolve().parents[2]

#: The targets whose code runs on this machine.
RUNNABLE = [name for name, target in TARGETS.items() if runs_here(target)]

#: Lengths for every problem: none, shorter than most kernels, around the tiles, and several of them.
LENGTHS = (0, 1, 2, 5, 12, 13, 29, 67)

#: Problems of different structure.
PROBLEMS = (
    # The plain ones: every padding, kernel size and a range of filters.
    "c1_f1_k1_valid_linear_f32",
    "c16_f32_k3_valid_linear_f32",
    "c8_f16_k2_same_relu_f32",
    "c5_f8_k4_same_linear_f32",
    "c16_f65_k3_causal_relu_f32",
    "c3_f9_k5_pad2x0_linear_f32",
    "c7_f31_k3_pad0x4_linear_f32",
    "c8_f24_k3_pad9x9_relu_f32",
    "c31_f17_k1_same_linear_f32",
    "c17_f33_k9_same_linear_f32_nobias",
    "c33_f2_k3_causal_linear_f32",
    "c1_f32_k80_valid_linear_f32",
    "c1_f5_k80_same_relu_f32",
    "c2_f64_k3_same_linear_f32_nobias",
    "c64_f3_k2_causal_linear_f32",
    "c32_f1_k9_same_linear_f32",
    "c257_f5_k3_same_linear_f32",
    "c32_f6_k5_s2_g2_pad3x1_relu_f64",
    "c16_f2_k2_s2_pad2x0_linear_f32_nobias",
    # Strides and dilations, and both.
    "c8_f16_k3_s2_same_linear_f32",
    "c5_f12_k4_s3_same_relu_f32",
    "c16_f8_k1_s2_valid_linear_f32",
    "c3_f16_k2_s5_valid_linear_f32",
    "c1_f32_k80_s16_valid_relu_f32",
    "c8_f16_k3_d2_causal_linear_f32",
    "c16_f16_k3_d32_causal_relu_f32",
    "c4_f7_k5_d3_same_linear_f32_nobias",
    "c7_f16_k3_s2_d3_same_linear_f32",
    "c3_f8_k4_s3_d2_causal_linear_f32",
    "c4_f8_k3_s4_d3_pad5x1_linear_f32",
    # Groups, and depthwise with multipliers.
    "c16_f32_k3_g2_same_linear_f32",
    "c15_f9_k3_g3_causal_relu_f32",
    "c8_f40_k2_s2_g4_valid_linear_f32",
    "c16_f16_k3_g16_same_relu_f32",
    "c33_f33_k9_g33_causal_linear_f32",
    "c7_f14_k3_s2_g7_same_linear_f32",
    "c5_f15_k4_d2_g5_valid_linear_f32_nobias",
    "c9_f9_k2_s3_g9_pad4x0_linear_f32",
    # Channels first.
    "c16_f32_k3_valid_linear_f32_first",
    "c5_f7_k4_same_relu_f32_first",
    "c1_f1_k9_causal_linear_f32_first_nobias",
    "c3_f17_k3_d5_causal_linear_f32_first",
    "c8_f16_k3_s2_same_linear_f32_first",
    "c6_f8_k5_s3_d2_pad4x2_linear_f32_first",
    "c8_f12_k3_g4_same_linear_f32_first",
    "c7_f14_k3_g7_causal_relu_f32_first",
    # Other types.
    "c16_f20_k3_same_relu_f64",
    "c7_f9_k4_s2_causal_linear_f64_first",
    "c9_f9_k3_g9_same_linear_f64",
    "c16_f33_k3_same_relu_f16",
    "c5_f8_k3_d2_causal_linear_f16_first",
    "c16_f17_k3_same_linear_bf16",
    "c8_f8_k3_g8_valid_relu_bf16",
    "c3_f9_k5_s2_same_linear_bf16_first",
    # Activations, cheap and dear, with parameters.
    "c8_f16_k3_causal_gelu_f32",
    "c5_f19_k3_same_tanh_f32_first",
    "c8_f20_k2_valid_sigmoid_f64",
    "c8_f12_k3_same_silu_f16",
    "c4_f16_k3_same_leaky_relu(negative_slope=0.25)_f32",
    "c4_f16_k3_g4_same_elu(alpha=0.5)_f32",
    "c6_f10_k3_valid_relu(max_value=6.0,negative_slope=0.5,threshold=1.0)_f32",
)

#: Activations that are exact on integers (with the parameters above).
_EXACT = ("linear", "relu", "relu6", "leaky_relu", "hard_tanh", "threshold", "hard_shrink", "soft_shrink")


def options(target: Target | str | None = None, algorithm: str = "auto", plan: Plan | None = None) -> CompileOptions:
    """Options whose algorithms all keep the order of the formula's sum; `test_cook_toom.py` is
    about those that don't.
    """
    return CompileOptions(
        target=target, algorithm=algorithm, plan=plan, accuracy="standard" if algorithm == "cook_toom" else "strict"
    )


def algorithms(problem: Problem) -> list[str]:
    """The algorithms that can compute a problem, the chosen one first."""
    depthwise = problem.groups == problem.channels > 1
    return (["depthwise"] if depthwise else []) + ["direct", "generic"]


def lowered(problem: Problem, algorithm: str, target: str = "avx2") -> Kernel:
    """The loops of an algorithm, with the plan of the cost model."""
    return lower(problem, choose(problem, TARGETS[target], algorithm))


def dtype_of(problem: Problem) -> np.dtype[Any]:
    """The NumPy dtype of a problem's arrays."""
    return TYPES[problem.dtype].numpy


def supports(target: str, problem: Problem) -> bool:
    """Whether a target has kernels for a problem's dtype."""
    return TARGETS[target].converts(problem.dtype)


def exact_data(problem: Problem, batch: int, length: int, seed: int = 0) -> Data:
    """Integers: x in [-4, 4], w in [-2, 2], b in [-3, 3], or None."""
    random = np.random.default_rng(seed)
    dtype = dtype_of(problem)
    x = random.integers(-4, 5, problem.input_shape(batch, length)).astype(dtype)
    w = random.integers(-2, 3, problem.kernel_shape).astype(dtype)
    b = random.integers(-3, 4, problem.filters).astype(dtype) if problem.use_bias else None
    return x, w, b


def real_data(problem: Problem, batch: int, length: int, seed: int = 0) -> Data:
    """Normally distributed numbers, rounded to the problem's dtype."""
    random = np.random.default_rng(seed)
    dtype = dtype_of(problem)
    x = random.standard_normal(problem.input_shape(batch, length)).astype(dtype)
    w = random.standard_normal(problem.kernel_shape).astype(dtype)
    b = random.standard_normal(problem.filters).astype(dtype) if problem.use_bias else None
    return x, w, b


def expected(problem: Problem, x: Array, w: Array, b: Array | None) -> Array:
    """The reference's result, rounded once to the problem's dtype."""
    with np.errstate(all="ignore"):
        return reference.conv1d(x, w, b, problem).astype(dtype_of(problem))


def empty_output(problem: Problem, batch: int, length: int) -> Array:
    """An output array full of NaN: an element that is not written shows."""
    return np.full(problem.output_shape(batch, length), np.nan, dtype_of(problem))


def sizes_of(kernel: Kernel, problem: Problem, batch: int, length: int) -> dict[str, int]:
    """The run-time sizes that a kernel takes."""
    p, chunk = problem, chunk_shape(problem.kernel_size, problem.group_channels)
    of_call = batch, length, max(0, p.output_length(length)), p.left_padding(length)
    constants = p.kernel_size, p.stride, p.dilation, p.groups, p.group_channels, p.group_filters
    names = ["N", "T", *(name for name, _ in SIZES)]
    values = dict(zip(names, (*of_call, *constants, *chunk), strict=True))
    return {name: values[name] for name, _ in kernel.sizes}


def run_interpreted(kernel: Kernel, problem: Problem, x: Array, w: Array, b: Array | None) -> Array:
    """What loop IR computes, at any stage."""
    batch, length = x.shape[0], x.shape[2 if problem.channels_first else 1]
    y = empty_output(problem, batch, length)
    if batch:  # kernels are called for at least one sequence
        interpret(
            kernel, {"x": x, "w": w, "y": y} | ({} if b is None else {"b": b}), sizes_of(kernel, problem, batch, length)
        )
    return y


def run_compiled(
    problem: Problem,
    x: Array,
    w: Array,
    b: Array | None,
    target: Target | str | None = None,
    algorithm: str = "auto",
    plan: Plan | None = None,
    num_threads: int = 1,
) -> Array:
    """What machine code computes."""
    kernel = compile_problem(
        problem, options(target, algorithm, plan), x.shape[2 if problem.channels_first else 1]
    ).kernel
    y = empty_output(problem, x.shape[0], x.shape[2 if problem.channels_first else 1])
    kernel(x, kernel.pack(w, b), y, num_threads)
    return y


def compiled(
    problem: Problem, target: Target | str | None = None, algorithm: str = "auto", plan: Plan | None = None
) -> Compilation:
    return compile_problem(problem, options(target, algorithm, plan))


def assert_exact(problem: Problem, actual: Array, wanted: Array, note: str = "") -> None:
    """The same numbers; within what an activation may round (4 ulp, or 4e-7 for gelu) where the problem has one that
    rounds.
    """
    message = f"{problem} {note}"
    if problem.activation.name in _EXACT:
        np.testing.assert_array_equal(actual, wanted, err_msg=message)
        return
    narrow = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}[problem.dtype]
    computed = 2.0**-52 if problem.dtype == "f64" else 2.0**-23
    actual, wanted = actual.astype(np.float64), wanted.astype(np.float64)
    bound = 4 * computed * (1 + np.abs(wanted)) + (narrow * np.abs(wanted) if narrow > computed else 0)
    worst = np.abs(actual - wanted) - bound
    assert not np.isnan(actual).any(), message
    assert actual.size == 0 or worst.max() <= 0, f"{message}: {np.abs(actual - wanted).max()}"


def bits(array: Array) -> bytes:
    """An array's bytes, to compare results bit by bit, NaNs included."""
    return np.ascontiguousarray(array).tobytes()


#: For programs that `python` runs: `fork(child)` runs a function in a child process, and asserts that it ends well.
FORKING = """
import os, signal

def fork(child, when=""):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a child that hangs dies of this
        try:
            child()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"the child forked {when} ended with {status}"
"""


def python(code: str, *arguments: object, timeout: float = 120, **environment: str) -> tuple[int, str, str]:
    """Run Python code in a child process that finds the package, these helpers and all tests; (return code, stdout,
    stderr).
    """
    tests = ROOT / "tests"
    path = os.pathsep.join(map(str, [ROOT, tests, *(folder for folder in tests.iterdir() if folder.is_dir())]))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONV1D_CODEGEN_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**clean, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """`work(number)` on so many Python threads at once; ends when all have."""
    callers = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def problems(texts: Iterable[str]) -> list[Problem]:
    return [Problem.parse(text) for text in texts]


def last_line(out: str) -> str:
    """What a child that died said last."""
    return (out.strip().splitlines() or ["nothing was printed"])[-1]
