"""Makes a failing case smaller, as long as it still fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from ..errors import CompileError
from ..problem import Activation
from .case import Case

_SECONDS = 30.0
Change = Mapping[str, object]


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float = _SECONDS) -> Case:
    """The smallest case that was found to fail in so much time: every change is tried by turns, until none of them
    still fails.
    """
    at, refused, deadline = 0, 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        candidates = list(_smaller(case))
        if refused >= len(candidates):
            break
        smaller = candidates[at % len(candidates)]
        if fails(smaller):
            case, refused = smaller, 0
        else:
            at, refused = at + 1, refused + 1
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Cases that are simpler in one thing, the largest steps first."""
    for change in _changes(case):
        try:
            smaller = case.with_(**change)
        except (ValueError, CompileError):
            continue  # groups that no longer divide, a policy without its dtype, ...
        if smaller != case:
            yield smaller


def _changes(case: Case) -> Iterator[Change]:
    if len(case.shapes) > 1:
        yield from ({"shapes": (shape,)} for shape in case.shapes)
    yield {"input": "plain"}
    yield {"threads": 1}
    yield {"policy": ""}
    yield {"then": ""}
    yield {"accuracy": "standard"}
    yield {"algorithm": "auto"}
    yield {"target": "host"}
    for change in _problem_changes(case):
        try:
            yield {"problem": case.problem.with_(**change)}
        except ValueError:
            continue
    if len(case.shapes) == 1:
        yield from ({"shapes": (shape,)} for shape in _shapes(case.shapes[0]))


def _problem_changes(case: Case) -> Iterator[Change]:
    p = case.problem
    yield {"activation": Activation("linear")}
    if p.activation.name != "linear":
        yield {"activation": Activation("relu")}
    if case.policy == "":
        yield {"dtype": "f32"}
    yield {"use_bias": True}
    yield {"channels_first": False}
    yield {"padding": "valid"}
    yield from ({name: 1} for name in ("stride", "dilation"))
    if p.groups > 1:
        inner, outer = p.channels // p.groups, p.filters // p.groups
        yield from ({"groups": g, "channels": g * inner, "filters": g * outer} for g in _less(p.groups))
    for name in ("channels", "filters"):
        yield from ({name: value} for value in _less(getattr(p, name), p.groups))
    for name in ("kernel_size", "stride", "dilation"):
        yield from ({name: value} for value in _less(getattr(p, name)))
    if isinstance(p.padding, tuple):
        left, right = p.padding
        yield from (
            {"padding": pair}
            for pair in ((0, 0), (left, 0), (0, right), (left // 2, right // 2), (max(0, left - 1), max(0, right - 1)))
        )


def _less(value: int, step: int = 1) -> Iterator[int]:
    """Smaller multiples of `step`."""
    parts = value // step
    yield from (
        step * part for part in dict.fromkeys((1, 2, parts // 2, parts * 3 // 4, parts - 1)) if 0 < part < parts
    )


def _shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    *axes, length = shape
    if len(axes) > 1:
        yield (max(axes), length)
    for place, size in enumerate(axes):
        if size > 1:
            yield (*axes[:place], 1, *axes[place + 1 :], length)
    yield from ((*axes, value) for value in _less(length))
