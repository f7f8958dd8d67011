"""How long direct takes, in cycles of a core with two pipes for multiply-adds and two for loads. `cook_toom_model.py` compares
windows with it.

With filters in the lanes, an input of a known length takes

    products * cycles of its tiles                   `tile_cycles.py`
    + TILE                                           of each tile and panel: sums are begun, biased and stored
    + EDGES * cycles of the edges' tiles + PUT_AWAY  whose sums are put away after each tap, for each vector of them
    + SEQUENCE                                       of each sequence
    + bytes / FAR_NUMBERS, FAR_WEIGHTS               of inputs and outputs, and of weights for each block, from beyond L2

and more in channels_first, where tiles are turned before they are stored. With steps in the lanes (channels_first) tiles are
vectors of steps, those of each tap of the edges by themselves. An output of a long input takes its share of a whole block.
The numbers fit the records of `cook_toom_cycles.py`; the count is 12 % off (standard deviation) in channels_last, 17 in
channels_first.
"""

from __future__ import annotations

from functools import partial
from math import log2

from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.folding import folds
from ..problem.padding import ceildiv, interior
from . import tile_cycles as tiles
from .plan import Plan
from .registers import cycles_of_steps, fitting_width, weight_bytes

_TILE, _EDGES, _PUT_AWAY, _SEQUENCE = 19.0, 1.27, 0.7, 330.0
#: Bytes that stay near a core, of weights or of a sequence's inputs and outputs: three quarters of an L2 of 2 MiB. That is
#: twice what the target's row says, which tiles and blocks are made for. The rest comes with so many bytes a cycle.
_NEAR_BYTES = 3 << 19
_FAR_NUMBERS, _FAR_WEIGHTS = 28.0, 24.0
#: Of channels_first: a vector of sums that is turned, or of inputs where blocks are, for each of the log2(lanes) times that
#: it is shuffled.
_TURNED_SUMS, _TURNED_INPUTS = 1.0, 1.6
#: ... and one of a single step's sums, which are stored one by one.
_SCATTERED = 2.2
#: How many times as long as their products take tiles with filters and with steps in the lanes take in channels_first: 24
#: problems reach 147 to 167 GFLOP/s with steps, against 160 to 190 in channels_last.
_FILTERS_FIRST, _TIME_FIRST = 1.07, 1.07
#: Bytes of weights a cycle that come from memory, as other kernels have driven them out of the caches since the last call;
#: transformed ones are more. It is less than memory gives, as the model knows little of many weights. Of ecg-resnet, with
#: 25 MB of them, c196_f196_k16_s4@1x1024 with F(5,4) takes 2.5 ms, c196_f256_k16@1x256 2.6 and c256_f256_k16_s4@1x256 1.7,
#: and 1.9, 1.7 and 1.0 where each is called again and again. The network is 1.09 times as fast with these three directly,
#: 1.08 with the last alone, which 3 bytes would give, and 1.00 with c128_f196_k16@1x1024 too (`python -m bench networks
#: --filter ecg`, avx512).
_FROM_MEMORY = 1.5
#: ... and from L3; and bytes of other kernels' weights that L3 keeps.
FAR_BYTES, _NEAR_A_CORE = 12.0, 8 << 20


def of_direct(problem: Problem, target: Target, plan: Plan) -> float:
    """Cycles of one output of a long sequence by a direct plan, of all filters of a group."""
    if plan.lanes == "filters":
        return _of_filters(problem, target, plan, plan.block, tiles.repeatable(plan.block, plan.rows)) / plan.block
    if _lie_apart(problem):
        products = problem.kernel_size * problem.group_channels / 2
        return _TIME_FIRST * products * problem.group_filters / target.lanes(problem.compute)
    return cycles_of_steps(problem, target)


def of_direct_input(problem: Problem, target: Target, plan: Plan, length: int, others: int) -> float:
    """Cycles of an input of so many steps by a direct plan, of all filters of a group, where between two calls other
    kernels read `others` bytes of weights.
    """
    own, outputs = weight_bytes(problem) // problem.groups, problem.output_length(length)
    surrounding = far_numbers(problem, length) + from_memory(own, others)
    if plan.lanes != "filters":
        return _of_steps(problem, target, plan, length) + surrounding
    panels = tiles.panels(problem.group_filters, plan.width, plan.vectors)
    together = plan.stream > 0 and plan.sequences > 1  # edges are as other steps: each tap has the steps that have it
    first, last = (outputs, outputs) if together else _without_edges(problem, plan, length)
    whole, rest = divmod(last - first, plan.block)
    inner = tiles.added((tiles.repeatable(plan.block, plan.rows), whole), (tiles.repeatable(rest, plan.rows), 1))
    shared = partial(tiles.once, heights=plan.rows) if plan.edges == "shared" else tiles.one_by_one
    edges = tiles.edges(problem, length, first, last, shared)
    return (
        _of_filters(problem, target, plan, outputs, inner)
        + (1.0 if together else _EDGES) * problem.group_channels * tiles.cycles(edges, panels)
        + _PUT_AWAY * tiles.size(edges) * tiles.size(panels)
        + _SEQUENCE
        + missing_weights(problem) * int(ceildiv(outputs, plan.block)) / _FAR_WEIGHTS
        + surrounding
    )


def _of_filters(problem: Problem, target: Target, plan: Plan, steps: int, rows: tiles.Counts) -> float:
    """Cycles of so many output steps with filters in the lanes, of which those that have all taps lie in tiles of `rows`."""
    panels = tiles.panels(problem.group_filters, plan.width, plan.vectors)
    products = problem.kernel_size * problem.group_channels * tiles.cycles(rows, panels)
    if not problem.channels_first:
        return products + _TILE * sum(rows.values()) * sum(panels.values())
    lanes = target.lanes(problem.compute)
    inputs = _TURNED_INPUTS * problem.stride * vectors_of(problem.group_channels, lanes) if plan.turned else 0.0
    turned = steps * log2(lanes) * (_TURNED_SUMS * tiles.size(panels) + inputs)
    return _FILTERS_FIRST * products + turned + rows.get(1, 0) * scattered(problem)


def _of_steps(problem: Problem, target: Target, plan: Plan, length: int) -> float:
    """Cycles of an input with steps in the lanes, and filters in the rows."""
    if not _lie_apart(problem):
        outputs = problem.output_length(length)
        full_steps = tiles.size(tiles.edges(problem, length, outputs, outputs, tiles.one_by_one)) / problem.kernel_size
        return full_steps * of_direct(problem, target, plan)
    first, last = _without_edges(problem, plan, length)
    cut = partial(tiles.lanes, width=plan.width, vectors=plan.vectors)
    shared = cut if plan.edges == "shared" else tiles.one_by_one  # or else each step has a vector of its own
    edges = tiles.edges(problem, length, first, last, shared)
    vectors = tiles.added((cut(last - first), problem.kernel_size), (edges, 1))
    products = problem.group_channels * tiles.cycles(tiles.rows(problem.group_filters, plan.rows[0]), vectors)
    return _TIME_FIRST * products + _PUT_AWAY * tiles.size(edges) * problem.group_filters + _SEQUENCE


def _lie_apart(problem: Problem) -> bool:
    """Whether channels or filters of a group lie apart: in channels_first, unless there is one of each."""
    return problem.channels_first and not folds(problem)


def scattered(problem: Problem) -> float:
    """Cycles in which the sums of a single step are stored in channels_first, one by one."""
    return _SCATTERED * problem.group_filters


def far_numbers(problem: Problem, length: int) -> float:
    """Cycles in which a sequence's inputs and outputs come from beyond L2 and go there."""
    numbers = length * problem.group_channels + problem.output_length(length) * problem.group_filters
    return max(numbers * TYPES[problem.compute].bytes - _NEAR_BYTES, 0) / _FAR_NUMBERS


def missing_weights(problem: Problem) -> float:
    """Bytes of a group's weights that come from beyond L2 at each reading: none where the weights of all groups have room,
    all where these are twice as many.
    """
    weights = weight_bytes(problem)
    return weights / problem.groups * min(max(weights / _NEAR_BYTES - 1, 0.0), 1.0)


def from_memory(weights: int, others: int) -> float:
    """Cycles in which weights come from beyond L2, if other kernels have read theirs since the last call, or from memory,
    if these are so many that they have been driven out.
    """
    return weights / (_FROM_MEMORY if others > _NEAR_A_CORE else FAR_BYTES) if others else 0.0


def vectors_of(count: int, lanes: int) -> int:
    """Vectors that so many numbers take, as the shorter ones they may fit in."""
    return -(-count // fitting_width(count, lanes))


def _without_edges(problem: Problem, plan: Plan, length: int) -> tuple[int, int]:
    """The output steps between the edges, each of which has taken some steps from there (`passes/peel_edges.py`)."""
    outputs = problem.output_length(length)
    first, last = interior(length, problem.left_paddings(), problem.kernel_size, problem.stride, problem.dilation)
    first = min(int(first), outputs)
    last = max(min(int(last), outputs), first)
    first, last = max(first, plan.borrow * (first > 0)), min(last, outputs - plan.borrow * (last < outputs))
    first = min(first, outputs)
    return first, max(first, last)
