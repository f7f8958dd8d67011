"""Large weights: all steps go over a chunk before the next, and each line of that is asked for once."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.helpers import assert_exact, exact_data, expected, run_interpreted
from support.pass_helpers import loops
from support.type_helpers import the

from conv1d_codegen.ir import Alloc, Block, For, Let, Load, Prefetch, Store
from conv1d_codegen.ir.rewrite import walk
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import PIPELINE, Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose


def streaming(text: str, l2_bytes: int = 1 << 10) -> tuple[Problem, Context]:
    """A problem, and the context of a machine whose L2 holds less than the weights."""
    problem = Problem.parse(text)
    target = replace(TARGETS["sse2"], l2_bytes=l2_bytes)
    return problem, Context(problem, choose(problem, target, "direct"), target)


#: A chunk that is a part of one tap, one tap, two taps; with steps that lack taps, and without.
STREAMED = (
    "c300_f3_k2_d2_causal_relu_f32",
    "c130_f3_k3_same_linear_f32",
    "c128_f3_k3_pad4x1_linear_f32_nobias",
    "c128_f5_k3_s2_valid_linear_f64",
    "c256_f9_k1_valid_linear_f32",
    "c256_f6_k3_g2_same_linear_f32",
    "c128_f3_k3_s2_causal_linear_f32_first",
)


@pytest.mark.parametrize("text", STREAMED)
def test_streamed_weights_keep_the_result(text: str) -> None:
    """Five sequences, of which four share a chunk, of fewer steps than a tall tile; and one of several tiles."""
    problem, context = streaming(text)
    kernels = dict(stages(lower(problem, context.plan), context))
    for batch, length in ((5, 3), (1, 14)):
        x, w, b = exact_data(problem, batch, length)
        for name in ("interchange", PIPELINE[-1][0]):
            y = run_interpreted(kernels[name], problem, x, w, b)
            assert_exact(problem, y, expected(problem, x, w, b), f"@{batch}x{length} after {name}")


@pytest.mark.slow
@pytest.mark.parametrize("text", STREAMED[:3])
def test_streamed_weights_are_verified(text: str) -> None:
    problem, context = streaming(text)
    for _ in stages(lower(problem, context.plan), context, check=True):
        pass


@pytest.mark.parametrize("text", STREAMED)
def test_all_steps_go_over_a_chunk_of_streamed_weights(text: str) -> None:
    """Sequences and steps run inside the taps and the chunks: no loop over chunks or taps stands
    within one over tiles.
    """
    problem, context = streaming(text)
    kernel = dict(stages(lower(problem, context.plan), context))["stage_operands"]
    tiles = [s for s in loops(kernel) if s.var in ("tile", "n")]
    assert {s.var for s in tiles} == {"tile", "n"}
    assert not [
        inner.var for s in tiles for inner in loops(kernel.with_body(s.body)) if inner.var in ("j", "chunk", "part")
    ]
    assert "before" not in str(kernel)  # no edge is peeled


def test_as_many_groups_of_sequences_as_hold_them_all() -> None:
    problem, context = streaming("c128_f3_k2_causal_linear_f32")
    (groups, *_) = loops(dict(stages(lower(problem, context.plan), context))["block_time"])
    assert [groups.hi.evaluate({"N": batch}) for batch in (1, 3, 4, 5, 8, 9)] == [1, 1, 1, 2, 2, 3]


def test_weights_are_streamed_where_that_pays() -> None:
    """Where they are large, one tap has many channels, and filters are in the lanes."""
    for text, l2_bytes, streams in (
        ("c130_f8_k3_same_linear_f32", 1 << 10, True),
        ("c130_f8_k3_same_linear_f32", 12 << 10, False),  # 12 KiB of weights
        ("c130_f8_k3_same_linear_f32_first", 1 << 10, True),
        ("c130_f7_k3_same_linear_f32_first", 1 << 10, False),  # steps in the lanes
        ("c64_f16_k6_same_linear_f32", 1 << 10, False),
    ):
        problem, context = streaming(text, l2_bytes)
        kernel = dict(stages(lower(problem, context.plan), context))["interchange"]
        assert ("part" in {s.var for s in loops(kernel)}) == streams, text


def _requests(body: Block, names: dict[str, int]) -> Iterator[tuple[int, list[int]]]:
    """For each run of a loop over channels that asks for weights: the first that it uses, and the set it asks for, as
    offsets.
    """
    for s in body:
        if isinstance(s, Let):
            names[s.name] = s.value.evaluate(names)
        elif isinstance(s, For) and any(isinstance(inner, Prefetch) for inner in walk(s.body)):
            values = range(s.lo.evaluate(names), s.hi.evaluate(names))
            if not s.var.startswith("c_"):
                for value in values:
                    yield from _requests(s.body, {**names, s.var: value})
                continue
            ask, group = (the(For, inner) for inner in s.body)
            (request,) = (the(Prefetch, inner) for inner in ask.body)
            used = next(
                n
                for inner in walk(group.body)
                if isinstance(inner, Store)
                for n in [inner.value]
                if isinstance(n, Load)
            )
            at = {**names, s.var: 0, group.var: 0, "v": 0, "l": 0}
            places = [
                {**names, s.var: c, ask.var: line}
                for c in values
                for line in range(ask.lo.evaluate(names), ask.hi.evaluate(names))
            ]
            yield (
                used.buffer.offset(used.index).evaluate(at),
                [request.buffer.offset(request.index).evaluate(p) for p in places],
            )


@pytest.mark.parametrize(("batch", "length"), [(1, 6), (1, 40), (3, 13), (5, 20)])
def test_the_tiles_of_a_chunk_ask_for_every_line_of_the_next_once(batch: int, length: int) -> None:
    problem, context = streaming("c300_f16_k2_valid_linear_f32")
    kernel = dict(stages(lower(problem, context.plan), context))["prefetch"]
    panel, chunk = context.plan.panel, 150 * context.plan.panel
    asked: dict[int, list[int]] = {}
    for first, lines in _requests(kernel.body, {"N": batch, "T": length + 1}):
        asked.setdefault(first, []).extend(lines)
    whole = 148 * panel  # what the unrolled loop goes through
    rounds = len(asked[0]) // (whole // 16)  # of fours of sequences, and of blocks
    last = 600 * 16 - chunk
    assert sorted(asked) == list(range(0, 600 * 16, chunk))
    for first, lines in asked.items():
        start = min(first + chunk, last)
        assert sorted(set(lines)) == list(range(start, start + whole, 16))
        assert len(lines) == rounds * len(set(lines))


@pytest.mark.parametrize("across", [True, False])
def test_tiles_of_every_height_ask(across: bool) -> None:
    """The short ones too, which are all that there is beside one tall tile where steps are few."""
    problem, context = streaming("c300_f16_k2_same_linear_f32")
    plan = replace(context.plan, across=across)
    kernel = dict(stages(lower(problem, plan), Context(problem, plan, context.target)))["prefetch"]
    tiles = [s for s in loops(kernel) if s.var == "tile" and isinstance(s.body[0], Alloc)]
    asking = [s for s in tiles if any(isinstance(inner, Prefetch) for inner in walk(s.body))]
    assert asking == tiles
    heights = {the(Alloc, s.body[0]).buffer.shape[0].constant for s in asking}
    assert heights == {6, 1}
