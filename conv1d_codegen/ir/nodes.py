"""The loop IR: a grammar of some twenty frozen nodes. One that is malformed by itself can't be built; what needs its
surroundings, the verifier checks.

    kernel    := Kernel(name, compute, sizes, buffers, body, packings)   sizes: run-time integers; buffers: what the caller passes
    buffer    := Buffer(name, dtype, shape, storage, access, axes)  row-major; storage: argument | constant | shared | scratch | register
    statement := For(var, lo, hi, body, kind, width, note, axis, level, part)     kind: serial | parallel | unrolled | lanes
               | If(conditions, body)                               runs the body where every condition is 0 or more
               | Nest(name, body)                                   a part that computes one formula, by a plan of its own
               | Let(name, value)                                   a named integer
               | Bind(name, value)                                  a named number (one for each lane inside a lanes loop)
               | Alloc(buffer)                                      a register tile or scratch, alive until the end of the block
               | Store(buffer, index..., value)
               | Accumulate(buffer, index..., a, b)                 += a * b
               | Prefetch(buffer, index..., level)                  a hint: what lies there is read soon or, in an output, written
               | Call(instruction, arguments)                       a machine instruction: Instruction(name, parameters, meaning, feature)
    value     := Const(number) | Load(buffer, index...) | Ref(name)
               | Unary(op, a) | Binary(op, a, b) | Fma(a, b, c) | Select(compare, a, b, then, other)
               | Activate(activation, a)                            expanded to arithmetic before code is printed
    index     := see symbolic/index.py

A `for` runs its body for every integer in `lo <= var < hi`, in order; `parallel` iterations may run in any order and at
the same time, and the outermost loops of a kernel are parallel; `unrolled` loops are written out when code is printed;
a `lanes` loop runs its body for all its iterations at once, in a vector of `width` numbers of which `hi` are in use.
Registers are vectors if their last dimension is indexed by the lane, and all their other indices are constants once
unrolled loops are written out. Where vectors lie in rows, a column of them can be read, with the lane in the first
dimension.

What a loop runs over, and in what pieces, its axis, level and part say (`axes.py`), for the passes. Names tie uses to
what they mean, and decide nothing.

Constants are weights, laid out by `packing.py` and padded with zeros. Numbers are computed in the kernel's `compute`
type; a load from and a store to a buffer of a smaller type convert. `str(kernel)` is the stable text form that golden
files hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..number_types import COMPUTE_TYPES
from ..symbolic.index import Index, Indexable, index
from .axes import Axis, Level, Part
from .packing import Mixing, Packing
from .values import Access, Buffer, Storage, Value, check_rank, element, is_name, require

KINDS = ("serial", "parallel", "unrolled", "lanes")


@dataclass(frozen=True, slots=True)
class Let:
    name: str
    value: Index

    def __post_init__(self) -> None:
        require(is_name(self.name), f"not a name: {self.name!r}")


@dataclass(frozen=True, slots=True)
class Bind:
    name: str
    value: Value

    def __post_init__(self) -> None:
        require(is_name(self.name), f"not a name: {self.name!r}")


@dataclass(frozen=True, slots=True)
class Alloc:
    buffer: Buffer

    def __post_init__(self) -> None:
        require(self.buffer.is_local, f"{self.buffer.name}: only scratch and registers are allocated in a kernel")


@dataclass(frozen=True, slots=True)
class Store:
    buffer: Buffer
    index: tuple[Index, ...]
    value: Value

    def __post_init__(self) -> None:
        check_rank(self.buffer, self.index)
        require(self.buffer.is_written, f"{self.buffer.name} is read-only")


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Adds `a * b` to an element, rounded once where the target has the instruction."""

    buffer: Buffer
    index: tuple[Index, ...]
    a: Value
    b: Value

    def __post_init__(self) -> None:
        check_rank(self.buffer, self.index)
        require(
            self.buffer.access is Access.UPDATE, f"{self.buffer.name}: the kernel only {self.buffer.access.value} it"
        )


@dataclass(frozen=True, slots=True)
class Prefetch:
    """`level`: of the cache that it is wanted in, 1 if it is needed at once, 2 if it is only to be near."""

    buffer: Buffer
    index: tuple[Index, ...]
    level: int = 1

    def __post_init__(self) -> None:
        check_rank(self.buffer, self.index)
        require(self.level in (1, 2), f"{self.buffer.name}: no such level of a cache: {self.level}")
        require(not self.buffer.is_local, f"{self.buffer.name}: only what the caller passes is far away")


@dataclass(frozen=True, slots=True)
class For:
    var: str
    lo: Index
    hi: Index
    body: Block
    kind: str = "serial"
    width: int = 0
    note: str = ""
    axis: Axis | None = None
    level: Level = Level.ELEMENT
    part: Part = Part.WHOLE

    def __post_init__(self) -> None:
        require(is_name(self.var), "not a variable name: {0.var!r}", self)
        require(self.kind in KINDS, "loop {0.var}: no such kind: {0.kind!r}", self)
        lanes, unrolled = self.kind == "lanes", self.kind == "unrolled"
        require(not lanes or (self.width > 0 and self.lo == 0), "loop {0.var}: lanes start at 0 and have a width", self)
        constant = not unrolled or (self.lo.constant is not None and self.hi.constant is not None)
        require(constant, "loop {0.var}: only a loop with constant bounds can be unrolled", self)

    @property
    def runs_nothing(self) -> bool:
        """Whether the range is empty whatever the sizes."""
        count = (self.hi - self.lo).constant
        return count is not None and count <= 0


@dataclass(frozen=True, slots=True)
class If:
    """Runs the body where all conditions are 0 or more."""

    conditions: tuple[Index, ...]
    body: Block

    def __post_init__(self) -> None:
        require(len(self.conditions) > 0, "an If has a condition")


@dataclass(frozen=True, slots=True)
class Nest:
    """The loops that compute one formula of several in a kernel. Names that are defined in it end with it."""

    name: str
    body: Block

    def __post_init__(self) -> None:
        require(is_name(self.name), f"not a name of a nest: {self.name!r}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """A machine instruction: what it means, as a small program over its parameters, and the form of
    `instructions.ll.j2` that prints it.

    Parameters are one-dimensional; one whose access is "update" is a register, the others are read from memory or from
    registers.
    """

    name: str
    parameters: tuple[Buffer, ...]
    meaning: Block
    feature: str  # of LLVM's names for what a processor has


@dataclass(frozen=True, slots=True)
class Call:
    """One instruction. Of each argument, as many neighbours on the last axis as the parameter has elements, from a
    place on.
    """

    instruction: Instruction
    arguments: tuple[tuple[Buffer, tuple[Index, ...]], ...]

    def __post_init__(self) -> None:
        name, parameters = self.instruction.name, self.instruction.parameters
        require(
            len(self.arguments) == len(parameters),
            f"{name} has {len(parameters)} parameters, not {len(self.arguments)}",
        )
        for (buffer, place), parameter in zip(self.arguments, parameters, strict=True):
            check_rank(buffer, place)
            require(
                buffer.dtype == parameter.dtype, f"{name}: {parameter.name} is {parameter.dtype}, not {buffer.dtype}"
            )
            updates = parameter.access is Access.UPDATE
            require(not updates or buffer.storage is Storage.REGISTER, f"{name}: {parameter.name} is a register")
            require(not updates or place[-1] == 0, f"{name}: {parameter.name} is a whole vector")


Statement = For | If | Nest | Let | Bind | Alloc | Store | Accumulate | Prefetch | Call
#: Statements that have statements within.
Compound = For | If | Nest
Block = tuple[Statement, ...]


def loop(
    name: str,
    lo: Indexable,
    hi: Indexable,
    body: Block,
    kind: str = "serial",
    width: int = 0,
    note: str = "",
    axis: Axis | None = None,
    level: Level = Level.ELEMENT,
    part: Part = Part.WHOLE,
) -> For:
    """A `For` whose bounds may be plain integers."""
    return For(name, index(lo), index(hi), body, kind, width, note, axis, level, part)


def lanes(axis: Axis | None, count: Indexable, body: Block, width: int) -> For:
    """The lanes of a vector of `width` numbers, of which `count` are in use."""
    return loop(Level.LANE.value, 0, count, body, "lanes", width, axis=axis, level=Level.LANE)


def written_out(axis: Axis | None, level: Level, count: Indexable, body: Block) -> For:
    """Rows or vectors of a register tile, written out."""
    return loop(level.value, 0, count, body, "unrolled", axis=axis, level=level)


def store(buffer: Buffer, place: tuple[Indexable, ...], number: Value) -> Store:
    """A `Store` whose indices may be plain integers."""
    return Store(buffer, tuple(index(i) for i in place), number)


def accumulate(buffer: Buffer, place: tuple[Indexable, ...], a: Value, b: Value) -> Accumulate:
    """An `Accumulate` whose indices may be plain integers."""
    return Accumulate(buffer, tuple(index(i) for i in place), a, b)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A whole kernel. `sizes` gives each run-time integer and its least value."""

    name: str
    compute: str
    sizes: tuple[tuple[str, int], ...]
    buffers: tuple[Buffer, ...]
    body: Block
    packings: tuple[Packing | Mixing, ...] = ()

    def __post_init__(self) -> None:
        require(is_name(self.name), f"not a kernel name: {self.name!r}")
        require(
            self.compute in COMPUTE_TYPES,
            f"kernels compute in {' or '.join(sorted(COMPUTE_TYPES))}, not {self.compute!r}",
        )

    def with_body(self, body: Block) -> Kernel:
        return replace(self, body=body)

    def lines(self) -> Iterator[tuple[str, Block]]:
        """The lines of the text form, each with the statements that it shows: several where loops that are written out
        share a line with what they repeat, none where it declares what the kernel takes.
        """
        sizes = ", ".join(f"{name} >= {least}" for name, least in self.sizes)
        origin = {packing.target: f" from {packing}" for packing in self.packings}
        yield f"kernel {self.name}(", ()
        yield from ((f"    {b}{origin.get(b.name, '')},", ()) for b in self.buffers)
        yield f"    sizes {sizes})", ()
        yield from _lines(self.body, 1)

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line, _ in self.lines())


# --- printing ---------------------------------------------------------------------------------------------------------


def first_line(statement: Statement) -> str:
    """The first line of a statement's text form; all of it, unless it is a loop."""
    return next(_lines((statement,), 0))[0]


def _header(loop: For) -> str:
    word = {"serial": "for"}.get(loop.kind, loop.kind)
    width = f" of {loop.width}" if loop.kind == "lanes" and loop.hi != loop.width else ""
    return f"{word} {loop.var} in {loop.lo}..{loop.hi}{width}"


def _condition(expression: Index) -> str:
    """`a >= b` for `a - b >= 0`."""
    positive = Index({monomial: coefficient for monomial, coefficient in expression.terms if coefficient > 0})
    return f"{positive} >= {positive - expression}"


def _lines(body: Block, depth: int) -> Iterator[tuple[str, Block]]:
    """Each line with the statements that it shows."""
    pad = "  " * depth
    for statement in body:
        match statement:
            case For():
                headers, shown = [_header(statement)], [statement]
                note, inner = statement.note, statement.body
                while (
                    statement.kind in ("unrolled", "lanes")
                    and len(inner) == 1
                    and isinstance(inner[0], For)
                    and inner[0].kind in ("unrolled", "lanes")
                ):
                    headers.append(_header(inner[0]))
                    shown.append(inner[0])
                    note, inner = note or inner[0].note, inner[0].body
                comment = f"  # {note}" if note else ""
                if statement.kind in ("unrolled", "lanes") and len(inner) == 1 and not isinstance(inner[0], Compound):
                    text, within = next(_lines(inner, 0))
                    yield f"{pad}{', '.join(headers)}: {text}{comment}", (*shown, *within)
                else:
                    yield f"{pad}{', '.join(headers)}{comment}", tuple(shown)
                    yield from _lines(inner, depth + 1)
            case If():
                yield f"{pad}if {' and '.join(map(_condition, statement.conditions))}", (statement,)
                yield from _lines(statement.body, depth + 1)
            case Nest():
                yield f"{pad}nest {statement.name}", (statement,)
                yield from _lines(statement.body, depth + 1)
            case Call(instruction, arguments):
                given = ", ".join(element(buffer, place) for buffer, place in arguments)
                yield f"{pad}{instruction.name}({given})", (statement,)
            case Let():
                yield f"{pad}let {statement.name} := {statement.value}", (statement,)
            case Bind():
                yield f"{pad}{statement.name} := {statement.value}", (statement,)
            case Alloc():
                yield f"{pad}{statement.buffer}", (statement,)
            case Store():
                yield f"{pad}{element(statement.buffer, statement.index)} := {statement.value}", (statement,)
            case Accumulate():
                yield (
                    f"{pad}{element(statement.buffer, statement.index)} += {statement.a} * {statement.b}",
                    (statement,),
                )
            case Prefetch():
                near = "" if statement.level == 1 else f" into L{statement.level}"
                yield f"{pad}prefetch {element(statement.buffer, statement.index)}{near}", (statement,)
