"""Where loops are cut: every step falls into a tile, and none outside the range, for every length."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.type_helpers import the

from conv1d_codegen.ir import Axis, Block, Let, loop
from conv1d_codegen.passes.tile import cut
from conv1d_codegen.symbolic.index import index, var

HEIGHTS = [
    (13, 12, 4, 1),
    (6, 5, 4, 1),
    (6, 5, 2, 1),
    (8, 7, 3, 1),
    (8, 1),
    (16, 4, 1),
    (7, 5, 2, 1),
    (2, 1),
    (3, 2, 1),
    (4, 3, 2, 1),
    (1,),
]


def steps_of(lets: Block, pieces: Iterable[cut.Piece], lo: int, hi: int) -> Iterator[tuple[int, list[int]]]:
    """The steps that each piece computes, in order."""
    values = {"lo": lo, "hi": hi}
    for let in (the(Let, statement) for statement in lets):
        values[let.name] = let.value.evaluate(values)
    for piece in pieces:
        times = int(piece.condition is None or piece.condition.evaluate(values) >= 0)
        taken: list[int] = []
        for number in range(index(piece.count).evaluate(values) * times):
            first = piece.base.evaluate({**values, "tile": number})
            taken += range(first, first + piece.size)
        yield piece.size, taken


@given(st.sampled_from(HEIGHTS), st.integers(0, 40), st.integers(0, 70))
def test_repeatable_steps_are_all_computed_and_none_beyond(heights: tuple[int, ...], lo: int, length: int) -> None:
    loop_over_t = loop("t", var("lo"), var("hi"), ())
    taken = [
        step
        for _, steps in steps_of(*cut.repeatable_steps(loop_over_t, heights, ""), lo, lo + length)
        for step in steps
    ]
    assert set(taken) == set(range(lo, lo + length))


@given(st.sampled_from(HEIGHTS), st.integers(0, 40), st.integers(0, 70))
def test_steps_that_add_to_memory_are_computed_once(heights: tuple[int, ...], lo: int, length: int) -> None:
    loop_over_t = loop("t", var("lo"), var("hi"), ())
    taken = [
        step for _, steps in steps_of(*cut.steps_once(loop_over_t, heights, ""), lo, lo + length) for step in steps
    ]
    assert sorted(taken) == list(range(lo, lo + length))


@pytest.mark.parametrize(
    ("length", "tiles"),
    [
        (132, {12: 11}),  # as even as can be
        (122, {13: 2, 12: 8}),
        (28, {13: 2, 4: 1}),  # 4 for what is left over, of which two a second time
        (7, {4: 2}),
        (3, {1: 3}),  # too few for a tile of 4
        (0, {}),
    ],
)
def test_how_a_range_is_cut(length: int, tiles: dict[int, int]) -> None:
    lets, pieces = cut.repeatable_steps(loop("t", var("lo"), var("hi"), ()), (13, 12, 4, 1), "")
    taken = {size: len(steps) // size for size, steps in steps_of(lets, pieces, 5, 5 + length) if steps}
    assert taken == tiles


@pytest.mark.parametrize(
    ("count", "panels"), [(48, [(32, 2, 16), (16, 1, 16)]), (20, [(20, 2, 4)]), (64, [(32, 2, 16)]), (3, [(3, 1, 3)])]
)
def test_filters_are_cut_into_whole_panels_and_one_that_is_not_full(
    count: int, panels: list[tuple[int, int, int]]
) -> None:
    pieces = cut.cut_filters(Axis.FILTER, index(count), 16, 2)
    assert [(piece.size, piece.vectors, piece.active) for piece in pieces] == panels
