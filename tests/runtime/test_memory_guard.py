"""No kernel touches a byte beside its arrays: each lies against a page that can't be read or written, at its end or at
its start.

The work is done in a child process, which says what it is about to run; a fault kills it, and the last line is the
problem.
"""

import sys

import pytest
from support.helpers import RUNNABLE, algorithms, bits, compiled, empty_output, exact_data, last_line, python, supports
from support.toom_helpers import toom_plan

from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.selftest.guards import guarded

GUARDED = (
    "c16_f65_k3_causal_relu_f32",
    "c3_f9_k5_pad2x0_linear_f32",
    "c1_f5_k4_same_relu_f32",
    "c5_f31_k1_valid_linear_f32_nobias",
    "c7_f16_k3_s2_d3_same_linear_f32",
    "c15_f9_k3_g3_causal_relu_f32",
    "c17_f17_k3_g17_same_relu_f32",
    "c37_f37_k9_g37_causal_linear_f32",
    "c7_f14_k3_s2_g7_same_linear_f32",
    "c5_f7_k4_same_relu_f32_first",
    "c6_f8_k5_s3_d2_pad4x2_linear_f32_first",
    "c8_f12_k3_g4_same_linear_f32_first",
    "c8_f11_k3_causal_gelu_f32",
    "c9_f5_k3_same_relu_f64",
    "c3_f5_k2_valid_linear_f64_first",
    "c9_f19_k3_same_relu_f16",
    "c5_f7_k3_same_linear_f16_first",
    "c9_f17_k3_same_linear_bf16",
    "c7_f7_k3_g7_valid_linear_bf16",
    "c5_f7_k3_same_linear_bf16_first",
)

#: For Cook–Toom, with a plan where it is not the cost model's.
WINDOWS = (
    ("c16_f65_k3_causal_relu_f32", None),
    ("c7_f16_k3_s2_d3_same_linear_f32", None),
    ("c6_f8_k5_s3_d2_pad4x2_linear_f32_first", None),
    ("c9_f5_k3_same_relu_f64", None),
    ("c9_f19_k3_same_relu_f16", None),
    ("c5_f7_k3_same_linear_bf16_first", None),
    ("c8_f17_k7_d2_same_linear_f32", toom_plan(3, 3, rows=(4, 3, 1), windows=8)),
    ("c5_f7_k5_s2_valid_linear_f32", toom_plan(2, 2)),  # inputs that are shared, and phases of different lengths
)


def check(text: str, target: str, algorithm: str, plan: Plan | None = None) -> None:
    """In the child: every length from none to several tiles, against the same call on ordinary arrays."""
    problem = Problem.parse(text)
    compilation = compiled(problem, target, algorithm, plan)
    kernel = compilation.kernel
    _, w, b = exact_data(problem, 1, 1)
    packed = kernel.pack(w, b)
    plan = compilation.plan
    step = max(plan.rows[0], plan.width * plan.vectors if plan.lanes == "time" else 1)
    # blocks of windows
    several = [(2 * plan.block + plan.outputs) * problem.stride + problem.extent] if plan.outputs else []
    for side in ("end", "start"):
        arrays = tuple(guarded(array, side, 64) for array in packed.arrays)
        beside = packed._replace(arrays=arrays, addresses=tuple(array.ctypes.data for array in arrays))
        for length in (*range(3 * step // problem.stride + problem.extent + 2), 200, *several):
            batch = 1 + length % 2
            print(f"{problem}@{batch}x{length} {target} {algorithm}, guarded at the {side}: {plan}", flush=True)
            x, _, _ = exact_data(problem, batch, length, seed=length)
            right = empty_output(problem, batch, length)
            kernel(x, packed, right)
            y = guarded(empty_output(problem, batch, length), side)
            kernel(guarded(x, side), beside, y)
            assert bits(y) == bits(right)


def main(target: str) -> None:
    for text in GUARDED:
        problem = Problem.parse(text)
        if supports(target, problem):
            for algorithm in algorithms(problem):
                check(text, target, algorithm)
    for text, plan in WINDOWS:
        if supports(target, Problem.parse(text)):
            check(text, target, "cook_toom", plan)
    print("done")


@pytest.mark.parametrize("target", RUNNABLE)
def test_kernels_stay_inside_their_arrays(target: str) -> None:
    code, out, err = python("import test_memory_guard as t, sys; t.main(sys.argv[1])", target, timeout=300)
    assert (code, last_line(out)) == (0, "done"), f"exit {code} at {last_line(out)}\n{err[-2000:]}"


TOUCH = """
import ctypes, sys, numpy as np, test_memory_guard as t
array = t.guarded(np.zeros(5, np.float32), sys.argv[1])
address = array.ctypes.data + int(sys.argv[2])
print("touching", flush=True)
ctypes.c_char.from_address(address).value
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize(
    ("side", "offset", "survives"), [("end", 19, True), ("end", 20, False), ("start", 0, True), ("start", -1, False)]
)
def test_the_guard_guards(side: str, offset: int, survives: bool) -> None:
    code, out, _ = python(TOUCH, side, offset)
    assert (code == 0, last_line(out)) == (survives, "done" if survives else "touching")
