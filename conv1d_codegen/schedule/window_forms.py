"""Which F(m, r) there are for a problem, of one level or nested, how large their errors are, and what one computes, in
words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..problem import Problem
from ..problem.folding import folded, folds
from ..toom.algorithm import LARGEST, Algorithm
from ..toom.error import at_least, predicted
from ..toom.nested import USUAL, algorithm_of
from ..toom.split import Split
from .plan import Plan

ACCURACIES = ("standard", "strict", "fast")
#: The largest error to be expected, as a share of the bound that direct keeps; what is left is for what the model does
#: not know.
_MOST_ERROR = {"standard": 0.76, "fast": 8.0}
_MOST_MULTIPLICATIONS = {"standard": 8, "fast": LARGEST}
#: Channels and filters of a group from which nested algorithms are looked at.
_LEAST_TO_NEST = 32
#: Steps of a row that are looked at: see `cook_toom_model.py`.
_ROWS = (16, 32)


class Form(NamedTuple):
    """One F(m, r): what a plan says of its algorithm."""

    outputs: int
    taps: int
    nested: tuple[int, ...] = ()
    fold: int = 1

    @property
    def toom(self) -> Algorithm:
        return algorithm_of(self.outputs, self.taps, self.nested)


def form_of(plan: Plan) -> Form:
    return Form(plan.outputs, plan.taps, plan.nested, plan.fold)


def forms(problem: Problem, accuracy: str) -> Iterator[Form]:
    """Those that are looked at for an accuracy."""
    most = _MOST_MULTIPLICATIONS["fast" if accuracy == "fast" else "standard"]
    yield from of_one_level(problem, most)
    if problem.group_channels >= _LEAST_TO_NEST and problem.group_filters >= _LEAST_TO_NEST:
        yield from _nested(problem)
    for steps in _ROWS if folds(problem) else ():
        rows = folded(problem, steps)
        for form in (*of_one_level(rows, most), *_nested(rows)):
            yield form._replace(fold=steps)


def of_one_level(problem: Problem, most: int) -> Iterator[Form]:
    """F(m, r) of up to `most` multiplications; no more taps than there are in a phase."""
    longest = Split.of(problem, 1).longest
    for taps in range(min(2, longest), min(longest, most - 1) + 1):
        for outputs in range(2, most - taps + 2):
            yield Form(outputs, taps)


def _nested(problem: Problem) -> Iterator[Form]:
    """The usual nested ones, for phases of about as many taps as they have, or more."""
    longest = Split.of(problem, 1).longest
    return (Form(*form) for form in USUAL if form[1] < longest + form[2][0])


def is_small(problem: Problem, form: Form, accuracy: str) -> bool:
    """Whether the error to be expected of a form is small enough."""
    most = most_error(accuracy)
    return _error(at_least, problem, form) <= most and error_of(problem, form) <= most


def most_error(accuracy: str) -> float:
    """The largest error to be expected that is small enough."""
    return _MOST_ERROR["fast" if accuracy == "fast" else "standard"]


def error_of(problem: Problem, form: Form) -> float:
    """The error to be expected, as a share of the bound."""
    return _error(predicted, problem, form)


def _error(model: Callable[[Algorithm, int, int, int], float], problem: Problem, form: Form) -> float:
    rows = folded(problem, form.fold)
    error = model(form.toom, rows.kernel_size, rows.group_channels, Split.of(rows, form.taps).terms)
    if form.fold == 1:
        return error
    # Weights that are no taps are zeros: variances are less by that share, as the bound is. And those that are taps are the
    # same for all channels and filters: how their sum of squares and their sum compare does not average out. The largest of
    # 2 to 6 * 10**7 errors was 1.5, 1.25, 1.3, 1.1, 1.1, 1.05 and 1.02 times the model's without the last factor, with 33, 49,
    # 65, 129, 257, 513 and 1025 taps (`python tools/long_filters.py --errors`).
    taps = problem.kernel_size
    return error / math.sqrt(taps / (rows.kernel_size * rows.group_channels)) * (1 + 1.5 / math.sqrt(taps))


def allows(problem: Problem, plan: Plan, accuracy: str) -> bool:
    """Whether `plan` is one that `auto` may take with this accuracy."""
    if plan.algorithm != "cook_toom":
        return True
    return (
        accuracy != "strict"
        and form_of(plan) in forms(problem, accuracy)
        and is_small(problem, form_of(plan), accuracy)
    )


def describe(problem: Problem, plan: Plan) -> str:
    """What a plan of windows computes: how the problem is split, what that saves, the error to be expected, and the
    matrices.
    """
    split, toom = plan.split(problem), plan.toom
    products, directly = split.products(toom.multiplications) * plan.fold, plan.outputs * problem.kernel_size
    rows = f"rows of {plan.fold} steps, each a channel\n" if plan.fold > 1 else ""
    return rows + (
        f"{products} products instead of {directly} for {plan.outputs} outputs of a channel and filter: "
        f"{directly / products:.2f} times fewer\n"
        f"{split.terms} terms of up to {split.taps} taps ({split.phases} phases), {split.sequences} sequences between each other\n"
        f"largest error to be expected: {error_of(problem, form_of(plan)):.2f} of the bound 8 u (sum |x| |w| + |b|)\n"
        f"{toom.describe()}"
    )
