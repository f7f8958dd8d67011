"""Races: elements that two iterations of a parallel loop, or two lanes, may touch while one of them writes.

Of each parallel loop `p` it is proved that its iterations have slices of their own of some axis of the output. Every
index of that axis has a key, `index = factor * key + offset`, in the slice `p*size <= key < (p + 1)*size`. With the
same factor everywhere, and offsets that differ by less than the factor, equal indices have equal keys, and slices do
not overlap. An index of windows that take turns,

    (m - 1)*s * (window // s) + window + a*s        =  m*s * (window // s) + a*s + window % s,        a < m

has `window` as its key, as `window // s`, `a` and `window % s` are its digits. So has one of windows of m rows of P steps,

    m*P * window + a*P + 16*v + l               a < m, 16*v + l < P

whose digits are the rows, vectors and lanes, of which only the numbers between which they lie matter. What only the first
iteration touches may lie below or above all that others do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from math import gcd

from ..ir import Accumulate, Buffer, For, Store, first_line
from ..ir.rewrite import loads_of
from ..symbolic.index import Index, var
from ..symbolic.polynomial import Poly, constant, last_of, number, plus, product, scaled, split
from ..symbolic.scope import Scope
from .place import InvalidKernel, SharedAccess
from .written import step_of

_KeyOf = Callable[[Scope, Poly, int], "_Index"]


@dataclass(frozen=True, slots=True)
class _Index:
    """An index, `factor * key + offset + digits`. The offset is the same in all iterations, and a multiple of `unit` beside
    a common one; the digits lie between two numbers.
    """

    scope: Scope
    whole: Poly
    key: Poly
    factor: int
    offset: Poly
    unit: int = 1
    digits: tuple[int, int] = (0, 0)


def between_iterations(accesses: Iterable[SharedAccess]) -> None:
    """Raises InvalidKernel unless every parallel iteration of a nest has elements of its own of
    what the nest writes.
    """
    by_nest: dict[tuple[Buffer, For | None], list[SharedAccess]] = {}
    for access in accesses:
        by_nest.setdefault((access.buffer, next(iter(access.parallel), None)), []).append(access)
    for (buffer, _), some in by_nest.items():
        if any(access.writes for access in some):
            for loop in some[0].parallel:
                axes = range(len(buffer.shape))
                ways = ((axis, key_of) for axis in axes for key_of in (_itself, _key, _key_beside_digits))
                if loop.hi != 1 and not any(_have_slices(some, axis, loop.var, key_of) for axis, key_of in ways):
                    raise InvalidKernel(
                        f"{first_line(some[0].statement)}: two iterations of the parallel loop {loop.var} may touch one element "
                        f"of {buffer}, as far as can be proved"
                    )


def between_lanes(loop: For) -> None:
    """Raises InvalidKernel unless each lane has elements of its own of what a lanes loop writes: code runs each
    statement for all lanes.
    """
    stores = [s for s in loop.body if isinstance(s, Store | Accumulate)]
    for buffer in {s.buffer for s in stores} if loop.hi != 1 else ():
        places = [s.index for s in stores if s.buffer == buffer]
        places += [read.index for s in loop.body for read in loads_of(s) if read.buffer == buffer]
        if not any(_is_of_one_lane(set(axis), loop) for axis in zip(*places, strict=True)):
            raise InvalidKernel(
                f"{first_line(loop)}: two lanes may touch one element of {buffer}, as far as can be proved"
            )


def _is_of_one_lane(indices: set[Index], loop: For) -> bool:
    """Whether indices that are equal are of the same lane: they are as many steps apart for each lane, and the vectors of
    several do not overlap.
    """
    (first, *others), step = indices, {step_of(i, loop.var) for i in indices}
    if len(step) > 1 or not (apart := step.pop()):
        return False
    starts = [0, *((i - first).constant for i in others)]
    return all(
        a is not None and b is not None and ((a - b) % apart or abs(a - b) >= abs(apart) * loop.width)
        for a, b in combinations(starts, 2)
    )


def _have_slices(accesses: list[SharedAccess], axis: int, name: str, key_of: _KeyOf) -> bool:
    """Whether the iterations of the parallel loop over `name` have slices of one axis."""
    sliced: list[_Index] = []
    first_only: list[_Index] = []
    size: Poly | None = None
    for access in accesses:
        scope = access.scope
        iteration = scope.polynomial(var(name))
        at = key_of(scope, scope.polynomial(access.index[axis]), last_of(iteration))
        size = size or _size(scope, at.key, last_of(iteration))
        if size is not None and _in_slice(at, iteration, size):
            sliced.append(at)
        elif scope.holds(scaled(iteration, -1)):
            first_only.append(at)
        else:
            return False
    return _have_equal_keys(sliced) and all(_outside(at, sliced, last_of(iteration)) for at in first_only)


def _itself(scope: Scope, whole: Poly, iteration: int) -> _Index:
    """An index as its own key."""
    return _Index(scope, whole, whole, 1, {})


def _key(scope: Scope, whole: Poly, iteration: int) -> _Index:
    """An index by what all that changes with the iterations has in common."""
    moving = {m: c for m, c in whole.items() if m and m[-1] >= iteration}
    offset = {m: c for m, c in whole.items() if m not in moving}
    for m, c in moving.items():
        quotient = scope.integers[m[0]]
        turns = number(quotient.b) if len(m) == 1 and quotient.kind == "div" else None
        if turns is not None and c % turns == 0 and plus(moving, {m: c}, -1) == quotient.a:
            return _Index(scope, whole, quotient.a, c + turns, offset, turns)
    factor = gcd(*moving.values()) or 1
    return _Index(scope, whole, {m: c // factor for m, c in moving.items()}, factor, offset)


def _key_beside_digits(scope: Scope, whole: Poly, iteration: int) -> _Index:
    """An index by what has the largest factor of all that changes with the iterations; the rest are digits, if they are
    known to be fewer than that.
    """
    moving = {m: c for m, c in whole.items() if m and m[-1] >= iteration}
    factor = max(map(abs, moving.values()), default=1)
    key = {m: c // factor for m, c in moving.items() if c % factor == 0}
    rest = {m: c for m, c in moving.items() if c % factor}
    least, most = scope.integers.least(rest), scope.integers.most(rest)
    if least is None or most is None or most - least >= factor:
        return _key(scope, whole, iteration)
    offset = {m: c for m, c in whole.items() if m not in moving}
    return _Index(scope, whole, key, factor, offset, digits=(least, most))


def _size(scope: Scope, key: Poly, iteration: int) -> Poly | None:
    """How far the slices of two iterations lie apart: what the iteration's number is multiplied by, in the key or in
    what bounds it.
    """
    queue, seen = [key], set()
    for poly in queue:
        size = {tuple(i for i in m if i != iteration): c for m, c in poly.items() if m.count(iteration) == 1}
        if size and last_of(size) < iteration:
            return size
        for i in {i for m in poly for i in m if i > iteration and i not in seen}:
            seen.add(i)
            integer = scope.integers[i]
            if integer.kind == "variable":
                queue += [scaled(rest, -1) for factor, rest in integer.bounds if factor == 1 and rest]
            elif integer.kind != "div":
                queue += [side for side in (integer.a, integer.b) if side]
    return None


def _in_slice(at: _Index, iteration: Poly, size: Poly) -> bool:
    first = product(iteration, size)
    return at.scope.holds(plus(at.key, first, -1)) and at.scope.holds(
        plus(plus(plus(first, size), constant(-1)), at.key, -1)
    )


def _have_equal_keys(sliced: list[_Index]) -> bool:
    """Whether indices that are equal have equal keys."""
    offsets = [number(plus(at.offset, sliced[0].offset, -1)) for at in sliced]
    if (
        any(offset is None or offset % sliced[0].unit for offset in offsets)
        or len({(at.factor, at.unit) for at in sliced}) > 1
    ):
        return False
    known = [(offset, *at.digits) for offset, at in zip(offsets, sliced, strict=True) if offset is not None]
    if not known:
        return True
    least, most = min(offset + below for offset, below, _ in known), max(offset + above for offset, _, above in known)
    return most - least < sliced[0].factor


def _outside(at: _Index, sliced: list[_Index], iteration: int) -> bool:
    """Whether an index that only the first iteration has is below or above all others."""
    bottoms = [plus(other.offset, constant(other.digits[0])) for other in sliced if other.scope.holds(other.key)]
    if len(bottoms) == len(sliced) and all(
        at.scope.holds(plus(plus(bottom, constant(-1)), at.whole, -1)) for bottom in bottoms
    ):
        return True
    top = _least(at.scope, at.whole, iteration)
    return top is not None and all(
        other.scope.holds(plus(plus(top, constant(-1)), other.whole, -1)) for other in sliced
    )


def _least(scope: Scope, poly: Poly, iteration: int) -> Poly | None:
    """What an expression is at least, in integers that are the same for all iterations."""
    while (last := last_of(poly)) >= iteration:
        integer, parts = scope.integers[last], split(poly, last)
        factor = None if parts is None else number(parts[0])
        if parts is None or factor is None:
            return None
        if integer.kind == "let":
            poly = plus(parts[1], integer.a, factor)
        elif integer.kind == "variable" and factor > 0:
            poly = plus(parts[1], next(rest for sign, rest in integer.bounds if sign == 1), -factor)
        elif integer.kind == "div" and factor > 0 and scope.holds({(last,): 1}):
            poly = parts[1]
        else:
            return None
    return poly
