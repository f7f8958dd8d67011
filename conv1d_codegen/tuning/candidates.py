"""Candidates: the plans worth measuring in a plan's place, which differ from it in one aspect. (In all at once, there
would be too many.)

    tile      what is in the lanes, and the height and width of the register tiles, from all registers down to a third of them
    block     a sixteenth of the block to sixteen times the block
    unroll    not at all to sixteen times
    edges     how steps that lack taps are computed, and how many there are at least
    prefetch  with one more kind of prefetch, or one less
    order     whether tiles are transposed before they are stored, blocks turned, weights stream, or parts of the filters
              are computed one after another
    shape     of what surrounds the sums: activations, Cook–Toom's transforms and the steps that its windows leave over

The first three come with the details that suit them (`schedule/details.py`). All give the same bits. Only the choice is
made here; which of them is fast is for `tuning` to measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..errors import CompileError
from ..machine.target import Target
from ..problem import Activation, Problem
from ..problem.folding import folded
from ..schedule.details import detailed
from ..schedule.fits import check_fits
from ..schedule.plan import PREFETCHES, Plan
from ..schedule.registers import CHAINS, fitting_width, heights

ASPECTS = ("tile", "block", "unroll", "edges", "prefetch", "order", "shape")
_MOST_VECTORS = 4  # side by side; more leave too few rows for a weight to be used in
_VECTORS_OF_STEPS = (1, 2, 3, 4, 8)  # many where there are few filters
_SHARES = (1.0, 0.95, 0.75, 0.5, 0.33)  # of the rows that the registers have room for
_LARGEST_BLOCK = 1 << 14


def candidates(aspect: str, plan: Plan, problem: Problem, target: Target) -> list[Plan]:
    """The plans for `problem` that differ from `plan` in one of `ASPECTS`, without `plan` itself,
    the likely ones first.
    """
    found = {
        "tile": _tiles,
        "block": _blocks,
        "unroll": _unrolls,
        "edges": _edges,
        "prefetch": _prefetches,
        "order": _order,
        "shape": _shape,
    }[aspect]
    return sorted((other for other in dict.fromkeys(found(plan, problem, target)) if other != plan), key=_loads)


def _changed(plan: Plan, problem: Problem, **details: Any) -> Iterator[Plan]:
    """The plan with other details, if it is one for the problem."""
    try:
        other = replace(plan, **details)
        check_fits(problem, other)
    except CompileError:
        return
    yield other


def _edges(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    yield from _changed(plan, problem, edges="alone", edge_steps=0)
    for steps in (32, 64, 128, 512):
        yield from _changed(plan, problem, edges="shared", edge_steps=steps)
    for rows in (4, 8, 16):
        yield from _changed(plan, problem, edges="tiles", edge_steps=min(rows, plan.rows[0]))
    for borrow in (0, plan.rows[0]):
        yield from _changed(plan, problem, borrow=borrow)


def _prefetches(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    for kind in PREFETCHES:
        others = tuple(other for other in plan.prefetch if other != kind)
        yield from _changed(plan, problem, prefetch=others if kind in plan.prefetch else (*others, kind))


def _order(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    yield from _changed(plan, problem, transposed=not plan.transposed)
    asked = tuple(kind for kind in plan.prefetch if kind not in ("input", "next_block"))  # for where it is not turned
    yield from _changed(
        plan, problem, turned=not plan.turned, sequences=1, stream=plan.stream if plan.outputs else 0, prefetch=asked
    )
    for sequences, stream in ((1, 0), (1, plan.block), (4, 0), (4, plan.block), (16, plan.block)):
        for across in (False, True):
            yield from _changed(plan, problem, sequences=sequences, stream=stream, across=across)
    for parts in (1, 2, 4):
        yield from _changed(plan, problem, parts=parts)


def _shape(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    if problem.activation != Activation():
        for operations in (0, 100, 1000):
            yield from _changed(plan, problem, epilogue=operations)
    if plan.outputs:
        lanes = target.lanes(problem.compute)
        yield from _changed(plan, problem, looped=not plan.looped, prefetch=())
        for rest in (1, plan.rows[0], CHAINS):
            yield from _changed(plan, problem, rest=rest)
        for width in (lanes, lanes // 2):
            yield from _changed(plan, problem, input_width=0 if width == plan.width else width)


def _loads(plan: Plan) -> float:
    """Loads for each multiply-add of a tile: what is tried first, as there may not be time for all."""
    return 1 / plan.rows[0] + 1 / plan.vectors


def _room(target: Target, vectors: int) -> int:
    """Rows of a tile `vectors` wide that the registers hold, beside the vectors that are multiplied and one number."""
    return max(1, (target.registers - 1 - vectors) // vectors)


def _shares(most: int) -> list[int]:
    return list(dict.fromkeys(max(2, round(share * most)) for share in _SHARES))


def _tiles(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    lanes = target.lanes(problem.compute)
    if plan.sums_in_lanes:
        yield from _lanes_of_sums(plan, problem, target)
        return
    if plan.algorithm == "depthwise":
        yield from _lanes_of_filters(plan, "channels", problem.channels, lanes, problem, target)
        return
    filters = folded(problem, plan.fold).group_filters
    yield from _lanes_of_filters(plan, "filters", filters, lanes, problem, target)
    # Steps lie side by side in channels_first only; gathering them can pay where the filters would leave lanes empty.
    if plan.algorithm == "direct" and (problem.channels_first or problem.group_filters <= lanes // 2):
        yield from _lanes_of_steps(plan, problem, lanes, target)


def _lanes_of_filters(
    plan: Plan, name: str, count: int, lanes: int, problem: Problem, target: Target
) -> Iterator[Plan]:
    for width in _widths(count, lanes):
        panels = -(-count // width)
        for vectors in range(1, min(_MOST_VECTORS, panels) + 1):
            for rows in _shares(_room(target, vectors)):
                unit = rows * max(1, plan.outputs)  # the rows of a Cook–Toom plan are windows
                block = max(1, round(plan.block / unit)) * unit
                tiles = plan.with_tiles(
                    lanes=name, width=width, vectors=vectors, rows=heights(rows, vectors), block=block
                )
                yield detailed(problem, target, tiles)


def _widths(count: int, lanes: int) -> list[int]:
    """Lanes of a vector: all, and half of them where that leaves a quarter fewer in all (24 = 3 x 8, not 2 x 16)."""
    width = fitting_width(count, lanes)
    in_halves = -(-2 * count // width) * width / 2
    return [width, width // 2] if width > 1 and in_halves <= 0.75 * -(-count // width) * width else [width]


def _lanes_of_steps(plan: Plan, problem: Problem, lanes: int, target: Target) -> Iterator[Plan]:
    filters = problem.group_filters
    for vectors in _VECTORS_OF_STEPS:
        for rows in _shares(_room(target, vectors)):
            tall = -(-filters // -(-filters // rows))  # all tiles about as high
            yield detailed(
                problem, target, Plan("direct", "time", lanes, vectors, (tall,), 12 * lanes * vectors, plan.unroll)
            )


def _lanes_of_sums(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    """Tiles of as many lanes: another number would add up products in another order, and tuning changes no bit of a
    result.
    """
    for vectors in range(1, min(_MOST_VECTORS, problem.group_filters) + 1):
        for rows in _shares(min(plan.width, _room(target, vectors))):
            yield detailed(problem, target, plan.with_tiles(vectors=vectors, rows=(rows, 1)))


def _blocks(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    for factor in (1 / 16, 1 / 4, 4, 16):
        unit = plan.width * plan.vectors if plan.lanes == "time" else plan.rows[0] * max(1, plan.outputs)
        block = max(1, round(plan.block * factor / unit)) * unit
        if block <= _LARGEST_BLOCK:
            yield detailed(problem, target, plan.with_tiles(block=block))


def _unrolls(plan: Plan, problem: Problem, target: Target) -> Iterator[Plan]:
    for unroll in (1, 2, 4, 8, 16):
        yield detailed(problem, target, plan.with_tiles(unroll=unroll))
