"""Transposing vectors that lie in rows: the shuffles, followed one by one, and the machine code."""

import re

import pytest
from support.helpers import RUNNABLE, assert_exact, compiled, exact_data, expected, run_compiled

from conv1d_codegen.emit.transposition import network
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import Plan


@pytest.mark.parametrize(
    ("width", "block"), [(width, block) for width in (1, 2, 4, 8, 16, 32) for block in (1, 2, 4, 8) if block <= width]
)
def test_the_shuffles_transpose(width: int, block: int) -> None:
    for rows in (1 << k for k in range(width.bit_length())):
        way = network(rows, width, block)
        vectors = [[(row, column) for column in range(width)] for row in range(rows)]
        for a, b, *masks in way.steps:
            both = vectors[a] + vectors[b]
            vectors[a], vectors[b] = ([both[lane] for lane in mask] for mask in masks)
        columns = [[vectors[at][lane] for lane in lanes] for at, lanes in way.columns]
        assert columns == [[(row, column) for row in range(rows)] for column in range(width)], f"{rows} rows"


@pytest.mark.parametrize(("width", "block", "shuffles"), [(16, 4, 64), (8, 4, 24), (8, 2, 24), (4, 4, 8), (4, 2, 8)])
def test_a_square_takes_as_many_shuffles_as_can_be(width: int, block: int, shuffles: int) -> None:
    """log2 of the width for each vector."""
    way = network(width, width, block)
    assert 2 * len(way.steps) == shuffles
    assert all(lanes == tuple(range(width)) for _, lanes in way.columns)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 12, 13, 16, 17])
@pytest.mark.parametrize(
    "text", ["c3_f32_k3_same_relu_f32_first", "c300_f20_k2_s2_causal_tanh_f32_first", "c3_f21_k2_valid_relu_f64_first"]
)
def test_tiles_of_any_height_are_turned(text: str, rows: int) -> None:
    """More rows than lanes, fewer, and as many; vectors with empty lanes; totals in scratch memory."""
    problem = Problem.parse(text)
    x, w, b = exact_data(problem, 2, 71)
    for target in RUNNABLE:
        width = TARGETS[target].lanes(problem.dtype)
        plan = Plan("direct", "filters", width, 2, tuple(dict.fromkeys((rows, 1))), 4 * rows, 2)
        assert_exact(
            problem,
            run_compiled(problem, x, w, b, target, plan=plan),
            expected(problem, x, w, b),
            f"@2x71 {target} {plan}",
        )


@pytest.mark.parametrize(("target", "register"), [("avx2", "%ymm"), ("avx512", "%zmm")])
def test_a_tile_is_turned_by_shuffles_within_blocks_and_of_blocks(target: str, register: str) -> None:
    """One instruction for each shuffle: no permutation by a vector of indices, no scatter, and no number on its own."""
    assembly = compiled(Problem.parse("c64_f64_k3_valid_relu_f32_first"), target).dump("asm")
    assert re.search(rf"\tvunpcklps\t{register}", assembly)
    assert re.search(rf"\tvunpckhpd\t{register}", assembly)
    # vpextrq takes addresses out of a vector, in which LLVM adds up those of a single step's numbers.
    assert not re.search(r"\tv(?:perm[it]2|scatter|pextr[bwd]|extractps)", assembly)
