"""How large the errors are where `auto` takes Cook–Toom: on random data of both signs within direct's bound, edges
included.

The largest error of some 130 000 outputs, as a share of `reference.error_bound`, of the problems below on three
machines:

                                         standard    fast   direct
    normal                                  0.82     7.4     0.74
    half of the inputs zero, by relu        1.0      8.8     0.72
    inputs from 0 to 1, normal weights      0.38     2.3     0.59
    inputs and weights from 0 to 1          1.9      2.5     2.1

An output's error is in proportion to all inputs of its window, and not only to those that it is a sum of. So where a
step is much larger than those beside it, it is the bound of the window's largest output that the others keep.
"""

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, empty_output, real_data
from support.kernel_helpers import call
from support.toom_helpers import share_of_bound, windows_of
from support.type_helpers import Array, Data

from conv1d_codegen import reference
from conv1d_codegen.compiler import Compilation, compile_problem
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem

LENGTH = 2048
AUTO = (
    "c64_f64_k3_same_linear_f32",
    "c32_f64_k3_valid_linear_f32",
    "c64_f64_k2_causal_linear_f32",
    "c100_f64_k5_pad9x1_linear_f32",
    "c128_f64_k3_d2_same_linear_f32",
    "c64_f64_k7_s2_same_linear_f32",
    "c64_f64_k11_d5_causal_linear_f32",
    "c256_f64_k4_same_linear_f32_nobias",
    "c96_f64_k3_g2_same_linear_f32",
    "c64_f64_k3_same_linear_bf16",
    "c64_f40_k9_same_linear_f64",
)


def compiled_auto(text: str, accuracy: str = "standard", target: str = RUNNABLE[-1]) -> Compilation:
    compilation = compile_problem(Problem.parse(text), CompileOptions(accuracy=accuracy, target=target))
    assert compilation.plan.algorithm == "cook_toom", f"{text} {accuracy} {target}: {compilation.plan}"
    return compilation


def largest(compilation: Compilation, x: Array, w: Array, b: Array | None) -> float:
    """The largest error, as a share of the bound."""
    kernel = compilation.kernel
    return float(share_of_bound(compilation.problem, call(kernel, kernel.pack(w, b), x), x, w, b).max())


def one_signed(kind: str, x: Array, w: Array, b: Array | None) -> Data:
    """Inputs, and weights, of another distribution."""
    random = np.random.default_rng(1)
    unit = np.asarray(random.random(x.shape), x.dtype)
    match kind:
        case "relu":
            return np.maximum(x, 0), w, b
        case "inputs":
            return unit, w, b
    return unit, np.asarray(random.random(w.shape), w.dtype), b


@pytest.mark.parametrize("text", AUTO)
def test_normal_data_keep_the_bound(text: str) -> None:
    for target in RUNNABLE if text == AUTO[0] else RUNNABLE[-1:]:
        compilation = compiled_auto(text, target=target)
        x, w, b = real_data(compilation.problem, 1, LENGTH)
        share = largest(compilation, x, w, b)
        assert share <= 1, f"{text}@1x{LENGTH} {target}, plan {compilation.plan}: {share:.2f} of the bound"


@pytest.mark.parametrize("text", AUTO[::2])
@pytest.mark.parametrize(("kind", "most"), [("relu", 1.5), ("inputs", 1), ("inputs and weights", 2.5)])
def test_one_signed_data(text: str, kind: str, most: float) -> None:
    """Half of the inputs being zero costs a factor of up to sqrt(2); where all products have one sign, it is direct's
    own 2.5.
    """
    compilation = compiled_auto(text)
    share = largest(compilation, *one_signed(kind, *real_data(compilation.problem, 1, LENGTH)))
    assert share <= most, f"{text}@1x{LENGTH}, plan {compilation.plan}, {kind}: {share:.2f} of the bound"


@pytest.mark.parametrize("text", AUTO[:4])
def test_fast_is_within_eight_times_the_bound(text: str) -> None:
    compilation = compiled_auto(text, "fast")
    x, w, b = real_data(compilation.problem, 1, LENGTH)
    share = largest(compilation, x, w, b)
    assert share <= 8, f"{text}@1x{LENGTH}, plan {compilation.plan}: {share:.2f} of the bound"


@pytest.mark.parametrize(
    "text", ["c64_f64_k3_same_linear_f32", "c64_f40_k9_same_linear_f64", "c64_f64_k3_same_linear_bf16"]
)
def test_errors_do_not_depend_on_the_scale(text: str) -> None:
    """Of inputs of 1e-20 and 1e20: the bits of the scaled numbers are the scaled numbers' bits."""
    compilation = compiled_auto(text)
    x, w, b = real_data(compilation.problem, 1, 300)
    kernel = compilation.kernel
    usual = call(kernel, kernel.pack(w, b), x)
    for exponent in (-66, 66):
        scale = x.dtype.type(2.0**exponent)
        scaled = call(kernel, kernel.pack(w, b * scale), x * scale)
        assert np.isfinite(scaled.astype(np.float64)).all()
        assert bits(scaled) == bits(usual * scale), f"{text}@1x300 by 2**{exponent}"


@pytest.mark.parametrize("text", [*AUTO[:7], "c256_f64_k3_same_linear_f32"])
def test_where_windows_overflow(text: str) -> None:
    """Not up to 1e37, and with the largest floats they do, though the outputs have room."""
    compilation = compiled_auto(text)
    problem, kernel = compilation.problem, compilation.kernel
    random = np.random.default_rng(3)
    x = random.uniform(-1, 1, problem.input_shape(1, 300)).astype(np.float32)
    w = (random.uniform(-1, 1, problem.kernel_shape) / (problem.kernel_size * problem.group_channels)).astype(
        np.float32
    )
    packed = kernel.pack(w, np.zeros(problem.filters, np.float32) if problem.use_bias else None)
    assert np.isfinite(call(kernel, packed, x * np.float32(1e37))).all(), f"{text}@1x300, plan {compilation.plan}"
    assert not np.isfinite(call(kernel, packed, x * np.float32(3.4e38))).all(), f"{text}@1x300, plan {compilation.plan}"


@pytest.mark.parametrize("text", AUTO[:7])
def test_a_loud_step_is_heard_in_its_windows(text: str) -> None:
    """One step in ten is a thousand times as loud as the others."""
    compilation = compiled_auto(text)
    problem, kernel = compilation.problem, compilation.kernel
    x, w, b = real_data(problem, 1, LENGTH)
    x *= np.where(np.random.default_rng(2).random(LENGTH) < 0.1, 1000, 1).astype(x.dtype)[:, None]
    y = empty_output(problem, 1, LENGTH)
    kernel(x, kernel.pack(w, b), y)
    error, bound = np.abs(y - reference.conv1d(x, w, b, problem)), reference.error_bound(x, w, b, problem)
    of_window, windows = bound.copy(), windows_of(problem, compilation.plan, LENGTH)
    for first in windows.first:
        outputs = [first + a * windows.between for a in range(windows.outputs)]
        of_window[:, outputs] = bound[:, outputs].max(axis=1, keepdims=True)
    case = f"{text}@1x{LENGTH}, plan {compilation.plan}"
    assert (error <= 4 * of_window).all(), (
        f"{case}: {(error / of_window).max():.2f} of the bound of a window's largest output"
    )
    assert (error > 2 * bound).any(), f"{case}: better than is said at the top of this file"
