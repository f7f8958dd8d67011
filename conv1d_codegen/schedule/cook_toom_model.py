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
from ..toom.algorithm import LARGEST
from ..toom.error import predicted
from ..toom.nested import USUAL, algorithm_of
from ..toom.split import Split
from .cook_toom_cycles import of_direct, of_direct_input, of_input, of_windows, transformed_bytes, windows_of
from .plan import Plan
from .registers import channels_in_lanes, fitting_width, most_rows, panel_vectors

ACCURACIES = ("standard", "strict", "fast")
#: The largest error to be expected, as a share of the bound that direct keeps; what is left is for what the model does
#: not know.
_MOST_ERROR = {"standard": 0.76, "fast": 8.0}
_MOST_MULTIPLICATIONS = {"standard": 8, "fast": LARGEST}
#: Channels and filters of a group from which nested algorithms are looked at.
_LEAST_TO_NEST = 32
#: How many times as fast as directly it must be by this count to be chosen: its errors are larger.
#: Beside other kernels, which the caches are shared with, it is more: with the former, phasenet takes 0.39 ms instead of
#: 0.36 (`python -m bench networks --filter phasenet`).
_LEAST_GAIN, _LEAST_GAIN_BESIDE_OTHERS = 1.05, 1.2
#: Plans of one level, and nested ones, that are compared for the length of an input.
_LOOKED_AT = 3
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
    directly = of_direct_input(problem, target, length, others)
    having = (plan for plan in plans if windows_of(problem, plan, length))
    counted = {plan: of_input(problem, target, plan, length, others) for plan in having}
    best = min(counted, key=lambda plan: counted[plan], default=None)
    least = _LEAST_GAIN_BESIDE_OTHERS if others else _LEAST_GAIN
    return best if best is not None and directly > least * counted[best] else None


@lru_cache(1024)
def plans_of_long_inputs(problem: Problem, target: Target, accuracy: str) -> tuple[Plan, ...]:
    """The plans that pay for long inputs, the best first: of one level and nested, some of each, as short inputs have room
    for smaller windows only, or read fewer weights for some.
    """
    other = problem.group_channels == 1 or channels_in_lanes(problem, target)
    if accuracy == "strict" or other or problem.kernel_size == 1:
        return ()
    plans = _by_time(problem, target, _forms(problem, accuracy))
    found = {
        plan
        for nested in (False, True)
        for plan in islice(
            _accurate(problem, (each for each in plans if bool(each.nested) is nested), accuracy), _LOOKED_AT
        )
    }
    directly = of_direct(problem, target)
    return tuple(plan for plan in plans if plan in found and directly > _LEAST_GAIN * of_windows(problem, target, plan))


def best_windows(problem: Problem, target: Target, accuracy: str) -> Plan:
    """The plan for who asks for Cook–Toom: the fastest of small enough error, or where there is
    none, of the smallest.
    """
    fastest = next(_accurate(problem, _by_time(problem, target, _forms(problem, accuracy)), accuracy), None)
    return fastest or _plan(problem, target, min(_of_one_level(problem, 4), key=lambda form: _error(problem, form)))


def describe(problem: Problem, plan: Plan) -> str:
    """What a plan of windows computes: how the problem is split, what that saves, the error to be expected, and the
    matrices.
    """
    split, toom = Split.of(problem, plan.taps), plan.toom
    products, directly = split.products(toom.multiplications), plan.outputs * problem.kernel_size
    return (
        f"{products} products instead of {directly} for {plan.outputs} outputs of a channel and filter: "
        f"{directly / products:.2f} times fewer\n"
        f"{split.terms} terms of up to {split.taps} taps ({split.phases} phases), {split.sequences} sequences between each other\n"
        f"largest error to be expected: {_error(problem, _form(plan)):.2f} of the bound 8 u (sum |x| |w| + |b|)\n"
        f"{toom.describe()}"
    )


def allows(problem: Problem, plan: Plan, accuracy: str) -> bool:
    """Whether `plan` is one that `auto` may take with this accuracy."""
    if plan.algorithm != "cook_toom":
        return True
    return (
        accuracy != "strict" and _form(plan) in _forms(problem, accuracy) and _is_small(problem, _form(plan), accuracy)
    )


def _by_time(problem: Problem, target: Target, forms: Iterable[_Form]) -> list[Plan]:
    """A plan for each form, the fastest for long inputs first."""
    plans = [_plan(problem, target, form) for form in forms]
    return sorted(plans, key=lambda plan: of_windows(problem, target, plan))


def _accurate(problem: Problem, plans: Iterable[Plan], accuracy: str) -> Iterator[Plan]:
    """The plans of small enough error, one by one: finding out takes milliseconds for each."""
    return (plan for plan in plans if _is_small(problem, _form(plan), accuracy))


class _Form(NamedTuple):
    """One F(m, r): what a plan says of its algorithm."""

    outputs: int
    taps: int
    nested: tuple[int, ...] = ()


def _form(plan: Plan) -> _Form:
    return _Form(plan.outputs, plan.taps, plan.nested)


def _forms(problem: Problem, accuracy: str) -> Iterator[_Form]:
    """Those that are looked at for an accuracy."""
    most = _MOST_MULTIPLICATIONS["fast" if accuracy == "fast" else "standard"]
    yield from _of_one_level(problem, most)
    if problem.group_channels >= _LEAST_TO_NEST and problem.group_filters >= _LEAST_TO_NEST:
        yield from _nested(problem)


def _of_one_level(problem: Problem, most: int) -> Iterator[_Form]:
    """F(m, r) of up to `most` multiplications; no more taps than there are in a phase."""
    longest = Split.of(problem, 1).longest
    for taps in range(min(2, longest), min(longest, most - 1) + 1):
        for outputs in range(2, most - taps + 2):
            yield _Form(outputs, taps)


def _nested(problem: Problem) -> Iterator[_Form]:
    """The usual nested ones, for phases of about as many taps as they have, or more."""
    longest = Split.of(problem, 1).longest
    return (_Form(*form) for form in USUAL if form[1] < longest + form[2][0])


def _is_small(problem: Problem, form: _Form, accuracy: str) -> bool:
    """Whether the error to be expected of a form is small enough."""
    return _error(problem, form) <= _MOST_ERROR["fast" if accuracy == "fast" else "standard"]


def _error(problem: Problem, form: _Form) -> float:
    terms = Split.of(problem, form.taps).terms
    return predicted(algorithm_of(*form), problem.kernel_size, problem.group_channels, terms)


def _plan(problem: Problem, target: Target, form: _Form) -> Plan:
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


def _windows_of_a_block(problem: Problem, target: Target, split: Split, form: _Form, panel: int) -> int:
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
    elif form.nested and transformed_bytes(problem, split, n) > target.l2_bytes:
        return _MANY_WINDOWS  # weights are more than inputs and sums, which may come from beyond L2 too
    elif form.nested or n * weights + _FEW_WINDOWS * bytes_a_window <= target.l1_bytes:
        windows = _FEW_WINDOWS
    else:
        from_far = transformed_bytes(problem, split, n) > target.l2_bytes * 3 // 2
        windows = _MANY_WINDOWS if from_far else 1 if weights <= target.l1_bytes // 3 else _SOME_WINDOWS
    return min(windows, target.l2_bytes * 3 // 4 // bytes_a_window)
