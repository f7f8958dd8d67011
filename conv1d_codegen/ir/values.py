"""The buffers and values of the loop IR; `nodes.py` has the grammar."""

from __future__ import annotations

from dataclasses import dataclass

from ..number_types import TYPES
from ..problem import Activation
from ..symbolic.index import Index, Indexable, index

SPACES = ("input", "output", "packed", "scratch", "register")
UNARY = ("neg", "abs", "sqrt", "exp2i")  # exp2i: 2 to the power of an integer held in a float
BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "max": "max", "min": "min", "copysign": "copysign"}
COMPARE = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=="}


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def is_name(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def check_rank(buffer: Buffer, place: tuple[Index, ...]) -> None:
    if len(place) != len(buffer.shape):  # not `require`: a message for every access would take time
        raise ValueError(f"{buffer} is indexed with {len(place)} indices")


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array, row-major: `dtype`, and a shape of index expressions (constants for scratch and registers)."""

    name: str
    dtype: str
    shape: tuple[Index, ...]
    space: str

    def __post_init__(self) -> None:
        require(is_name(self.name), f"not a buffer name: {self.name!r}")
        require(self.dtype in TYPES, f"buffer {self.name}: no such dtype: {self.dtype!r}")
        require(self.space in SPACES, f"buffer {self.name}: no such space: {self.space!r}")
        local = self.space in ("scratch", "register")
        require(not local or all(s.constant is not None for s in self.shape), f"buffer {self.name}: {self.space} has constant sizes")

    def offset(self, place: tuple[Index, ...]) -> Index:
        """How many elements lie before the one at `place`."""
        before, step = index(0), index(1)
        for at, size in zip(reversed(place), reversed(self.shape), strict=True):
            before = before + at * step
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
        space = "" if self.space in ("input", "output") else {"register": "reg "}.get(self.space, f"{self.space} ")
        return f"{self.name}: {space}{self.dtype}" + (f"[{', '.join(map(str, self.shape))}]" if self.shape else "")


class Value:
    """A number, or one in each lane. Python's arithmetic operators build the nodes."""

    __slots__ = ()

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
        require(self.op in UNARY, f"no such operation: {self.op!r}")

    def __str__(self) -> str:
        return f"-{self.a}" if self.op == "neg" else f"{self.op}({self.a})"


@dataclass(frozen=True, slots=True)
class Binary(Value):
    """`max(a, b)` is `a if a > b else b`, `min(a, b)` is `a if a < b else b`: of two with a NaN, the second, as x86 has it."""

    op: str
    a: Value
    b: Value

    def __post_init__(self) -> None:
        require(self.op in BINARY, f"no such operation: {self.op!r}")

    def __str__(self) -> str:
        symbol = BINARY[self.op]
        return f"{symbol}({self.a}, {self.b})" if symbol[0].isalpha() else f"({self.a} {symbol} {self.b})"


@dataclass(frozen=True, slots=True)
class Fma(Value):
    """`a * b + c`, rounded once where the target has the instruction."""

    a: Value
    b: Value
    c: Value

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
        require(self.compare in COMPARE, f"no such comparison: {self.compare!r}")

    def __str__(self) -> str:
        return f"select({self.a} {COMPARE[self.compare]} {self.b}, {self.then}, {self.other})"


@dataclass(frozen=True, slots=True)
class Activate(Value):
    activation: Activation
    a: Value

    def __str__(self) -> str:
        return f"{self.activation}({self.a})"


def load(buffer: Buffer, *place: Indexable) -> Load:
    """A `Load` whose indices may be plain integers."""
    return Load(buffer, tuple(index(i) for i in place))


def buffer(name: str, dtype: str, shape: tuple[Indexable, ...], space: str) -> Buffer:
    """A `Buffer` whose sizes may be plain integers."""
    return Buffer(name, dtype, tuple(index(size) for size in shape), space)


def value(number: Value | float) -> Value:
    """A number as a constant, or a value as it is."""
    return number if isinstance(number, Value) else Const(float(number))


def element(buffer: Buffer, place: tuple[Index, ...]) -> str:
    return buffer.name + (f"[{', '.join(map(str, place))}]" if place else "")
