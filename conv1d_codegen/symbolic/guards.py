"""What follows from the fact that the loops around a place run: `hi - lo - 1 >= 0` for each.

Each such expression bounds its last integer, and says something about earlier ones where a bound is put in that one's
place. It can also tell which of its two sides a maximum or a minimum is: where one side would make the expression
negative, it is the other. So a loop over `min(1, length // 8)` tells that `length` is 8 or more, and a loop over
`max(first, end) - first` that `end` is more than `first`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .polynomial import Integer, Integers, Poly, World, constant, last_of, number, plus, product, scaled, split
from .search import MOST_STEPS, Extra, Search

_MOST = 200  # expressions that are looked at
_FEW_STEPS = 40


class Guards:
    """The consequences of some expressions that are 0 or more."""

    def __init__(self, integers: Integers, worlds: list[World], guards: tuple[Poly, ...]) -> None:
        self._integers = integers
        self._extra = Extra()
        self._search = Search(integers, worlds, self._extra)
        self._thorough = Search(integers, worlds, self._extra, thorough=True)
        self._contradict = False  # so that no place is reached where all of them hold
        if not worlds:  # without an example to refute it, what is negative would be searched for in vain
            self._search.most_steps = _FEW_STEPS
        self._take_in(guards)
        self._search.most_steps = MOST_STEPS

    def _take_in(self, guards: tuple[Poly, ...]) -> None:
        queue = list(guards)
        seen = set()
        for poly in queue:
            key = frozenset(poly.items())
            if self._contradict or len(queue) > _MOST:
                return
            if key not in seen:
                seen.add(key)
                queue += self._read(poly)

    def prove(self, poly: Poly) -> bool:
        """Whether an expression is proved to be 0 or more where all guards hold."""
        return self._contradict or self._search.proves(poly) or self._thorough.proves(poly)

    def _read(self, poly: Poly) -> Iterator[Poly]:
        """Take in one expression that is 0 or more; what follows from it without its last integer."""
        last = last_of(poly)
        if not last:
            self._contradict = self._contradict or poly.get((), 0) < 0
            return
        parts = split(poly, last)
        if parts is None:
            return
        times, rest = parts
        integer = self._integers[last]
        factor, sign = number(times), self._search.sign(times)
        same = integer.a if integer.kind == "let" else self._extra.equal.get(last)
        if same is not None:
            yield plus(rest, product(same, times))
            if factor is not None:
                self._bound(last, factor, rest)
            return
        if not sign:
            return
        match integer.kind:
            case "max" | "min":
                yield from self._sides(last, integer, times, rest, sign)
            case "variable":
                for other, beside in integer.bounds:  # the bound from the other side in its place
                    if (other > 0) != (sign > 0):
                        yield plus(scaled(rest, abs(other)), product(beside, times), sign)
            case "div" if factor is not None:
                yield from self._of_division(integer, factor, rest)
        if factor is not None and last not in self._extra.equal:
            self._bound(last, factor, rest)

    def _sides(self, last: int, integer: Integer, times: Poly, rest: Poly, sign: int) -> Iterator[Poly]:
        both = (integer.kind == "min") == (sign > 0)  # sides are 0 or more, or one of them
        sides = [(side, plus(rest, product(side, times))) for side in (integer.a, integer.b)]
        possible = [(side, value) for side, value in sides if not self._negative(value)]
        if not possible or (both and len(possible) < 2):
            self._contradict = True
            return
        if len(possible) == 1:
            self._equal(last, possible[0][0])
        if both or len(possible) == 1:
            yield from (value for _, value in possible)

    def _of_division(self, integer: Integer, factor: int, rest: Poly) -> Iterator[Poly]:
        self._side_within(integer, {(): factor}, rest)
        divisor = number(integer.b)
        if divisor is not None:
            follows = plus(scaled(rest, divisor), integer.a, factor)
            yield follows if factor > 0 else plus(follows, constant(-factor * (divisor - 1)))
            if factor < 0 and self._search.proves(integer.a):
                yield rest

    def _side_within(self, division: Integer, times: Poly, rest: Poly) -> None:
        """Find out which of its sides a maximum or minimum is that is divided, and may stand beside
        the division too.
        """
        last = last_of(division.a)
        inside, beside = split(division.a, last), split(rest, last)
        if inside is None or beside is None:
            return

        def put(chosen: Poly) -> tuple[Poly, Poly]:
            (a, n), (b, others) = inside, beside
            return plus(n, product(chosen, a)), plus(others, product(chosen, b))

        within = self._integers[last]
        if within.kind == "let":
            n, others = put(within.a)
            if last_of(n):
                self._side_within(Integer("div", n, division.b), times, others)
        elif within.kind in ("max", "min") and last not in self._extra.equal:
            possible = []
            for side in (within.a, within.b):
                n, others = put(side)
                if not self._negative(plus(others, product(self._integers.quotient(n, division.b), times))):
                    possible.append(side)
            if not possible:
                self._contradict = True
            elif len(possible) == 1:
                self._equal(last, possible[0])

    def _negative(self, poly: Poly) -> bool:
        return self._search.proves(plus(scaled(poly, -1), constant(-1)))

    def _equal(self, integer: int, side: Poly) -> None:
        self._extra.equal[integer] = side
        self._search.forget()

    def _bound(self, integer: int, factor: int, rest: Poly) -> None:
        self._extra.bounds.setdefault(integer, []).append((factor, rest))
        self._search.forget()
