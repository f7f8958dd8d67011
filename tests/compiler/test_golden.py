"""The printed loops, plans and LLVM IR of a few telling problems. `pytest --update-golden` writes them; a change shows
in the diff.
"""

import re

import pytest
from support.helpers import compiled
from support.type_helpers import Golden

from conv1d_codegen.compiler import Compilation
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import Plan

LOOPS = (
    "c16_f32_k3_d2_causal_gelu_f32",  # the one of the README
    "c64_f64_k3_valid_linear_f32",  # the plainest: no edges
    "c3_f10_k3_s2_same_relu_f32",  # a left padding that depends on the length, filters that fill no vector
    "c8_f8_k3_g8_same_linear_f32",  # depthwise
    "c8_f16_k3_g2_causal_relu_f32",  # groups
    "c16_f8_k3_same_linear_f32_first",  # steps in the lanes
    "c64_f16_k1_valid_relu_f32_first",  # filters in the lanes of tiles that are transposed
    "c4_f8_k5_s3_d2_pad4x2_linear_f64_nobias",  # everything at once
)
WINDOWS = "c2_f8_k3_same_relu_f32", "cook_toom F(2,3) lanes=filters 8x1 rows=3,1 block=12 unroll=2"
GENERIC = "c16_f32_k3_causal_relu_f32"
LLVM = ("c2_f8_k1_valid_linear_f32_nobias", "c2_f4_k2_g2_valid_relu_bf16")


def file_name(text: str, suffix: str) -> str:
    return re.sub(r"[^a-z0-9_.]", "_", text) + suffix


def stages_of(compilation: Compilation) -> str:
    return "\n".join(f"=== {stage}\n{compilation.dump(stage)}" for stage in ("problem", "plan", "loop", "scheduled"))


@pytest.mark.parametrize("text", LOOPS)
def test_loops(text: str, golden: Golden) -> None:
    golden(file_name(text, ".txt"), stages_of(compiled(Problem.parse(text), "avx2")))


def test_generic_loops(golden: Golden) -> None:
    golden(file_name(GENERIC, ".generic.txt"), stages_of(compiled(Problem.parse(GENERIC), "avx2", "generic")))


def test_loops_of_windows(golden: Golden) -> None:
    text, plan = WINDOWS
    golden(
        file_name(text, ".cook_toom.txt"),
        stages_of(compiled(Problem.parse(text), "avx2", "cook_toom", Plan.parse(plan))),
    )


@pytest.mark.parametrize("text", LLVM)
def test_llvm_ir(text: str, golden: Golden) -> None:
    """As the templates print it, before LLVM has changed anything."""
    golden(file_name(text, ".ll.txt"), compiled(Problem.parse(text), "avx2").dump("llvm"))
