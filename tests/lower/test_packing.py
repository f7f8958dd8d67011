"""Packing as loops: the bits that NumPy gives, after each pass, as machine code, and between forbidden pages."""

import struct

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, compiled, dtype_of, last_line, python, supports
from support.toom_helpers import plan_for
from support.type_helpers import Array

from conv1d_codegen.compiler import OperationProgram
from conv1d_codegen.ir import Access, Kernel
from conv1d_codegen.ir.packing import Mixing, laid_out
from conv1d_codegen.lower.operations import Pack
from conv1d_codegen.lower.operations.packing import matrix_name
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.passes import operations
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.selftest.guards import SIDES, guarded
from conv1d_codegen.verify import verify

#: Panels that are full and that are not, in lanes and not, of groups and of one number; and transformed weights, of one
#: level and nested, of several terms and phases, some of which lack taps; and of folded steps, where there is one channel
#: and one filter.
CASES: list[tuple[str, tuple[int, ...]]] = [
    ("c1_f1_k1_valid_linear_f32", ()),
    ("c1_f16_k3_same_linear_f32", ()),
    ("c5_f37_k3_same_linear_f32_nobias", ()),
    ("c12_f20_k4_g2_same_linear_f32", ()),
    ("c33_f2_k3_same_linear_f32", ()),
    ("c6_f70_k2_same_linear_f64", ()),
    ("c7_f9_k3_same_linear_f16", ()),
    ("c7_f9_k3_same_linear_bf16", ()),
    ("c37_f37_k5_g37_same_linear_f32", ()),
    ("c6_f18_k3_g6_same_linear_f32", ()),
    ("c8_f20_k3_same_linear_f32", (4, 3)),
    ("c5_f9_k5_causal_linear_f32", (4, 3)),
    ("c8_f16_k7_d2_same_linear_f32", (3, 3)),
    ("c7_f16_k5_s2_valid_linear_f32", (3, 2)),
    ("c6_f8_k4_s3_d2_pad4x2_linear_f32_first", (2, 2)),
    ("c8_f12_k3_g4_same_linear_f32", (6, 3)),
    ("c9_f20_k3_causal_linear_f64", (2, 3)),
    ("c9_f17_k3_same_linear_f16", (4, 3)),
    ("c9_f17_k3_same_linear_bf16", (4, 3)),
    ("c8_f9_k4_causal_linear_f32", (6, 4, 2)),
    ("c3_f16_k11_d2_same_linear_f32", (9, 12, 3)),
    ("c5_f17_k16_same_linear_f32", (12, 16, 4)),
    ("c1_f1_k21_same_linear_f32", (3, 2)),
    ("c1_f1_k33_valid_linear_f32_first", (2, 3)),
    ("c4_f4_k30_g4_causal_linear_f16_first", (4, 3)),
    ("c1_f1_k70_valid_linear_f64_nobias", (12, 9, 3)),
]  # fmt: skip
cases = pytest.mark.parametrize(("text", "toom"), CASES, ids=[f"{text} {toom}" for text, toom in CASES])


def kernel_of(text: str, toom: tuple[int, ...], target: str) -> Kernel | None:
    """The kernel whose weights are packed; None where the target can't have it."""
    problem = Problem.parse(text)
    if not supports(target, problem):
        return None
    if toom:
        return compiled(problem, target, "cook_toom", plan_for(problem, toom)).program.scheduled
    return compiled(problem, target, "depthwise" if problem.groups > 6 else "direct").program.scheduled


def operation_of(text: str, kernel: Kernel) -> Pack:
    return Pack(Problem.parse(text).dtype, kernel.compute, kernel.packings)


def weights_of(text: str, kernel: Kernel, extreme: bool = False) -> dict[str, Array]:
    """Weights, and the matrices of mixings; `extreme`: some are no numbers, infinite, or negative zeros."""
    problem, rng = Problem.parse(text), np.random.default_rng(0)
    arrays = {"w": rng.standard_normal(problem.kernel_shape).astype(dtype_of(problem))}
    if problem.use_bias:
        arrays["b"] = rng.standard_normal(problem.filters).astype(dtype_of(problem))
    if extreme:
        for array in arrays.values():
            flat = array.reshape(-1)
            some = flat[:: max(1, flat.size // 7)]
            some[:] = np.resize([np.inf, -0.0, np.nan, -np.inf, 1e-40], some.size)
    mixings = [made for made in kernel.packings if isinstance(made, Mixing)]
    return arrays | {matrix_name(made): np.array(made.matrix) for made in mixings}


def outputs_of(kernel: Kernel) -> dict[str, Array]:
    """Full of what no packing makes, so that a number that is not written shows."""
    written = [array for array in kernel.buffers if array.access is Access.WRITE]
    return {
        array.name: np.full([size.evaluate({}) for size in array.shape], 12345, TYPES[array.dtype].numpy)
        for array in written
    }


def numpys(kernel: Kernel, arrays: dict[str, Array]) -> dict[str, Array]:
    return laid_out(kernel.packings, arrays, TYPES[kernel.compute].numpy, {})


@cases
def test_each_pass_gives_numpys_bits(text: str, toom: tuple[int, ...]) -> None:
    for target in RUNNABLE[-2:]:
        if (kernel := kernel_of(text, toom, target)) is None:
            continue
        operation, arrays = operation_of(text, kernel), weights_of(text, kernel)
        right, lowered = numpys(kernel, arrays), operation.kernel()
        verify(lowered)
        for name, stage in (("loops", lowered), *operations.stages(operation, lowered, TARGETS[target], check=True)):
            made = outputs_of(stage)
            interpret(stage, arrays | made, {})
            for array in made:
                assert bits(made[array]) == bits(right[array]), f"{operation} {target} after {name}: {array}"


@cases
def test_machine_code_gives_numpys_bits(text: str, toom: tuple[int, ...]) -> None:
    for target in RUNNABLE:
        if (kernel := kernel_of(text, toom, target)) is None:
            continue
        operation = operation_of(text, kernel)
        code = OperationProgram(operation, TARGETS[target])
        for extreme in (False, True):
            arrays = weights_of(text, kernel, extreme)
            right, made = numpys(kernel, arrays), outputs_of(code.native.kernel)
            run(code, arrays | made)
            for array in made:
                # a NaN's sign and payload are the machine's
                np.testing.assert_array_equal(made[array], right[array], err_msg=f"{operation} {target}: {array}")
                assert extreme or bits(made[array]) == bits(right[array])


def run(code: OperationProgram, arrays: dict[str, Array]) -> None:
    native = code.native
    assert native.entry.scratch_bytes == 0  # which `Packer` relies on
    (iterations,) = native.entry.iterations
    places = [arrays[array.name].ctypes.data for array in native.kernel.buffers]
    native.function(struct.pack(native.entry.format, *places, iterations.evaluate({}), 0, 1, 0))


def main(target: str) -> None:
    for text, toom in CASES:
        if (kernel := kernel_of(text, toom, target)) is None:
            continue
        code, arrays = OperationProgram(operation_of(text, kernel), TARGETS[target]), weights_of(text, kernel)
        for side in SIDES:
            print(f"{text} {toom} {target}, guarded at the {side}", flush=True)
            made = {name: guarded(array, side) for name, array in outputs_of(code.native.kernel).items()}
            run(code, {name: guarded(array, side) for name, array in arrays.items()} | made)
            right = numpys(kernel, arrays)
            assert all(bits(made[name]) == bits(right[name]) for name in made)
    print("done")


@pytest.mark.parametrize("target", RUNNABLE)
def test_packing_stays_inside_its_arrays(target: str) -> None:
    code, out, err = python("import test_packing as t, sys; t.main(sys.argv[1])", target, timeout=300)
    assert (code, last_line(out)) == (0, "done"), f"exit {code} at {last_line(out)}\n{err[-2000:]}"


def test_the_matrix_is_no_code() -> None:
    """24 sums of 16 taps would be half a second of LLVM's."""
    text, toom = "c5_f17_k16_same_linear_f32", (12, 16, 4)
    kernel = kernel_of(text, toom, RUNNABLE[-1])
    assert kernel is not None
    assert OperationProgram(operation_of(text, kernel), TARGETS[RUNNABLE[-1]]).llvm.count("\n") < 800
