"""Where the cost model has blocks turned in channels_first: by taps, strides, lengths and filters."""

import pytest

from conv1d_codegen.ir import STORED, SUM, Expression
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose

AVX512 = TARGETS["avx512"]


@pytest.mark.parametrize(
    ("text", "turned", "in_place"),
    [
        ("c16_f16_k3_g16_same_relu_f32_first", 27, 28),  # three steps for each tap of each tap
        ("c64_f64_k7_g64_same_relu_f32_first", 147, 148),
        ("c64_f128_k2_g64_causal_relu_f32_first", 12, 13),
    ],
)
def test_short_inputs_of_depthwise_kernels(text: str, turned: int, in_place: int) -> None:
    problem = Problem.parse(text)
    assert choose(problem, AVX512, length=turned).turned
    for length in (in_place, None):
        plan = choose(problem, AVX512, length=length)
        assert (plan.algorithm, plan.lanes, plan.turned) == ("direct", "time", False)


@pytest.mark.parametrize("text", ["c64_f64_k21_g64_same_relu_f32_first", "c64_f64_k3_s2_g64_same_relu_f32_first"])
@pytest.mark.parametrize("length", [None, 1, 100_000])
def test_many_taps_or_a_stride(text: str, length: int | None) -> None:
    plan = choose(Problem.parse(text), AVX512, length=length)
    assert (plan.algorithm, plan.parts, plan.turned) == ("depthwise", 4, True)


@pytest.mark.parametrize("text", ["c64_f64_k3_d128_g64_same_relu_f32_first", "c64_f64_k3_s5_g64_same_relu_f32_first"])
def test_few_steps_of_many_are_not_turned(text: str) -> None:
    assert choose(Problem.parse(text), AVX512, length=16).algorithm == "direct"


@pytest.mark.parametrize(("channels", "steps"), [(40, 96), (640, 256), (1000, 16), (24, 160)])
def test_a_block_of_a_depthwise_kernel_stays_in_a_cache(channels: int, steps: int) -> None:
    """All channels, where they are no whole vectors, in shorter blocks."""
    plan = choose(Problem.parse(f"c{channels}_f{channels}_k31_g{channels}_same_relu_f32_first"), AVX512)
    assert plan.turned
    assert plan.block == steps
    assert plan.parts == (channels // 16 if channels % 16 == 0 else 1)


def test_direct_kernels_of_many_filters_and_blocks() -> None:
    many, few = (Problem.parse(f"c256_f{filters}_k1_same_relu_f32_first") for filters in (128, 96))
    steps = 8 * choose(many, AVX512).block
    assert choose(many, AVX512).turned
    assert choose(many, AVX512, length=steps).turned
    assert not choose(many, AVX512, length=steps - 1).turned
    assert not choose(few, AVX512).turned
    large = Problem.parse("c512_f512_k1_same_relu_f32_first")
    steps = 4 * choose(large, AVX512).block
    assert choose(large, AVX512, length=steps).turned
    assert not choose(large, AVX512, length=steps - 1).turned
    far = Problem.parse("c256_f256_k2_d100_same_relu_f32_first")
    assert not choose(far, AVX512, "direct").turned


def test_windows_that_lie_side_by_side() -> None:
    beside, between = (Problem.parse(f"c64_f64_k3{d}_same_relu_f32_first") for d in ("", "_d2"))
    assert choose(beside, AVX512, "cook_toom").turned
    assert not choose(between, AVX512, "cook_toom").turned
    # Rows that fall into two sets of L1 are no matter then.
    assert choose(beside, AVX512, length=1024).algorithm == "cook_toom"
    assert choose(between, AVX512, length=1024).algorithm == "direct"


def test_rows_that_are_written_in_order() -> None:
    """With hardly any products, in the layout whose memory is in order along the steps."""
    first = Problem.parse("c1_f512_k10_s5_valid_relu_f32_first")
    assert choose(first, AVX512).block == 416
    assert choose(first.with_(channels_first=False), AVX512).block < 16


def test_what_is_stored_beside_an_output_is_not_turned() -> None:
    problem = Problem.parse("c16_f16_k3_g16_same_relu_f32_first")
    also = Expression(SUM, also=(STORED + STORED,))
    assert not choose(problem, AVX512, length=16, epilogue=also).turned


def test_blocks_of_a_few_are_halved() -> None:
    """So that two threads share them evenly; not where a block would read more of its neighbours than of its own."""
    problem = Problem.parse("c256_f256_k1_same_relu_f32_first")
    whole = choose(problem, AVX512)
    few, many = (choose(problem, AVX512, length=16 * whole.block + more) for more in (0, 1))
    assert (few.turned, few.block) == (True, whole.block // 2)
    assert (many.turned, many.block) == (True, whole.block)
    dilated = Problem.parse("c256_f256_k2_d50_same_relu_f32_first")
    plan = choose(dilated, AVX512, accuracy="strict", length=1000)
    assert (plan.turned, plan.block) == (True, choose(dilated, AVX512, accuracy="strict").block)
