"""The verifier: scoping, and the interval of every index against its buffer, proved for all run-time sizes.

It runs after each pass in tests and under a debug switch. What it accepts never reads or writes outside an array, whatever the batch
and the length. It raises `InvalidKernel`, with the statement and what was known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .bounds import Facts
from .errors import CompileError
from .index import Index, var
from .ir import Activate, Alloc, Bind, Block, Buffer, For, Kernel, Let, Load, Prefetch, Ref, Statement, Store, Value, first_line
from .rewrite import operands, walk


class InvalidKernel(CompileError):
    """A pass or a lowering has made a kernel that the grammar allows and that makes no sense."""


def facts_of(kernel: Kernel) -> Facts:
    """What is known at the top of a kernel: the least value of each run-time size."""
    return Facts.of_sizes(kernel.sizes)


def verify(kernel: Kernel, scheduled: bool = False) -> None:
    """Check a whole kernel; with `scheduled`, also what the printer of code relies on. Raises InvalidKernel."""
    scope = _Scope(facts_of(kernel), {b.name: b for b in kernel.buffers}, {name: "size" for name, _ in kernel.sizes}, scheduled)
    for buffer in kernel.buffers:
        for size in buffer.shape:
            scope.known(size, f"the shape of {buffer}")
    _parallel_outside(kernel.body)
    _block(kernel.body, scope)


@dataclass
class _Scope:
    facts: Facts
    buffers: dict[str, Buffer]
    names: dict[str, str]  # integer names, and the kind of loop (or "let", "size") that makes each
    scheduled: bool
    numbers: set[str] = field(default_factory=set)
    lets: dict[str, Index] = field(default_factory=dict)
    width: int = 0  # of the lanes loop around, if there is one

    def inner(self) -> _Scope:
        return _Scope(self.facts, dict(self.buffers), dict(self.names), self.scheduled, set(self.numbers), dict(self.lets), self.width)

    def known(self, expression: Index, where: str | Statement) -> None:
        for name in expression.variables():
            if name not in self.names:
                text = where if isinstance(where, str) else first_line(where)
                raise InvalidKernel(f"{text}: `{name}` is not defined there")

    def define(self, name: str, kind: str) -> None:
        if name in self.names or name in self.buffers or name in self.numbers:
            raise InvalidKernel(f"`{name}` is defined twice")
        self.names[name] = kind


def _parallel_outside(body: Block) -> None:
    """Parallel loops are the outermost ones, each with nothing beside the next, so that they form one space of iterations."""
    parallel = [s for s in body if isinstance(s, For) and s.kind == "parallel"]
    beside = [s for s in body if s not in parallel and not isinstance(s, Let)]
    if len(parallel) > 1 or (parallel and beside):
        raise InvalidKernel(f"parallel loop {parallel[0].var} has statements beside it")
    for statement in body:
        if isinstance(statement, For) and statement.kind == "parallel":
            _parallel_outside(statement.body)
        elif isinstance(statement, For) and any(isinstance(s, For) and s.kind == "parallel" for s in walk(statement.body)):
            raise InvalidKernel(f"a parallel loop stands within the {statement.kind} loop {statement.var}")


def _block(body: Block, scope: _Scope) -> None:
    for statement in body:
        match statement:
            case For():
                _loop(statement, scope)
            case Let(name, number):
                scope.known(number, f"let {name}")
                if scope.lets.get(name) != number:  # to say the same again does no harm
                    scope.define(name, "let")
                    scope.facts = scope.facts.where(name, number)
                    scope.lets[name] = number
            case Bind(name, number):
                _value(number, scope, statement)
                if name in scope.names or name in scope.buffers:
                    raise InvalidKernel(f"`{name}` is defined twice")
                scope.numbers.add(name)
            case Alloc(buffer):
                if buffer.name in scope.buffers:
                    raise InvalidKernel(f"`{buffer.name}` is defined twice")
                scope.buffers[buffer.name] = buffer
            case Store(buffer, place, number):
                _value(number, scope, statement)
                _access(buffer, place, scope, statement)
            case Prefetch(buffer, place, _) if buffer.space == "packed":  # in the order of memory, past the ends of rows
                _known_buffer(buffer, scope, statement)
                _in_range("its offset in", buffer, buffer.offset(place), buffer.size, scope, statement)
            case Prefetch(buffer, place, _):
                _access(buffer, place, scope, statement)


def _loop(loop: For, scope: _Scope) -> None:
    scope.known(loop.lo, f"loop {loop.var}")
    scope.known(loop.hi, f"loop {loop.var}")
    inner = scope.inner()
    inner.define(loop.var, loop.kind)
    inner.facts = scope.facts.in_range(loop.var, loop.lo, loop.hi)
    if scope.width:
        raise InvalidKernel(f"loop {loop.var} stands within a lanes loop")
    if loop.kind == "lanes":
        inner.width = loop.width
        if not scope.facts.proves(loop.width - loop.hi):
            raise InvalidKernel(f"lanes loop {loop.var} may run past its width: {loop.hi} of {loop.width}")
    _block(loop.body, inner)


def _value(number: Value, scope: _Scope, statement: Statement) -> None:
    match number:
        case Load(buffer, place):
            _access(buffer, place, scope, statement, is_load=True)
        case Ref(name) if name not in scope.numbers:
            raise InvalidKernel(f"{first_line(statement)}: `{name}` is not defined there")
        case Activate() if scope.scheduled:
            raise InvalidKernel(f"{first_line(statement)}: the activation was not expanded")
    for operand in operands(number):
        _value(operand, scope, statement)


def _access(buffer: Buffer, place: tuple[Index, ...], scope: _Scope, statement: Statement, is_load: bool = False) -> None:
    _known_buffer(buffer, scope, statement)
    for axis, (at, size) in enumerate(zip(place, buffer.shape, strict=True)):
        _in_range(f"index {axis} of", buffer, at, size, scope, statement)
    if buffer.space == "register" and scope.scheduled:
        _register(buffer, place, scope, statement, is_load)


def _known_buffer(buffer: Buffer, scope: _Scope, statement: Statement) -> None:
    if scope.buffers.get(buffer.name) != buffer:
        raise InvalidKernel(f"{first_line(statement)}: {buffer} is not defined there")


def _in_range(which: str, buffer: Buffer, at: Index, size: Index, scope: _Scope, statement: Statement) -> None:
    scope.known(at, statement)
    for what, slack in (("negative", at), (f"{size} or more", size - 1 - at)):
        if not scope.facts.proves(slack):
            raise InvalidKernel(f"{first_line(statement)}: {which} {buffer}, `{at}`, may be {what}, as far as can be proved")


def _register(buffer: Buffer, place: tuple[Index, ...], scope: _Scope, statement: Statement, is_load: bool) -> None:
    """Registers have no addresses: constants once unrolled loops are written out, and the lane itself last; or, in a load, first."""
    lane = next((name for name, kind in scope.names.items() if kind == "lanes"), None)
    constants = place
    if lane is not None and place and place[-1] == var(lane):
        constants = place[:-1]
        if buffer.shape[-1] != scope.width:
            raise InvalidKernel(f"{first_line(statement)}: a vector of {buffer.shape[-1]} in lanes of {scope.width}")
    elif lane is not None and is_load and place and lane in place[0].variables():
        constants = (place[0] - var(lane), *place[1:])
        if scope.width & (scope.width - 1) or not scope.facts.proves(buffer.shape[-1] - scope.width):
            raise InvalidKernel(f"{first_line(statement)}: a column of vectors of {buffer.shape[-1]} in lanes of {scope.width}")
    for at in constants:
        for name in at.variables():
            if scope.names[name] != "unrolled":
                raise InvalidKernel(f"{first_line(statement)}: register {buffer.name} is indexed by `{name}`, which is not a constant")
