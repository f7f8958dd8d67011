"""Which F(m, r) suits a problem, whether it pays, and the plan for it: the cost model of Cook–Toom.

Time is counted in cycles of a core with two pipes for multiply-adds. All filters of one window, of m outputs, take

    products / 2 * channels * vectors of filters                     as many as `Split.products` says, about n * k / r
    + MOVES * n * (transforms * vectors of channels + vectors of filters)     to load, add up and store n vectors, there and back
    + bytes of transformed weights / windows of a block / BYTES      where these don't stay in L2
    + bytes that come from memory / FAR

and what the first windows of an input, and short tiles of the last ones, take longer. Here n = m + r - 1. In
channels_first the second line is more, as vectors are gathered. Directly, m outputs take m * k / 2 * channels * vectors
of filters, and their weights. Of those whose error is small enough, the one that takes the least time is chosen, for
sequences that are long enough for it to pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from ..machine.target import PAGE, Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.padding import ceildiv, interior
from ..toom.algorithm import LARGEST, algorithm
from ..toom.error import predicted
from ..toom.split import Split
from .plan import Plan
from .registers import channels_in_lanes, fitting_width, most_rows, panel_vectors, weight_bytes

ACCURACIES = ("standard", "strict", "fast")
#: The largest error to be expected, as a share of the bound that direct keeps; what is left is for what the model does
#: not know.
_MOST_ERROR = {"standard": 0.76, "fast": 8.0}
_MOST_MULTIPLICATIONS = {"standard": 8, "fast": LARGEST}
#: Cycles in which a window's vector is loaded, transformed and stored. With F(4,3), by what a window takes beside its
#: products: c32_f32_k3@1x22016 1.9, c32_f16_k3@1x24000 2.6, c64_f64_k3@1x10000 3.0 (avx512).
_MOVES = 2.5
#: ... and what it takes longer where channels or filters lie apart: c64_f64_k3_first@1x10000 with F(4,3) takes 160 ns
#: more a window than in channels_last, for 40 vectors; or where each lies in a page of its own:
#: c80_f384_k3_first@1x3000 with F(5,3) takes 1400 ns more a window, for 155 (avx512).
_APART, _PAGES = 16.0, 37.0
#: Where channels or filters lie a multiple of so many bytes apart, or a few more or less, they fall into few sets of
#: L1, a vector's too. Against direct, windows are then 0.52 times as fast with c128_f256_k3_d8_first@1x10240 and 1.09
#: times with c32_f32_k20_first@64x512, but 1.5 times with c64_f64_k11_d5_first@1x11008, whose rows lie 1024 more apart
#: (avx512).
_SETS, _NEARLY = PAGE // 2, 32
#: Bytes of weights a cycle from beyond L2, where computing hides most of their way: c512_f512_k3_s2@1x3199 reaches 112,
#: 111 and 107 % of the peak with F(4,2), F(5,2) and F(7,2), though their products would allow for 133, 136 and 140
#: (avx512).
_BYTES = 32.0
#: How many times as fast as directly it must be by this count to be chosen: what is not counted, mostly memory, is more
#: with windows. Of 173 random problems and 24 of shapes.json that are counted at 1.0 and more, those at 1.15 and more
#: are 0.99 to 2.15 times as fast, by 11 % more or less (standard deviation) than is counted; those below it are 0.92
#: times and more.
_LEAST_GAIN = 1.15
#: Cycles of a call for finding out about windows, and steps that those without one count for, as they share little.
_START, _ALONE = 2000, 1.5
#: Rows that a tile's products take at least as long as: its weights are read for a few rows only, and its sums waited
#: for.
_SHORT = 3
#: Bytes of weights a cycle that come from L2 for an input's first windows, before computing hides their way.
_L2_BYTES = 48
#: Bytes of inputs, outputs and transformed weights that stay near a core, and those of the rest in a cycle: direct
#: hides their way beside its arithmetic, transforms do not. c32_f32_k2@1x84350, of 21 MB, would be counted at 1.22, and
#: is 0.92 to 1.00 times as fast as directly.
_NEAR, _FAR = 8 << 20, 15.0
#: Bytes of weights a cycle that come from memory, as other kernels have driven them out of the caches since the last call;
#: transformed ones are more. It is less than memory gives, as the model knows little of many weights. Of ecg-resnet, with
#: 25 MB of them, c196_f196_k16_s4@1x1024 with F(5,4) takes 2.5 ms, c196_f256_k16@1x256 2.6 and c256_f256_k16_s4@1x256 1.7,
#: and 1.9, 1.7 and 1.0 where each is called again and again. The network is 1.09 times as fast with these three directly,
#: 1.08 with the last alone, which 3 bytes would give, and 1.00 with c128_f196_k16@1x1024 too (`python -m bench networks
#: --filter ecg`, avx512).
_FROM_MEMORY = 1.5
#: Windows of a block: see `_windows_of_a_block`.
_FEW_WINDOWS, _SOME_WINDOWS, _MANY_WINDOWS = 12, 24, 48


@lru_cache(1024)
def plan_of_windows(problem: Problem, target: Target, accuracy: str) -> Plan | None:
    """The plan that `auto` takes for long inputs, or None where another algorithm is better, or
    more exact than asked for.
    """
    other = problem.group_channels == 1 or channels_in_lanes(problem, target)
    if accuracy == "strict" or other or problem.kernel_size == 1:
        return None
    best = _fastest(problem, target, _possible(problem, accuracy))
    if best is None:
        return None
    directly = _direct_cycles(problem, target) + _traffic(weight_bytes(problem) // problem.groups, target) / best.block
    return best if directly > _LEAST_GAIN * _long_cycles(problem, target, best) else None


def best_windows(problem: Problem, target: Target, accuracy: str) -> Plan:
    """The plan for who asks for Cook–Toom: the fastest of small enough error, or where there is
    none, of the smallest.
    """
    fastest = _fastest(problem, target, _possible(problem, accuracy))
    return fastest or _plan(problem, target, *min(_pairs(problem, 4), key=lambda pair: _error(problem, *pair)))


def describe(problem: Problem, plan: Plan) -> str:
    """What a plan of windows computes: how the problem is split, what that saves, the error to be expected, and the
    matrices.
    """
    split, toom = Split.of(problem, plan.taps), algorithm(plan.outputs, plan.taps)
    products, directly = split.products(plan.outputs), plan.outputs * problem.kernel_size
    return (
        f"{products} products instead of {directly} for {plan.outputs} outputs of a channel and filter: "
        f"{directly / products:.2f} times fewer\n"
        f"{split.terms} terms of up to {split.taps} taps ({split.phases} phases), {split.sequences} sequences between each other\n"
        f"largest error to be expected: {_error(problem, plan.outputs, plan.taps):.2f} of the bound 8 u (sum |x| |w| + |b|)\n"
        f"{toom.describe()}"
    )


def allows(problem: Problem, plan: Plan, accuracy: str) -> bool:
    """Whether `plan` is one that `auto` may take with this accuracy."""
    if plan.algorithm != "cook_toom":
        return True
    return accuracy != "strict" and (plan.outputs, plan.taps) in _possible(problem, accuracy)


@lru_cache(1024)
def pays(problem: Problem, target: Target, plan: Plan, length: int, others: int = 0) -> bool:
    """Whether `plan`, of windows, is worth it for inputs of so many steps, of which some are without a window. Between two
    calls, other kernels read `others` bytes of weights.
    """
    steps, split = problem.output_length(length), Split.of(problem, plan.taps)
    first, last = interior(length, problem.left_paddings(), split.all_taps, problem.stride, problem.dilation)
    windows = max((min(last, steps) - first) // (plan.outputs * split.sequences), 0)  # of a sequence
    item = TYPES[problem.compute].bytes
    aliased = problem.channels_first and any(
        (count * item + _NEARLY) % _SETS < 2 * _NEARLY for count in (length, steps)
    )
    if windows == 0 or aliased:
        return False
    direct, products, moves = _direct_cycles(problem, target), *_window_cycles(problem, target, plan, length)
    weights = weight_bytes(problem) // problem.groups
    directly = steps * direct + ceildiv(steps, plan.block) * _traffic(weights, target) + weights / _L2_BYTES

    most = plan.block // plan.outputs
    rows = windows // most * _rows_in_tiles(most, plan) + _rows_in_tiles(windows % most, plan)
    own_weights = _transformed_bytes(problem, split, plan.outputs)
    transformed = split.sequences * (rows * products + windows * moves)
    transformed += ceildiv(windows * split.sequences, most) * _traffic(own_weights, target) + own_weights / _L2_BYTES
    alone = steps - windows * split.sequences * plan.outputs
    transformed += _ALONE * alone * direct + _traffic(weights, target) if alone else 0
    far = own_weights + (length * problem.group_channels + steps * problem.group_filters) * item - _NEAR
    transformed += max(far, 0) / _FAR
    if others > _NEAR:
        directly, transformed = directly + weights / _FROM_MEMORY, transformed + own_weights / _FROM_MEMORY
    return bool(directly > _LEAST_GAIN * transformed + _START)


def _direct_cycles(problem: Problem, target: Target) -> float:
    """Cycles of one output, of all filters of a group, without the traffic of weights. In channels_first, steps can be
    in the lanes.
    """
    lanes = target.lanes(problem.compute)
    vectors = problem.group_filters / lanes if problem.channels_first else _vectors(problem.group_filters, lanes)
    return problem.kernel_size * problem.group_channels * vectors / 2


def _window_cycles(problem: Problem, target: Target, plan: Plan, length: int) -> tuple[float, float]:
    """Cycles of one window's products, of all filters of a group, and of what surrounds them, without the traffic of
    weights.

    The length is that of the input, which says how far channels lie apart in channels_first.
    """
    split, lanes, n = Split.of(problem, plan.taps), target.lanes(problem.compute), plan.outputs + plan.taps - 1
    filters, channels = _vectors(problem.group_filters, lanes), _vectors(problem.group_channels, lanes)
    products = split.products(plan.outputs) * problem.group_channels * filters / 2
    inputs = n * split.transforms(plan.outputs) * channels
    moves = _MOVES * (inputs + n * filters)
    if problem.channels_first:
        apart = _APART if length * TYPES[problem.compute].bytes <= PAGE else _PAGES
        moves += apart * (inputs + plan.outputs * filters)
    return products, moves


def _rows_in_tiles(windows: int, plan: Plan) -> int:
    """Rows of full tiles that take as long as the tiles of so many windows."""
    rows = 0
    for height in plan.rows:
        rows += windows // height * max(height, _SHORT)
        windows %= height
    return rows


def _fastest(problem: Problem, target: Target, pairs: Iterable[tuple[int, int]]) -> Plan | None:
    """The plan of that F(m, r) which takes least, or None where there is none."""
    plans = (_plan(problem, target, *pair) for pair in pairs)
    return min(plans, key=lambda plan: _long_cycles(problem, target, plan), default=None)


def _long_cycles(problem: Problem, target: Target, plan: Plan) -> float:
    """Cycles of one output of a sequence whose edges do not matter, of all filters of a group."""
    weights = _traffic(_transformed_bytes(problem, Split.of(problem, plan.taps), plan.outputs), target)
    return sum(_window_cycles(problem, target, plan, 0)) / plan.outputs + weights / plan.block


def _traffic(weights: int, target: Target) -> float:
    """Cycles in which weights come from beyond L2: none of those that three quarters of it have room for, all of twice
    as many.
    """
    missing = weights / (target.l2_bytes * 3 // 4) - 1
    return weights * min(max(missing, 0.0), 1.0) / _BYTES


def _transformed_bytes(problem: Problem, split: Split, outputs: int) -> int:
    """Bytes of a group's transformed weights."""
    per_tap = problem.group_channels * problem.group_filters * TYPES[problem.compute].bytes
    return split.products(outputs) * per_tap


def _pairs(problem: Problem, most: int) -> Iterator[tuple[int, int]]:
    """(m, r) of up to `most` multiplications; no more taps than there are in a phase."""
    longest = Split.of(problem, 1).longest
    for taps in range(min(2, longest), min(longest, most - 1) + 1):
        for outputs in range(2, most - taps + 2):
            yield outputs, taps


def _possible(problem: Problem, accuracy: str) -> Iterator[tuple[int, int]]:
    """Those whose error is small enough."""
    kind = "fast" if accuracy == "fast" else "standard"
    return (
        pair for pair in _pairs(problem, _MOST_MULTIPLICATIONS[kind]) if _error(problem, *pair) <= _MOST_ERROR[kind]
    )


def _error(problem: Problem, outputs: int, taps: int) -> float:
    return predicted(
        algorithm(outputs, taps), problem.kernel_size, problem.group_channels, Split.of(problem, taps).terms
    )


def _vectors(count: int, lanes: int) -> int:
    """Vectors that so many numbers take, as the shorter ones they may fit in."""
    return -(-count // fitting_width(count, lanes))


def _plan(problem: Problem, target: Target, outputs: int, taps: int) -> Plan:
    """Tiles of few rows, as chains are short: what comes before and after one overlaps with the next one's products.
    c32_f32_k3@1x22016 with F(4,3) reaches 158 % of the peak with 6x2, 154 with 12x2, 139 with 8x2; c256_f256_k3@1x2000
    184 with 6x4 and 6x2, 181 with 12x2 and 167 with 4x4 (avx512).
    """
    compute, split = problem.compute, Split.of(problem, taps)
    width = fitting_width(problem.group_filters, target.lanes(compute))
    vectors = panel_vectors(problem.group_filters, width, 2 if target.registers <= 16 else 4)
    rows = min(most_rows(target, vectors), max(6, 12 // vectors))
    windows = _windows_of_a_block(problem, target, split, outputs, width * vectors) // rows * rows
    heights = tuple(dict.fromkeys((rows, max(rows // 2, 1), 1)))
    return Plan("cook_toom", "filters", width, vectors, heights, max(windows, rows) * outputs, 4, outputs, taps)


def _windows_of_a_block(problem: Problem, target: Target, split: Split, outputs: int, panel: int) -> int:
    """One tile's, so that what a block reads and writes takes little of L1 from the weights, unless these are many.

    c32_f32_k3@1x84350 reaches 137 and 148 % of the peak with 6 and 12 windows, c64_f64_k3@1x80000 154, 142 and 137 with
    6, 12 and 24; c256_f256_k3@1x2000 174, 186 and 186. Where chunks share inputs, those of some windows beside a
    block's own are transformed for it: c64_f64_k11_d5@1x11008 with F(4,4) reaches 185, 187 and 194 with 12, 24 and 48
    (avx512).
    """
    item, n = TYPES[problem.compute].bytes, outputs + split.taps - 1
    bytes_a_window = n * item * (split.transforms(outputs) * problem.group_channels + panel)
    weights = split.terms * problem.group_channels * panel * item  # of one multiplication
    if split.shares(outputs):
        windows = _MANY_WINDOWS
    elif n * weights + _FEW_WINDOWS * bytes_a_window <= target.l1_bytes:
        windows = _FEW_WINDOWS
    else:
        from_far = _transformed_bytes(problem, split, outputs) > target.l2_bytes * 3 // 2
        windows = _MANY_WINDOWS if from_far else 1 if weights <= target.l1_bytes // 3 else _SOME_WINDOWS
    return min(windows, target.l2_bytes * 3 // 4 // bytes_a_window)
