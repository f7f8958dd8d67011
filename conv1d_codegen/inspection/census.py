"""How often a kernel's statements run, for sizes that are known: vectors multiplied, loaded and stored, counted from the
loops that run, exactly.

A loop whose bounds inside do not depend on its variable is counted once, times its iterations; only what depends on
blocks, or on steps of an edge, is gone through. So a kernel of millions of products is counted in milliseconds.

What is counted is what the loops say. LLVM loads once what several statements read, and computes once what does not
change: its own count, of the innermost loop, is in `assembly.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..ir import (
    Accumulate,
    Alloc,
    Axis,
    Bind,
    Block,
    Call,
    Fma,
    For,
    If,
    Kernel,
    Let,
    Load,
    Nest,
    Prefetch,
    Statement,
    Storage,
    Store,
    Value,
)
from ..ir.rewrite import indices_of, walk
from ..symbolic.index import Index


@dataclass(frozen=True, slots=True)
class Census:
    """Of one call, on vectors or single numbers alike: multiply-adds into sums, and how many numbers take part in them;
    other arithmetic; loads and stores of arrays of the caller's and of scratch memory. `own_loads` are those within loops
    over taps or channels that add products up; the others are of transforms, of sums that were put away, and of biases.
    """

    products: int
    numbers: int
    arithmetic: int
    loads: int
    own_loads: int
    stores: int
    prefetches: int

    def lanes_in_use(self, width: int) -> float:
        """The share of the lanes of the vectors that are multiplied, of `width` numbers each, that are in use."""
        return self.numbers / (self.products * width) if self.products else 1.0


def census(kernel: Kernel, sizes: Mapping[str, int]) -> Census:
    """Count one call of `kernel`, whose run-time sizes are given by name. Raises KeyError for a size that is missing."""
    counts = _Counting().block(kernel.body, dict(sizes))
    return Census(
        products=counts["products"],
        numbers=counts["numbers"],
        arithmetic=counts["arithmetic"],
        loads=counts["load"],
        own_loads=counts["own load"],
        stores=counts["store"],
        prefetches=counts["prefetch"],
    )


class _Counting:
    """Counts blocks. What was counted for the same values of the names that matter is not counted again."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, ...]] = {}
        self._counted: dict[tuple[int, int, tuple[int, ...]], Counter[str]] = {}

    def block(self, body: Block, known: dict[str, int], lanes: int = 1) -> Counter[str]:
        total: Counter[str] = Counter()
        for statement in body:
            match statement:
                case For():
                    total += self._again(statement, known, lanes)
                case If(conditions, inner):
                    if all(condition.evaluate(known) >= 0 for condition in conditions):
                        total += self.block(inner, known, lanes)
                case Nest(_, inner):
                    total += self.block(inner, known, lanes)
                case Let(name, value):
                    known = {**known, name: value.evaluate(known)}
                case Accumulate(_, _, a, b):
                    total += Counter(products=1, numbers=lanes) + _values((a, b))
                case Bind(_, value):
                    total += _values((value,))
                case Store(buffer, _, value):
                    total += _values((value,)) + Counter(store=int(buffer.storage is not Storage.REGISTER))
                case Prefetch():
                    total += Counter(prefetch=1)
                case Call() | Alloc():
                    pass
        return total

    def _again(self, loop: For, known: dict[str, int], lanes: int) -> Counter[str]:
        if id(loop) not in self._names:
            self._names[id(loop)] = tuple({name for s in walk((loop,)) for i in _bounds(s) for name in i.variables()})
        key = id(loop), lanes, tuple(known.get(name, 0) for name in self._names[id(loop)])
        if key not in self._counted:
            self._counted[key] = self._loop(loop, known, lanes)
        return self._counted[key]

    def _loop(self, loop: For, known: dict[str, int], lanes: int) -> Counter[str]:
        first, last = loop.lo.evaluate(known), loop.hi.evaluate(known)
        if loop.kind == "lanes":
            return self.block(loop.body, known, last)
        total = self._rounds(loop, first, last, known, lanes)
        if loop.axis in (Axis.TAP, Axis.CHANNEL) and loop.kind == "serial" and total["products"]:
            total["own load"] = total["load"]
        return total

    def _rounds(self, loop: For, first: int, last: int, known: dict[str, int], lanes: int) -> Counter[str]:
        if last <= first:
            return Counter()
        if not _depends(loop.body, loop.var):
            once = self.block(loop.body, {**known, loop.var: first}, lanes)
            return Counter({name: count * (last - first) for name, count in once.items()})
        total: Counter[str] = Counter()
        for value in range(first, last):
            total += self.block(loop.body, {**known, loop.var: value}, lanes)
        return total


def _values(values: tuple[Value, ...]) -> Counter[str]:
    """What computing some values takes."""
    counts: Counter[str] = Counter()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        waiting += value.operands
        if isinstance(value, Load):
            counts["load"] += value.buffer.storage is not Storage.REGISTER
        elif isinstance(value, Fma) or value.operands:
            counts["arithmetic"] += 1
    return counts


def _bounds(statement: Statement) -> tuple[Index, ...]:
    """The integers that decide how often something runs."""
    return indices_of(statement) if isinstance(statement, For | If | Let) else ()


def _depends(body: Block, name: str) -> bool:
    """Whether the bounds of loops, or conditions, within depend on a variable, by way of named integers too."""
    names = {name}
    for statement in walk(body):
        if not isinstance(statement, Let) and any(names.intersection(i.variables()) for i in _bounds(statement)):
            return True
        if isinstance(statement, Let) and names.intersection(statement.value.variables()):
            names.add(statement.name)
    return False
