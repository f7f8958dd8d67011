"""simplify: what the ranges of the variables in scope prove.

min(a, b), max(a, b)    become the operand that is provably the one
loops                   that provably run nothing disappear
conditions              that provably hold disappear, as does what stands under one that provably does not
lets                    that nothing uses disappear, as do those that only rename; a sum that something is divided by
                        keeps its name, as a quotient times it would be many products

needs   any kernel
leaves  no bound, name, condition or loop that ranges prove to be of no use
obeys   nothing
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Block, Compound, For, If, Kernel, Let, Statement
from ..ir.rewrite import constants_of, indices_of, loads_of, substitute, walk, with_body, with_bounds
from ..symbolic.index import Atom, Extreme, Index, Var, divisions, parts, rebuild
from ..symbolic.scope import Scope
from .context import Context


def run(kernel: Kernel, context: Context) -> Kernel:
    body, _ = _used(_block(kernel.body, Scope.of_sizes(kernel.sizes, constants_of(kernel.body))))
    return kernel.with_body(body)


def _block(body: Block, scope: Scope) -> Block:
    result: list[Statement] = []
    rest = list(body)
    while rest:
        s = rest.pop(0)
        match s:
            case Let():
                number = _index(s.value, scope)
                plain = all(isinstance(atom, Var) for monomial, _ in number.terms for atom in monomial)
                if plain and not (len(list(number.terms)) > 1 and _divides(s.name, tuple(rest))):
                    rest = list(substitute(tuple(rest), {s.name: number}))
                    continue
                scope = scope.where(s.name, number)
                result.append(replace(s, value=number))
            case For():
                lo, hi = _index(s.lo, scope), _index(s.hi, scope)
                if scope.proves(lo - hi):
                    continue
                result.append(with_bounds(s, lo, hi, _block(s.body, scope.in_range(s.var, lo, hi))))
            case If():
                conditions = [_index(condition, scope) for condition in s.conditions]
                if any(scope.proves(-1 - condition) for condition in conditions):
                    continue
                left = tuple(condition for condition in conditions if not scope.proves(condition))
                inner = _block(s.body, scope.given(left))
                result += (If(left, inner),) if left else inner
            case _:
                result.append(s)
    return tuple(result)


def _divides(name: str, body: Block) -> bool:
    """Whether something is divided by what a name stands for, and nothing else."""
    places = (place for s in walk(body) for place in (indices_of(s), *(load.index for load in loads_of(s))))
    return any(d.divisor.single_atom == name for place in places for i in place for d in divisions(i))


def _index(expression: Index, scope: Scope) -> Index:
    def resolve(atom: Atom) -> Index | None:
        if isinstance(atom, Var):
            return None
        first, second = (_index(part, scope) for part in parts(atom))
        if isinstance(atom, Extreme):
            above, below = (first, second) if atom.kind == "max" else (second, first)
            if _worth_dropping(below, above, scope) and scope.proves(first - second):
                return above
            if _worth_dropping(above, below, scope) and scope.proves(second - first):
                return below
        return rebuild(atom, first, second)

    return expression.map_atoms(resolve)


def _worth_dropping(dropped: Index, kept: Index, scope: Scope) -> bool:
    """Not where what is bounded would be hard to prove again: anything beside a division by an expression, a mere name
    beside one by a run-time size, an expression beside a product of names, unless it is a run-time size that is kept, or
    anything but a number beside a name that stands for an expression, behind which a proof would have to look."""
    divisors = [a.divisor for a in divisions(kept) if a.divisor.constant is None]
    by_expression = any(
        not isinstance(atom := divisor.single_atom, Var) or atom in scope.defined for divisor in divisors
    )
    by_size = divisors and isinstance(dropped.single_atom, Var)
    products = any(len(monomial) > 1 for side in (dropped, kept) for monomial, _ in side.terms)
    to_size = isinstance(kept.single_atom, Var) and kept.single_atom not in scope.defined
    beside_product = products and dropped.constant is None and kept.constant is None and not to_size
    behind_a_name = kept.single_atom in scope.defined and dropped.constant is None
    return not (by_expression or by_size or beside_product or behind_a_name)


def _used(body: Block) -> tuple[Block, set[str]]:
    """Without the lets whose names nothing mentions; and the names that are mentioned."""
    result: list[Statement] = []
    mentioned: set[str] = set()
    for s in reversed(body):
        if isinstance(s, Let) and s.name not in mentioned:
            continue
        if isinstance(s, Compound):
            inner, names = _used(s.body)
            s = with_body(s, inner)
            mentioned |= names
        for place in (indices_of(s), *(load.index for load in loads_of(s))):
            for i in place:
                mentioned.update(i.variables())
        result.append(s)
    return tuple(reversed(result)), mentioned
