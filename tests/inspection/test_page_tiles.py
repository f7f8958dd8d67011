"""Tiles are what the loops store: every output is in one, and what a plan says of them holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from conv1d_codegen.compiler import Compilation, compile_problem
from conv1d_codegen.inspection.page_tiles import Tile, TooManyTilesError, tiles
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import sizes_of
from conv1d_codegen.schedule.plan import Plan

KERNELS = {
    "c16_f40_k3_d2_causal_relu_f32": "direct",
    "c16_f40_k5_same_relu_f32_first": "direct",
    "c64_f2_k7_same_linear_f32": "direct",
    "c15_f9_k3_g3_causal_relu_f32": "direct",
    "c16_f40_k3_g2_same_gelu_f32": "direct",
    "c40_f40_k5_g40_same_relu_f32": "depthwise",
    "c64_f64_k9_same_relu_f32": "cook_toom",
    "c64_f64_k3_d4_causal_relu_f32": "cook_toom",
    "c32_f48_k3_s2_same_relu_f32_first": "direct",
    "c5_f7_k3_causal_tanh_f64": "generic",
}


def compiled(problem: str, plan: Plan | None = None) -> Compilation:
    algorithm = "auto" if plan is not None else KERNELS[problem]
    options = CompileOptions(algorithm=algorithm, plan=plan, accuracy="standard", target="avx2")
    return compile_problem(Problem.parse(problem), options)


def found(made: Compilation, length: int, most: int = 10000) -> list[Tile]:
    kernel = made.program.scheduled
    return tiles(kernel, sizes_of(kernel, made.problem, 2, length), most)


@pytest.mark.parametrize("length", [1, 13, 100, 261])
@pytest.mark.parametrize("problem", KERNELS)
def test_every_output_is_in_a_tile(problem: str, length: int) -> None:
    """Of one sequence. Some are in two: where the last tile of several steps, or of channels, begins earlier to be whole."""
    made = compiled(problem)
    steps = max(0, made.problem.output_length(length))
    stored = np.zeros((steps, made.problem.filters), int)
    for tile in found(made, length):
        assert 0 <= min(tile.steps) <= max(tile.steps) < steps
        assert 0 <= tile.filters[0] < tile.filters[1] <= made.problem.filters
        stored[sorted(tile.steps), slice(*tile.filters)] += 1
    assert stored.min(initial=1) == 1
    assert stored.max(initial=1) <= 4  # two in each direction
    assert (stored > 1).mean() < 0.5


@pytest.mark.parametrize(("rest", "heights"), [(0, {6}), (2, {6, 1}), (5, {6, 4}), (8, {6, 4})])
def test_tiles_are_those_of_the_plan(rest: int, heights: set[int]) -> None:
    """In blocks of 24 steps, and what is left over."""
    made = compiled("c8_f40_k3_valid_relu_f32", Plan("direct", "filters", 8, 2, (6, 4, 1), block=24, unroll=2))
    sizes = [(len(t.steps), t.filters[1] - t.filters[0], t.idle) for t in found(made, 2 + 24 + rest)]
    assert {height for height, _, _ in sizes} == heights
    assert {width for _, width, _ in sizes} == {16, 8}
    assert {idle for _, _, idle in sizes} == {0}
    assert sizes.count((6, 16, 0)) == 2 * (24 // 6 + rest // 6)  # panels of 16, and the last 8


def test_lanes_that_are_not_stored_are_idle() -> None:
    made = compiled("c8_f11_k3_valid_relu_f32", Plan("direct", "filters", 8, 2, (4, 1), block=24, unroll=2))
    assert {tile.idle for tile in found(made, 30)} == {5}


@pytest.mark.parametrize("problem", KERNELS)
def test_a_tile_knows_the_lines_that_store_it(problem: str) -> None:
    made = compiled(problem)
    text = str(made.program.scheduled).splitlines()
    for tile in found(made, 50):
        assert tile.lines
        assert all(" y[" in text[line] and " := " in text[line] for line in tile.lines)


def test_a_window_of_a_dilated_kernel_has_steps_that_lie_apart() -> None:
    tall = max(found(compiled("c64_f64_k3_d4_causal_relu_f32"), 200), key=lambda tile: len(tile.steps))
    assert len(tall.runs()) == len(tall.steps) > 1
    assert {b - a for a, b in itertools.pairwise(sorted(tall.steps))} == {4}


def test_too_many_are_refused() -> None:
    made = compiled("c16_f40_k3_d2_causal_relu_f32")
    assert len(found(made, 50, most=50)) <= 50
    with pytest.raises(TooManyTilesError, match="more than 5 tiles"):
        found(made, 50, most=5)
