"""What the tests of kernels share: a call, and problems that tell the most."""

import numpy as np
from support.helpers import bits, empty_output
from support.type_helpers import Array

from conv1d_codegen.ir.packing import aligned_zeros
from conv1d_codegen.runtime.kernel import CompiledKernel, PackedWeights

#: One of each structure for what is tested with more than one algorithm.
TELLING = (
    "c16_f65_k3_causal_relu_f32",
    "c1_f5_k80_same_relu_f32",
    "c7_f16_k3_s2_d3_same_linear_f32",
    "c15_f9_k3_g3_causal_relu_f32",
    "c16_f16_k3_g16_same_relu_f32",
    "c7_f14_k3_s2_g7_same_linear_f32",
    "c37_f37_k19_g37_same_linear_f32",
    "c5_f7_k4_same_relu_f32_first",
    "c6_f8_k5_s3_d2_pad4x2_linear_f32_first",
    "c8_f12_k3_g4_same_linear_f32_first",
    "c16_f20_k3_same_relu_f64",
    "c16_f33_k3_same_relu_f16",
    "c16_f17_k3_same_linear_bf16",
    "c32_f3_k5_causal_relu_f32",
    "c16_f32_k4_same_relu_f32_first",
)

#: For real numbers, without an activation that hides them.
REAL = tuple(text.replace("relu", "linear") for text in TELLING)


def call(kernel: CompiledKernel, packed: PackedWeights, x: Array, num_threads: int = 1) -> Array:
    y = empty_output(kernel.problem, x.shape[0], x.shape[2 if kernel.problem.channels_first else 1])
    kernel(x, packed, y, num_threads)
    return y


def assert_bits_at_every_alignment(kernel: CompiledKernel, packed: PackedWeights, x: Array, wanted: bytes) -> None:
    """The same bits 0 to 15 elements behind a 64-byte boundary, and nothing written beside them."""
    y = empty_output(kernel.problem, x.shape[0], x.shape[2 if kernel.problem.channels_first else 1])
    for offset in range(16):
        room_x, room_y = (aligned_zeros((array.size + 16,), array.dtype) for array in (x, y))
        moved_x = room_x[offset : offset + x.size].reshape(x.shape)
        moved_y = room_y[15 - offset : 15 - offset + y.size].reshape(y.shape)
        moved_x[...] = x
        room_y[...] = np.nan
        kernel(moved_x, packed, moved_y)
        assert bits(moved_y) == wanted, f"{kernel.problem}: {offset} elements from a 64-byte boundary"
        assert np.isnan(room_y[: 15 - offset]).all(), kernel.problem
        assert np.isnan(room_y[15 - offset + y.size :]).all(), kernel.problem
