"""Index expressions as 64-bit instructions."""

from __future__ import annotations

from ..index import Atom, Div, Extreme, Index, Indexable, Monomial, Var, parts, var
from .builder import Builder


class Integers:
    """Names of the IR in scope, and the instructions that compute expressions over them.

    Each IR name stands for an integer (in an unrolled loop) or for a name that is unique in the function. Sums start with what changes
    least often, so that LLVM can move the beginning of a sum out of the inner loops.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._meaning: dict[str, Indexable] = {}
        self._depth: dict[str, int] = {}

    def define(self, name: str, meaning: Indexable) -> None:
        """Let an IR name stand for a number or a resolved expression."""
        self._meaning[name] = meaning

    def variable(self, name: str, ssa: str, depth: int) -> None:
        """Let an IR name stand for a value of the function, made within `depth` loops."""
        unique = ssa.lstrip("%")
        self._meaning[name] = var(unique)
        self._depth[unique] = depth

    def resolve(self, expression: Index) -> Index:
        """The expression in names that are unique in the function, with unrolled variables as numbers."""
        return expression.substitute(self._meaning)

    def ssa(self, expression: Index) -> str:
        """The value of a resolved expression: a number or a name."""
        if expression.constant is not None:
            return str(expression.constant)
        return str(self._builder.once(("integer", expression), lambda: self._sum(expression)))

    def _sum(self, expression: Index) -> str:
        terms = sorted(expression.terms, key=lambda term: self._depth_of(term[0]))
        total = ""
        for monomial, coefficient in terms:
            if total and coefficient < 0:
                total = self._binary("sub nsw", total, self._product(monomial, -coefficient))
            else:
                term = self._product(monomial, coefficient)
                total = self._binary("add nsw", total, term) if total else term
        return total

    def _depth_of(self, monomial: Monomial) -> int:
        names = [name for atom in monomial for name in Index({(atom,): 1}).variables()]
        return max((self._depth[name] for name in names), default=0)

    def _product(self, monomial: Monomial, coefficient: int) -> str:
        result = str(coefficient) if coefficient != 1 or not monomial else ""
        for atom in monomial:
            factor = self._atom(atom)
            result = self._binary("mul nsw", factor, result) if result else factor
        return result

    def _atom(self, atom: Atom) -> str:
        return f"%{atom}" if isinstance(atom, Var) else str(self._builder.once(("atom", atom), lambda: self._compound(atom)))

    def _compound(self, atom: Div | Extreme) -> str:
        a, b = (self.ssa(part) for part in parts(atom))
        if isinstance(atom, Extreme):
            return self._builder.call(atom.kind, "i64", f"llvm.s{atom.kind}.i64", ("i64", a), ("i64", b))
        divisor = atom.divisor.constant
        if divisor is not None and divisor & (divisor - 1) == 0:
            return self._binary("ashr", a, str(divisor.bit_length() - 1))
        return self._floor_division(a, b)

    def _floor_division(self, a: str, b: str) -> str:
        """LLVM's `sdiv` rounds to zero: one less where that was up."""
        quotient = self._binary("sdiv", a, b)
        rest = self._binary("sub", a, self._binary("mul", quotient, b))
        up = self._builder.define("up", "compare", op_name="icmp slt", type="i64", a=rest, b="0")
        down = self._builder.define("down", "cast", op_name="sext", from_type="i1", a=up, type="i64")
        return self._binary("add", quotient, down)

    def _binary(self, op: str, a: str, b: str) -> str:
        return self._builder.define("i", "binary", op_name=op, type="i64", a=a, b=b)
