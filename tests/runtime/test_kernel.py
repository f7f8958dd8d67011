"""Compiled kernels: right, exact, within the bound, and blind to what they must not see."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.helpers import (
    LENGTHS,
    PROBLEMS,
    RUNNABLE,
    algorithms,
    assert_exact,
    bits,
    compiled,
    exact_data,
    expected,
    real_data,
    run_compiled,
    supports,
)
from support.kernel_helpers import REAL, TELLING, call
from support.type_helpers import known

from conv1d_codegen import reference
from conv1d_codegen.ir.packing import Packing, aligned_zeros
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.symbolic.index import index, var

#: All problems for one target, every second one for each of the others.
CASES = [
    pytest.param(text, target, id=f"{text} {target}")
    for at, text in enumerate(PROBLEMS)
    for number, target in enumerate(RUNNABLE)
    if supports(target, Problem.parse(text)) and (target == "avx2" or (at + number // 2) % 2)
]


@pytest.mark.parametrize(("text", "target"), CASES)
def test_exact(text: str, target: str) -> None:
    """Every length, from nothing over shorter than the kernel to several tiles; the output starts as NaN."""
    problem = Problem.parse(text)
    kernel = compiled(problem, target).kernel
    x, w, b = exact_data(problem, 2, max(LENGTHS))
    packed = kernel.pack(w, b)
    for length in (*LENGTHS, problem.extent - 1, problem.extent, problem.extent + 1):
        x, _, _ = exact_data(problem, 2, length, seed=length)
        assert_exact(problem, call(kernel, packed, x), expected(problem, x, w, b), f"@2x{length} {target}")


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [pytest.param(text, a, id=f"{text} {a}") for text in TELLING for a in algorithms(Problem.parse(text))[1:]],
)
def test_exact_with_other_algorithms(text: str, algorithm: str) -> None:
    problem = Problem.parse(text)
    for target in (target for target in RUNNABLE if supports(target, problem)):
        kernel = compiled(problem, target, algorithm).kernel
        _, w, b = exact_data(problem, 1, 1)
        packed = kernel.pack(w, b)
        for length in LENGTHS:
            x, _, _ = exact_data(problem, 3, length, seed=length)
            assert_exact(
                problem, call(kernel, packed, x), expected(problem, x, w, b), f"@3x{length} {target} {algorithm}"
            )


#: Wrong once: what the last steps read after the input is less than nothing.
@pytest.mark.parametrize(
    "text", ["c16_f72_k2_s2_g8_pad2x9_relu_f64_nobias", "c2_f8_k2_pad0x9_linear_f32", "c4_f8_k3_d2_pad20x20_linear_f32"]
)
def test_windows_that_lie_beside_the_input(text: str) -> None:
    problem = Problem.parse(text)
    for target in RUNNABLE:
        for algorithm in algorithms(problem):
            for length in (0, 1, 4, 23):
                x, w, b = exact_data(problem, 2, length)
                actual = run_compiled(problem, x, w, b, target, algorithm)
                assert_exact(problem, actual, expected(problem, x, w, b), f"@2x{length} {target} {algorithm}")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_configuration(data: st.DataObject) -> None:
    draw = data.draw
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 8]))
    problem = Problem(
        channels=groups * draw(st.integers(1, 9)),
        filters=groups * draw(st.integers(1, 20)),
        kernel_size=draw(st.integers(1, 7)),
        stride=draw(st.sampled_from([1, 1, 2, 3, 5])),
        dilation=draw(st.sampled_from([1, 1, 2, 4])),
        groups=groups,
        padding=draw(st.sampled_from(["valid", "same", "causal"]) | st.tuples(st.integers(0, 9), st.integers(0, 9))),
        activation=Activation(draw(st.sampled_from(["linear", "relu"]))),
        dtype=draw(st.sampled_from(["f32", "f32", "f64", "bf16"])),
        channels_first=draw(st.booleans()),
        use_bias=draw(st.booleans()),
    )
    target = draw(st.sampled_from(RUNNABLE))
    algorithm = draw(st.sampled_from(algorithms(problem)))
    batch, length = draw(st.integers(0, 3)), draw(st.integers(0, 70))
    x, w, b = exact_data(problem, batch, length)
    actual = run_compiled(problem, x, w, b, target, algorithm, num_threads=draw(st.integers(1, 2)))
    assert_exact(problem, actual, expected(problem, x, w, b), f"@{batch}x{length} {target} {algorithm}")


@pytest.mark.parametrize("text", REAL)
def test_real_numbers_are_within_the_a_priori_bound(text: str) -> None:
    problem = Problem.parse(text)
    x, w, b = real_data(problem, 2, 67)
    exact = reference.conv1d(x, w, b, problem)
    bound = reference.error_bound(x, w, b, problem)
    for target in (target for target in RUNNABLE if supports(target, problem)):
        for algorithm in algorithms(problem):
            error = np.abs(run_compiled(problem, x, w, b, target, algorithm).astype(np.float64) - exact)
            assert (error <= bound).all(), f"{problem} {target} {algorithm}: {(error / bound).max()} of the bound"


# --- what the kernel must not see -------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize(
    "text",
    [text for text in TELLING if "valid" not in text] + ["c8_f24_k3_pad9x9_relu_f32", "c3_f5_k3_pad4x0_relu_f64"],
)
def test_nothing_beside_the_input_leaks_in(text: str, poison: float) -> None:
    problem = Problem.parse(text)
    x, w, b = exact_data(problem, 2, 23)
    for target in (target for target in RUNNABLE if supports(target, problem)):
        kernel = compiled(problem, target).kernel
        room = np.full(x.size + 256, poison, x.dtype)
        inside = room[128 : 128 + x.size].reshape(x.shape)
        inside[...] = x
        assert_exact(problem, call(kernel, kernel.pack(w, b), inside), expected(problem, x, w, b), target)


@pytest.mark.parametrize("algorithm", ["auto", "generic", "cook_toom"])
@pytest.mark.parametrize(
    "text",
    [
        "c3_f9_k4_causal_linear_f32",
        "c3_f9_k4_d2_causal_linear_f32_first",
        "c6_f6_k4_g6_causal_linear_f32",
        "c4_f4_k4_g2_causal_linear_f64",
    ],
)
def test_padding_contributes_nothing(text: str, algorithm: str) -> None:
    """Weights of taps that fall beside the input are not multiplied with zero: they may be NaN or infinite."""
    problem = Problem.parse(text)
    for length in (1, 2, 3, *range(4, problem.extent)):
        x, w, b = exact_data(problem, 1, length)
        absent = w.copy()
        for j in range(problem.kernel_size):
            if problem.extent - 1 - j * problem.dilation >= length:
                absent[j] = [np.nan, np.inf][j % 2]
        assert np.isnan(absent).any()
        wanted = expected(problem, x, np.where(np.isfinite(absent), w, 0).astype(w.dtype), b)
        assert_exact(
            problem, run_compiled(problem, x, absent, b, algorithm=algorithm), wanted, f"@1x{length} {algorithm}"
        )


@pytest.mark.parametrize(
    "text",
    [
        "c3_f9_k3_same_linear_f32",
        "c3_f9_k3_same_relu_f32",
        "c3_f9_k3_same_linear_f32_first",
        "c9_f9_k3_g9_same_linear_f32",
    ],
)
def test_nan_and_infinity_propagate_where_they_belong(text: str) -> None:
    problem = Problem.parse(text)
    x, w, b = exact_data(problem, 1, 30)
    w[w == 0] = 1
    time = 2 if problem.channels_first else 1
    for poison in (np.nan, np.inf):
        wild = x.copy()
        np.moveaxis(wild, time, 0)[11, 0, 0] = poison
        y, wanted = run_compiled(problem, wild, w, b), expected(problem, wild, w, b)
        np.testing.assert_array_equal(y, wanted, err_msg=text)
        touched = ~np.isfinite(np.moveaxis(wanted, time, 0)).all(axis=(1, 2))
        assert set(np.flatnonzero(touched)) <= {10, 11, 12}


def test_the_floating_point_environment_stays() -> None:
    """Subnormal numbers are computed as such: nothing flushes them, before, during or after a call."""
    problem = Problem.parse("c1_f1_k1_valid_linear_f32_nobias")
    x = np.full((1, 9, 1), 2.0**-140, np.float32)
    w = np.full((1, 1, 1), 0.5, np.float32)
    np.testing.assert_array_equal(run_compiled(problem, x, w, None), np.full((1, 9, 1), 2.0**-141, np.float32))
    assert np.float32(2.0**-140) * np.float32(0.5) == np.float32(2.0**-141)


@pytest.mark.parametrize(("batch", "length"), [(0, 10), (3, 0), (0, 0)])
@pytest.mark.parametrize("text", PROBLEMS[::6])
def test_no_output_at_all(text: str, batch: int, length: int) -> None:
    problem = Problem.parse(text)
    x, w, b = exact_data(problem, batch, length)
    assert_exact(problem, run_compiled(problem, x, w, b), expected(problem, x, w, b), f"@{batch}x{length}")


def test_output_of_an_empty_input() -> None:
    """Explicit padding makes outputs of no input at all: only the bias is left."""
    problem = Problem.parse("c4_f6_k3_pad3x2_linear_f32")
    x, w, b = exact_data(problem, 2, 0)
    np.testing.assert_array_equal(run_compiled(problem, x, w, b), np.broadcast_to(known(b), (2, 3, 6)))


@pytest.mark.parametrize(
    "text", ["c130_f40_k4_same_linear_f32", "c300_f70_k3_s2_pad3x1_relu_f64", "c600_f20_k1_valid_linear_f32"]
)
def test_streamed_weights_keep_the_bits(text: str) -> None:
    """Weights that do not stay in L2 are gone through in another order, and each sum takes its
    terms in the same one.
    """
    problem = Problem.parse(text)
    x, w, b = real_data(problem, 6, 45)
    for name in (target for target in RUNNABLE if TARGETS[target].fma):
        small = replace(TARGETS[name], triple=resolve(name).triple, l2_bytes=1 << 12)
        kernel = compiled(problem, small).kernel
        assert "part" in compiled(problem, small).dump("scheduled")
        packed = kernel.pack(w, b)
        for threads in (1, 3):
            assert bits(call(kernel, packed, x, threads)) == bits(run_compiled(problem, x, w, b, name, "generic")), (
                f"{problem} {name}"
            )


# --- packing and large arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", [1, 2, 5, 8, 64])
def test_packing(panel: int) -> None:
    packing = Packing("w", "wp", (index(3), index(4), index(2), var("F")), ("j", "c", "g", "f"), ("g",), "f", panel)
    source = np.arange(1, 3 * 4 * 2 * 7 + 1, dtype=np.float32)
    packed = packing(source.reshape(3, 4, 14), np.dtype(np.float64), {"F": 7})
    assert packed.shape == (2, -(-7 // panel), 3, 4, panel)
    assert [size.evaluate({"F": 7}) for size in packing.shape] == list(packed.shape)
    assert packed.dtype == np.float64
    assert packed.ctypes.data % 64 == 0
    w = source.reshape(3, 4, 2, 7)
    for j, c, g, f in np.ndindex(w.shape):
        assert packed[g, f // panel, j, c, f % panel] == w[j, c, g, f]
    assert np.count_nonzero(packed) == source.size  # the rest are zeros


def test_packed_weights_that_fill_a_large_page_begin_one() -> None:
    for size, alignment in ((1 << 10, 64), ((2 << 20) - 64, 64), (2 << 20, 2 << 20), (7 << 20, 2 << 20)):
        array = aligned_zeros((size // 4,), np.dtype(np.float32))
        assert array.ctypes.data % alignment == 0
        assert not array.any()
