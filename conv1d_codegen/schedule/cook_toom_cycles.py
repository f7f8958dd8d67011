"""How long Cook–Toom takes, and direct, in cycles of a core with two pipes for multiply-adds. `cook_toom_model.py` chooses
by it.

All filters of one window, of m outputs, take

    PRODUCTS * products / 2 * channels * vectors of filters          as many as `Split.products` says, about n * k / r
    + MOVES * n * (transforms * vectors of channels + vectors of filters)     to load, add up and store n vectors, there and back,
                                                                     which takes longer for inputs that L1 has no room for

where n is the multiplications of F(m, r), and a block, whose windows read the transformed weights once,

    + bytes of weights from beyond L2 / BYTES                        beside computing, or FAR_BYTES where that is less than reading takes

Short tiles of the last windows, the first reading of weights, steps that no window covers and what goes to memory take
longer. In channels_first the second line is more, as vectors are gathered. Directly, m outputs take
m * k / 2 * channels * vectors of filters.

Against 310 plans of one level for 106 inputs in channels_last, from 8 to 1024 channels, 2 to 51 taps and 16 to 84350 steps,
the count is 11 % off (standard deviation) in how many times as fast as directly they are, in channels_first as much, and
for nested ones 18 % (a Xeon with AVX-512 and 2 MiB of L2, whose core reads 26 GB/s from L3 at 2.9 GHz). The numbers below
without another source fit these measurements.
"""

from __future__ import annotations

from ..machine.target import PAGE, Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.folding import folded, folds, weights_of_tap
from ..problem.padding import ceildiv, interior, steps_of_tap
from ..toom.split import Split
from .details import parts, streams
from .plan import Plan
from .registers import cycles_of_steps, fitting_width, steps_in_lanes, weight_bytes, weights_are_large

#: Cycles of a product beside what two pipes take: tiles of few rows, short chains.
_PRODUCTS = 1.14
#: Cycles in which a window's vector is loaded, transformed and stored; one of inputs, where those of a block take more
#: than two thirds of L1; and of a nested algorithm, whose transforms have more steps.
_MOVES, _MOVES_FAR, _NESTED_MOVES = 2.3, 7.2, 9.0
#: ... and what it takes longer in channels_first, where channels or filters lie apart; and where that is a multiple of half
#: a page or of a page, so that they fall into two sets of L1 or into one: how many times as fast as directly,
#: c64_f64_k3_first with F(4,3) is 1.21 at 1x500, 0.76 at 1x512 and 0.52 at 1x1024, c256_f256_k3_first with F(6,3) 1.61 at
#: 1x1000, 1.29 at 1x512 and 1.11 at 1x1024 (the same Xeon).
_APART, _IN_TWO_SETS, _IN_ONE_SET = 7.0, 25.0, 48.0
#: ... or, where blocks are turned, for each vector of a step of the input and the output. On a Sapphire Rapids
#: c64_f64_k3_first@1x1000 with F(4,3) takes 4 cycles so, c128_f256_k3_first@1x500 with F(5,3) 8, c80_f384_k3_first@1x3000
#: 4, c64_f64_k3_first@1x10000 6.
_TURNED = 7.0
#: How many times as long as in channels_last direct takes in channels_first, and with a stride, which makes steps lie
#: apart: 24 problems reach 147 to 167 GFLOP/s there, and 104 to 167 with a stride, against 160 to 190.
_DIRECT_FIRST, _STRIDED_FIRST = 1.07, 1.2
#: Bytes of weights a cycle that come from beyond L2, where computing hides most of their way; of a nested algorithm's,
#: beside whose products less is hidden, and of windows that do not stream; and where too little is computed to hide it, what a core reads.
_BYTES, _NESTED_BYTES, _FAR_BYTES = 32.0, 10.0, 12.0
#: Rows that a tile's products take at least as long as: its weights are read for a few rows only, and its sums waited
#: for.
_SHORT = 3
#: How many times as long as others steps without a window take, of which each group, before, between and after those
#: that have one, counts as so many rows at least; and where weights are large, as each group reads them for itself.
_ALONE, _ALONE_LARGE = 1.0, 2.5
#: ... and where steps are folded: c1_f1_k1025_same@1x4000 with F(12,12) of 16 a row takes 51 us, and 20 with valid padding;
#: and what such a kernel takes longer to begin than a direct one: c1_f1_k65_same@1x1000 takes as long either way (Xeon 6/167).
_ALONE_FOLDED, _FOLDED_CALL = 2.0, 1500.0
#: Bytes of inputs, outputs and transformed weights that stay near a core, and those of the rest in a cycle: direct
#: hides their way beside its arithmetic, transforms do not. c32_f32_k2@1x84350, of 21 MB, would be counted at 1.22, and
#: is 0.92 to 1.00 times as fast as directly.
_NEAR = 8 << 20
_FAR = 15.0
#: Bytes of weights a cycle that come from memory, as other kernels have driven them out of the caches since the last call;
#: transformed ones are more. It is less than memory gives, as the model knows little of many weights. Of ecg-resnet, with
#: 25 MB of them, c196_f196_k16_s4@1x1024 with F(5,4) takes 2.5 ms, c196_f256_k16@1x256 2.6 and c256_f256_k16_s4@1x256 1.7,
#: and 1.9, 1.7 and 1.0 where each is called again and again. The network is 1.09 times as fast with these three directly,
#: 1.08 with the last alone, which 3 bytes would give, and 1.00 with c128_f196_k16@1x1024 too (`python -m bench networks
#: --filter ecg`, avx512).
_FROM_MEMORY = 1.5


def of_direct(problem: Problem, target: Target) -> float:
    """Cycles of one output, of all filters of a group. Steps can be in the lanes."""
    lanes, products = target.lanes(problem.compute), problem.kernel_size * problem.group_channels / 2
    if folds(problem):  # steps lie beside each other in both layouts
        return cycles_of_steps(problem, target)
    if problem.channels_first:
        return (_STRIDED_FIRST if problem.stride > 1 else _DIRECT_FIRST) * products * problem.group_filters / lanes
    if steps_in_lanes(problem, target):
        return cycles_of_steps(problem, target)
    return products * _vectors(problem.group_filters, lanes)


def of_direct_input(problem: Problem, target: Target, length: int, others: int) -> float:
    """Cycles of an input of so many steps, of all filters of a group, where between two calls other kernels read `others`
    bytes of weights.
    """
    weights = weight_bytes(problem) // problem.groups
    return _full_steps(problem, length) * of_direct(problem, target) + _from_memory(weights, others)


def of_windows(problem: Problem, target: Target, plan: Plan) -> float:
    """Cycles of one output of a sequence whose edges do not matter, of all filters of a group."""
    products, moves = _of_window(problem, target, plan, 1)
    weights, steps = _beyond(problem, target, plan) / (plan.block * plan.fold), plan.outputs * plan.fold
    return _computed(products / steps, weights, plan, streams(problem, target, plan)) + moves / steps


def of_input(problem: Problem, target: Target, plan: Plan, length: int, others: int) -> float:
    """Cycles of an input of so many steps, of all filters of a group; some steps are without a window. Between two
    calls, other kernels read `others` bytes of weights.
    """
    products, moves = _of_window(problem, target, plan, length)
    windows = windows_of(problem, plan, length) * plan.split(problem).sequences
    most, tall = plan.block // plan.outputs, plan.rows[0]
    several = 1 if parts(problem, plan) > 1 else 2  # see `blocks` of `lower/cook_toom.py`
    share = min(ceildiv(ceildiv(windows, ceildiv(windows, most * several) * several), tall) * tall, most)
    rows = windows // share * _rows_in_tiles(share, plan) + _rows_in_tiles(windows % share, plan)
    own = _own_bytes(problem, plan)
    read = ceildiv(windows, share) * _beyond(problem, target, plan)
    computed = _computed(rows * products, read, plan, streams(problem, target, plan))
    alone = sum(max(steps, _SHORT) for steps in _alone(problem, plan, length) if steps)
    numbers = length * problem.group_channels + problem.output_length(length) * problem.group_filters
    far = max(own + numbers * TYPES[problem.compute].bytes - _NEAR, 0) / _FAR
    large = _ALONE_LARGE if weights_are_large(problem, target) else _ALONE
    alone *= (_ALONE_FOLDED if plan.fold > 1 else large) * of_direct(problem, target)
    begun = _FOLDED_CALL if plan.fold > 1 else 0.0
    return begun + computed + windows * moves + alone + far + _from_memory(own, others)


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
    taps, steps = plan.fold * (plan.split(problem).all_taps - 1) + 1, problem.output_length(length)
    first, last = interior(length, problem.left_paddings(), taps, problem.stride, problem.dilation)
    first = min(int(first), steps)
    return first, max(min(int(last), steps), first)


def _alone(problem: Problem, plan: Plan, length: int) -> tuple[float, ...]:
    """Steps without a window, as many as have so many products: those that lack taps on either side, and those that
    windows leave over.
    """
    first, last = _interior(problem, plan, length)
    sides = sum((first > 0, last < problem.output_length(length)))
    lacking = _full_steps(problem, length) - (last - first)
    return (last - first) % _steps_of_windows(problem, plan), *[lacking / max(sides, 1)] * sides


def _full_steps(problem: Problem, length: int) -> float:
    """Steps with all taps that have as many products as all output steps have."""
    left, steps = problem.left_padding(length), problem.output_length(length)
    taps = (steps_of_tap(tap, length, left, problem.stride, problem.dilation) for tap in range(problem.kernel_size))
    return float(sum(max(min(last, steps) - max(first, 0), 0) for first, last in taps)) / problem.kernel_size


def _of_window(problem: Problem, target: Target, plan: Plan, length: int) -> tuple[float, float]:
    """Cycles of one window's products, of all filters of a group, and of what surrounds them, without reading weights
    from beyond L2. The length of the input says how far channels lie apart in channels_first.
    """
    problem, split = folded(problem, plan.fold), plan.split(problem)
    lanes, n = target.lanes(problem.compute), plan.toom.multiplications
    filters, channels = _vectors(problem.group_filters, lanes), _vectors(problem.group_channels, lanes)
    products = _PRODUCTS * split.products(n) * problem.group_channels * filters / 2
    inputs = n * split.transforms(plan.outputs) * channels
    of_block = plan.block // plan.outputs * inputs * target.vector_bytes
    far = 3 * of_block > 2 * target.l1_bytes
    moves = (_NESTED_MOVES if plan.nested else _MOVES_FAR if far else _MOVES) * inputs + _MOVES * n * filters
    if split.turns(problem):
        moves += _TURNED * plan.outputs * (problem.stride * channels + filters)
    elif problem.channels_first:
        item, steps = TYPES[problem.compute].bytes, problem.output_length(length)
        moves += _apart(length * item) * inputs + _apart(steps * item) * plan.outputs * filters
    return products, moves


def _apart(stride: int) -> float:
    """Cycles that a vector takes longer whose numbers lie so many bytes apart."""
    return _IN_ONE_SET if stride % PAGE == 0 else _IN_TWO_SETS if stride % (PAGE // 2) == 0 else _APART


def _computed(products: float, weights: float, plan: Plan, streamed: bool) -> float:
    """Cycles of products for which so many bytes of weights come from beyond L2."""
    hidden = weights / (_BYTES if streamed and not plan.nested else _NESTED_BYTES)
    return products + hidden + max(weights / _FAR_BYTES - products, 0.0)


def _beyond(problem: Problem, target: Target, plan: Plan) -> float:
    """Bytes of a group's transformed weights that come from beyond L2 for each block: none where three quarters of it have
    room for all weights of all groups, all where these are twice as many.
    """
    own = _own_bytes(problem, plan)
    missing = (own * problem.groups + weight_bytes(problem)) / (target.l2_bytes * 3 // 4) - 1
    return own * min(max(missing, 0.0), 1.0)


def _from_memory(weights: int, others: int) -> float:
    """Cycles in which weights come from beyond L2, if other kernels have read theirs since the last call, or from memory,
    if these are so many that they have been driven out.
    """
    return weights / (_FROM_MEMORY if others > _NEAR else _FAR_BYTES) if others else 0.0


def _rows_in_tiles(windows: int, plan: Plan) -> int:
    """Rows of full tiles that take as long as the tiles of so many windows."""
    rows = 0
    for height in plan.rows:
        rows += windows // height * max(height, _SHORT)
        windows %= height
    return rows


def _vectors(count: int, lanes: int) -> int:
    """Vectors that so many numbers take, as the shorter ones they may fit in."""
    return -(-count // fitting_width(count, lanes))
