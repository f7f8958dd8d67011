"""Long filters of one channel: when their steps are folded, and what comes out, whatever the layout, the batch and the
threads.
"""

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, compiled, in_threads, real_data, run_compiled
from support.toom_helpers import predicted_share, share_of_bound, windows_of

from conv1d_codegen import Conv1D
from conv1d_codegen.inspection.windows import windows
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.window_forms import allows, describe

LONG = [
    f"c1_f1_k{taps}_{rest}" for taps in (65, 257, 1025, 4097) for rest in ("same_linear_f32", "valid_relu_f32_first")
]
LONG += [f"c32_f32_k{taps}_g32_causal_linear_f32_first" for taps in (401, 1025)]


@pytest.mark.quick
@pytest.mark.parametrize("target", ["avx2", "avx512"])
@pytest.mark.parametrize("text", LONG)
def test_long_filters_are_folded(text: str, target: str) -> None:
    """Within the bound, and never where bits must be strict."""
    problem = Problem.parse(text)
    plan = choose(problem, TARGETS[target], length=48000)
    assert plan.fold > 1, f"{text} {target}: {plan}"
    assert predicted_share(problem, plan) <= 0.76
    assert allows(problem, plan, "standard")
    assert not allows(problem, plan, "strict")
    assert choose(problem, TARGETS[target], accuracy="strict", length=48000).algorithm == "direct"
    assert choose(problem, TARGETS[target], accuracy="fast", length=48000).fold > 1


@pytest.mark.quick
@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("c1_f1_k25_same_linear_f32", 48000),  # 0.9 times as fast so
        ("c1_f1_k65_same_linear_f32", 1000),  # 1.0: it takes longer to begin
        ("c1_f1_k1025_same_linear_f32", 1000),  # no window
        ("c1_f2_k1025_same_linear_f32", 48000),
        ("c1_f1_k1025_s2_same_linear_f32", 48000),
        ("c1_f1_k1025_d2_same_linear_f32", 48000),
        ("c32_f32_k129_g32_same_linear_f32_first", 4000),  # channels in the lanes take as long
        ("c32_f32_k1025_g32_same_linear_f32", 4000),  # whose steps lie apart
    ],
)
def test_others_are_not(text: str, length: int) -> None:
    assert choose(Problem.parse(text), TARGETS["avx512"], length=length).fold == 1


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(
    "text",
    [
        "c1_f1_k129_same_relu_f32",
        "c1_f1_k300_pad9x0_linear_f32",
        "c1_f1_k257_valid_linear_f64",
        "c3_f3_k300_g3_causal_linear_f32_first",
    ],
)
def test_around_every_window_and_block(text: str, target: str) -> None:
    """Within the bound, in both layouts the same bits, and of one sequence what it is beside others."""
    problem = Problem.parse(text)
    plan = choose(problem, TARGETS[target], "cook_toom")
    assert plan.fold > 1
    steps = plan.outputs * plan.fold
    windows_from = next(length for length in range(problem.extent, 1 << 15) if windows_of(problem, plan, length).first)
    for length in (
        problem.extent,
        *(windows_from + more for more in (-1, 0, 1, steps - 1, steps, plan.block * plan.fold)),
    ):
        x, w, b = real_data(problem, 2, length)
        y = run_compiled(problem, x, w, b, target, "cook_toom", plan)
        share = share_of_bound(problem, y, x, w, b)
        assert share.max() <= 1, f"{text}@2x{length} {target}, plan {plan}: {share.max()} of the bound"
        if problem.groups == 1:
            first = problem.with_(channels_first=True)
            turned = run_compiled(first, np.moveaxis(x, 1, 2).copy(), w, b, target, "cook_toom", plan)
            assert bits(np.moveaxis(turned, 1, 2)) == bits(y)
        assert bits(run_compiled(problem, x[1:], w, b, target, "cook_toom", plan)) == bits(y[1:])


def test_any_number_of_threads_gives_the_same_bits() -> None:
    problem = Problem.parse("c1_f1_k257_same_linear_f32")
    kernel = compiled(problem, RUNNABLE[-1], "cook_toom").kernel
    x, w, b = real_data(problem, 1, 30000)
    packed, wanted = kernel.pack(w, b), np.empty_like(x)
    kernel(x, packed, wanted, num_threads=1)

    def called(number: int) -> None:
        y = np.empty_like(x)
        kernel(x, packed, y, num_threads=2 + number % 2)
        assert bits(y) == bits(wanted)

    in_threads(3, called)


def test_a_layer_gives_what_numpy_convolves() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 20000, 1), np.float32), rng.standard_normal((513, 1, 1), np.float32)
    layer = Conv1D(1, 513, use_bias=False, weights=[w], options=CompileOptions(accuracy="standard"))
    wanted = np.convolve(x[0, :, 0].astype(np.float64), w[::-1, 0, 0], "valid")
    assert np.abs(layer(x)[0, :, 0] - wanted).max() < 1e-3
    assert "fold=" in layer.dump("plan", 20000)


@pytest.mark.quick
def test_what_is_saved_is_counted_beside_the_products_of_the_formula() -> None:
    """65 taps of 16 channels and filters are 1040 products, of 1025 that are taps; F(4,4) saves 16/7 of them."""
    problem = Problem.parse("c1_f1_k1025_valid_linear_f32")
    plan = choose(problem, TARGETS["avx512"], length=48000)
    own = windows(problem, plan)
    assert own is not None
    assert own.directly == plan.outputs * 1025
    assert own.products == plan.split(problem).products(plan.toom.multiplications) * plan.fold
    assert 3 < own.saving < plan.outputs * plan.taps / plan.toom.multiplications
    assert f"rows of {plan.fold} steps, each a channel" in describe(problem, plan)
