"""Register tiles with rows of several sequences: the same numbers, in the same order, whatever the batch and the length."""

from collections.abc import Iterator

import pytest
from support.helpers import (
    RUNNABLE,
    assert_exact,
    bits,
    compiled,
    exact_data,
    expected,
    real_data,
    run_compiled,
    run_interpreted,
    supports,
)
from support.kernel_helpers import call

from conv1d_codegen.ir import Alloc, Block, For, If, Level
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import PIPELINE, Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.verify import verify

#: Fewer steps of a part than many sequences have, and fewer sequences than many batches, so that both have some left over.
PLANS = (
    "direct lanes=filters 4x2 rows=3,2,1 block=10 unroll=2 edges=shared:64 stream=5 sequences=4 across",
    "direct lanes=filters 4x1 rows=6,5,2,1 block=4 unroll=4 stream=4 sequences=8 across prefetch=weights",
)
#: Every padding, with strides, dilations, groups, chunks of a part of one tap and of several taps, and other types.
TEXTS = (
    "c4_f5_k5_same_linear_f32",
    "c3_f9_k3_d2_causal_linear_f32",
    "c5_f8_k3_s2_pad4x1_linear_f32_nobias",
    "c2_f4_k4_s3_d2_pad3x7_linear_f32",
    "c6_f10_k3_g2_same_relu_f64",
    "c4_f4_k2_s2_valid_linear_f32",
    "c4_f3_k1_same_linear_f32",
    "c300_f4_k2_same_linear_f32",
    "c70_f3_k9_s2_same_linear_f32",
    "c5_f7_k16_same_linear_f16",
    "c4_f9_k3_same_tanh_f32",
    "c4_f9_k3_causal_linear_f32_first",
)
BATCHES = (1, 2, 3, 7, 8, 9)


@pytest.mark.parametrize("plan", PLANS, ids=["", "prefetch"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_interpreter_gives_what_the_formula_says(text: str, plan: str) -> None:
    """After the pass that puts the steps together, and after the last one, which is proved."""
    problem, context = _context(text, plan)
    kernels = dict(stages(lower(problem, context.plan), context))
    last = kernels[PIPELINE[-1][0]]
    verify(last, scheduled=True)
    for batch, length in ((1, 3), (3, 2), (5, 4), (9, 1), (2, 7)):
        x, w, b = exact_data(problem, batch, length)
        for kernel in (kernels["interchange"], last):
            assert_exact(
                problem, run_interpreted(kernel, problem, x, w, b), expected(problem, x, w, b), f"@{batch}x{length}"
            )


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("text", TEXTS)
def test_machine_code_gives_what_the_formula_says(text: str, target: str) -> None:
    """Lengths from none on, around the rows of a tile, a part and a block."""
    problem = Problem.parse(text)
    if not supports(target, problem):
        pytest.skip(f"{target} has no such numbers")
    for plan in PLANS:
        for batch in BATCHES:
            for length in (*range(12), 19, 23):
                x, w, b = exact_data(problem, batch, length, seed=length)
                y = run_compiled(problem, x, w, b, target, plan=Plan.parse(plan))
                assert_exact(problem, y, expected(problem, x, w, b), f"@{batch}x{length} by {plan}")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize(
    "text", ["c4_f5_k5_same_linear_f32", "c300_f4_k2_same_linear_f32", "c70_f3_k9_s2_same_linear_f32"]
)
def test_a_sequence_has_the_same_bits_in_any_company(text: str, target: str) -> None:
    """Whichever sequences share its tiles, on any number of threads, and with tiles of its own."""
    problem = Problem.parse(text)
    plain = Plan.parse("direct lanes=filters 4x2 rows=3,2,1 block=10 unroll=2")
    for length in (1, 4, 9, 17):
        x, w, b = real_data(problem, 9, length)
        alone = [bits(run_compiled(problem, x[n : n + 1], w, b, target, plan=plain)) for n in range(9)]
        for plan in PLANS:
            kernel = compiled(problem, target, plan=Plan.parse(plan)).kernel
            packed = kernel.pack(w, b)
            for batch in BATCHES:
                for threads in (1, 2, 3):
                    y = call(kernel, packed, x[:batch], threads)
                    assert [bits(one) for one in y] == alone[:batch], f"{problem}@{batch}x{length}, {threads} threads"


def test_a_tile_has_rows_of_several_sequences() -> None:
    """Of 8 sequences of 4 steps, all 32 fill tiles of 6 and one of 2, in place of 8 tiles of 2 and two of 1 each."""
    problem, context = _context("c4_f4_k1_same_linear_f32", PLANS[1])
    kernel = dict(stages(lower(problem, context.plan), context))["tile"]
    names = {"together": 8, "steps": 4, "rest6_1": 30, "rest2_1": 32}
    assert [(rows, tiles.hi.evaluate(names)) for rows, tiles in _tiles(kernel.body)] == [(6, 5), (2, 1), (1, 0)]


def test_short_sequences_go_together() -> None:
    """As many as have steps for the way of the next chunk of weights; where they are long, or few channels are
    summed up, each has tiles of its own, and in channels_first.
    """

    def plan(text: str, length: int | None) -> Plan:
        return choose(Problem.parse(text), TARGETS["avx512"], "direct", "strict", length)

    heavy = "c512_f512_k5_same_relu_f32"
    assert [plan(heavy, steps).sequences for steps in (1, 16, 17, 1000, None)] == [16, 16, 4, 4, 4]
    assert all(plan(heavy, steps).across for steps in (1, 16, None))
    light = "c128_f128_k5_same_relu_f32"
    assert [plan(light, steps).across for steps in (1, 16, 17, None)] == [True, True, False, False]
    assert [plan("c128_f128_k3_valid_relu_f32", steps + 2).across for steps in (1, 4, 5)] == [True, True, False]
    assert not plan("c16_f128_k5_same_relu_f32", 4).across
    assert not plan(f"{heavy}_first", 4).across


def _context(text: str, plan: str) -> tuple[Problem, Context]:
    problem = Problem.parse(text)
    return problem, Context(problem, Plan.parse(plan), TARGETS["avx2"])


def _tiles(body: Block) -> Iterator[tuple[int | None, For]]:
    """The loops over register tiles of sums, each with the rows of its tiles."""
    for s in body:
        match s:
            case For(level=Level.TILE, body=(Alloc(tile), *_)):
                yield tile.shape[0].constant, s
            case For() | If():
                yield from _tiles(s.body)
