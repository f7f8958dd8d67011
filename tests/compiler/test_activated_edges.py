"""Activations of many operations where steps lack taps: the sums of a block's edges wait in scratch memory, and so do
those of a tile.

In channels_first, with steps in the lanes, a tile was once put into an array of its own shape at the place that it has
among the edges' sums: outside that array, where the edges have more than one tile.
"""

import pytest
from support.helpers import RUNNABLE, assert_exact, exact_data, expected, run_compiled, supports
from support.type_helpers import known

from conv1d_codegen.problem import Problem, parse_case

CASES = (
    "c2_f3_k8_d5_causal_tanh_f32_first@1x36",
    "c2_f20_k8_d5_causal_tanh_f32_first@1x36",
    "c3_f99_k16_d8_g3_same_relu_f32_first@1x122",
    "c4_f32_k11_d8_same_relu_f16_first@2x100",
    "c40_f24_k25_d17_g8_same_tanh_f32_first@1x500",
    # Their neighbours: the other activations that are large, groups, both edges, more edges than one block has, other
    # types.
    "c1_f5_k40_pad19x20_elu_f32_first@2x64",
    "c1_f5_k65_d2_causal_softplus_f32_first@1x200",
    "c3_f6_k9_d9_g3_same_gelu_f64_first@1x150",
    "c2_f7_k12_d6_same_sigmoid_bf16_first@1x130",
    "c1_f1_k200_pad150x49_tanh_f32_first@1x170",
)


@pytest.mark.parametrize("case", CASES)
def test_right_values(case: str) -> None:
    problem, batch, length = parse_case(case)
    for steps in (length, length - 1, length + 17):
        x, w, b = exact_data(problem, batch, steps)
        # in the range where the activations bend
        x, b = (x / 8).astype(x.dtype), (known(b) / 8).astype(x.dtype)
        wanted = expected(problem, x, w, b)
        for target in (target for target in RUNNABLE if supports(target, problem)):
            found = run_compiled(problem, x, w, b, target)
            assert_exact(problem, found, wanted, f"@{batch}x{steps} {target}")


def test_the_largest_real_layers_that_were_wrong() -> None:
    """Of 59 real convolutions, 8 with tanh in channels_first wrote outside their arrays; the three kinds of them."""
    for text in ("c1_f15_k51_d8_pad200x200", "c30_f30_k7_d8_pad48x0", "c1_f32_k40_pad19x20"):
        problem = Problem.parse(f"{text}_tanh_f32_first")
        x, w, b = exact_data(problem, 1, 450)
        for target in RUNNABLE:
            assert_exact(
                problem,
                run_compiled(problem, x / 64, w, b, target),
                expected(problem, x / 64, w, b),
                f"@1x450 {target}",
            )
