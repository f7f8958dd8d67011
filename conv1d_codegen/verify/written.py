"""Which elements of registers and scratch arrays are written, so that none is read before.

A store writes one element. After a loop over stores, what its iterations wrote is joined: with

    for tile in 0..count: for i in 0..6: sum[i + 6*tile] := ...

`sum[6*tile .. 6*tile + 6]` is written after the inner loop, and `sum[0 .. 6*count]` after the outer one. Boxes that
touch are joined too, and so are two of which one is written in any case, as where few steps take another loop than
many. What is not understood counts as not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..ir import Buffer, Compound, For, If, Storage, Store
from ..ir.rewrite import loads
from ..symbolic.index import Extreme, Index, index, minimum
from ..symbolic.scope import Scope
from .place import Box, Place

_MOST_BOXES = 24
Sides = tuple[tuple[Index, Index], ...]


def covers(buffer: Buffer, at: tuple[Index, ...], place: Place) -> bool:
    """Whether it is proved that the element at a place was written; of a register also where the code never runs, as it
    is printed.
    """
    boxes = [box.sides for box in place.boxes(buffer) if box.condition is None]
    if buffer.storage is Storage.REGISTER:
        return any(_within(at, sides, place.scope.proves_for_all) for sides in boxes)
    return any(_within(at, sides, place.scope.proves) for sides in boxes) or (
        len(boxes) > 1 and any(_in_one_of(at, boxes, axis, place.scope) for axis in range(len(at)))
    )


def _within(at: Sequence[Index], sides: Sequence[tuple[Index, Index]], proves: Callable[[Index], bool]) -> bool:
    return all(_between(i, first, end, proves) for i, (first, end) in zip(at, sides, strict=True))


def _in_one_of(at: tuple[Index, ...], boxes: list[Sides], axis: int, scope: Scope) -> bool:
    """Whether an element lies in some of the boxes, which may depend on its index on one axis: what is not in one is in
    another.
    """

    def others(whole: Sequence[Any]) -> list[Any]:
        return [part for number, part in enumerate(whole) if number != axis]

    runs = [sides[axis] for sides in boxes if _within(others(at), others(sides), scope.proves)]
    return len(runs) > 1 and _in_one_run(at[axis], runs, scope)


def _in_one_run(i: Index, runs: list[tuple[Index, Index]], scope: Scope) -> bool:
    for number, (first, end) in enumerate(runs):
        if scope.proves(i - first):
            others = runs[:number] + runs[number + 1 :]
            beyond = [bound for bound in _lower_bounds(end) if not scope.proves(bound - 1 - i)]
            return all(_in_one_run(i, others, scope.given((i - bound,))) for bound in beyond)
    return False


def _lower_bounds(end: Index) -> tuple[Index, ...]:
    """What is at `end` or beyond is at one of these or beyond: of a minimum, its sides."""
    found = _minimum(end)
    return (end,) if found is None else found


def _minimum(expression: Index, name: str | None = None) -> tuple[Index, Index] | None:
    """Of `min(a, b) + rest`, `a + rest` and `b + rest`; with a name, of a minimum that has it."""
    for monomial, coefficient in expression.terms:
        atom = monomial[0] if len(monomial) == coefficient == 1 else None
        if isinstance(atom, Extreme) and atom.kind == "min":
            sides = atom.a, atom.b
            if name is None or any(name in side.variables() for side in sides):
                rest = expression - Index({monomial: 1})
                return rest + atom.a, rest + atom.b
    return None


def _between(i: Index, first: Index, end: Index, proves: Callable[[Index], bool]) -> bool:
    """Whether an index is `first` or more and less than `end`; where that is a minimum, less than each of its sides."""

    def less(end: Index) -> bool:
        sides = _minimum(end)
        return proves(end - 1 - i) or (sides is not None and all(map(less, sides)))

    return proves(i - first) and less(end)


def add(statement: Store, place: Place) -> None:
    """Take note of what a store writes. One that adds to what was there writes nothing new."""
    buffer, at = statement.buffer, statement.index
    if any(read.buffer == buffer and read.index == at for read in loads(statement.value)) or _is_whole(buffer, place):
        return
    place.written[buffer] = _joined(place.written.get(buffer, ()), Box(tuple((i, i + 1) for i in at)), place)


def after(statement: Compound, place: Place, inner: Place) -> None:
    """Take note of what all iterations of a loop wrote, what was written on a condition, or in a nest; `inner` is the
    place within.
    """
    for buffer, boxes in inner.written.items():
        if buffer not in inner.own and not _is_whole(buffer, place):
            for box in boxes:
                certain = buffer.storage is Storage.REGISTER
                box = _without_names(box, place, inner)
                whole: Box | None = box
                if isinstance(statement, For):
                    whole = _over(statement, box, place, certain)
                elif isinstance(statement, If):
                    whole = None if certain else _on_condition(statement, box, place)
                if whole is not None:
                    place.written[buffer] = _joined(place.written.get(buffer, ()), whole, place)


def _is_whole(buffer: Buffer, place: Place) -> bool:
    """Whether all of a buffer was written already."""
    everything = Box(tuple((index(0), size) for size in buffer.shape))
    return any(box == everything for box in place.boxes(buffer))


def _without_names(box: Box, place: Place, inner: Place) -> Box:
    """The box without the names that end with a loop or nest: under names outside, where their values are the same all
    the time.
    """
    ended = inner.named_outside

    def take_out(expressions: Iterable[Index]) -> None:
        for name in {name for expression in expressions for name in expression.variables()}:
            if name in inner.lets and name not in place.lets and name not in ended:
                take_out((inner.lets[name],))
                value = inner.lets[name].substitute(ended)
                same = all(known in place.names for known in value.variables())
                ended[name] = place.name_value(name, value) if same else value

    take_out((*(bound for side in box.sides for bound in side), *(() if box.condition is None else (box.condition,))))
    return _with(box, ended)


def _with(box: Box, at: Mapping[str, Index]) -> Box:
    condition = None if box.condition is None else box.condition.substitute(at)
    return Box(tuple((first.substitute(at), end.substitute(at)) for first, end in box.sides), condition)


def _over(loop: For, box: Box, place: Place, certain: bool) -> Box | None:
    """The box that all iterations of a loop write together, each its own; None where that is not understood."""
    if box.condition is not None and loop.var in box.condition.variables():
        return None
    axes = [axis for axis, side in enumerate(box.sides) if any(loop.var in bound.variables() for bound in side)]
    if not axes:
        return _repeated(loop, box, place, certain)
    if len(axes) == 1:
        (axis,) = axes
        side = _run(loop, *box.sides[axis], place)
        if side is not None:
            return replace(box, sides=(*box.sides[:axis], side, *box.sides[axis + 1 :]))
    if loop.lo == 0 and place.scope.proves(1 - loop.hi):  # it runs once at most
        return _repeated(loop, _with(box, {loop.var: index(0)}), place, certain)
    return None


def _repeated(loop: For, box: Box, place: Place, certain: bool) -> Box | None:
    """The box that every iteration of a loop writes, if there is one; of registers, if code knows that there is one."""
    if certain:
        return box if ((loop.hi - loop.lo).constant or 0) > 0 else None
    if place.scope.proves(loop.hi - loop.lo - 1):
        return box
    return _where(loop.hi - loop.lo - 1, box, place)


def _on_condition(statement: If, box: Box, place: Place) -> Box | None:
    """The box that is written where all conditions hold; None where that is not understood."""
    return _where(statement.conditions[0], box, place) if len(statement.conditions) == 1 else None


def _where(condition: Index, box: Box, place: Place) -> Box | None:
    """The box that is written where a condition holds."""
    without = place.scope.given((-1 - condition,))
    if any(without.proves(first - end) for first, end in box.sides):  # the box is empty there
        return box
    return replace(box, condition=condition) if box.condition is None else None


def _run(loop: For, first: Index, end: Index, place: Place) -> tuple[Index, Index] | None:
    """What intervals of one length make together that each iteration moves on by that length, or by less."""
    length = (end - first).constant
    if length is None:
        return None
    sides, limit = _minimum(first, loop.var), None
    if sides is not None:  # the last ones are moved back, so as to end at a limit
        moving, fixed = sides if loop.var in sides[0].variables() else reversed(sides)
        first, limit = moving, fixed + length
        if loop.var in limit.variables():
            return None
    step = step_of(first, loop.var)
    if step is None or not 0 < abs(step) <= length:
        return None
    if step < 0:
        return (
            (first.substitute({loop.var: loop.hi}) - step, first.substitute({loop.var: loop.lo}) - step)
            if limit is None
            else None
        )
    start, stop = (first.substitute({loop.var: bound}) for bound in (loop.lo, loop.hi))
    if limit is None or place.scope.proves(limit - stop):
        return start, stop
    return start, limit if place.scope.proves(stop - limit) else index(minimum(stop, limit))


def step_of(expression: Index, name: str) -> int | None:
    """By how much an expression changes from one value of a variable to the next; None where that
    is not always the same.
    """
    mentioned = expression.variables().count(name)
    if not mentioned:
        return 0
    step = next((coefficient for monomial, coefficient in expression.terms if monomial == (name,)), None)
    return step if mentioned == 1 else None


def _joined(boxes: tuple[Box, ...], new: Box, place: Place) -> tuple[Box, ...]:
    """The boxes and a new one, joined with as many of them as can be."""
    for at, old in enumerate(boxes):
        for both in _both(old, new, place):
            rest = boxes[:at] + boxes[at + 1 :]
            return boxes if both == old else _joined(rest, both, place)
    return (*boxes, new) if len(boxes) < _MOST_BOXES else boxes


def _both(old: Box, new: Box, place: Place) -> Iterator[Box]:
    """One box for two, if there is one."""
    same = place.scope.same
    apart = [
        axis
        for axis, (a, b) in enumerate(zip(old.sides, new.sides, strict=True))
        if not (same(a[0], b[0]) and same(a[1], b[1]))
    ]
    if len(apart) < 2 and old.condition is not None and new.condition is not None:
        otherwise = place.scope.given((-1 - old.condition,))  # where the old condition does not hold
        if otherwise.proves(new.condition):
            sides = list(old.sides)
            for axis in apart:  # what both have is written in any case
                (first, end), (other, other_end) = old.sides[axis], new.sides[axis]
                if not same(first, other):
                    return
                sides[axis] = first, index(minimum(end, other_end))
            yield replace(old, sides=tuple(sides), condition=None)
    elif not apart and (old.condition is None or old.condition == new.condition):
        yield old
    elif len(apart) == 1 and old.condition == new.condition:
        (axis,) = apart
        (a, b), (c, d) = old.sides[axis], new.sides[axis]
        touching = ((a, d) if same(b, c) else None, (c, b) if same(d, a) else None)
        for side in touching:
            if side is not None:
                yield replace(old, sides=(*old.sides[:axis], side, *old.sides[axis + 1 :]))
