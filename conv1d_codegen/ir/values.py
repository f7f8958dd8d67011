"""The buffers and values of the loop IR; `nodes.py` has the grammar."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..number_types import TYPES
from ..problem import Activation
from ..symbolic.index import Index, Indexable, index
from .axes import Axis
from .rows import Rows

UNARY = ("neg", "abs", "sqrt", "exp2i")  # exp2i: 2 to the power of an integer held in a float
BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "max": "max", "min": "min", "copysign": "copysign"}
COMPARE = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=="}


def require(condition: bool, message: str, *named: object) -> None:
    """Raises ValueError with a message, which `named` objects are filled into only then: it takes as long as a node."""
    if not condition:
        raise ValueError(message.format(*named) if named else message)


def is_name(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def check_rank(buffer: Buffer, place: tuple[Index, ...]) -> None:
    if len(place) != len(buffer.shape):  # not `require`: a message for every access would take time
        raise ValueError(f"{buffer} is indexed with {len(place)} indices")


class Storage(Enum):
    """Where an array lies, and for how long; with the word that is printed."""

    ARGUMENT = ""  # the caller's
    CONSTANT = "constant "  # weights, laid out once for many calls and aligned to cache lines
    SHARED = "shared "  # of one call: what one nest leaves for the next
    SCRATCH = "scratch "  # of one iteration of the parallel loops, until the block ends that allocates it
    REGISTER = "reg "  # the same, without an address


class Access(Enum):
    """What a kernel does with an array."""

    READ = "reads"
    WRITE = "writes"
    UPDATE = "reads and writes"


#: Storage and access by one word, for `buffer`.
SPACES = {
    "input": (Storage.ARGUMENT, Access.READ),
    "output": (Storage.ARGUMENT, Access.WRITE),
    "update": (Storage.ARGUMENT, Access.UPDATE),
    "constant": (Storage.CONSTANT, Access.READ),
    "shared": (Storage.SHARED, Access.UPDATE),
    "scratch": (Storage.SCRATCH, Access.UPDATE),
    "register": (Storage.REGISTER, Access.UPDATE),
}


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array, row-major: `dtype`, and a shape of index expressions (constants for scratch and registers).

    `axes` says what the dimensions of a convolution's arrays run over. With `rows`, its rows are parts of a larger array
    of the caller's.
    """

    name: str
    dtype: str
    shape: tuple[Index, ...]
    storage: Storage
    access: Access
    axes: tuple[Axis, ...] = ()
    rows: Rows | None = None

    def __post_init__(self) -> None:
        require(is_name(self.name), f"not a buffer name: {self.name!r}")
        require(self.dtype in TYPES, f"buffer {self.name}: no such dtype: {self.dtype!r}")
        require(
            (self.storage, self.access) in SPACES.values(),
            f"buffer {self.name}: no kernel {self.access.value} {self.storage}",
        )
        require(
            len(self.axes) in (0, len(self.shape)),
            f"buffer {self.name}: {len(self.axes)} axes for {len(self.shape)} dimensions",
        )
        constant = all(s.constant is not None for s in self.shape)
        bounded = not self.is_local or self.storage is Storage.SHARED or constant
        require(bounded, f"buffer {self.name}: scratch and registers have constant sizes")
        placed = self.rows is None or (self.storage is Storage.ARGUMENT and len(self.shape) > 1)
        require(placed, f"buffer {self.name}: rows of a larger array are the caller's")

    def __hash__(self) -> int:
        return hash(self.name)  # which tells arrays of a kernel apart; the shape's takes 20 times as long

    @property
    def is_local(self) -> bool:
        """Whether the kernel allocates it, and not the caller."""
        return self.storage in (Storage.SHARED, Storage.SCRATCH, Storage.REGISTER)

    @property
    def is_written(self) -> bool:
        """Whether the kernel may write to it."""
        return self.access is not Access.READ

    def offset(self, place: tuple[Index, ...]) -> Index:
        """How many elements lie before the one at `place`, those of other rows' arrays included."""
        before, step = index(0 if self.rows is None else self.rows.first), index(1)
        for axis, size in reversed(tuple(enumerate(self.shape))):
            if self.rows is not None and axis < 2:
                step = (self.rows.whole, index(self.rows.apart))[axis]
            before = before + place[axis] * step
            step = step * size
        return before

    @property
    def size(self) -> Index:
        """How many elements there are."""
        count = index(1)
        for size in self.shape:
            count = count * size
        return count

    def __str__(self) -> str:
        storage = "update " if self.storage is Storage.ARGUMENT and self.access is Access.UPDATE else self.storage.value
        shape = f"[{', '.join(map(str, self.shape))}]" if self.shape else ""
        return f"{self.name}: {storage}{self.dtype}{shape}{'' if self.rows is None else f' {self.rows}'}"


class Value:
    """A number, or one in each lane. Python's arithmetic operators build the nodes."""

    __slots__ = ()

    @property
    def operands(self) -> tuple[Value, ...]:
        """The values directly below it."""
        return ()

    def __add__(self, other: Value | float) -> Value:
        return Binary("add", self, value(other))

    def __sub__(self, other: Value | float) -> Value:
        return Binary("sub", self, value(other))

    def __rsub__(self, other: float) -> Value:
        return Binary("sub", value(other), self)

    def __mul__(self, other: Value | float) -> Value:
        return Binary("mul", self, value(other))

    def __truediv__(self, other: Value | float) -> Value:
        return Binary("div", self, value(other))

    def __rtruediv__(self, other: float) -> Value:
        return Binary("div", value(other), self)

    def __neg__(self) -> Value:
        return Unary("neg", self)

    __radd__ = __add__
    __rmul__ = __mul__


@dataclass(frozen=True, slots=True)
class Const(Value):
    number: float

    def __str__(self) -> str:
        return repr(float(self.number))


@dataclass(frozen=True, slots=True)
class Load(Value):
    buffer: Buffer
    index: tuple[Index, ...]

    def __post_init__(self) -> None:
        check_rank(self.buffer, self.index)
        if self.buffer.access is Access.WRITE:
            raise ValueError(f"{self.buffer} is only written")

    def __str__(self) -> str:
        return element(self.buffer, self.index)


@dataclass(frozen=True, slots=True)
class Ref(Value):
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Unary(Value):
    op: str
    a: Value

    def __post_init__(self) -> None:
        require(self.op in UNARY, "no such operation: {!r}", self.op)

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.a,)

    def __str__(self) -> str:
        return f"-{self.a}" if self.op == "neg" else f"{self.op}({self.a})"


@dataclass(frozen=True, slots=True)
class Binary(Value):
    """`max(a, b)` is `a if a > b else b`, `min(a, b)` is `a if a < b else b`: of two with a NaN, the second, as x86 has
    it.
    """

    op: str
    a: Value
    b: Value

    def __post_init__(self) -> None:
        require(self.op in BINARY, "no such operation: {!r}", self.op)

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.a, self.b

    def __str__(self) -> str:
        symbol = BINARY[self.op]
        return f"{symbol}({self.a}, {self.b})" if symbol[0].isalpha() else f"({self.a} {symbol} {self.b})"


@dataclass(frozen=True, slots=True)
class Fma(Value):
    """`a * b + c`, rounded once where the target has the instruction."""

    a: Value
    b: Value
    c: Value

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.a, self.b, self.c

    def __str__(self) -> str:
        return f"fma({self.a}, {self.b}, {self.c})"


@dataclass(frozen=True, slots=True)
class Select(Value):
    """`then if a COMPARE b else other`; a comparison with a NaN is false."""

    compare: str
    a: Value
    b: Value
    then: Value
    other: Value

    def __post_init__(self) -> None:
        require(self.compare in COMPARE, "no such comparison: {!r}", self.compare)

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.a, self.b, self.then, self.other

    def __str__(self) -> str:
        return f"select({self.a} {COMPARE[self.compare]} {self.b}, {self.then}, {self.other})"


@dataclass(frozen=True, slots=True)
class Activate(Value):
    activation: Activation
    a: Value

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.a,)

    def __str__(self) -> str:
        return f"{self.activation}({self.a})"


def load(buffer: Buffer, *place: Indexable) -> Load:
    """A `Load` whose indices may be plain integers."""
    return Load(buffer, tuple(index(i) for i in place))


def buffer(
    name: str,
    dtype: str,
    shape: tuple[Indexable, ...],
    space: str,
    axes: tuple[Axis, ...] = (),
    rows: Rows | None = None,
) -> Buffer:
    """A `Buffer` whose sizes may be plain integers, its storage and access by one of the words of `SPACES`."""
    require(space in SPACES, f"buffer {name}: no such space: {space!r}. Known: {', '.join(SPACES)}.")
    return Buffer(name, dtype, tuple(index(size) for size in shape), *SPACES[space], axes, rows)


def value(number: Value | float) -> Value:
    """A number as a constant, or a value as it is."""
    return number if isinstance(number, Value) else Const(float(number))


def element(buffer: Buffer, place: tuple[Index, ...]) -> str:
    return buffer.name + (f"[{', '.join(map(str, place))}]" if place else "")
