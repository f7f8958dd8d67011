"""Index expressions as 64-bit instructions."""

from __future__ import annotations

from dataclasses import dataclass

from ..symbolic.index import Atom, Div, Extreme, Index, Monomial, Var, index, parts, var
from .builder import Builder


@dataclass(frozen=True, slots=True)
class _Split:
    """An expression by how often its terms change."""

    moving: Index  # in names of the function
    unrolled: Index  # in variables of unrolled loops
    mixed: Index | None  # in both: rarely anything


class Integers:
    """Names of the IR in scope, and the instructions that compute expressions over them.

    Each IR name stands for an integer (in an unrolled loop) or for an expression in names that are unique in the
    function. What is computed goes before all loops in which it does not change, sums and products part by part.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._numbers: dict[str, int] = {}
        self._meaning: dict[str, Index] = {}
        self._depth: dict[str, int] = {}
        self._depths: dict[Monomial, int] = {}  # of products of names, each of which is unique
        self._splits: dict[Index, _Split] = {}

    def number(self, name: str, value: int) -> None:
        """Let an IR name stand for a number."""
        if self._meaning.pop(name, None) is not None or name not in self._numbers:
            self._splits.clear()
        self._numbers[name] = value

    def expression(self, name: str, meaning: Index) -> None:
        """Let an IR name stand for a resolved expression."""
        if self._meaning.get(name) != meaning:
            self._splits.clear()
            self._numbers.pop(name, None)
            self._meaning[name] = meaning

    def variable(self, name: str, ssa: str, depth: int) -> None:
        """Let an IR name stand for a value of the function, made within `depth` loops."""
        unique = ssa.lstrip("%")
        self._depth[unique] = depth
        self.expression(name, var(unique))

    def resolve(self, expression: Index) -> Index:
        """The expression in names that are unique in the function, with unrolled variables as numbers."""
        if expression.constant is not None:
            return expression
        moving, constant = self.resolved(expression)
        return moving + constant

    def numbers(self, expressions: tuple[Index, ...]) -> tuple[int, ...]:
        """The values of expressions in variables of unrolled loops only; KeyError names another."""
        return tuple(expression.evaluate(self._numbers) for expression in expressions)

    def resolved(self, expression: Index) -> tuple[Index, int]:
        """What `resolve` gives, as the part that is not known now and the constant."""
        split = self._splits.get(expression)
        if split is None:
            split = self._splits[expression] = self._split(expression)
        constant = split.unrolled.evaluate(self._numbers)
        if split.mixed is None:
            return split.moving, constant
        whole = split.moving + split.mixed.substitute({**self._meaning, **self._numbers})
        return whole - whole.constant_term, constant + whole.constant_term

    def _split(self, expression: Index) -> _Split:
        moving, unrolled, mixed = index(0), index(0), index(0)
        for monomial, coefficient in expression.terms:
            term = Index({monomial: coefficient})
            numbers = [name in self._numbers for name in term.variables()]
            if all(numbers):
                unrolled += term
            elif any(numbers):
                mixed += term
            else:
                moving += term.substitute(self._meaning)
        constant = moving.constant_term
        return _Split(moving - constant, unrolled + constant, None if mixed == 0 else mixed)

    def by_depth(self, expression: Index) -> list[tuple[int, Index]]:
        """The terms of a resolved expression, summed by how many loops they change in, those that change least often
        first.
        """
        sums: dict[int, dict[Monomial, int]] = {}
        for monomial, coefficient in expression.terms:
            sums.setdefault(self._depth_of(monomial), {})[monomial] = coefficient
        return [(depth, Index(sums[depth])) for depth in sorted(sums)]

    def depth_of(self, expression: Index) -> int:
        """How many loops a resolved expression changes in."""
        return max((self._depth_of(monomial) for monomial, _ in expression.terms), default=0)

    def _depth_of(self, monomial: Monomial) -> int:
        depth = self._depths.get(monomial)
        if depth is None:
            depth = max((self._depth[name] for name in Index({monomial: 1}).variables()), default=0)
            self._depths[monomial] = depth
        return depth

    def ssa(self, expression: Index) -> str:
        """The value of a resolved expression: a number or a name."""
        if expression.constant is not None:
            return str(expression.constant)
        depth = self.depth_of(expression)
        return str(self._builder.once(("integer", expression), lambda: self._sum(expression), depth))

    def opaque(self, expression: Index) -> str:
        """The value of a resolved expression as a name that LLVM does not look behind.

        What it knows about the addresses in a loop is formulas over the loop's variable. Behind those of what the loop
        does not change stand the divisions and extremes that tiles begin at, which its reduction of induction variables
        compares again and again, and hardly uses: with them, a residual network's first call takes 2.3 s instead of 2.0
        (`python tools/first_call.py`).
        """
        if expression.constant is not None:
            return str(expression.constant)
        made = self.ssa(expression)

        def hidden() -> str:
            return self._builder.define("i", "opaque", a=made)

        return str(self._builder.once(("opaque", expression), hidden, self.depth_of(expression)))

    def holds(self, expression: Index) -> str:
        """Whether a resolved expression is 0 or more, as an `i1`."""
        positive = Index({monomial: coefficient for monomial, coefficient in expression.terms if coefficient > 0})
        a, b = self.ssa(positive), self.ssa(positive - expression)
        return self._builder.define("holds", "at_least", a=a, b=b)

    def _sum(self, expression: Index) -> str:
        """Ends with the terms that change most often; what is before them is a sum of its own."""
        *before, (_, last) = self.by_depth(expression)
        total = self.ssa(sum((part for _, part in before), index(0))) if before else ""
        for monomial, coefficient in last.terms:
            if total and coefficient < 0:
                total = self._binary("subtract", total, self._product(monomial, -coefficient))
            else:
                term = self._product(monomial, coefficient)
                total = self._binary("add", total, term) if total else term
        return total

    def _product(self, monomial: Monomial, coefficient: int) -> str:
        if not monomial:
            return str(coefficient)
        at = max(range(len(monomial)), key=lambda i: self._depth_of(monomial[i : i + 1]))
        factor = self._atom(monomial[at])
        before = self.ssa(Index({monomial[:at] + monomial[at + 1 :]: coefficient}))
        return factor if before == "1" else self._binary("multiply", factor, before)

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, Var):
            return f"%{atom}"
        return str(self._builder.once(("atom", atom), lambda: self._compound(atom), self._depth_of((atom,))))

    def _compound(self, atom: Div | Extreme) -> str:
        a, b = (self.ssa(part) for part in parts(atom))
        if isinstance(atom, Extreme):
            return self._builder.define(atom.kind, atom.kind, a=a, b=b)
        divisor = atom.divisor.constant
        if divisor is not None and divisor & (divisor - 1) == 0:
            return self._builder.define("i", "floor_by_power_of_two", a=a, bits=divisor.bit_length() - 1)
        return self._builder.define("i", "floor_division", a=a, b=b)

    def _binary(self, form: str, a: str, b: str) -> str:
        return self._builder.define("i", form, a=a, b=b)
