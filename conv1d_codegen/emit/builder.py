"""Builder: the growing list of LLVM instructions, with unique names, basic blocks, loops, and a memory of what was
computed already.

While a loop or a branch is open, instructions can still be put before it: what does not change in it is computed there,
once. A loop is

      branch to enter, or to done if it does not run
    enter:              once, before the first iteration (left out if empty, as is the test of a loop that certainly runs)
    body:               ends with the count, and a branch to body
    done:
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..ir import Statement

Instruction = dict[str, Any]


@dataclass(slots=True)
class Register:
    """A register of the IR: the value that it holds at this point of the function."""

    stem: str
    type: str
    value: str


@dataclass(slots=True)
class _Level:
    """The function's outermost code, or that of an open loop or branch; and what was computed there."""

    certain: bool = True  # to run, where the code around it does
    entry: list[Instruction] = field(default_factory=list)  # once, before the first iteration
    instructions: list[Instruction] = field(default_factory=list)
    known: dict[Hashable, Any] = field(default_factory=dict)


class Builder:
    """Instructions are dicts with a `kind` that names a form of `instructions.ll.j2` and the strings and integers it
    prints; and their `origin`, the innermost statement that was being written. Where one serves several, it is the
    first's.
    """

    def __init__(self) -> None:
        self.arrays: list[Instruction] = []
        self.origin: Statement | None = None  # of what is added next
        self._block = "start"
        self._count = 0
        self._levels = [_Level()]
        self._here = self._levels[0].instructions

    @property
    def instructions(self) -> list[Instruction]:
        """The whole function, once all loops are closed."""
        return self._levels[0].instructions

    @property
    def depth(self) -> int:
        """The number of open loops and branches."""
        return len(self._levels) - 1

    def name(self, stem: str) -> str:
        """A value name that nothing else has."""
        self._count += 1
        return f"%{stem}.{self._count}"

    def add(self, kind: str, **fields: Any) -> Instruction:
        fields["kind"] = kind
        fields["origin"] = self.origin
        self._here.append(fields)
        return fields

    def define(self, stem: str, kind: str, **fields: Any) -> str:
        """Add an instruction that makes a value; its name."""
        to = self.name(stem)
        self.add(kind, to=to, **fields)
        return to

    def array(self, kind: str, stem: str, **fields: Any) -> str:
        """Add the address of an array at the start of the function; its name."""
        to = self.name(stem)
        self.arrays.append({"kind": kind, "to": to, "origin": self.origin, **fields})
        return to

    def once(self, key: Hashable, make: Callable[[], Any], depth: int) -> Any:
        """What `make` gave before for this key, or what it gives now.

        Its instructions go within `depth` of the open loops, those in which it changes, and before the others. So they
        must do no harm where a loop does not run: arithmetic, as no divisor is zero.
        """
        level = self._levels[depth]
        return level.known[key] if key in level.known else self._make(key, make, level, level.instructions)

    def once_here(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """`once` for what is not worth a register in loops where it is not used."""
        return self.once_if_reached(key, make, self.depth)

    def once_if_reached(self, key: Hashable, make: Callable[[], Any], depth: int) -> Any:
        """`once` for what must not run unless the code here does, as a load: it goes before loops only where they are
        sure to run.
        """
        for level in self._levels:
            if key in level.known:
                return level.known[key]
        target = self.depth
        while target > depth + 1 and self._levels[target].certain:
            target -= 1
        level = self._levels[target]
        return self._make(key, make, level, level.entry if target > depth else level.instructions)

    def _make(self, key: Hashable, make: Callable[[], Any], level: _Level, where: list[Instruction]) -> Any:
        outer, self._here = self._here, where
        made = level.known[key] = make()
        self._here = outer
        return made

    @contextmanager
    def loop(self, stem: str, lo: str, hi: str, certain: bool, changing: Sequence[Register] = ()) -> Iterator[str]:
        """A loop from `lo` to below `hi`, tested at its end; `certain` if it is known to run at least once. Yields the
        variable.

        `changing` are the registers that hold something before and that the body writes.
        """
        self._count += 1
        enter, body, done = (f"{stem}.{part}.{self._count}" for part in ("enter", "body", "done"))
        before, around, inside = self._block, self._levels[-1], _Level(certain)
        self._levels.append(inside)
        self._here = inside.instructions
        variable, following = self.name(stem), self.name(f"{stem}.next")
        first = [register.value for register in changing]
        self._begin(body)
        phis = [self.add("phi", to=variable, type="i64", first=lo)]
        phis += [self._join(register) for register in changing]
        yield variable
        last = [register.value for register in changing]
        self.add("loop_tail", next=following, more=self.name("more"), variable=variable, hi=hi, body=body, done=done)
        latch = self._block
        self._levels.pop()
        self._here = around.instructions
        to = enter if inside.entry else body
        if certain:
            self.add("jump", to=to)
        else:
            self.add("loop_entry", any=self.name("any"), lo=lo, hi=hi, body=to, done=done)
        if inside.entry:
            self._begin(enter)
            self._here += inside.entry
            self.add("jump", to=body)
        for phi, value in zip(phis, (following, *last), strict=True):
            phi.update(before=enter if inside.entry else before, next=value, latch=latch)
        self._here += inside.instructions
        self._begin(done)
        if not certain:
            for register, value, end in zip(changing, first, last, strict=True):
                register.value = value
                self._join(register).update(before=before, next=end, latch=latch)

    @contextmanager
    def branch(self, condition: str, changing: Sequence[Register] = ()) -> Iterator[None]:
        """What runs only where `condition`, an i1, holds. `changing` are the registers that hold something before and
        that it writes.
        """
        self._count += 1
        then, done = f"then.{self._count}", f"done.{self._count}"
        before, around, inside = self._block, self._levels[-1], _Level(certain=False)
        self._levels.append(inside)
        self._here = inside.instructions
        first = [register.value for register in changing]
        self._block = then
        yield
        self.add("jump", to=done)
        last, end = [register.value for register in changing], self._block
        self._levels.pop()
        self._here = around.instructions
        self.add("branch", condition=condition, then=then, other=done)
        self._begin(then)
        self._here += inside.entry + inside.instructions
        self._begin(done)
        for register, value, new in zip(changing, first, last, strict=True):
            register.value = value
            self._join(register).update(before=before, next=new, latch=end)

    def _join(self, register: Register) -> Instruction:
        """Let a register hold what it held `before`, or the `next` value, of block `latch`: to be filled in."""
        first, register.value = register.value, self.name(register.stem)
        return self.add("phi", to=register.value, type=register.type, first=first)

    def _begin(self, block: str) -> None:
        self.add("label", name=block)
        self._block = block
