"""Which F(m, r), of one level or nested, suits a problem, whether it pays, and the plan for it: the cost model of
Cook–Toom.

Time is counted in cycles of a core with two pipes for multiply-adds. All filters of one window, of m outputs, take

    products / 2 * channels * vectors of filters                     as many as `Split.products` says, about n * k / r
    + MOVES * n * (transforms * vectors of channels + vectors of filters)     to load, add up and store n vectors, there and back
    + bytes of transformed weights / windows of a block / BYTES      where these don't stay in L2
    + bytes that come from memory / FAR

and what the first windows of an input, and short tiles of the last ones, take longer. Here n is the multiplications of
F(m, r). In channels_first the second line is more, as vectors are gathered. Directly, m outputs take m * k / 2 *
channels * vectors of filters, and their weights. Of those whose error is small enough, the one that takes the least time is chosen, for
sequences that are long enough for it to pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ..machine.target import PAGE, Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.padding import ceildiv, interior
from ..toom.nested import algorithm_of
from ..toom.split import Split
from .plan import Plan
from .registers import channels_in_lanes, fitting_width, most_rows, panel_vectors, weight_bytes
from .window_forms import Form, error_of, form_of, forms, is_small, most_error, of_one_level

#: Cycles in which a window's vector is loaded, transformed and stored. With F(4,3), by what a window takes beside its
#: products: c32_f32_k3@1x22016 1.9, c32_f16_k3@1x24000 2.6, c64_f64_k3@1x10000 3.0 (avx512).
_MOVES = 2.5
#: ... and what it takes longer where channels or filters lie apart: c64_f64_k3_first@1x10000 with F(4,3) takes 160 ns
#: more a window than in channels_last, for 40 vectors; or where each lies in a page of its own:
#: c80_f384_k3_first@1x3000 with F(5,3) takes 1400 ns more a window, for 155 (avx512).
_APART, _PAGES = 16.0, 37.0
#: ... and of a nested algorithm, whose transforms have more steps. On a Sapphire Rapids, where both take longer,
#: c64_f64_k3@1x10000 with F(4,3) takes 6.4 cycles so, c64_f64_k9@1x10000 with F(3,3) ⊗ F(4,3) 7.8.
_NESTED_MOVES = 3.0
#: Where channels or filters lie a multiple of so many bytes apart, or a few more or less, they fall into few sets of
#: L1, a vector's too. Against direct, windows are then 0.52 times as fast with c128_f256_k3_d8_first@1x10240 and 1.09
#: times with c32_f32_k20_first@64x512, but 1.5 times with c64_f64_k11_d5_first@1x11008, whose rows lie 1024 more apart
#: (avx512).
_SETS, _NEARLY = PAGE // 2, 32
#: Bytes of weights a cycle from beyond L2, where computing hides most of their way: c512_f512_k3_s2@1x3199 reaches 112,
#: 111 and 107 % of the peak with F(4,2), F(5,2) and F(7,2), though their products would allow for 133, 136 and 140
#: (avx512).
_BYTES = 32.0
#: ... of a nested algorithm's, beside whose products less is hidden. On a Sapphire Rapids c128_f128_k8@1x10000 with
#: F(3,3) ⊗ F(5,3) takes 1.02 times as long as with F(5,4), and 0.86 times with 9 taps, though by all else it would take
#: 0.75 and 0.66 times as long.
_NESTED_BYTES = 8.0
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


def plan_of_windows(
    problem: Problem, target: Target, accuracy: str, length: int | None = None, others: int = 0
) -> Plan | None:
    """The plan that `auto` takes for inputs of so many steps, or for long ones, or None where another algorithm is
    better, or more exact than asked for. Between two calls, other kernels read `others` bytes of weights.
    """
    plans = plans_of_long_inputs(problem, target, accuracy)
    if length is None:
        return next(iter(plans), None)
    paying = (plan for plan in plans if not _objection(problem, target, plan, length, others))
    return min(paying, key=lambda plan: _cycles(problem, target, plan, length, others), default=None)


class Weighed(NamedTuple):
    """A plan of windows that was compared with direct: cycles of both, of all filters of a group, for one input of a known
    length or else for one output of a long one; and why it is not taken, or nothing for the one that is.
    """

    plan: Plan
    cycles: float
    directly: float
    objection: str


def weighed(
    problem: Problem, target: Target, accuracy: str, length: int | None = None, others: int = 0
) -> Iterator[Weighed]:
    """The plan of each form of windows that there is for a problem, the fastest first, as `plan_of_windows` decides on
    them; none where it looks at no windows at all.
    """
    if _has_no_windows(problem, target):
        return
    chosen = plan_of_windows(problem, target, accuracy, length, others)
    best = plans_of_long_inputs(problem, target, accuracy)
    least = 0.0 if chosen is None or length is None else _cycles(problem, target, chosen, length, others)
    for plan in _by_time(problem, target, forms(problem, accuracy)):
        if length is None:
            cycles, directly = _long_cycles(problem, target, plan), _long_direct_cycles(problem, target, plan)
        else:
            cycles = _cycles(problem, target, plan, length, others)
            directly = _directly(problem, target, plan, length, others)
        if plan == chosen:
            objection = ""
        elif accuracy == "strict":
            objection = 'it sums in another order than direct, which accuracy="strict" excludes'
        elif not is_small(problem, form_of(plan), accuracy):
            objection = (
                f"its error is expected to be {error_of(problem, form_of(plan)):.2f} of direct's bound, and may be "
                f"{most_error(accuracy):g}"
            )
        else:
            objection = _long_objection(problem, target, plan)
            objection = objection or (_objection(problem, target, plan, length, others) if length is not None else "")
            objection = objection or _beaten(chosen, best, cycles < least)
        yield Weighed(plan, cycles, directly, objection)


def _beaten(chosen: Plan | None, best: tuple[Plan, ...], is_faster: bool) -> str:
    """Why a plan of windows that is accurate and would pay is not taken. `is_faster`: than the one that is."""
    if chosen is not None and not is_faster:
        return f"{chosen.toom} is counted to be faster"
    if not best:
        return "the fastest windows do not pay"
    return f"{best[0].toom} is counted to be faster for long inputs, and others are not weighed for one length"


@lru_cache(1024)
def plans_of_long_inputs(problem: Problem, target: Target, accuracy: str) -> tuple[Plan, ...]:
    """The best plan for long inputs, if it pays; and where that is nested, one of a single level, as there are lengths
    that have room for its smaller windows only.
    """
    if accuracy == "strict" or _has_no_windows(problem, target):
        return ()
    plans = _by_time(problem, target, forms(problem, accuracy))
    found = [_first_accurate(problem, plans, accuracy)]
    if found[0] is not None and found[0].nested:
        found.append(_first_accurate(problem, (plan for plan in plans if not plan.nested), accuracy))
    return tuple(plan for plan in found if plan is not None and not _long_objection(problem, target, plan))


def _has_no_windows(problem: Problem, target: Target) -> bool:
    """Whether "auto" never takes windows: there are no channels to share the transforms, or no taps to save."""
    return problem.group_channels == 1 or problem.kernel_size == 1 or channels_in_lanes(problem, target)


def _long_objection(problem: Problem, target: Target, plan: Plan) -> str:
    """Why a plan of windows is not worth it for long inputs, or nothing."""
    gain = _long_direct_cycles(problem, target, plan) / _long_cycles(problem, target, plan)
    return "" if gain > _LEAST_GAIN else _too_little(gain)


def _too_little(gain: float) -> str:
    return f"it is counted to be {gain:.2f} times as fast as direct, and must be {_LEAST_GAIN} times"


def _long_direct_cycles(problem: Problem, target: Target, plan: Plan) -> float:
    """Cycles of one output of a long sequence directly, of all filters of a group, in blocks as `plan` has."""
    return direct_cycles(problem, target) + _traffic(weight_bytes(problem) // problem.groups, target) / plan.block


def best_windows(problem: Problem, target: Target, accuracy: str) -> Plan:
    """The plan for who asks for Cook–Toom: the fastest of small enough error, or where there is
    none, of the smallest.
    """
    fastest = _first_accurate(problem, _by_time(problem, target, forms(problem, accuracy)), accuracy)
    return fastest or _plan(problem, target, min(of_one_level(problem, 4), key=lambda form: error_of(problem, form)))


@lru_cache(1024)
def _objection(problem: Problem, target: Target, plan: Plan, length: int, others: int) -> str:
    """Why `plan`, of windows, is not worth it for inputs of so many steps, or nothing. Between two calls, other kernels
    read `others` bytes of weights.
    """
    steps = problem.output_length(length)
    item = TYPES[problem.compute].bytes
    aliased = problem.channels_first and any(
        (count * item + _NEARLY) % _SETS < 2 * _NEARLY for count in (length, steps)
    )
    if aliased:
        return f"channels, or filters, lie nearly a multiple of {_SETS} bytes apart, and would fall into few sets of L1"
    if _windows(problem, plan, length) == 0:
        return f"no window fits into {steps} output steps"
    directly = _directly(problem, target, plan, length, others)
    cycles = _cycles(problem, target, plan, length, others)
    return "" if directly > _LEAST_GAIN * cycles + _START else _too_little(directly / (cycles + _START / _LEAST_GAIN))


def _directly(problem: Problem, target: Target, plan: Plan, length: int, others: int) -> float:
    """Cycles of an input of so many steps directly, of all filters of a group, in blocks as `plan` has; `others` as of
    `_cycles`.
    """
    steps = problem.output_length(length)
    direct, weights = direct_cycles(problem, target), weight_bytes(problem) // problem.groups
    directly = steps * direct + ceildiv(steps, plan.block) * _traffic(weights, target) + weights / _L2_BYTES
    if others > _NEAR:
        directly += weights / _FROM_MEMORY
    return float(directly)


def _windows(problem: Problem, plan: Plan, length: int) -> int:
    """Windows of one sequence of an input of so many steps."""
    steps, split = problem.output_length(length), Split.of(problem, plan.taps)
    first, last = interior(length, problem.left_paddings(), split.all_taps, problem.stride, problem.dilation)
    return max(int(min(last, steps) - first) // (plan.outputs * split.sequences), 0)


def _cycles(problem: Problem, target: Target, plan: Plan, length: int, others: int) -> float:
    """Cycles of an input of so many steps, of all filters of a group; some steps are without a window. Between two
    calls, other kernels read `others` bytes of weights.
    """
    steps, split, windows = problem.output_length(length), Split.of(problem, plan.taps), _windows(problem, plan, length)
    direct, products, moves = direct_cycles(problem, target), *_window_cycles(problem, target, plan, length)
    item, weights = TYPES[problem.compute].bytes, weight_bytes(problem) // problem.groups
    most = plan.block // plan.outputs
    rows = windows // most * _rows_in_tiles(most, plan) + _rows_in_tiles(windows % most, plan)
    own_weights = _transformed_bytes(problem, split, plan.toom.multiplications)
    transformed = split.sequences * (rows * products + windows * moves)
    transformed += (
        ceildiv(windows * split.sequences, most) * _traffic(own_weights, target, _bytes_a_cycle(plan))
        + own_weights / _L2_BYTES
    )
    alone = steps - windows * split.sequences * plan.outputs
    transformed += _ALONE * alone * direct + _traffic(weights, target) if alone else 0
    far = own_weights + (length * problem.group_channels + steps * problem.group_filters) * item - _NEAR
    transformed += max(far, 0) / _FAR
    return float(transformed + (own_weights / _FROM_MEMORY if others > _NEAR else 0))


def direct_cycles(problem: Problem, target: Target) -> float:
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
    split, lanes, n = Split.of(problem, plan.taps), target.lanes(problem.compute), plan.toom.multiplications
    filters, channels = _vectors(problem.group_filters, lanes), _vectors(problem.group_channels, lanes)
    products = split.products(n) * problem.group_channels * filters / 2
    inputs = n * split.transforms(plan.outputs) * channels
    moves = (_NESTED_MOVES if plan.nested else _MOVES) * (inputs + n * filters)
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


def _by_time(problem: Problem, target: Target, forms: Iterable[Form]) -> list[Plan]:
    """A plan for each form, the fastest first. One that is nested must be clearly better than one of a single level."""
    plans = [_plan(problem, target, form) for form in forms]
    return sorted(plans, key=lambda plan: (_LEAST_GAIN if plan.nested else 1) * _long_cycles(problem, target, plan))


def _first_accurate(problem: Problem, plans: Iterable[Plan], accuracy: str) -> Plan | None:
    """The first plan of small enough error: few are looked at, as that takes milliseconds for each."""
    return next((plan for plan in plans if is_small(problem, form_of(plan), accuracy)), None)


def _long_cycles(problem: Problem, target: Target, plan: Plan) -> float:
    """Cycles of one output of a sequence whose edges do not matter, of all filters of a group."""
    split = Split.of(problem, plan.taps)
    weights = _traffic(_transformed_bytes(problem, split, plan.toom.multiplications), target, _bytes_a_cycle(plan))
    return sum(_window_cycles(problem, target, plan, 0)) / plan.outputs + weights / plan.block


def _bytes_a_cycle(plan: Plan) -> float:
    """Of transformed weights from beyond L2."""
    return _NESTED_BYTES if plan.nested else _BYTES


def _traffic(weights: int, target: Target, bytes_a_cycle: float = _BYTES) -> float:
    """Cycles in which weights come from beyond L2: none of those that three quarters of it have room for, all of twice
    as many.
    """
    missing = weights / (target.l2_bytes * 3 // 4) - 1
    return weights * min(max(missing, 0.0), 1.0) / bytes_a_cycle


def _transformed_bytes(problem: Problem, split: Split, multiplications: int) -> int:
    """Bytes of a group's transformed weights."""
    per_tap = problem.group_channels * problem.group_filters * TYPES[problem.compute].bytes
    return split.products(multiplications) * per_tap


def _vectors(count: int, lanes: int) -> int:
    """Vectors that so many numbers take, as the shorter ones they may fit in."""
    return -(-count // fitting_width(count, lanes))


def _plan(problem: Problem, target: Target, form: Form) -> Plan:
    """Tiles of few rows, as chains are short: what comes before and after one overlaps with the next one's products.
    c32_f32_k3@1x22016 with F(4,3) reaches 158 % of the peak with 6x2, 154 with 12x2, 139 with 8x2; c256_f256_k3@1x2000
    184 with 6x4 and 6x2, 181 with 12x2 and 167 with 4x4 (avx512).
    """
    compute, split = problem.compute, Split.of(problem, form.taps)
    width = fitting_width(problem.group_filters, target.lanes(compute))
    vectors = panel_vectors(problem.group_filters, width, 2 if target.registers <= 16 else 4)
    rows = min(most_rows(target, vectors), max(6, 12 // vectors))
    windows = _windows_of_a_block(problem, target, split, form, width * vectors) // rows * rows
    heights = tuple(dict.fromkeys((rows, max(rows // 2, 1), 1)))
    block = max(windows, rows) * form.outputs
    return Plan("cook_toom", "filters", width, vectors, heights, block, 4, form.outputs, form.taps, nested=form.nested)


def _windows_of_a_block(problem: Problem, target: Target, split: Split, form: Form, panel: int) -> int:
    """One tile's, so that what a block reads and writes takes little of L1 from the weights, unless these are many.

    c32_f32_k3@1x84350 reaches 137 and 148 % of the peak with 6 and 12 windows, c64_f64_k3@1x80000 154, 142 and 137 with
    6, 12 and 24; c256_f256_k3@1x2000 174, 186 and 186. Where chunks share inputs, those of some windows beside a
    block's own are transformed for it: c64_f64_k11_d5@1x11008 with F(4,4) reaches 185, 187 and 194 with 12, 24 and 48
    (avx512).
    """
    item, n = TYPES[problem.compute].bytes, algorithm_of(*form).multiplications
    bytes_a_window = n * item * (split.transforms(form.outputs) * problem.group_channels + panel)
    weights = split.terms * problem.group_channels * panel * item  # of one multiplication
    if split.shares(form.outputs):
        windows = _MANY_WINDOWS
    elif form.nested and _transformed_bytes(problem, split, n) > target.l2_bytes:
        return _MANY_WINDOWS  # weights are more than inputs and sums, which may come from beyond L2 too
    elif form.nested or n * weights + _FEW_WINDOWS * bytes_a_window <= target.l1_bytes:
        windows = _FEW_WINDOWS
    else:
        from_far = _transformed_bytes(problem, split, n) > target.l2_bytes * 3 // 2
        windows = _MANY_WINDOWS if from_far else 1 if weights <= target.l1_bytes // 3 else _SOME_WINDOWS
    return min(windows, target.l2_bytes * 3 // 4 // bytes_a_window)
