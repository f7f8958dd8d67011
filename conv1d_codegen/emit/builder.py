"""Builder: the growing list of LLVM instructions, with unique names, basic blocks, loops, and a memory of what was computed already."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

Instruction = dict[str, Any]


class Builder:
    """Instructions are dicts with a `kind` that names a macro of `instructions.ll.j2` and the strings and integers it prints."""

    def __init__(self) -> None:
        self.allocas: list[Instruction] = []
        self.instructions: list[Instruction] = []
        self.declarations: set[str] = set()
        self._block = "start"
        self._count = 0
        self._scopes: list[dict[Hashable, Any]] = [{}]

    def name(self, stem: str) -> str:
        """A value name that nothing else has."""
        self._count += 1
        return f"%{stem}.{self._count}"

    def add(self, kind: str, **fields: Any) -> None:
        self.instructions.append({"kind": kind, **fields})

    def define(self, stem: str, kind: str, **fields: Any) -> str:
        """Add an instruction that makes a value; its name."""
        to = self.name(stem)
        self.instructions.append({"kind": kind, "to": to, **fields})
        return to

    def alloca(self, stem: str, type_: str, align: int) -> str:
        to = self.name(stem)
        self.allocas.append({"to": to, "type": type_, "align": align})
        return to

    def call(self, stem: str, type_: str, function: str, *arguments: tuple[str, str]) -> str:
        """Call an LLVM intrinsic with (type, value) arguments, and declare it."""
        self.declarations.add(f"{type_} @{function}({', '.join(t for t, _ in arguments)})")
        return self.define(stem, "call", type=type_, function=function, arguments=", ".join(f"{t} {v}" for t, v in arguments))

    def call_void(self, function: str, *arguments: tuple[str, str]) -> None:
        self.declarations.add(f"void @{function}({', '.join(t for t, _ in arguments)})")
        self.add("call_void", function=function, arguments=", ".join(f"{t} {v}" for t, v in arguments))

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gave before for this key in a scope around, or what it gives now."""
        for scope in reversed(self._scopes):
            if key in scope:
                return scope[key]
        made = self._scopes[-1][key] = make()
        return made

    @contextmanager
    def loop(self, stem: str, lo: str, hi: str, certain: bool) -> Iterator[str]:
        """A loop from `lo` to below `hi`, tested at its end; `certain` if it is known to run at least once. Yields the variable."""
        self._count += 1
        body, latch, done = (f"{stem}.{part}.{self._count}" for part in ("body", "next", "done"))
        before = self._block
        if certain:
            self.add("jump", to=body)
        else:
            guard = self.define("any", "compare", op_name="icmp slt", type="i64", a=lo, b=hi)
            self.add("branch", condition=guard, then=body, other=done)
        variable, following = self.name(stem), self.name(f"{stem}.next")
        self._begin(body)
        self.add("phi", to=variable, first=lo, before=before, next=following, latch=latch)
        self._scopes.append({})
        yield variable
        self._scopes.pop()
        self.add("jump", to=latch)
        self._begin(latch)
        self.add("binary", to=following, op_name="add nsw", type="i64", a=variable, b="1")
        again = self.define("more", "compare", op_name="icmp slt", type="i64", a=following, b=hi)
        self.add("branch", condition=again, then=body, other=done)
        self._begin(done)

    def _begin(self, block: str) -> None:
        self.add("label", name=block)
        self._block = block
