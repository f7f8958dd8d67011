"""The tiles that are counted are those that `passes/tile/cut.py` cuts, and what they take follows from pipes and loads."""

from __future__ import annotations

from collections import Counter

import pytest

from conv1d_codegen.ir import Axis, Part, loop
from conv1d_codegen.ir.nodes import For, Let
from conv1d_codegen.passes.tile import cut
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule import tile_cycles
from conv1d_codegen.symbolic.index import index, var

pytestmark = pytest.mark.quick

HEIGHTS = (
    (13, 12, 8, 1),
    (13, 12, 4, 1),
    (6, 5, 2, 1),
    (6, 3, 1),
    (12, 6, 1),
    (8, 7, 3, 1),
    (4, 3, 2, 1),
    (2, 1),
    (1,),
)


def cut_into(rows: int, heights: tuple[int, ...], once: bool) -> Counter[int]:
    """The tiles of a loop over so many rows: how many pieces of each size the pass makes."""
    steps = loop("t", 0, var("rows"), (), axis=Axis.STEP, part=Part.INTERIOR)
    assert isinstance(steps, For)
    lets, pieces = (cut.steps_once if once else cut.repeatable_steps)(steps, heights, "")
    values = {"rows": rows}
    for let in lets:
        assert isinstance(let, Let)
        values[let.name] = index(let.value).evaluate(values)
    found: Counter[int] = Counter()
    for piece in pieces:
        if piece.condition is None or piece.condition.evaluate(values) >= 0:
            found[piece.size] += index(piece.count).evaluate(values)
    return +found


@pytest.mark.parametrize("heights", HEIGHTS, ids=str)
def test_counted_tiles_are_those_that_are_cut(heights: tuple[int, ...]) -> None:
    for rows in range(60):
        assert Counter(tile_cycles.repeatable(rows, heights)) == cut_into(rows, heights, once=False), rows
        assert Counter(tile_cycles.once(rows, heights)) == cut_into(rows, heights, once=True), rows


def test_rows_that_are_computed_once_are_all_of_them() -> None:
    for heights in HEIGHTS:
        assert all(tile_cycles.size(tile_cycles.once(rows, heights)) == rows for rows in range(60))


@pytest.mark.parametrize("filters", [1, 16, 40, 64, 65, 512, 1000])
def test_panels_have_all_filters(filters: int) -> None:
    for width, vectors in ((16, 4), (16, 1), (8, 2)):
        pieces = cut.cut_filters(Axis.FILTER, index(filters), width, vectors)
        counts: Counter[int] = Counter()
        for piece in pieces:
            counts[piece.vectors] += index(piece.count).constant or 0
        assert tile_cycles.panels(filters, width, vectors) == counts


@pytest.mark.parametrize("padding", ["valid", "causal", "same", (3, 5)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_edges_have_every_product_of_their_steps(padding: str | tuple[int, int], stride: int, dilation: int) -> None:
    """Of all steps, taken as one edge, those are counted that have a tap, for each tap."""
    problem, length = Problem(4, 4, 5, stride, dilation, padding=padding), 23
    steps, left = problem.output_length(length), problem.left_padding(length)
    for first, last in ((steps, steps), (0, 0), (2, steps - 1), (0, steps)):
        edge = [step for step in range(steps) if step < first or step >= last]
        products = sum(
            0 <= step * stride + tap * dilation - left < length for step in edge for tap in range(problem.kernel_size)
        )
        assert tile_cycles.size(tile_cycles.edges(problem, length, first, last, tile_cycles.one_by_one)) == products


def test_tall_tiles_wait_for_pipes_and_short_ones_for_loads() -> None:
    assert tile_cycles.cycles({6: 10}, {4: 2}) == 10 * 2 * 6 * 4 / 2
    assert tile_cycles.cycles({1: 3}, {4: 1}) == 3 * 5 / 2
    assert tile_cycles.cycles({13: 1, 8: 1}, {1: 1}) == (14 + 9) / 2
