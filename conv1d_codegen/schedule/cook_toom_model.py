"""Which F(m, r), of one level or nested, suits a problem, whether it pays, and the plan for it.

Of those whose error is small enough, the one that takes the least time by the count of `cook_toom_cycles.py` is chosen,
for sequences that are long enough for it to pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..problem.folding import folded, folds
from ..toom.split import Split
from .cook_toom_cycles import of_input, of_windows, transformed_bytes, windows_of
from .direct_cycles import of_direct, of_direct_input
from .direct_plans import usual_direct
from .plan import Plan
from .registers import LONGEST_BESIDE, channels_in_lanes, fitting_width, most_rows, panel_vectors
from .window_forms import Form, error_of, form_of, forms, is_small, most_error, of_one_level

#: How many times as fast as directly it must be by this count to be chosen: its errors are larger.
#: Beside other kernels, which the caches are shared with, it is more: with the former, phasenet takes 0.39 ms instead of
#: 0.36 (`python -m bench networks --filter phasenet`).
_LEAST_GAIN, _LEAST_GAIN_BESIDE_OTHERS = 1.05, 1.2
#: ... of folded steps: c1_f1_k25_same@1x48000 is counted to be 1.17 times as fast with F(2,2), and is 0.9; k33 1.5 with F(2,3),
#: and is 1.4 (Xeon 6/167).
_LEAST_GAIN_FOLDED = 1.2
#: Plans of one level, and nested ones, that are compared for the length of an input.
_LOOKED_AT = 3
#: Steps of a block that is turned, at least: c64_f64_k3_first@1x1000 with F(4,3) takes 113 us with 24, 106 with 48.
_STEPS_TO_TURN = 48
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
    if not plans:
        return None
    directly = of_direct_input(problem, target, usual_direct(problem, target, length), length, others)
    having = (plan for plan in plans if windows_of(problem, plan, length))
    counted = {plan: of_input(problem, target, plan, length, others) for plan in having}
    best = min(counted, key=lambda plan: counted[plan], default=None)
    return best if best is not None and directly > _least_gain(best, others) * counted[best] else None


def _least_gain(plan: Plan, others: int = 0) -> float:
    """How many times as fast as directly a plan must be counted to be."""
    return _LEAST_GAIN_FOLDED if plan.fold > 1 else _LEAST_GAIN_BESIDE_OTHERS if others else _LEAST_GAIN


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
    """The plan of each form of windows that there is for a problem, the fastest for long inputs first, as `plan_of_windows`
    decides on them; none where it looks at no windows at all.
    """
    if _has_no_windows(problem, target):
        return
    chosen = plan_of_windows(problem, target, accuracy, length, others)
    for plan in _by_time(problem, target, forms(problem, accuracy)):
        if length is None:
            cycles, directly = of_windows(problem, target, plan), _long(problem, target)
        else:
            directly = of_direct_input(problem, target, usual_direct(problem, target, length), length, others)
            fits = windows_of(problem, plan, length) > 0
            cycles = of_input(problem, target, plan, length, others) if fits else directly
        objection = "" if plan == chosen else _objection(problem, target, plan, accuracy, length)
        if plan != chosen and not objection:
            looked_at = plan in plans_of_long_inputs(problem, target, accuracy)
            objection = _too_little(directly / cycles, plan) or _beaten(chosen, looked_at)
        yield Weighed(plan, cycles, directly, objection)


def _objection(problem: Problem, target: Target, plan: Plan, accuracy: str, length: int | None) -> str:
    """Why a plan of windows is not one that is compared for inputs of so many steps, or nothing."""
    if accuracy == "strict":
        return 'it sums in another order than direct, which accuracy="strict" excludes'
    if not is_small(problem, form_of(plan), accuracy):
        error = error_of(problem, form_of(plan))
        return f"its error is expected to be {error:.2f} of direct's bound, and may be {most_error(accuracy):g}"
    if length is not None and not windows_of(problem, plan, length):
        return f"no window fits into {problem.output_length(length)} output steps"
    return _too_little(_long(problem, target) / of_windows(problem, target, plan), plan)


def _long(problem: Problem, target: Target) -> float:
    """Cycles of one output of a long input, directly."""
    return of_direct(problem, target, usual_direct(problem, target))


def _too_little(gain: float, plan: Plan) -> str:
    least = _least_gain(plan)
    if gain > least:
        return ""
    return f"it is counted to be {gain:.2f} times as fast as direct, and must be {least} times"


def _beaten(chosen: Plan | None, looked_at: bool) -> str:
    """Why a plan of windows that is accurate and would pay is not taken."""
    if chosen is not None and looked_at:
        return f"{chosen.toom} is counted to be faster"
    return f"{_LOOKED_AT} others of its kind are counted to be faster for long inputs, and these are compared"


def _has_no_windows(problem: Problem, target: Target) -> bool:
    """Whether "auto" never takes windows: there are no channels to share the transforms, or no taps to save; or each channel
    is a group, and all lie in the lanes. With 32 of them, c32_f32_k129_g32_causal_first@1x4000 takes 233 us so and 228 folded,
    same@1x1000 59 and 93; where they can't, c32_f32_k257_g32_valid_first@1x4000 takes 757 us directly and 252 (Xeon 6/167).
    """
    if folds(problem):
        return problem.groups > 1 and problem.extent <= LONGEST_BESIDE
    return problem.group_channels == 1 or problem.kernel_size == 1 or channels_in_lanes(problem, target)


@lru_cache(1024)
def plans_of_long_inputs(problem: Problem, target: Target, accuracy: str) -> tuple[Plan, ...]:
    """The plans that pay for long inputs, the best first: of one level and nested, some of each, as short inputs have room
    for smaller windows only, or read fewer weights for some.
    """
    if accuracy == "strict" or _has_no_windows(problem, target):
        return ()
    plans = _by_time(problem, target, forms(problem, accuracy))
    found = {
        plan
        for nested in (False, True)
        for plan in islice(
            _accurate(problem, (each for each in plans if bool(each.nested) is nested), accuracy), _LOOKED_AT
        )
    }
    directly = _long(problem, target)
    return tuple(
        plan for plan in plans if plan in found and directly > _least_gain(plan) * of_windows(problem, target, plan)
    )


def best_windows(problem: Problem, target: Target, accuracy: str) -> Plan:
    """The plan for who asks for Cook–Toom: the fastest of small enough error, or where there is
    none, of the smallest.
    """
    fastest = next(_accurate(problem, _by_time(problem, target, forms(problem, accuracy)), accuracy), None)
    return fastest or _plan(problem, target, min(of_one_level(problem, 4), key=lambda form: error_of(problem, form)))


def _by_time(problem: Problem, target: Target, forms: Iterable[Form]) -> list[Plan]:
    """A plan for each form, the fastest for long inputs first."""
    plans = [_plan(problem, target, form) for form in forms]
    return sorted(plans, key=lambda plan: of_windows(problem, target, plan))


def _accurate(problem: Problem, plans: Iterable[Plan], accuracy: str) -> Iterator[Plan]:
    """The plans of small enough error, one by one: finding out takes milliseconds for each."""
    return (plan for plan in plans if is_small(problem, form_of(plan), accuracy))


def _plan(problem: Problem, target: Target, form: Form) -> Plan:
    """Tiles of few rows, as chains are short: what comes before and after one overlaps with the next one's products.
    c32_f32_k3@1x22016 with F(4,3) reaches 158 % of the peak with 6x2, 154 with 12x2, 139 with 8x2; c256_f256_k3@1x2000
    184 with 6x4 and 6x2, 181 with 12x2 and 167 with 4x4 (avx512). Nested, where few
    channels make short chains, taller ones: c32_f32_k9@1x10000 with F(12,9) takes 0.91 of the time with 12x2 (a Xeon with
    AVX-512 and AMX).
    """
    problem = folded(problem, form.fold)
    compute, split = problem.compute, Split.of(problem, form.taps)
    width = fitting_width(problem.group_filters, target.lanes(compute))
    vectors = panel_vectors(problem.group_filters, width, 2 if target.registers <= 16 else 4)
    least = 12 if form.nested and vectors <= 2 else 6
    rows = min(most_rows(target, vectors), max(least, 12 // vectors))
    windows = _windows_of_a_block(problem, target, split, form, width * vectors) // rows * rows
    if split.turns(problem):
        windows = max(windows, -(-_STEPS_TO_TURN // (form.outputs * rows)) * rows)
    heights = tuple(dict.fromkeys((rows, max(rows // 2, 1), 1)))
    block = max(windows, rows) * form.outputs
    outputs, taps, nested, fold = form
    return Plan("cook_toom", "filters", width, vectors, heights, block, 4, outputs, taps, nested=nested, fold=fold)


def _windows_of_a_block(problem: Problem, target: Target, split: Split, form: Form, panel: int) -> int:
    """One tile's, so that what a block reads and writes takes little of L1 from the weights, unless these are many.

    c32_f32_k3@1x84350 reaches 137 and 148 % of the peak with 6 and 12 windows, c64_f64_k3@1x80000 154, 142 and 137 with
    6, 12 and 24; c256_f256_k3@1x2000 174, 186 and 186. Where chunks share inputs, those of some windows beside a
    block's own are transformed for it: c64_f64_k11_d5@1x11008 with F(4,4) reaches 185, 187 and 194 with 12, 24 and 48
    (avx512). Nested, with 12, 24 and 48 at 1x10000: c64_f64_k20 with F(12,12), whose weights take 1.1 MiB, 268, 259 and
    250; c64_f64_k31 with F(16,16), 1.5 MiB, 301, 311 and 314; c128_f128_k9 with F(15,9), 2.2 MiB, 219, 253 and 254
    (a Xeon with 2 MiB of L2, `conv1d-codegen explain PROBLEM@1x10000 --measure --plan PLAN`).
    """
    item, n = TYPES[problem.compute].bytes, form.toom.multiplications
    bytes_a_window = n * item * (split.transforms(form.outputs) * problem.group_channels + panel)
    weights = split.terms * problem.group_channels * panel * item  # of one multiplication
    from_far = transformed_bytes(problem, split, n, form.fold) > target.l2_bytes * 3 // 2
    if form.nested and from_far:
        return _MANY_WINDOWS  # weights are more than inputs and sums, which may come from beyond L2 too
    if form.nested:
        windows = _FEW_WINDOWS
    elif split.shares(form.outputs):
        windows = _MANY_WINDOWS
    elif n * weights + _FEW_WINDOWS * bytes_a_window <= target.l1_bytes:
        windows = _FEW_WINDOWS
    else:
        windows = _MANY_WINDOWS if from_far else 1 if weights <= target.l1_bytes // 3 else _SOME_WINDOWS
    return min(windows, target.l2_bytes * 3 // 4 // bytes_a_window)
