"""Index expressions: polynomials with integer coefficients over named 64-bit integers.

    index := sum of (integer * atom * atom ...)
    atom  := Var(name)                       a loop variable or a run-time size
           | Div(numerator, divisor)         floor division by a positive divisor
           | Extreme("min" | "max", a, b)

An index is kept in canonical form, so that equal expressions of this form compare and hash equal and constants fold as
they are built: `t + 2*j - 4 - t` *is* `2*j - 4`. That is all the algebra there is; what needs the ranges of variables
is in `scope.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Union


class Var(str):
    """A named integer: a loop variable, a `let`, or a run-time size. A string, as these are looked up all the time."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Div:
    """`numerator // divisor`, rounded down; the divisor is positive."""

    numerator: Index
    divisor: Index

    def __str__(self) -> str:
        return f"{_factor(self.numerator)}//{_factor(self.divisor)}"


@dataclass(frozen=True, slots=True)
class Extreme:
    """`min(a, b)` or `max(a, b)`."""

    kind: str
    a: Index
    b: Index

    def __str__(self) -> str:
        return f"{self.kind}({self.a}, {self.b})"


Atom = Var | Div | Extreme
Monomial = tuple[Atom, ...]
Indexable = Union["Index", int]


class Index:
    """A polynomial: each product of atoms, sorted, has a coefficient; the empty product is the constant."""

    __slots__ = ("_coefficients", "_hash", "_names")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self._coefficients = {m: c for m, c in terms.items() if c}
        self._hash: int | None = None
        self._names: tuple[str, ...] | None = None

    @classmethod
    def _without_zeros(cls, coefficients: dict[Monomial, int]) -> Index:
        """The sum of products none of whose coefficients is zero; it has the dictionary from then on."""
        made = cls.__new__(cls)
        made._coefficients, made._hash, made._names = coefficients, None, None
        return made

    @property
    def terms(self) -> Iterable[tuple[Monomial, int]]:
        """The products with their coefficients, none of which is zero."""
        return self._coefficients.items()

    @property
    def constant_term(self) -> int:
        """The coefficient of the empty product."""
        return self._coefficients.get((), 0)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._coefficients.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.constant == other
        return isinstance(other, Index) and self._coefficients == other._coefficients

    def __add__(self, other: Indexable) -> Index:
        return self._plus(other, 1)

    def _plus(self, other: Indexable, factor: int) -> Index:
        """`self + factor * other`."""
        added = {(): other} if isinstance(other, int) else other._coefficients
        terms = dict(self._coefficients)
        for monomial, coefficient in added.items():
            total = terms.get(monomial, 0) + factor * coefficient
            if total:
                terms[monomial] = total
            else:
                terms.pop(monomial, None)
        return self._without_zeros(terms)

    def __mul__(self, other: Indexable) -> Index:
        factor = other if isinstance(other, int) else other.constant
        if factor is not None:
            return self._times(factor)
        terms: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in index(other).terms:
                monomial = tuple(sorted(left + right, key=str)) if left and right else left + right
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Index(terms)

    def _times(self, factor: int) -> Index:
        if factor == 1:
            return self
        return self._without_zeros({m: c * factor for m, c in self._coefficients.items()} if factor else {})

    def __neg__(self) -> Index:
        return self._times(-1)

    def __sub__(self, other: Indexable) -> Index:
        return self._plus(other, -1)

    def __rsub__(self, other: Indexable) -> Index:
        return index(other) - self

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Indexable) -> Index:
        divisor = index(other)
        if divisor.constant == 1:
            return self
        whole: dict[Monomial, int] = {}
        rest: dict[Monomial, int] = {}
        for monomial, coefficient in self.terms:  # (a*d + r) // d  =  a + r // d
            if divisor.constant and coefficient % divisor.constant == 0:
                whole[monomial] = coefficient // divisor.constant
            else:
                rest[monomial] = coefficient
        numerator = Index(rest)
        if divisor.constant and numerator.constant is not None:
            return Index(whole) + numerator.constant // divisor.constant
        return Index(whole) + Index({(Div(numerator, divisor),): 1})

    def __rfloordiv__(self, other: int) -> Index:
        return index(other) // self

    @property
    def constant(self) -> int | None:
        """Its value if it is a plain number."""
        if len(self._coefficients) > 1:
            return None
        return self._coefficients.get(()) if self._coefficients else 0

    @property
    def single_atom(self) -> Atom | None:
        """The atom that it is, if it is nothing but one."""
        if len(self._coefficients) != 1:
            return None
        ((monomial, coefficient),) = self._coefficients.items()
        return monomial[0] if len(monomial) == 1 and coefficient == 1 else None

    def variables(self) -> tuple[str, ...]:
        """The names it mentions, those within divisions and extremes included, with repeats."""
        if self._names is None:
            self._names = tuple(name for monomial, _ in self.terms for atom in monomial for name in _variables(atom))
        return self._names

    def substitute(self, values: Mapping[str, Indexable]) -> Index:
        """The expression with variables replaced, folded again; the same object if it mentions none of them."""
        if values.keys().isdisjoint(self.variables()):
            return self
        return self.map_atoms(lambda atom: _substitute_atom(atom, values))

    def map_atoms(self, change: Callable[[Atom], Indexable | None]) -> Index:
        """The sum of products with every atom replaced by what `change` makes of it, which is None where it stays."""
        total: dict[Monomial, int] = {}
        changed = False
        for monomial, coefficient in self._coefficients.items():
            new = [change(atom) for atom in monomial]
            if all(atom is None for atom in new):
                total[monomial] = total.get(monomial, 0) + coefficient
                continue
            changed = True
            product: Indexable = 1
            for old, atom in zip(monomial, new, strict=True):
                product = product * (Index({(old,): 1}) if atom is None else atom)
            for m, c in index(product).terms:
                total[m] = total.get(m, 0) + c * coefficient
        return Index(total) if changed else self

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Its value for given variables; KeyError names a missing one."""
        total = 0
        for monomial, term in self._coefficients.items():
            for atom in monomial:
                term *= values[atom] if isinstance(atom, Var) else _evaluate_atom(atom, values)
            total += term
        return total

    def function(self, names: Iterable[str]) -> Callable[..., int]:
        """A Python function of `names`, in that order: `evaluate` for where it is called often. The text form is Python
        already.
        """
        return eval(f"lambda {', '.join(names)}: {self}", {"min": min, "max": max})  # type: ignore[no-any-return]

    def __str__(self) -> str:
        if not self._coefficients:
            return "0"
        text = ""
        # each atom's text once: a second time in every formula within formulas would be 2**depth times
        written = [(monomial, [str(atom) for atom in monomial], coefficient) for monomial, coefficient in self.terms]
        for monomial, atoms, coefficient in sorted(written, key=_order):
            sign = "-" if coefficient < 0 else "+"
            negated = not text and coefficient < 0  # `-(a//b)`: Python's minus binds tighter
            text += (f" {sign} " if text else "-" if negated else "") + _term(
                monomial, atoms, abs(coefficient), negated
            )
        return text

    __repr__ = __str__


def index(value: Indexable) -> Index:
    """An integer, or an index as it is."""
    return value if isinstance(value, Index) else Index({(): value})


def var(name: str) -> Index:
    """A named integer."""
    return Index({(Var(name),): 1})


def maximum(a: Indexable, b: Indexable) -> Indexable:
    """The larger; an int if both are."""
    return _extreme("max", a, b)


def minimum(a: Indexable, b: Indexable) -> Indexable:
    """The smaller; an int if both are."""
    return _extreme("min", a, b)


def parts(atom: Div | Extreme) -> tuple[Index, Index]:
    """The two operands of a compound atom."""
    return (atom.numerator, atom.divisor) if isinstance(atom, Div) else (atom.a, atom.b)


def rebuild(atom: Div | Extreme, first: Index, second: Index) -> Index:
    """A compound atom with other operands, folded."""
    return first // second if isinstance(atom, Div) else index(_extreme(atom.kind, first, second))


def constants(expression: Index, divisor: int = 1) -> Iterator[int]:
    """The numbers around which an expression changes its ways, without their signs.

    They are those that it adds, and those that it divides by; what lies within divisions counts as many times as they
    divide by, so that of `(a//1277 - 3)//56` they are 168 and 56*1277.
    """
    yield abs(expression.constant_term) * divisor
    for monomial, _ in expression.terms:
        for atom in monomial:
            if not isinstance(atom, Var):
                first, second = parts(atom)
                within = divisor * (second.constant or 1) if isinstance(atom, Div) else divisor
                yield from constants(first, within)
                yield from constants(second, divisor)


def divisions(expression: Index) -> Iterator[Div]:
    """Every division in an expression, those within extremes and other divisions included."""
    for monomial, _ in expression.terms:
        for atom in monomial:
            if not isinstance(atom, Var):
                for part in parts(atom):
                    yield from divisions(part)
            if isinstance(atom, Div):
                yield atom


def _extreme(kind: str, a: Indexable, b: Indexable) -> Indexable:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b) if kind == "max" else min(a, b)
    difference = (index(a) - b).constant
    if difference is not None:
        return a if (difference >= 0) == (kind == "max") else b
    return Index({(Extreme(kind, index(a), index(b)),): 1})


def _variables(atom: Atom) -> tuple[str, ...]:
    return (atom,) if isinstance(atom, Var) else tuple(name for part in parts(atom) for name in part.variables())


def _substitute_atom(atom: Atom, values: Mapping[str, Indexable]) -> Indexable | None:
    if isinstance(atom, Var):
        return values.get(atom)
    old = parts(atom)
    first, second = (part.substitute(values) for part in old)
    return None if first is old[0] and second is old[1] else rebuild(atom, first, second)


def _evaluate_atom(atom: Div | Extreme, values: Mapping[str, int]) -> int:
    first, second = (part.evaluate(values) for part in parts(atom))
    if isinstance(atom, Div):
        return first // second
    return max(first, second) if atom.kind == "max" else min(first, second)


def _order(term: tuple[Monomial, list[str], int]) -> tuple[int, str]:
    return (-len(term[0]), "*".join(term[1]))


def _term(monomial: Monomial, atoms: list[str], coefficient: int, negated: bool) -> str:
    factors = [
        text if isinstance(atom, Var | Extreme) else f"({text})" for atom, text in zip(monomial, atoms, strict=True)
    ]
    if len(monomial) == 1 and coefficient == 1 and isinstance(monomial[0], Div) and not negated:
        return atoms[0]
    return "*".join(([str(coefficient)] if coefficient != 1 or not monomial else []) + factors)


def _factor(value: Index) -> str:
    """An operand of a division: in parentheses unless it is a number, a name or a call."""
    if value.constant is not None:
        return str(value)
    atom = value.single_atom
    return str(value) if atom is not None and not isinstance(atom, Div) else f"({value})"
