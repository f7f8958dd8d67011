"""Polynomials over numbered integers: what index expressions become where something is to be proved about them.

An integer is a variable, or stands for an expression that is no polynomial: a division, a maximum or a minimum, or a
name for any of them. Equal expressions have one number. Numbers follow the order of definition, so that an integer is
defined by earlier ones only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: The numbers of the integers in each product, sorted, and its coefficient, which is not zero; () is the constant's
#: product.
Poly = dict[tuple[int, ...], int]
Key = frozenset[tuple[tuple[int, ...], int]]
#: `factor * integer + rest >= 0`
Bound = tuple[int, Poly]

#: How many integers over one variable are numbered after it, before the next variable.
_BETWEEN = 1 << 24


def constant(value: int) -> Poly:
    """A number as a polynomial."""
    return {(): value} if value else {}


def plus(a: Poly, b: Poly, factor: int = 1) -> Poly:
    """`a + factor * b`."""
    result = dict(a)
    for m, c in b.items():
        total = result.get(m, 0) + c * factor
        if total:
            result[m] = total
        else:
            result.pop(m, None)
    return result


def scaled(a: Poly, factor: int) -> Poly:
    """`factor * a`; `factor` is not 0."""
    return a if factor == 1 else {m: c * factor for m, c in a.items()}


def product(a: Poly, b: Poly) -> Poly:
    """`a * b`."""
    if len(b) == 1 and () in b:
        return scaled(a, b[()])
    result: Poly = {}
    for m, c in a.items():
        for n, d in b.items():
            both = tuple(sorted(m + n)) if m and n else m + n
            total = result.get(both, 0) + c * d
            if total:
                result[both] = total
            else:
                result.pop(both, None)
    return result


def number(poly: Poly) -> int | None:
    """The value of a polynomial that is a constant."""
    return 0 if not poly else poly.get(()) if len(poly) == 1 else None


def last_of(poly: Poly) -> int:
    """The integer of a polynomial that was defined last; 0 for a constant."""
    return max([m[-1] for m in poly if m], default=0)


def split(poly: Poly, last: int) -> tuple[Poly, Poly] | None:
    """`A` and `B` where `poly` is `A*last + B`; None where there is a square. `last` is the integer
    that was defined last.
    """
    times: Poly = {}
    rest: Poly = {}
    for m, c in poly.items():
        if not m or m[-1] != last:
            rest[m] = c
        elif len(m) > 1 and m[-2] == last:
            return None
        else:
            times[m[:-1]] = c
    return times, rest


@dataclass(slots=True)
class Integer:
    """A "variable", a name for `a` ("let"), or a "div", "max" or "min" of `a` and `b`."""

    kind: str
    a: Poly = field(default_factory=dict)
    b: Poly = field(default_factory=dict)
    bounds: tuple[Bound, ...] = ()  # of a variable; numbers, of a name


class Integers:
    """The integers of one kernel, by number."""

    def __init__(self) -> None:
        self._known: dict[int, Integer] = {}
        self._compound: dict[tuple[str, Key, Key], int] = {}
        self._ranges: dict[int, tuple[int | None, int | None]] = {}  # numbers between which each lies

    def __getitem__(self, number: int) -> Integer:
        return self._known[number]

    def variable(self, *bounds: Bound) -> int:
        """A new variable, defined after all others."""
        new = (len(self._known) + 1) * _BETWEEN
        self._known[new] = Integer("variable", bounds=bounds)
        below = [self.least(scaled(rest, -1)) for factor, rest in bounds if factor == 1]
        above = [self.most(rest) for factor, rest in bounds if factor == -1]
        self._ranges[new] = _largest(below), _smallest(above)
        return new

    def least(self, poly: Poly) -> int | None:
        """A number that a polynomial is at least, if the numbers between which its integers lie give one."""
        total = 0
        for m, c in poly.items():
            if len(m) == 1:
                bound = self._ranges[m[0]][c < 0]
                if bound is None:
                    return None
                c *= bound
            elif m:
                return None
            total += c
        return total

    def most(self, poly: Poly) -> int | None:
        """A number that a polynomial is at most, likewise."""
        least = self.least(scaled(poly, -1))
        return None if least is None else -least

    def let(self, value: Poly, bounds: tuple[Bound, ...]) -> Poly:
        """A name for `value`, and numbers that it is known to lie between."""
        if not last_of(value):
            return value
        name = self._of("let", value, {})
        self._known[name].bounds = bounds or self._known[name].bounds  # what holds at one place holds at all
        return {(name,): 1}

    def without_names(self, poly: Poly) -> Poly:
        """The polynomial with what its names stand for."""
        while named := next(((m, i) for m in poly for i in m if self._known[i].kind == "let"), None):
            m, name = named
            rest = list(m)
            rest.remove(name)
            poly = plus(plus(poly, {m: 1}, -poly[m]), product(self._known[name].a, {tuple(rest): 1}), poly[m])
        return poly

    def extreme(self, kind: str, a: Poly, b: Poly) -> Poly:
        """`max(a, b)` or `min(a, b)`."""
        difference = number(plus(a, b, -1))
        if difference is not None:
            return a if (difference >= 0) == (kind == "max") else b
        return {(self._of(kind, a, b),): 1}

    def quotient(self, n: Poly, d: Poly) -> Poly:
        """`n // d`, without what can be divided term by term. Of a negative integer, as `-T // 2`, it is `-((T + 1) //
        2)`.
        """
        divisor = number(d)
        if divisor is None:
            return {(self._of("div", n, d),): 1}
        whole = {m: c // divisor for m, c in n.items() if c % divisor == 0}
        rest = {m: c for m, c in n.items() if c % divisor}
        left = number(rest)
        if left is not None:
            return plus(whole, constant(left // divisor))
        moving = [c for m, c in rest.items() if m]
        if len(moving) == 1 and moving[0] < 0:
            return plus(whole, self.quotient(plus(constant(divisor - 1), rest, -1), d), -1)
        return plus(whole, {(self._of("div", rest, d),): 1})

    def _of(self, kind: str, a: Poly, b: Poly) -> int:
        """The integer for an expression: numbered after the last variable in it, and after what was
        made over that before.
        """
        key = (kind, frozenset(a.items()), frozenset(b.items()))
        new = self._compound.get(key)
        if new is None:
            last = max(last_of(a), last_of(b))
            new = self._compound[key] = last // _BETWEEN * _BETWEEN + len(self._known) + 1
            self._known[new] = Integer(kind, a, b)
            self._ranges[new] = self._range(kind, a, b)
        return new

    def _range(self, kind: str, a: Poly, b: Poly) -> tuple[int | None, int | None]:
        """The numbers between which a compound integer lies, as far as those of its operands tell."""
        least, most = (self.least(a), self.least(b)), (self.most(a), self.most(b))
        match kind:
            case "let":
                return least[0], most[0]
            case "max":
                return _largest(least), None if None in most else _largest(most)
            case "min":
                return None if None in least else _smallest(least), _smallest(most)
        divisor = number(b)
        if divisor is None or divisor < 1:
            return None, None
        below, above = (None if bound is None else bound // divisor for bound in (least[0], most[0]))
        return below, above


def _largest(bounds: Iterable[int | None]) -> int | None:
    return max([bound for bound in bounds if bound is not None], default=None)


def _smallest(bounds: Iterable[int | None]) -> int | None:
    return min([bound for bound in bounds if bound is not None], default=None)


class World:
    """Values of all integers of a kernel at one place where the loops around run: an example, which can refute and
    never prove.
    """

    __slots__ = ("_integers", "_values")

    def __init__(self, integers: Integers) -> None:
        self._integers = integers
        self._values: dict[int, int] = {}

    def copy(self) -> World:
        """Another world with the same values."""
        other = World(self._integers)
        other._values = dict(self._values)
        return other

    def set(self, variable: int, value: int) -> None:
        """Give a new variable its value."""
        self._values[variable] = value

    def value(self, poly: Poly) -> int:
        """The value of an expression."""
        total = 0
        values = self._values
        for m, c in poly.items():
            for integer in m:
                try:
                    c *= values[integer]
                except KeyError:
                    c *= self._compound(integer)
            total += c
        return total

    def _compound(self, integer: int) -> int:
        known = self._integers[integer]
        a, b = self.value(known.a), self.value(known.b)
        match known.kind:
            case "let":
                value = a
            case "div":
                value = a // b if b else 0  # refused elsewhere
            case _:
                value = max(a, b) if known.kind == "max" else min(a, b)
        self._values[integer] = value
        return value
