"""What can be proved about index expressions: `Scope.proves(e)` answers whether `e >= 0` wherever the loops around run.

    polynomial.py   expressions as polynomials over numbered integers
    search.py       the search for a proof, by bounds put in place of integers
    guards.py       what follows from the fact that the loops around run

A scope knows the loops and names around one place of a kernel. It answers "no" for what it can't prove.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from .guards import Guards
from .index import Atom, Div, Index, Indexable, Var, index, parts
from .polynomial import Bound, Integers, Poly, World, constant, number, plus, product, scaled
from .search import Known, Search

# For the examples. Many are short, as loops over what is left run for a few lengths only; some are longer than a few
# blocks of steps.
_SIZES = (
    *(
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        9,
        11,
        13,
        16,
        20,
        27,
        33,
        40,
        55,
        64,
        77,
        90,
        101,
        110,
        128,
        150,
        177,
        211,
        256,
        300,
        417,
        500,
    ),
    *(640, 999, 1300, 2050, 4095, 4096, 5000, 20000, 70001, 10**6),
)
_MOST_CONSTANTS = 4
_FEW_WORLDS = 8


@dataclass(slots=True)
class _Place:
    """What scopes have in common between which no condition stands, nor a loop that may not run: the guards, and what
    was found.
    """

    worlds: list[World]
    guards: tuple[Poly, ...]
    search: Search
    guarded: Guards | None = None


@dataclass(slots=True)
class _Kernel:
    """What all scopes of a kernel have in common."""

    integers: Integers = field(default_factory=Integers)
    polys: dict[tuple[Index, tuple[int, ...]], Poly] = field(default_factory=dict)
    proved: Known = field(default_factory=dict)  # whether or not the loops around run
    names: int = 0

    def search(self, worlds: list[World]) -> Search:
        """A search at one place, which tells others what it proves."""
        return Search(self.integers, worlds, proved=self.proved)


class Scope:
    """What is known at one place of a kernel. Immutable, but for what is remembered."""

    __slots__ = ("_kernel", "_names", "_place", "defined")

    def __init__(
        self, kernel: _Kernel, names: dict[str, tuple[int, Poly]], place: _Place, defined: frozenset[str]
    ) -> None:
        self._kernel = kernel
        self._names = names  # each with a number, which tells it from others of that name
        self._place = place
        self.defined = defined  # the names that stand for an expression

    @classmethod
    def of_sizes(cls, sizes: Iterable[tuple[str, int]], constants: Iterable[int] = ()) -> Scope:
        """Run-time sizes, each with its least value. Examples are taken near the `constants` too, as a kernel changes
        its ways there.
        """
        largest = sorted(constants)[-_MOST_CONSTANTS:]
        values = (
            *_SIZES,
            *(
                size
                for least in largest
                for size in (least + 1, least + 60, 2 * least + 7, 6 * least + 13, 40 * least + 1)
            ),
        )
        kernel = _Kernel()
        names: dict[str, tuple[int, Poly]] = {}
        chance = Random(0)
        worlds = [World(kernel.integers) for _ in values]
        for name, least in sizes:
            new = kernel.integers.variable((1, constant(-least)))
            names[name] = (new, {(new,): 1})
            for world, size in zip(worlds, chance.sample(values, len(values)), strict=True):
                world.set(new, least + size)
        return cls(kernel, names, _Place(worlds, (), kernel.search(worlds)), frozenset())

    def in_range(self, name: str, lo: Indexable, hi: Indexable) -> Scope:
        """With `lo <= name < hi`."""
        first, last = self.polynomial(index(lo)), plus(self.polynomial(index(hi)), constant(-1))
        new = self._kernel.integers.variable((1, scaled(first, -1)), (-1, last))
        worlds = _entered(self._place.worlds, new, first, last)
        runs = plus(last, first, -1)
        certain = number(runs)
        place = self._place
        if certain is None or certain < 0:
            place = _Place(worlds, (*place.guards, runs), self._kernel.search(worlds))
        return Scope(self._kernel, {**self._names, name: (new, {(new,): 1})}, place, self.defined)

    def given(self, conditions: Iterable[Index]) -> Scope:
        """Where every condition is 0 or more."""
        place = self._place
        for condition in conditions:
            poly = self.polynomial(condition)
            certain = number(poly)
            if certain is None or certain < 0:
                worlds = [world for world in place.worlds if world.value(poly) >= 0]
                place = _Place(worlds, (*place.guards, poly), self._kernel.search(worlds))
        return Scope(self._kernel, self._names, place, self.defined)

    def where(self, name: str, value: Index) -> Scope:
        """With `name` standing for `value`."""
        poly = self.polynomial(value)
        if not all(isinstance(atom, Var) for monomial, _ in value.terms for atom in monomial):
            poly = self._kernel.integers.let(poly, self._range(poly))
        self._kernel.names -= 1
        return Scope(
            self._kernel, {**self._names, name: (self._kernel.names, poly)}, self._place, self.defined | {name}
        )

    def _range(self, poly: Poly) -> tuple[Bound, ...]:
        """The numbers that an expression in run-time sizes is at least and at most, where examples show them and a
        short proof is found.
        """
        if self._place.guards or not self._place.worlds:
            return ()
        values = [world.value(poly) for world in self._place.worlds]
        bounds = (1, constant(-min(values))), (-1, constant(max(values)))
        return tuple([(sign, rest) for sign, rest in bounds if self._place.search.proves_soon(plus(rest, poly, sign))])

    def proves(self, expression: Indexable) -> bool:
        """Whether `expression >= 0` follows."""
        return self.holds(self.polynomial(index(expression)))

    def orders(self, a: Index, b: Index) -> bool:
        """Whether `a < b` follows."""
        return self.holds(plus(plus(self.polynomial(b), constant(-1)), self.polynomial(a), -1))

    def proves_for_all(self, expression: Indexable) -> bool:
        """Whether `expression >= 0` follows from the bounds of what it mentions, whether or not the
        loops around run.
        """
        return self._place.search.proves(self.polynomial(index(expression)))

    def same(self, a: Index, b: Index) -> bool:
        """Whether two expressions are equal, once names are replaced by what they stand for."""
        return a == b or not self.integers.without_names(self.polynomial(a - b))

    def holds(self, poly: Poly) -> bool:
        """Whether a polynomial over this kernel's integers is 0 or more."""
        place = self._place
        value = number(poly)
        if value is not None and (value >= 0 or place.worlds):  # without an example, this place may never be reached
            return value >= 0
        if place.worlds and place.search.proves(poly):  # without an example to refute, it would often search in vain
            return True
        if any(world.value(poly) < 0 for world in place.worlds):
            return False
        if place.guarded is None:
            place.guarded = Guards(self._kernel.integers, place.worlds, place.guards)
        return place.guarded.prove(poly)

    @property
    def integers(self) -> Integers:
        """The integers that polynomials of this kernel are made of."""
        return self._kernel.integers

    def polynomial(self, expression: Index) -> Poly:
        """An expression over the integers that the names here stand for."""
        if expression.constant is not None:
            return constant(expression.constant)
        key = (expression, tuple([self._names[name][0] for name in expression.variables()]))
        known = self._kernel.polys.get(key)
        if known is None:
            known = {}
            for monomial, coefficient in expression.terms:
                term = constant(coefficient)
                for atom in monomial:
                    term = product(self._atom(atom), term)
                known = plus(known, term)
            self._kernel.polys[key] = known
        return known

    def _atom(self, atom: Atom) -> Poly:
        if isinstance(atom, Var):
            return self._names[atom][1]
        a, b = (self.polynomial(part) for part in parts(atom))
        return (
            self._kernel.integers.quotient(a, b)
            if isinstance(atom, Div)
            else self._kernel.integers.extreme(atom.kind, a, b)
        )


def _entered(worlds: list[World], variable: int, first: Poly, last: Poly) -> list[World]:
    """The worlds in which a loop runs, its variable being at either end or between; where they are few, at more than
    one place.
    """
    least, most = number(first), number(last)
    if least is not None and most is not None and len(worlds) >= _FEW_WORLDS:  # as most loops are; it takes less time
        for at, world in enumerate(worlds):
            world.set(variable, (least, most, (least + most) // 2)[at % 3])
        return worlds if least <= most else []
    firsts = [world.value(first) for world in worlds] if least is None else [least] * len(worlds)
    found = [(world, at, world.value(last)) for world, at in zip(worlds, firsts, strict=True)]
    runs = [(world, least, most) for world, least, most in found if least <= most]
    entered = []
    for at, (world, least, most) in enumerate(runs):
        values = (least, most, (least + most) // 2)
        world.set(variable, values[at % 3])
        entered.append(world)
        for value in {*values} - {values[at % 3]} if len(runs) < _FEW_WORLDS else ():
            entered.append(world.copy())
            entered[-1].set(variable, value)
    return entered


__all__ = ["Scope"]
