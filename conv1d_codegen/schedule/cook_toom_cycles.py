"""How long Cook–Toom takes, in cycles of a core with two pipes for multiply-adds and two for loads. `cook_toom_model.py` chooses
by it.

All filters of an input take

    PRODUCTS * products * cycles of the tiles of windows    `tile_cycles.py`: as many as `Split.products` says, about n * k / r
    + MOVES * n * transforms * vectors of channels          of each window: loaded, transformed and stored, which takes longer
                                                            where L1 has no room for a block's
    + RESULTS * m * vectors of filters                      of each window: loaded, transformed and stored
    + bytes of weights from beyond L2 / BYTES               of each block, beside computing, or what reading takes longer
    + ALONE * products * cycles of the tiles of steps that no window covers
    + SEQUENCE                                              of each sequence

where n is the multiplications of F(m, r). Where chunks share inputs, each block transforms those of some windows more. In
channels_first vectors are gathered, or blocks are turned.

The numbers without another source fit records of the 59 shapes, and of 100 long and 60 short problems of seed 41 in both
layouts, each measured two to four times (`python -m bench random --records`, a Xeon with AVX-512 and AMX, 2 MiB of L2 a
core). For 282 plans of one level in channels_last the count is 11 % off (standard deviation), for 227 in channels_first 14 %.
Those of nested ones fit 417 plans of 32 layers, of 32 to 256 channels and 8 to 31 taps, of which a count by rows instead of tiles
was 8 % off. How far the ratio to direct is off says `tools/choice.py`, of any records.
"""

from __future__ import annotations

from functools import partial
from math import log2

from ..machine.target import PAGE, Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.folding import folded, weights_of_tap
from ..problem.padding import ceildiv, interior
from ..toom.split import Split
from . import tile_cycles as tiles
from .details import one_by_one, parts, streams
from .direct_cycles import FAR_BYTES, far_numbers, from_memory, missing_weights, of_direct, scattered, vectors_of
from .plan import Plan
from .registers import weight_bytes

#: Cycles of a product beside what pipes and loads take: short chains; and of a nested algorithm.
_PRODUCTS, _NESTED_PRODUCTS = 1.2, 1.14
#: Cycles in which a window's vector is loaded, transformed and stored; one of inputs, where those of a block take more
#: than two thirds of L1; one of outputs; and of a nested algorithm, whose transforms have more steps, of inputs and of
#: products.
_MOVES, _MOVES_FAR, _RESULTS = 2.2, 5.9, 4.0
_NESTED_MOVES, _NESTED_RESULTS = 9.0, 5.0
#: How many times as long as in tiles of direct's steps without a window take.
_ALONE = 1.55
#: Cycles of a sequence, beside those of nested transforms.
_SEQUENCE = 820.0
#: What vectors of inputs and outputs take longer in channels_first, where channels or filters lie apart; and where that is a
#: multiple of half a page or of a page, so that they fall into two sets of L1 or into one: how many times as fast as directly,
#: c64_f64_k3_first with F(4,3) is 1.21 at 1x500, 0.76 at 1x512 and 0.52 at 1x1024, c256_f256_k3_first with F(6,3) 1.61 at
#: 1x1000, 1.29 at 1x512 and 1.11 at 1x1024 (the same Xeon).
_APART_INPUTS, _APART_OUTPUTS, _IN_TWO_SETS, _IN_ONE_SET = 4.0, 14.0, 25.0, 48.0
#: ... or, where blocks are turned, for each vector of a step of the input and the output, and each of the log2(lanes) times
#: that it is shuffled.
_TURNED_INPUTS, _TURNED_OUTPUTS = 1.25, 2.0
#: Bytes of weights a cycle that come from beyond L2, where windows stream, and computing hides most of their way; where they
#: do not.
_BYTES, _BYTES_BY_THE_WAY = 14.0, 7.6
#: ... of a nested algorithm's; and where too little is computed to hide it, what a core reads. With few windows,
#: c128_f128_k9@1x100 with F(3,3) ⊗ F(4,3) takes 168 us, most of it to read 2 MB of weights, with F(4,5) 116, and at 1x250
#: 200 and 219.
_NESTED_BYTES, _NESTED_FAR_BYTES = 20.0, 8.0
#: See `_beyond`.
_SPREAD = 4.0
#: How many times as long as others steps without a window take where steps are folded: c1_f1_k1025_same@1x4000 with
#: F(12,12) of 16 a row takes 51 us, and 20 with valid padding; and what such a kernel takes longer to begin than a direct
#: one: c1_f1_k65_same@1x1000 takes as long either way (Xeon 6/167).
_ALONE_FOLDED, _FOLDED_CALL = 2.0, 1500.0


def of_windows(problem: Problem, target: Target, plan: Plan) -> float:
    """Cycles of one output of a sequence whose edges do not matter, of all filters of a group."""
    windows = plan.block // plan.outputs
    rows = tiles.repeatable(windows, plan.rows)
    computed = _of_products(problem, target, plan, rows, _beyond(problem, target, plan))
    return (computed + _of_transforms(problem, target, plan, windows, 1, windows, 1)) / (plan.block * plan.fold)


def of_input(problem: Problem, target: Target, plan: Plan, length: int, others: int) -> float:
    """Cycles of an input of so many steps, of all filters of a group; some steps are without a window. Between two
    calls, other kernels read `others` bytes of weights.
    """
    windows = windows_of(problem, plan, length) * plan.split(problem).sequences
    most, tall = plan.block // plan.outputs, plan.rows[0]
    several = 1 if parts(problem, plan) > 1 else 2  # see `blocks` of `lower/cook_toom.py`
    share = min(ceildiv(ceildiv(windows, ceildiv(windows, most * several) * several), tall) * tall, most)
    whole, rest = divmod(windows, share)
    rows = tiles.added((tiles.repeatable(share, plan.rows), whole), (tiles.repeatable(rest, plan.rows), 1))
    blocks = whole + bool(rest)
    return (
        _of_products(problem, target, plan, rows, blocks * _beyond(problem, target, plan))
        + _of_transforms(problem, target, plan, windows, blocks, share, length)
        + _of_steps_alone(problem, target, plan, length)
        + far_numbers(problem, length)
        + (_FOLDED_CALL if plan.fold > 1 else 0.0 if plan.nested else _SEQUENCE)
        + from_memory(_own_bytes(problem, plan), others)
    )


def windows_of(problem: Problem, plan: Plan, length: int) -> int:
    """Windows of one sequence of an input of so many steps."""
    first, last = _interior(problem, plan, length)
    return (last - first) // _steps_of_windows(problem, plan)


def _steps_of_windows(problem: Problem, plan: Plan) -> int:
    """Steps of the windows that take turns, or of a single one, of rows."""
    return plan.outputs * plan.split(problem).sequences * plan.fold


def transformed_bytes(problem: Problem, split: Split, multiplications: int, fold: int) -> int:
    """Bytes of a group's transformed weights."""
    return split.products(multiplications) * weights_of_tap(problem, fold) * TYPES[problem.compute].bytes


def _own_bytes(problem: Problem, plan: Plan) -> int:
    return transformed_bytes(problem, plan.split(problem), plan.toom.multiplications, plan.fold)


def _interior(problem: Problem, plan: Plan, length: int) -> tuple[int, int]:
    """The output steps among which windows are."""
    steps = problem.output_length(length)
    first, last = interior(length, problem.left_paddings(), plan.all_taps(problem), problem.stride, problem.dilation)
    first = min(int(first), steps)
    return first, max(min(int(last), steps), first)


def _of_steps_alone(problem: Problem, target: Target, plan: Plan, length: int) -> float:
    """Cycles of the steps without a window: those that lack taps on either side, and those that windows leave over."""
    first, last = _interior(problem, plan, length)
    heights = (plan.rows[0], 1)
    left_over = (last - first) % _steps_of_windows(problem, plan)
    shared = tiles.one_by_one if one_by_one(problem, target) else partial(tiles.once, heights=heights)
    edges = tiles.edges(problem, length, first, last, shared)
    if plan.fold > 1:  # with steps in the lanes
        full_steps = left_over + tiles.size(edges) / problem.kernel_size
        return _ALONE_FOLDED * full_steps * of_direct(problem, target, plan.of_steps)
    rows = tiles.added((tiles.once(left_over, heights), problem.kernel_size), (edges, 1))
    panels = tiles.panels(problem.group_filters, plan.width, plan.vectors)
    readings = sum(count > 0 for count in (left_over, first, problem.output_length(length) - last))
    read = readings * missing_weights(problem) / FAR_BYTES  # by each for itself
    alone = problem.output_length(length) - (last - first) + left_over
    stored = alone * scattered(problem) if problem.channels_first else 0.0
    return max(_ALONE * problem.group_channels * tiles.cycles(rows, panels), read) + stored


def _of_products(problem: Problem, target: Target, plan: Plan, rows: tiles.Counts, weights: float) -> float:
    """Cycles of the products of all windows, of which there are so many tiles of each height, and in which so many bytes of
    weights come from beyond L2.
    """
    rows_of_steps = folded(problem, plan.fold)
    products = plan.split(problem).products(plan.toom.multiplications) * rows_of_steps.group_channels
    panels = tiles.panels(rows_of_steps.group_filters, plan.width, plan.vectors)
    computed = (_NESTED_PRODUCTS if plan.nested else _PRODUCTS) * products * tiles.cycles(rows, panels)
    rate, far = _BYTES if streams(problem, target, plan) else _BYTES_BY_THE_WAY, FAR_BYTES
    if plan.nested:
        rate, far = _NESTED_BYTES, _NESTED_FAR_BYTES
    return computed + weights / rate + max(weights / far - computed, 0.0)


def _of_transforms(
    problem: Problem, target: Target, plan: Plan, windows: int, blocks: int, share: int, length: int
) -> float:
    """Cycles of what surrounds the products of windows in so many blocks of `share`. The length of the input says how far
    channels lie apart in channels_first.
    """
    problem, split = folded(problem, plan.fold), plan.split(problem)
    lanes, n = target.lanes(problem.compute), plan.toom.multiplications
    filters, channels = vectors_of(problem.group_filters, lanes), vectors_of(problem.group_channels, lanes)
    item, transforms = TYPES[problem.compute].bytes, split.transforms(plan.outputs)
    halo = split.halo if split.shares(plan.outputs) else 0
    inputs = (windows + blocks * halo) * n * transforms * channels
    of_block = (share + halo) * n * transforms * problem.group_channels * item
    outputs = windows * plan.outputs
    if plan.nested:
        moves = _NESTED_MOVES * inputs + _NESTED_RESULTS * windows * n * filters
        again = blocks * of_block * ceildiv(filters, plan.vectors)  # bytes that each panel of filters reads
        moves += _share_beyond(of_block, target) * again / _NESTED_FAR_BYTES
    else:
        far = 3 * of_block > 2 * target.l1_bytes
        moves = (_MOVES_FAR if far else _MOVES) * inputs + _RESULTS * outputs * filters
    if split.turns(problem):
        most = share * plan.outputs  # turned lanes by lanes
        reach = ceildiv(most * problem.stride + problem.extent, lanes) * lanes
        turned = _TURNED_INPUTS * reach * channels + _TURNED_OUTPUTS * ceildiv(most, lanes) * lanes * filters
        moves += blocks * log2(lanes) * turned
    elif problem.channels_first:
        steps = problem.output_length(length)
        moves += (
            _apart(length * item, _APART_INPUTS) * inputs + _apart(steps * item, _APART_OUTPUTS) * outputs * filters
        )
    return moves


def _apart(stride: int, usually: float) -> float:
    """Cycles that a vector takes longer whose numbers lie so many bytes apart."""
    return _IN_ONE_SET if stride % PAGE == 0 else _IN_TWO_SETS if stride % (PAGE // 2) == 0 else usually


def _beyond(problem: Problem, target: Target, plan: Plan) -> float:
    """Bytes of a group's transformed weights that come from beyond L2 for each block: none where three quarters of it have
    room for all weights of all groups, all where these are five times as many. (L2 as the target's row has it; where it is
    twice as large, all is too many.)
    """
    own = _own_bytes(problem, plan)
    if plan.nested:
        return own * _share_beyond(own * problem.groups, target)
    missing = (own * problem.groups + weight_bytes(problem)) / (target.l2_bytes * 3 // 4) - 1
    return own * min(max(missing / _SPREAD, 0.0), 1.0)


def _share_beyond(size: float, target: Target) -> float:
    """The share of a nested algorithm's weights, or transformed inputs of a block, that has to come from beyond L2 again:
    nothing up to one and a half times what the target has, all from one and a half times that on.
    """
    return min(max(2 * (size / (target.l2_bytes * 3 // 2) - 1), 0.0), 1.0)
