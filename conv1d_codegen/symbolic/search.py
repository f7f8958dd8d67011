"""The search for a proof that an expression is 0 or more, by putting bounds in place of integers, the innermost first.

It works as bounds inference does in other compilers (Halide's, for example). The last integer `a` of an expression is
removed: `A*a + B` with `A >= 0` is at least `A*lo + B`, where `lo <= a`, and with `A <= 0` at least `A*hi + B`, where
`a <= hi`. What comes of that mentions earlier integers only, so that a number is left in the end. What bounds an
integer:

    a size           its least value
    a loop variable  the loop's bounds
    n // d           d*(n // d) is at most n, and at least n - d + 1; and what follows from the bounds of n as a whole
    max(a, b)        it is at least a, at least b, and at least any mean of both; it is at most c where a and b are
    min(a, b)        likewise, with the signs turned
    a name           what it stands for

What is negative in an example is not looked for, which keeps the search short; most of what can't be proved is refuted
at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import gcd

from .polynomial import (
    Bound,
    Integer,
    Integers,
    Key,
    Poly,
    World,
    constant,
    last_of,
    number,
    plus,
    product,
    scaled,
    split,
)

#: Steps of one search, and how many of them may be open at once. The bench's kernels need up to 300 and 30, and
#: c261_f4_k17_s3_d8_pad0x8_relu_f64 by Cook–Toom (sse2) more than 500. Searches in vain take up to 376 ms of a compile
#: with 2000, and 258 with 1000 (`python -m bench compile --random 120`).
MOST_STEPS, _DEEPEST = 1000, 80
_SOON = 12  # steps, in which each way is tried before any is tried for longer, where no example refutes the wrong ones
_WORLDS = 8  # that are looked at

#: Numbers, each about an expression without a constant.
Known = dict[Key, int]


@dataclass(slots=True)
class Extra:
    """What is known about integers at one place, beside what they are."""

    bounds: dict[int, list[Bound]] = field(default_factory=dict)  # by earlier integers
    equal: dict[int, Poly] = field(default_factory=dict)  # which of its two sides a max or a min is


class Search:
    """A search among the integers of a kernel, which remembers what it found.

    With `thorough`, it also puts bounds in place of integers within divisions. Searches that know nothing `extra` may
    share what they `proved`: expressions, and numbers that they are at least.
    """

    def __init__(
        self,
        integers: Integers,
        worlds: list[World],
        extra: Extra | None = None,
        thorough: bool = False,
        proved: Known | None = None,
    ) -> None:
        self._integers = integers
        self._worlds = worlds[:_WORLDS]
        self._extra = extra or Extra()
        self._thorough = thorough
        self._proved: Known = {} if proved is None else proved
        self._failed: Known = {}  # numbers that no proof was found for
        self._steps = self._depth = 0
        self.most_steps = MOST_STEPS

    def forget(self) -> None:
        """Try again what no proof was found for, as more is known now."""
        self._failed.clear()

    def proves(self, poly: Poly) -> bool:
        """Whether an expression is proved to be 0 or more."""
        self._steps = 0
        return self._holds(poly)

    def proves_soon(self, poly: Poly) -> bool:
        """Whether an expression is proved to be 0 or more in a few steps."""
        self._steps = 0
        return self._holds_soon(poly)

    def _holds(self, poly: Poly) -> bool:
        left = poly.get((), 0)
        moving = {m: c for m, c in poly.items() if m} if left else poly
        if not moving:
            return left >= 0
        factor = gcd(*moving.values())
        if factor > 1:
            moving = {m: c // factor for m, c in moving.items()}
        wanted = -(left // factor)
        constant_bound = self._integers.least(moving)
        if constant_bound is not None and constant_bound >= wanted:
            return True
        key = frozenset(moving.items())
        least, failed = self._proved.get(key), self._failed.get(key)
        if least is not None and wanted <= least:
            return True
        if failed is not None and wanted >= failed:
            return False
        for at, world in enumerate(self._worlds):
            if world.value(moving) < wanted:
                if at:  # the next question is likely to be refuted there too
                    self._worlds.insert(0, self._worlds.pop(at))
                return False
        self._steps += 1
        if self._steps > self.most_steps or self._depth > _DEEPEST:
            return False
        self._failed[key] = wanted  # while it is looked for
        self._depth += 1
        found = self._without_last(moving, wanted)
        self._depth -= 1
        if found:
            self._proved[key] = wanted
        if found or self._steps > self.most_steps:
            self._forget_failure(key, failed)
        return found

    def _forget_failure(self, key: Key, before: int | None) -> None:
        if before is None:
            self._failed.pop(key, None)
        else:
            self._failed[key] = before

    def _without_last(self, moving: Poly, wanted: int) -> bool:
        """Whether an expression is `wanted` or more, by expressions without its last integer."""
        last = max([m[-1] for m in moving])
        parts = split(moving, last)
        if parts is None:
            return False
        times, rest = parts
        rest = plus(rest, constant(-wanted))
        integer = self._integers[last]
        if integer.kind == "let":
            known = (*integer.bounds, *self._extra.bounds.get(last, ()))
            if known and (sign := self.sign(times)) and self._by_bounds(known, times, rest, sign):
                return True
            return self._holds(plus(rest, product(integer.a, times)))
        same = self._extra.equal.get(last)
        if same is not None and self._holds(plus(rest, product(same, times))):
            return True
        sign = self.sign(times)
        if not sign or (same is not None and (integer.kind == "max") == (sign < 0)):
            return False
        match integer.kind:
            case "variable":
                found = self._by_bounds(integer.bounds, times, rest, sign)
            case "div":
                found = self._of_division(integer, times, rest, sign)
            case _:
                found = self._of_extreme(integer, times, rest, sign)
                found = found or (self._thorough and self._by_sides_of_another(plus(moving, constant(-wanted)), last))
        return found or self._by_bounds(self._extra.bounds.get(last, ()), times, rest, sign)

    def _by_sides_of_another(self, poly: Poly, last: int) -> bool:
        """Where both sides of an earlier maximum or minimum must hold, which side of the last one
        does may depend on them.
        """
        for m, factor in poly.items():
            if len(m) != 1 or m[0] == last or sum(m[0] in other for other in poly) > 1:
                continue
            integer = self._integers[m[0]]
            while (
                integer.kind == "let"
                and len(integer.a) == 1
                and integer.a.get(name := next(iter(integer.a))) == 1
                and len(name) == 1
            ):
                integer = self._integers[name[0]]
            if integer.kind == ("max" if factor < 0 else "min"):
                rest = {other: c for other, c in poly.items() if other != m}
                return all(self._holds(plus(rest, side, factor)) for side in (integer.a, integer.b))
        return False

    def sign(self, poly: Poly) -> int:
        """1 for an expression that is 0 or more, -1 for one that is 0 or less, 0 where that is not known."""
        value = number(poly)
        if value is not None:
            return 1 if value >= 0 else -1
        return next((sign for sign in (1, -1) if self._holds(scaled(poly, sign))), 0)

    def _by_bounds(self, bounds: Iterable[Bound], times: Poly, rest: Poly, sign: int) -> bool:
        for factor, beside in bounds:
            if (factor > 0) == (sign > 0):
                scale = abs(factor)
                goal = plus(scaled(rest, scale), product(beside, times), -sign)
                if self._holds(plus(goal, constant(scale - 1))):
                    return True
        return False

    def _of_division(self, integer: Integer, times: Poly, rest: Poly, sign: int) -> bool:
        n, d = integer.a, integer.b
        divisor = number(d)
        if divisor is None:
            return self._of_division_at_run_time(n, d, times, rest, sign)
        near = _multiple(n, d, sign)
        # Without an example to refute it, the longer way would often be searched in vain.
        if not self._worlds and self._by_whole_quotient(n, divisor, times, rest, sign):
            return True
        multiple = plus(plus(scaled(rest, divisor), product(near, times)), constant(divisor - 1))
        if self._holds(multiple) or (self._worlds and self._by_whole_quotient(n, divisor, times, rest, sign)):
            return True
        return self._thorough and (
            self._of_quotient_and_rest(n, divisor, times, rest)
            or any(
                all(self._holds(plus(rest, product(self._integers.quotient(step, d), times))) for step in steps)
                for steps in self._steps_towards(n, sign)
            )
        )

    def _by_whole_quotient(self, n: Poly, divisor: int, times: Poly, rest: Poly, sign: int) -> bool:
        """What is divided may be bounded where its parts are not: `t + 6*((end - t) // 6) >= t`, as `end >= t`."""
        for bound in self._enough(n, divisor, times, rest, sign):
            most = plus(constant(divisor * bound + divisor - 1), n, -1)
            bounded = plus(n, constant(-divisor * bound)) if sign > 0 else most
            if self._holds(bounded) and self._holds(plus(rest, times, bound) if bound else rest):
                return True
        return False

    def _enough(self, n: Poly, divisor: int, times: Poly, rest: Poly, sign: int) -> list[int]:
        """Numbers that may suffice as bounds of `n // divisor`, judging by the worlds."""
        factor = number(times)
        if factor is None:
            return [0] if sign > 0 else []
        values = [(world.value(rest), world.value(n) // divisor) for world in self._worlds]
        if sign > 0:
            least = min([quotient for _, quotient in values], default=0)
            wanted = max([-(value // factor) for value, _ in values], default=0)
            return [bound for bound in {0, wanted, -(rest.get((), 0) // factor)} if not values or bound <= least]
        wanted = min([value // -factor for value, _ in values], default=-1)
        return [wanted] if values and all(quotient <= wanted for _, quotient in values) else []

    def _of_division_at_run_time(self, n: Poly, d: Poly, times: Poly, rest: Poly, sign: int) -> bool:
        if not self._holds(plus(d, constant(-1))):
            return False
        if sign > 0 and self._holds(n) and self._holds(rest):
            return True
        near, factor = _multiple(n, d, sign), _part(times, d)
        if factor and times == scaled(d, factor):  # times that divisor, it is a bound by itself
            return self._holds(plus(rest, near, factor))
        return self._holds(plus(plus(product(rest, d), product(near, times)), plus(d, constant(-1))))

    def _of_quotient_and_rest(self, n: Poly, d: int, times: Poly, rest: Poly) -> bool:
        """Where `rest` has a multiple of `n`: as `n` is `d*q` and something from 0 to d - 1, both change together."""
        factor = _part(rest, n)
        if not factor or number(times) is None:
            return False
        others = plus(rest, n, -factor)
        lowest = plus(others, constant(factor * (d - 1))) if factor < 0 else others
        (quotient,) = self._integers.quotient(n, {(): d})
        return self._holds(plus(lowest, {quotient: times[()] + factor * d} if times[()] + factor * d else {}))

    def _steps_towards(self, n: Poly, sign: int) -> Iterator[list[Poly]]:
        """Expressions without its last integer that bound `n` from below (sign 1) or above (-1): alternatives, each of
        some that all do.
        """
        last = last_of(n)
        parts = split(n, last) if last else None
        if parts is None:
            return
        times, rest = parts
        integer = self._integers[last]
        same = integer.a if integer.kind == "let" else self._extra.equal.get(last)
        if same is not None:
            yield [plus(rest, product(same, times))]
        up = self.sign(times) * sign
        if integer.kind == "variable":
            for factor, beside in (*integer.bounds, *self._extra.bounds.get(last, ())):
                if factor == up:
                    yield [plus(rest, product(beside, times), -factor)]
        elif integer.kind == "div":
            for steps in self._steps_towards(integer.a, up) if number(integer.b) is not None else ():
                yield [plus(rest, product(self._integers.quotient(step, integer.b), times)) for step in steps]
        elif up and integer.kind != "let":
            sides = [plus(rest, product(side, times)) for side in (integer.a, integer.b)]
            if (integer.kind == "max") == (up > 0):
                yield from ([side] for side in sides)
            else:
                yield sides

    def _of_extreme(self, integer: Integer, times: Poly, rest: Poly, sign: int) -> bool:
        sides = [plus(rest, product(side, times)) for side in (integer.a, integer.b)]
        sides.sort(key=self._slack)
        if (integer.kind == "max") == (sign < 0):
            return all(self._holds(side) for side in sides)
        if not self._worlds and any(self._holds_soon(side) for side in sides):
            return True
        factor = gcd(*times.values()) * sign
        unit = {m: c // factor for m, c in times.items()}
        for share, whole in _means(integer, factor, unit, rest):
            both = plus(scaled(integer.a, share), integer.b, factor * whole - share)
            if self._holds(plus(plus(scaled(rest, whole), product(both, unit)), constant(whole - 1))):
                return True
        return any(self._holds(side) for side in reversed(sides))

    def _holds_soon(self, poly: Poly) -> bool:
        most, self.most_steps = self.most_steps, min(self.most_steps, self._steps + _SOON)
        found = self._holds(poly)
        self.most_steps = most
        return found

    def _slack(self, poly: Poly) -> tuple[int, int]:
        """Of two expressions of which one must hold, what holds by more in the worlds is tried first, then the shorter
        one.
        """
        return min([world.value(poly) for world in self._worlds], default=0), -len(poly)


def _multiple(n: Poly, d: Poly, sign: int) -> Poly:
    """What `d * (n // d)` is at least (sign 1) or at most (-1)."""
    return n if sign < 0 else plus(plus(n, d, -1), constant(1))


def _part(poly: Poly, n: Poly) -> int:
    """`k` where `poly` has `k` times all that moves in `n`, else 0."""
    factors = {divmod(poly.get(m, 0), c) for m, c in n.items() if m}
    factor, left = factors.pop()
    return factor if not factors and not left else 0


def _means(integer: Integer, times: int, unit: Poly, rest: Poly) -> list[tuple[int, int]]:
    """How `times` units can be shared out between `a` and `b`, `share / whole` for `a`, so that some product in the sum
    vanishes.
    """
    result: list[tuple[int, int]] = []
    one, size = next(iter(unit.items()))
    for m in {**integer.a, **integer.b}:
        a, b = integer.a.get(m, 0) * size, integer.b.get(m, 0) * size
        if m and a != b:
            share, whole = -(rest.get(tuple(sorted(one + m)), 0) + times * b), a - b
            factor = gcd(share, whole) if whole > 0 else -gcd(share, whole)
            share, whole = share // factor, whole // factor
            if 0 < (share if times > 0 else -share) < abs(times) * whole and (share, whole) not in result:
                result.append((share, whole))
    return result
