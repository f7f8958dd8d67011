"""A place in a kernel: which names and buffers are defined there, and what is known about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..errors import CompileError
from ..ir import Accumulate, Buffer, For, If, Kernel, Load, Statement, Storage, Store, first_line
from ..symbolic.index import Index, divisions, var
from ..symbolic.scope import Scope


class InvalidKernel(CompileError):
    """A kernel that the grammar allows and that makes no sense, or of which something that must
    hold could not be proved.
    """


@dataclass(frozen=True, slots=True)
class Box:
    """Elements of a buffer, on each axis from the first number up to, and not with, the second; if `condition` is 0 or
    more.
    """

    sides: tuple[tuple[Index, Index], ...]
    condition: Index | None = None


@dataclass(frozen=True, slots=True)
class SharedAccess:
    """An access to an array that other iterations see too, where it stands, and the parallel loops around, outermost
    first.
    """

    buffer: Buffer
    index: tuple[Index, ...]
    scope: Scope
    parallel: tuple[For, ...]
    statement: Statement
    writes: bool


@dataclass
class Place:
    """A block of statements: what is defined there, what is known of its integers, and what it has written so far."""

    scope: Scope
    scheduled: bool
    compute: str  # the type that numbers are computed in
    buffers: dict[str, Buffer]
    names: dict[str, str]  # integer names, and the kind of loop (or "let", "size") that makes each
    numbers: dict[str, bool] = field(default_factory=dict)  # names of numbers, and whether each is of this block
    lets: dict[str, Index] = field(default_factory=dict)
    lanes: For | None = None  # the lanes loop around, if there is one
    parallel: tuple[For, ...] = ()
    outer: Place | None = None
    # what names of this place are called in the one around it
    named_outside: dict[str, Index] = field(default_factory=dict)
    own: set[Buffer] = field(default_factory=set)  # registers and scratch arrays of this block
    # what this block wrote in registers and scratch arrays
    written: dict[Buffer, tuple[Box, ...]] = field(default_factory=dict)
    forms: dict[Buffer, str] = field(default_factory=dict)  # of registers: "vector" or "scalar"
    accesses: list[SharedAccess] = field(default_factory=list)  # of the whole kernel
    maybe_negative: str = ""  # the parallel loop around whose end may be

    @classmethod
    def top(cls, kernel: Kernel, scope: Scope, scheduled: bool) -> Place:
        """The outermost place of a kernel."""
        place = cls(scope, scheduled, kernel.compute, {}, {name: "size" for name, _ in kernel.sizes})
        for buffer in kernel.buffers:
            place._new(buffer.name)
            if scheduled and buffer.storage is Storage.CONSTANT and buffer.dtype != kernel.compute:
                raise InvalidKernel(f"{buffer}: constants are of the type that is computed in, {kernel.compute}")
            place.buffers[buffer.name] = buffer
        return place

    def inside(self, loop: For) -> Place:
        """A place within a loop of this one."""
        self._new(loop.var)
        place = self._inner(self.scope.in_range(loop.var, loop.lo, loop.hi))
        place.names[loop.var] = loop.kind
        if loop.kind == "lanes":
            place.lanes = loop
        if loop.kind == "parallel":
            place.parallel = (*self.parallel, loop)
        return place

    def given(self, statement: If) -> Place:
        """A place where the conditions of an `If` hold."""
        return self._inner(self.scope.given(statement.conditions))

    def part(self) -> Place:
        """A place within a part of the block, with names of its own."""
        return self._inner(self.scope)

    def _inner(self, scope: Scope) -> Place:
        return replace(
            self,
            scope=scope,
            buffers=dict(self.buffers),
            names=dict(self.names),
            numbers=dict.fromkeys(self.numbers, False),
            lets=dict(self.lets),
            outer=self,
            named_outside={},
            own=set(),
            written={},
        )

    def known(self, expression: Index, where: str | Statement) -> None:
        """Raises InvalidKernel for names that are not defined, and for divisors that may be less than 1, whether or not
        a loop runs.
        """
        for name in expression.variables():
            if name not in self.names:
                raise InvalidKernel(f"{_text(where)}: `{name}` is not defined there")
        for division in divisions(expression):
            divisor = division.divisor.constant
            if (divisor is not None and divisor < 1) or (
                divisor is None and not self.scope.proves_for_all(division.divisor - 1)
            ):
                raise InvalidKernel(
                    f"{_text(where)}: the divisor of {division} may be less than 1, as far as can be proved"
                )

    def let(self, name: str, value: Index) -> None:
        """Define a named integer. To say the same again does no harm."""
        if self.lets.get(name) != value:
            self._new(name)
            self.names[name] = "let"
            self.scope = self.scope.where(name, value)
            self.lets[name] = value

    def name_value(self, stem: str, value: Index) -> Index:
        """A name that nothing in the kernel has, for a value that a name had within a loop or nest of this place."""
        name = f"{stem}'{len(self.names)}"
        self.names[name] = "let"
        self.lets[name] = value
        self.scope = self.scope.where(name, value)
        return var(name)

    def bind(self, name: str) -> None:
        """Define a named number, or set it again in the block that defined it."""
        if not self.numbers.get(name):
            self._new(name)
        self.numbers[name] = True

    def allocate(self, buffer: Buffer) -> None:
        """Define a register tile or a scratch array, in which nothing is written yet."""
        self._new(buffer.name)
        if buffer.dtype != self.compute:
            raise InvalidKernel(
                f"{buffer}: registers and scratch arrays are of the type that is computed in, {self.compute}"
            )
        self.buffers[buffer.name] = buffer
        self.own.add(buffer)
        self.written.pop(buffer, None)
        self.forms.pop(buffer, None)

    def boxes(self, buffer: Buffer) -> Iterator[Box]:
        """What was written of a register tile or a scratch array."""
        place: Place | None = self
        while place is not None:
            yield from place.written.get(buffer, ())
            place = None if buffer in place.own else place.outer

    def touches(self, access: Store | Accumulate | Load, statement: Statement) -> None:
        """Take note of the element that a statement writes or reads of an array that other iterations see too."""
        writes = not isinstance(access, Load)
        self.accesses.append(SharedAccess(access.buffer, access.index, self.scope, self.parallel, statement, writes))

    def _new(self, name: str) -> None:
        if name in self.names or name in self.buffers or name in self.numbers:
            raise InvalidKernel(f"`{name}` is defined twice")


def _text(where: str | Statement) -> str:
    return where if isinstance(where, str) else first_line(where)
