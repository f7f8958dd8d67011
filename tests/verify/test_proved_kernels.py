"""Kernels that are hard to prove are proved: each of these was refused once, by the verifier as it is or by one before
it.

A kernel that is not proved gives its place to a slower one. None of those in the bench does: `python -m bench compile
--every` would warn.
"""

import pytest

from conv1d_codegen.lower import lower, representative
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.verify import verify

KERNELS = (
    # A stride with "same", whose left padding depends on the length; and above the kernel size.
    "c64_f32_k2_s4_same_relu_f32 avx2 direct",
    "c64_f8_k9_s8_d64_same_relu_f32 avx512 cook_toom",
    "c32_f32_k2_s8_g8_same_relu_f32 avx512 cook_toom",
    "c256_f6_k7_s4_d64_g2_same_softplus_f64 avx2 direct",
    "c192_f48_k25_s8_d64_g3_same_gelu_bf16_nobias neon direct",
    "c85_f1_k11_s3_d64_same_softplus_f64_first avx512 direct",
    "c6_f2_k1302_s3_d2_same_mish_f64_nobias sse2 direct",
    "c3_f1_k4_s6_d64_same_tanh_f32_first avx2 direct",
    "c8_f5_k2_s2_same_soft_shrink_bf16_first avx2 direct",
    # A stride above the dilated kernel, so that a side lacks taps at one step or at none.
    "c261_f17_k2_s37_d24_same_relu_f16 avx512 cook_toom",
    "c15_f75_k661_s3302_d5_g15_same_linear_bf16 avx512 cook_toom",
    "c4_f36_k2_s6_g4_same_relu_bf16 sse2 direct",
    "c261_f5_k20_s628_d32_same_linear_bf16 avx512 direct",
    "c2_f17_k11_s1442511_same_linear_bf16_first avx512 direct",
    "c27_f48_k11_s965_g3_same_relu_f64_first avx512 direct",
    # Of a left padding that takes two values, only the numbers count.
    "c7_f7_k73_s2_d12_same_selu_f64_nobias avx512 cook_toom",
    "c19_f608_k511_s5_d2_g19_same_selu_f32 avx2 cook_toom",
    # Edges of one side and of both, in blocks and vectors of steps.
    "c1_f15_k51_d8_pad200x200_tanh_f32_first avx512 direct",
    "c30_f30_k7_d8_pad48x0_gelu_f32_first avx2 direct",
    "c256_f512_k41_s4_g16_pad20x20_relu_f32_first avx512 direct",
    "c128_f128_k3_g128_pad1x1_relu_f32_first avx2 direct",
    "c2_f30_k7_pad6x0_relu_f32 avx512 direct",
    # Requests for steps of which there may be none.
    "c8_f16_k1_s4_d2_g8_pad7x8_relu_f64_first avx2 direct",
    "c36_f96_k3_s4_d4_g4_pad13x2_elu_f32_first sse2 direct",
    # Windows: that take turns, of shared inputs, beside edges, of chunks that are cut.
    "c15_f15_k51_d8_valid_relu_f32 avx512 cook_toom",
    "c64_f32_k16_s3_d8_same_elu_f32_first sse2 cook_toom",
    "c256_f40_k11_s2_d3_g2_pad5x10_linear_bf16_first avx2 cook_toom",
    "c512_f512_k3_valid_relu_f32 avx512 cook_toom",
    "c8_f128_k15_d3_g2_causal_linear_f32_nobias neon cook_toom",
    "c261_f4_k3_s2_d1000000_same_exponential_f64_first_nobias sse2 cook_toom",
    # Folded steps.
    "c1_f1_k1025_same_relu_f32 avx512 cook_toom",
    "c1_f1_k4097_valid_linear_f32 avx2 cook_toom",
    "c1_f1_k65_causal_gelu_f64_first sse2 cook_toom",
    "c1_f1_k33_pad200x0_tanh_bf16_nobias neon cook_toom",
    # Blocks that are turned: of whose tiles the last is moved back, or none is; and edges that are transposed.
    "c64_f64_k3_d16_same_relu_f32_first avx512 cook_toom",
    "c51_f9_k5_s2_g3_same_relu_f64_first neon cook_toom",
    "c33_f33_k15_s2_d2_g33_same_relu_f32_first neon depthwise",
    "c2_f2_k15_g2_pad40x40_relu_bf16_first avx512 depthwise",
    "c256_f512_k3_d8_causal_relu_f32_first avx2 direct",
    # Depthwise, with guards around edges.
    "c8_f8_k9_s2_g8_same_relu_f32 avx512 depthwise",
    "c256_f256_k31_g256_pad15x15_relu_f32 avx2 depthwise",
    "c2_f6_k101_s2_g2_same_gelu_f64 avx2 depthwise",
    # Weights that all steps share.
    "c600_f600_k3_d4_pad8x0_relu_f32_first avx512 direct",
    "c512_f1024_k3_d6_pad6x6_relu_f32 avx512 direct",
    # Sums in lanes, and every size at run time.
    "c32_f1_k7_same_relu_f32 avx512 direct",
    "c16_f32_k3_same_relu_f32 avx2 generic",
    "c16_f32_k3_same_gelu_bf16_first avx512 generic",
    # Proved in many steps.
    "c2_f17_k329_s31_d2_same_linear_bf16 sse2 cook_toom",
    "c32_f1_k351_s336040_d24_same_elu_f32 avx512 cook_toom",
    "c1_f5_k606_s32672_d27_same_linear_f64_first sse2 cook_toom",
)

PLANS = (
    "c1_f1_k2_d5_causal_hard_tanh_bf16_first avx512 generic lanes=filters 4x1 rows=5,4,1 block=200 unroll=2",
    "c2_f1_k3_s3_causal_relu_f64_first sse2 generic lanes=filters 16x2 rows=13,12,1 block=13 unroll=1",
    "c32_f2_k3_s2_g2_causal_linear_f16 avx2 generic lanes=filters 8x4 rows=12,7,5,1 block=13 unroll=7",
    "c10_f20_k4_s2_g10_same_hard_tanh_f64_first avx2 direct lanes=time 1x3 rows=13 block=24 unroll=1",
    "c1_f2_k4_d2_causal_relu_f64_nobias sse2 direct lanes=filters 1x1 rows=9,1 block=1 unroll=8",
)


def proved(problem: Problem, target: Target, plan: Plan) -> None:
    problem = representative(problem, plan)
    *_, (_, kernel) = stages(lower(problem, plan), Context(problem, plan, target))
    verify(kernel, scheduled=True)


@pytest.mark.parametrize("text", KERNELS)
def test_kernels_of_the_cost_model(text: str) -> None:
    name, target, algorithm = text.split()
    problem = Problem.parse(name)
    proved(
        problem,
        TARGETS[target],
        choose(problem, TARGETS[target], algorithm, "fast" if algorithm == "cook_toom" else "strict"),
    )


@pytest.mark.parametrize("text", PLANS)
def test_kernels_of_plans_by_hand(text: str) -> None:
    name, target, plan = text.split(" ", 2)
    proved(Problem.parse(name), TARGETS[target], Plan.parse(plan))
