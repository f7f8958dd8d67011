"""What can be proved about index expressions: `Facts.proves(e)` answers whether `e >= 0` follows from what is in scope.

The facts are linear inequalities over integers: a loop variable lies in its range, a size is at least its minimum. A
division or an extreme in an expression stands for an integer of its own, with the inequalities that define it:

    q = n // d        d*q <= n <= d*q + d - 1
    m = min(a, b)     m <= a, m <= b, and m = a or m = b (tried as two cases, only where needed)

A product of two variables (a stride known only at run time, times a step) is an integer of its own too; facts about one
factor, multiplied by the other where that is known not to be negative, bound it.

`e >= 0` is proved by showing that the facts and `e <= -1` contradict each other, with Fourier–Motzkin elimination: each
variable in turn is removed by adding every lower bound to every upper bound (Schrijver, Theory of Linear and Integer
Programming, §12.2), constants rounded down as integers allow. It answers "no" for what it can't prove.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from math import gcd, inf, prod
from random import Random

from .index import Atom, Div, Extreme, Index, Indexable, Monomial, Var, index, parts, rebuild, var

#: A proof that needs more is given up; the kernels' own need fewer than 100. With 600, `simplify` takes 1.1 s for windows of
#: c384_f384_k3_s2_same, with 150 it takes 0.2 s, and what it proves of 183 kernels is the same.
_MOST_INEQUALITIES = 150
_MOST_CASES = 5
_EXAMPLES = 40
# Some longer than a few blocks of steps, or what is true of the first block only is not refuted.
_SIZES = (0, 0, 1, 2, 3, 5, 8, 13, 20, 33, 64, 100, 1000, 4095, 4096, 5000, 20000, 70000, 10**6)

_Coefficients = tuple[tuple[int, int], ...]  # the number of a monomial, and its coefficient
_Row = tuple[_Coefficients, int]  # a linear inequality: its coefficients and its constant


class Facts:
    """Expressions known to be `>= 0`, and names with the expressions they stand for. Immutable.

    It carries some integers that satisfy all of it, so that most of what does not follow is refuted by an example, which is quick.
    """

    __slots__ = ("defined", "equalities", "examples", "known")

    def __init__(
        self,
        known: tuple[Index, ...],
        equalities: tuple[Index, ...] = (),
        examples: tuple[dict[str, int], ...] = (),
        defined: frozenset[str] = frozenset(),
    ) -> None:
        self.known = known
        self.equalities = equalities
        self.examples = examples
        self.defined = defined  # the names that stand for an expression

    @classmethod
    def of_sizes(cls, sizes: Iterable[tuple[str, int]]) -> Facts:
        """Run-time sizes, each with its least value."""
        sizes = tuple(sizes)
        chance = Random(0)
        examples = [{name: least + chance.choice(_SIZES) for name, least in sizes} for _ in range(_EXAMPLES)]
        return cls(tuple(var(name) - least for name, least in sizes), examples=tuple(examples))

    def in_range(self, name: str, lo: Indexable, hi: Indexable) -> Facts:
        """With `lo <= name < hi`."""
        known = (*self.known, *_halves(var(name), index(lo), 1), *_halves(var(name) + 1, index(hi), -1))
        if any(len(m) > 1 for m, _ in index(lo).terms) and self.proves(lo):
            known = (*known, var(name))  # as products of products are not looked at
        chance = Random(len(known))
        examples = []
        for example in self.examples:
            first, last = index(lo).evaluate(example), index(hi).evaluate(example) - 1
            if first <= last:
                examples.append({**example, name: chance.choice((first, last, chance.randint(first, last)))})
        return Facts(known, self.equalities, tuple(examples), self.defined)

    def where(self, name: str, value: Index) -> Facts:
        """With `name` standing for `value`."""
        itself = var(name)
        halves = [*_halves(itself, value, 1), *_halves(itself, value, -1)]
        halves += [itself] if self.proves(value) else []
        halves += [Index({(atom,): 1}) for atom in divisions(value) if self.proves(atom.numerator)]
        examples = tuple({**example, name: value.evaluate(example)} for example in self.examples)
        return Facts((*self.known, *halves), (*self.equalities, itself - value, value - itself), examples, self.defined | {name})

    def _least(self, expression: Index) -> float:
        """What an expression is at least, as far as shows from the least values of its variables: often all that is asked for."""
        least = float(expression.constant_term)
        for monomial, coefficient in expression.terms:
            if monomial:
                bounds = [self._least_of(atom) for atom in monomial]
                if coefficient < 0 or min(bounds) < 0:
                    return -inf
                least += coefficient * prod(bounds)
        return least

    def _least_of(self, atom: Atom) -> float:
        if isinstance(atom, Var):
            return max((-e.constant_term for e in self.known if (e - e.constant_term).single_atom == atom), default=-inf)
        first, second = (self._least(part) for part in parts(atom))
        if isinstance(atom, Div):
            return 0 if first >= 0 else -inf
        return min(first, second) if atom.kind == "min" else max(first, second)

    def proves(self, expression: Indexable) -> bool:
        """Whether `expression >= 0` follows: first without looking behind names, which is quick and often enough."""
        goal = index(expression)
        if goal.constant is not None:
            return goal.constant >= 0
        if any(goal.evaluate(example) < 0 for example in self.examples):
            return False
        if self._least(goal) >= 0:
            return True
        return _proves(self.known, goal) or (bool(self.equalities) and _proves((*self.known, *self.equalities), goal))


def _halves(a: Index, b: Index, sign: int) -> Iterator[Index]:
    """What `a >= b` (sign 1) or `a <= b` (sign -1) says without extremes: `a >= max(c, d)` is `a >= c` and `a >= d`."""
    atom = b.single_atom
    if isinstance(atom, Extreme) and atom.kind == ("max" if sign > 0 else "min"):
        yield from _halves(a, atom.a, sign)
        yield from _halves(a, atom.b, sign)
    else:
        yield (a - b) * sign


@lru_cache(maxsize=16384)
def _proves(known: tuple[Index, ...], goal: Index) -> bool:
    return _contradict([*known, -goal - 1], _MOST_CASES)


def _contradict(inequalities: list[Index], cases: int) -> bool:
    """Whether no integers satisfy all of `inequalities >= 0`, the last of which is the goal's opposite."""
    everything, extremes = _with_definitions(inequalities)
    everything += _products(everything)
    numbers = _numbers(everything)
    rows = [_row(e, numbers) for e in everything]
    goal = rows[len(inequalities) - 1]
    if any(_infeasible(near) for near in _nearest(_matched(rows), goal)):
        return True
    atom = _deciding(rows, goal, {numbers[(atom,)]: atom for atom in extremes}) if cases else None
    if atom is None:
        return False
    sign = 1 if atom.kind == "max" else -1
    return all(
        _contradict([_put(e, atom, chosen) for e in (*inequalities[:-1], (atom.a - atom.b) * side * sign, inequalities[-1])], cases - 1)
        for chosen, side in ((atom.a, 1), (atom.b, -1))
    )


def _deciding(rows: list[_Row], goal: _Row, extremes: dict[int, Extreme]) -> Extreme | None:
    """The extreme to tell apart: of those that have to be bounded from the side of which their definition says nothing, the innermost."""
    wanted = set(_wanted(rows, goal))
    needed = (atom for m, atom in extremes.items() if (m, -1 if atom.kind == "max" else 1) in wanted)
    return next(needed, next(iter(extremes.values()), None))


def _wanted(rows: list[_Row], goal: _Row) -> Iterator[tuple[int, int]]:
    """The variables, with the signs, that could cancel what is in the goal, and what is in rows that do so, and so on."""
    having: dict[tuple[int, int], list[_Row]] = {}
    for row in rows:
        for m, c in row[0]:
            having.setdefault((m, 1 if c > 0 else -1), []).append(row)
    queue = [(m, -1 if c > 0 else 1) for m, c in goal[0]]
    for wanted in queue:
        yield wanted
        for row in having.get(wanted, ()):
            others = ((m, -1 if c > 0 else 1) for m, c in row[0] if m != wanted[0])
            queue += [other for other in others if other not in queue]


def _put(e: Index, atom: Extreme, chosen: Index) -> Index:
    """The expression with `chosen` for every occurrence of `atom`, within other atoms too."""

    def change(other: Atom) -> Indexable | None:
        if isinstance(other, Var):
            return None
        if other == atom:
            return chosen
        old = parts(other)
        first, second = (part.map_atoms(change) for part in old)
        return None if first is old[0] and second is old[1] else rebuild(other, first, second)

    return e.map_atoms(change)


def _nearest(rows: list[_Row], goal: _Row) -> Iterator[list[_Row]]:
    """Growing sets of rows: those that share a variable with the goal, those that share one with these, ... Most proofs are short."""
    names = {m for m, _ in goal[0]}
    taken = 0
    while True:
        near = [row for row in rows if not row[0] or any(m in names for m, _ in row[0])]
        if len(near) == taken:
            return
        taken = len(near)
        yield near
        names |= {m for row in near for m, _ in row[0]}


def _atoms(expression: Index) -> Iterator[Atom]:
    for monomial, _ in expression.terms:
        yield from monomial


def divisions(expression: Index) -> Iterator[Div]:
    """Every division in an expression, those within extremes and other divisions included."""
    for atom in _atoms(expression):
        if not isinstance(atom, Var):
            for part in parts(atom):
                yield from divisions(part)
        if isinstance(atom, Div):
            yield atom


def _with_definitions(inequalities: list[Index]) -> tuple[list[Index], list[Extreme]]:
    """The inequalities and those that define every division and extreme in them, and the extremes, the goal's first."""
    result = list(inequalities)
    extremes: list[Extreme] = []
    seen = set()
    queue = [atom for e in reversed(inequalities) for atom in _atoms(e)]
    while queue:
        atom = queue.pop(0)
        if isinstance(atom, Var) or atom in seen:
            continue
        seen.add(atom)
        value = Index({(atom,): 1})
        if isinstance(atom, Div):
            over = atom.numerator - value * atom.divisor
            new = [over, atom.divisor - 1 - over]
        else:
            sign = 1 if atom.kind == "max" else -1
            new = [(value - atom.a) * sign, (value - atom.b) * sign]
            extremes.append(atom)
        result += new
        queue = [a for e in new for a in _atoms(e)] + queue  # so that what is near the goal comes first
    return result, extremes


def _products(inequalities: list[Index]) -> list[Index]:
    """For every product of two atoms that occurs, what follows from the facts about one factor times the other.

    Such a fact may bring in further products, as where one variable is bounded by another: so three times over.
    """
    positive = {atom for e in inequalities if e.constant_term <= 0 and (atom := (e - e.constant_term).single_atom)}
    linear = [(e, {m[0] for m, _ in e.terms if m}) for e in inequalities if all(len(m) < 2 for m, _ in e.terms)]
    result: dict[Index, None] = {}
    known = inequalities
    for _ in range(3):
        wanted = {m for e in known for m, _ in e.terms if len(m) == 2}
        factors = {(a, b) for m in wanted for a, b in (m, m[::-1]) if b in positive}
        known = [e * Index({(factor,): 1}) for e, atoms in linear for atom, factor in factors if atom in atoms]
        result.update(dict.fromkeys(known))
    return list(result)


def _numbers(inequalities: list[Index]) -> dict[Monomial, int]:
    """The monomials, numbered in the order of their names."""
    monomials = {m for e in inequalities for m, _ in e.terms if m}
    return {m: i for i, m in enumerate(sorted(monomials, key=_name))}


@lru_cache(maxsize=65536)
def _name(monomial: Monomial) -> str:
    return "*".join(str(atom) for atom in monomial)


def _row(e: Index, numbers: dict[Monomial, int]) -> _Row:
    return _normal({numbers[m]: c for m, c in e.terms if m}, e.constant_term)


def _normal(coefficients: dict[int, int], constant: int) -> _Row:
    """Divided by the coefficients' common factor, the constant rounded down: the integers that satisfy it stay the same."""
    divisor = gcd(*coefficients.values()) or 1
    if divisor == 1:
        return tuple(sorted(coefficients.items())), constant
    return tuple((m, c // divisor) for m, c in sorted(coefficients.items())), constant // divisor


def _infeasible(rows: list[_Row]) -> bool:
    """Whether elimination finds a contradiction, with either order of the variables: each finds some that the other misses."""
    return any(_eliminate(rows, exact_first) for exact_first in (False, True))


def _matched(rows: Iterable[_Row]) -> list[_Row]:
    """Without the rows with a variable that the rows bound from one side only: nothing can cancel it."""
    rows = list(rows)
    while True:
        signs = {(m, c > 0) for coefficients, _ in rows for m, c in coefficients}
        kept = [row for row in rows if all((m, c < 0) in signs for m, c in row[0])]
        if len(kept) == len(rows):
            return rows
        rows = kept


def _eliminate(rows: list[_Row], exact_first: bool) -> bool:
    best: dict[_Coefficients, int] = {}
    for coefficients, constant in rows:
        if not coefficients and constant < 0:
            return True
        if coefficients:
            best[coefficients] = min(constant, best.get(coefficients, constant))
    while best:
        target = _next_variable(best, exact_first)
        lower: list[tuple[dict[int, int], int, int]] = []  # coefficients, constant, and how often the variable counts
        upper: list[tuple[dict[int, int], int, int]] = []
        rest: dict[_Coefficients, int] = {}
        for coefficients, constant in best.items():
            factor = next((c for m, c in coefficients if m == target), 0)
            if factor:
                (lower if factor > 0 else upper).append((dict(coefficients), constant, abs(factor)))
            else:
                rest[coefficients] = constant
        for (a, a_constant, a_factor), (b, b_constant, b_factor) in product(lower, upper):
            combined = {m: a.get(m, 0) * b_factor + b.get(m, 0) * a_factor for m in {**a, **b}}
            new, constant = _normal({m: c for m, c in combined.items() if c}, a_constant * b_factor + b_constant * a_factor)
            if not new and constant < 0:
                return True
            if new:
                rest[new] = min(constant, rest.get(new, constant))
        if len(rest) > _MOST_INEQUALITIES:
            return False
        best = rest
    return False


def _next_variable(rows: Iterable[_Coefficients], exact_first: bool) -> int:
    """The variable to remove: the cheapest, that is the one with the fewest pairs of bounds.

    With `exact_first`, first those whose removal loses no integers: their coefficients are 1 on one side (Pugh, The Omega Test, 1991).
    """
    bounds: dict[int, tuple[list[int], list[int]]] = {}
    for coefficients in rows:
        for m, c in coefficients:
            bounds.setdefault(m, ([], []))[c > 0].append(abs(c))

    def rank(m: int) -> tuple[bool, int, int]:
        upper, lower = bounds[m]
        inexact = exact_first and max(upper, default=1) > 1 and max(lower, default=1) > 1
        return inexact, len(upper) * len(lower), m

    return min(bounds, key=rank)
