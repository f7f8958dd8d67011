"""What the tests of passes share: a problem with its context, the kernel after each pass, and what is found in it."""

import pytest
from support.type_helpers import known

from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import Alloc, Block, For, Kernel
from conv1d_codegen.ir.rewrite import loads_of, walk
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose

#: Small, as the interpreter computes one number at a time; wider than the narrowest vectors and narrower than the
#: widest.
SMALL = (
    "c1_f1_k1_valid_linear_f32",
    "c2_f9_k3_same_relu_f32",
    "c3_f5_k2_d2_causal_linear_f32",
    "c2_f4_k3_s2_same_linear_f32",
    "c1_f17_k4_pad5x2_linear_f32_nobias",
    "c2_f3_k3_s3_d2_causal_linear_f32",
    "c2_f9_k2_s2_pad2x9_linear_f32",
    "c4_f6_k2_g2_same_linear_f32",
    "c5_f5_k3_g5_same_relu_f32",
    "c3_f6_k2_d3_g3_causal_linear_f32",
    "c9_f9_k2_g9_valid_linear_f32",
    "c9_f9_k9_s2_g9_same_linear_f32",
    "c2_f10_k1_g2_pad2x7_linear_f32",
    "c2_f5_k3_same_linear_f32_first",
    "c1_f3_k2_s2_causal_linear_f32_first",
    "c4_f6_k3_g2_valid_linear_f32_first",
    "c16_f8_k3_same_relu_f32_first",
    "c16_f3_k7_s2_same_relu_f32",
    "c8_f1_k5_d2_causal_gelu_f32",
    "c2_f3_k3_same_relu_f64",
    "c2_f5_k3_same_linear_f16",
    "c2_f3_k2_causal_gelu_f32",
    "c2_f5_k2_valid_tanh_f32_first",
)


def planned(text: str, target: str, algorithm: str) -> tuple[Problem, Context]:
    problem = Problem.parse(text)
    try:
        plan = choose(problem, TARGETS[target], algorithm)
    except CompileError:
        pytest.skip(f"{target} has no float16")
    return problem, Context(problem, plan, TARGETS[target])


def passes_of(text: str, algorithm: str = "direct", target: str = "avx2") -> dict[str, Kernel]:
    problem, context = planned(text, target, algorithm)
    return dict(stages(lower(problem, context.plan), context))


def loops(kernel: Kernel) -> list[For]:
    return [s for s in walk(kernel.body) if isinstance(s, For)]


def lowered(text: str) -> tuple[Kernel, Context]:
    problem, context = planned(text, "avx2", "depthwise")
    return lower(problem, context.plan), context


def tile_of(kernel: Kernel, rows: int) -> Block:
    """The statements of the register tile of so many rows."""
    return next(
        s.body for s in loops(kernel) if s.var == "panel" and any(isinstance(i, For) and i.hi == rows for i in s.body)
    )


def tile_in_registers(kernel: Kernel, rows: int) -> Block:
    """The statements of the block that has accumulators of so many rows."""
    return next(
        s.body for s in loops(kernel) if any(isinstance(a, Alloc) and a.buffer.shape[0] == rows for a in s.body)
    )


def loads_of_x(body: Block) -> int:
    """How many vectors or numbers of x a block of loops with constant bounds loads."""
    count = 0
    for s in body:
        if isinstance(s, For):
            count += loads_of_x(s.body) * (1 if s.kind == "lanes" else known(s.hi.constant))
        count += sum(operand.buffer.name == "x" for operand in loads_of(s))
    return count
