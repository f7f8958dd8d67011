"""Kernels that are wrong in one thing, or just different: mutations of the loop IR, drawn at random.

What a mutation changes is what a pass may get wrong: an index, a bound, a size, the order of statements, a statement
that is missing. What comes out is a kernel that can be built; whether it makes sense is for the verifier to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from support.type_helpers import the

from conv1d_codegen.ir import (
    Access,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    For,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Statement,
    Store,
    Value,
)
from conv1d_codegen.ir.rewrite import loads_of, map_leaves, rewrite_values, walk
from conv1d_codegen.symbolic.index import Index, index, var

Change = Callable[[Statement], Block]
#: A kernel, and what was done to it, in words.
Mutant = tuple[Kernel, str]


@dataclass(frozen=True)
class Spot:
    """A statement, by its number in the order of `walk`, and the integers that are known there."""

    number: int
    statement: Statement
    names: tuple[str, ...]


def spots(kernel: Kernel) -> list[Spot]:
    """Every statement."""
    found: list[Spot] = []

    def visit(body: Block, names: tuple[str, ...]) -> None:
        for statement in body:
            found.append(Spot(len(found), statement, names))
            match statement:
                case For():
                    visit(statement.body, (*names, statement.var))
                case If():
                    visit(statement.body, names)
                case Let(name, _):
                    names = (*names, name)

    visit(kernel.body, tuple(name for name, _ in kernel.sizes))
    return found


def with_changed(kernel: Kernel, number: int, change: Change) -> Kernel:
    """The kernel with statement `number` replaced by what `change` makes of it."""
    count = iter(range(len(spots(kernel))))

    def visit(body: Block) -> Block:
        result: list[Statement] = []
        for statement in body:
            at = next(count)
            if isinstance(statement, For | If):
                inner = visit(statement.body)
                statement = statement if at == number else replace(statement, body=inner)
            result += change(statement) if at == number else (statement,)
        return tuple(result)

    return kernel.with_body(visit(kernel.body))


def mutate(kernel: Kernel, rng: np.random.Generator) -> Mutant:
    """A mutant, and what was done, in words. Raises ValueError where the drawn mutation is no kernel at all; then draw
    again.
    """
    places = spots(kernel)
    name = str(rng.choice(list(_MUTATIONS)))
    candidates = [spot for spot in places if _suits(name, spot.statement)]
    if not candidates:
        raise ValueError(f"nothing to mutate: {name}")
    spot = candidates[rng.integers(len(candidates))]
    mutant, what = _MUTATIONS[name](kernel, spot, rng)
    if mutant == kernel:
        raise ValueError("no change")
    return mutant, f"{name} of statement {spot.number}: {what}"


def _suits(name: str, statement: Statement) -> bool:
    accesses = isinstance(statement, Store | Accumulate | Prefetch) or any(loads_of(statement))
    return {
        "index": accesses,
        "bounds": isinstance(statement, For),
        "condition": isinstance(statement, If),
        "kind": isinstance(statement, For),
        "shape": isinstance(statement, Alloc),
        "name": accesses,
        "let": isinstance(statement, Let),
        "accumulate": isinstance(statement, Store),
    }.get(name, True)


def _place_changed(
    statement: Statement, rng: np.random.Generator, change: Callable[[tuple[Index, ...]], tuple[Index, ...]]
) -> Block:
    """One access of a statement with other indices."""
    reads = list(loads_of(statement))
    choices = ["write"] * isinstance(statement, Store | Accumulate | Prefetch) + ["read"] * bool(reads)
    if rng.choice(choices) == "write":
        assert isinstance(statement, Store | Accumulate | Prefetch)
        return (replace(statement, index=change(statement.index)),)
    wanted = reads[rng.integers(len(reads))]

    def in_load(node: Value) -> Value:
        return replace(node, index=change(node.index)) if isinstance(node, Load) and node == wanted else node

    return rewrite_values((statement,), in_load)


def _index(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    step = int(rng.choice([-1, 1, 1, 2, 8]))

    def moved(place: tuple[Index, ...]) -> tuple[Index, ...]:
        if not place:
            return place
        axis = int(rng.integers(len(place)))
        return (*place[:axis], place[axis] + step, *place[axis + 1 :])

    return with_changed(kernel, spot.number, lambda s: _place_changed(s, rng, moved)), f"by {step}"


def _name(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    """A variable in the place of another."""

    def renamed(place: tuple[Index, ...]) -> tuple[Index, ...]:
        used = [name for i in place for name in i.variables()]
        if not used or not spot.names:
            return place
        old, new = str(rng.choice(used)), str(rng.choice(spot.names))
        return tuple(i.substitute({old: var(new)}) for i in place)

    return with_changed(kernel, spot.number, lambda s: _place_changed(s, rng, renamed)), "another variable"


def _bounds(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    step, loop = int(rng.choice([-1, 1])), the(For, spot.statement)
    which = str(rng.choice(["lo", "hi", "width"] if loop.kind == "lanes" else ["lo", "hi"]))
    moved: dict[str, Any] = {which: getattr(loop, which) + step}
    return with_changed(kernel, spot.number, lambda _: (replace(loop, **moved),)), f"{which} by {step}"


def _condition(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    step, statement = int(rng.choice([-1, 1])), the(If, spot.statement)
    parts = statement.conditions
    at = int(rng.integers(len(parts)))
    moved = replace(statement, conditions=(*parts[:at], parts[at] + step, *parts[at + 1 :]))
    return with_changed(kernel, spot.number, lambda _: (moved,)), f"number {at} by {step}"


def _kind(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    kind = str(rng.choice(["serial", "parallel", "unrolled"]))
    return with_changed(kernel, spot.number, lambda loop: (replace(the(For, loop), kind=kind, width=0),)), kind


def _shape(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    """A smaller or larger array, wherever it is named."""
    old = the(Alloc, spot.statement).buffer
    axis, step = int(rng.integers(max(1, len(old.shape)))), int(rng.choice([-1, 1]))
    if not old.shape:
        raise ValueError("a scalar")
    new = replace(old, shape=(*old.shape[:axis], old.shape[axis] + step, *old.shape[axis + 1 :]))
    return kernel.with_body(_with_buffer(kernel.body, old, new)), f"{old} is {new}"


def _with_buffer(body: Block, old: Buffer, new: Buffer) -> Block:
    def in_load(node: Value) -> Value:
        return replace(node, buffer=new) if isinstance(node, Load) and node.buffer == old else node

    def renamed(statement: Statement) -> Statement:
        if isinstance(statement, Alloc | Store | Accumulate | Prefetch) and statement.buffer == old:
            return replace(statement, buffer=new)
        return statement

    return map_leaves(rewrite_values(body, in_load), renamed)


def _let(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    step, let = int(rng.choice([-1, 1])), the(Let, spot.statement)
    return with_changed(kernel, spot.number, lambda _: (replace(let, value=let.value + step),)), f"by {step}"


def _drop(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    return with_changed(kernel, spot.number, lambda _: ()), str(spot.statement)[:60]


def _twice(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    return with_changed(kernel, spot.number, lambda s: (s, s)), str(spot.statement)[:60]


def _unwrap(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    """A loop's body once, at its first iteration; or what stood on a condition, without it."""
    statement = spot.statement
    if isinstance(statement, If):
        return with_changed(kernel, spot.number, lambda _: statement.body), "without its condition"
    if not isinstance(statement, For):
        raise ValueError("not a loop")
    once = (Let(statement.var, statement.lo), *statement.body)
    return with_changed(kernel, spot.number, lambda _: once), "its first iteration only"


def _swap(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    """Two statements that stand side by side."""
    holders = [
        (None, kernel.body),
        *(
            (s, s.statement.body)
            for s in spots(kernel)
            if isinstance(s.statement, For | If) and len(s.statement.body) > 1
        ),
    ]
    holder, body = holders[rng.integers(len(holders))]
    if len(body) < 2:
        raise ValueError("nothing to swap")
    at = int(rng.integers(len(body) - 1))
    swapped = (*body[:at], body[at + 1], body[at], *body[at + 2 :])
    if holder is None:
        return kernel.with_body(swapped), f"{at} and {at + 1} of the kernel"
    assert isinstance(holder.statement, For | If)
    changed = replace(holder.statement, body=swapped)
    return with_changed(kernel, holder.number, lambda _: (changed,)), f"{at} and {at + 1} of loop {holder.number}"


def _accumulate(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    """What is stored, and what is there already."""
    old = the(Store, spot.statement).buffer
    new = replace(old, access=Access.UPDATE)

    def added(statement: Statement) -> Block:
        store = the(Store, statement)
        return (replace(store, value=store.value + Load(new, store.index)),)

    updated = replace(kernel, buffers=tuple(new if buffer == old else buffer for buffer in kernel.buffers))
    return with_changed(updated.with_body(_with_buffer(kernel.body, old, new)), spot.number, added), str(old.name)


def _lift(kernel: Kernel, spot: Spot, rng: np.random.Generator) -> Mutant:
    """A statement of a loop, before the loop; or one that stood on a condition, before that."""
    loop = spot.statement
    if not isinstance(loop, For | If) or not loop.body:
        raise ValueError("not a loop")
    at = int(rng.integers(len(loop.body)))
    lifted = (loop.body[at], replace(loop, body=(*loop.body[:at], *loop.body[at + 1 :])))
    return with_changed(kernel, spot.number, lambda _: lifted), f"statement {at} of it, before it"


_MUTATIONS: dict[str, Callable[[Kernel, Spot, np.random.Generator], Mutant]] = {
    "index": _index,
    "name": _name,
    "bounds": _bounds,
    "condition": _condition,
    "kind": _kind,
    "shape": _shape,
    "let": _let,
    "drop": _drop,
    "twice": _twice,
    "unwrap": _unwrap,
    "swap": _swap,
    "accumulate": _accumulate,
    "lift": _lift,
}


def products(kernel: Kernel) -> int:
    """Statements of a kernel, for who looks at how large it is."""
    return sum(1 for _ in walk(kernel.body))


__all__ = ["index", "mutate", "products", "spots", "with_changed"]
