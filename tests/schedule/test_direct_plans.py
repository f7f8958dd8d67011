"""Direct plans for inputs of a known length: what they have in the lanes and at the edges, and that results stay the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.helpers import RUNNABLE, compiled, real_data
from support.kernel_helpers import call

from conv1d_codegen import Problem
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.direct_plans import lanes_of_direct, usual_direct

AVX512 = TARGETS["avx512"]
#: Measured: see `_filters_are_faster`, and `_borrowed` of details.py.
SHORT_FIRST = ["c64_f16_k3_same_relu_f32_first", "c32_f40_k9_same_relu_f32_first", "c14_f352_k3_same_relu_f32_first"]
BORROWED = [("c101_f16_k5_s2_causal_relu_f32", 54), ("c200_f16_k5_causal_relu_f32", 24)]


@pytest.mark.quick
@pytest.mark.parametrize("text", SHORT_FIRST)
def test_short_inputs_with_edges_have_filters_in_the_lanes(text: str) -> None:
    problem = Problem.parse(text)
    assert lanes_of_direct(problem, AVX512, 16) == "filters"
    assert lanes_of_direct(problem, AVX512) == "time"


@pytest.mark.quick
@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("c200_f10_k5_same_relu_f32_first", 66),  # 1.5 times as long with filters
        ("c64_f24_k1_valid_relu_f32_first", 16),  # 1.4 times
        ("c64_f16_k3_valid_relu_f32_first", 9),  # twice
        ("c64_f4_k3_same_relu_f32_first", 16),
        ("c64_f64_k3_g64_same_relu_f32_first", 16),
    ],
)
def test_filters_that_would_be_slower_stay_out_of_the_lanes(text: str, length: int) -> None:
    assert lanes_of_direct(Problem.parse(text), AVX512, length) == "time"


@pytest.mark.quick
@pytest.mark.parametrize(("text", "length"), BORROWED)
def test_edges_take_nothing_from_a_short_middle(text: str, length: int) -> None:
    problem = Problem.parse(text)
    assert usual_direct(problem, AVX512, length).borrow == 0
    assert usual_direct(problem, AVX512).borrow == usual_direct(problem, AVX512, 3000).borrow > 0


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(("text", "length"), [*BORROWED, *((text, 21) for text in SHORT_FIRST)])
def test_all_of_them_compute_the_same_bits(text: str, length: int, target: str) -> None:
    problem = Problem.parse(text)
    x, w, b = real_data(problem, 3, length)
    machine = TARGETS[target]
    long, short = choose(problem, machine, "direct"), choose(problem, machine, "direct", length=length)
    results = []
    for plan in (long, short, replace(long, borrow=0)):
        kernel = compiled(problem, machine, plan=plan).kernel
        results.append(call(kernel, kernel.pack(w, b), x).tobytes())
    assert len(set(results)) == 1
