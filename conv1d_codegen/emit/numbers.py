"""Values of the IR as floating-point instructions, scalar or one for each lane."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Binary, Buffer, Const, Fma, Load, Ref, Select, Unary, Value
from ..machine.target import Target
from ..number_types import TYPES
from ..symbolic.index import Index
from .builder import Builder
from .memory import Lanes, Memory
from .types import constant, fields, number, vector

_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_UNARY = {"neg": "negate", "abs": "fabs", "sqrt": "sqrt"}
# 1.5 * 2**23: its last bit is worth 1, and it can go up and down
_ROUNDING = {"float": float(3 << 22), "double": float(3 << 51)}

#: Constants of the conversions from and to bfloat16: see their forms.
_OF_BF16 = {"sixteen": 16, "one": 1, "half": 0x7FFF, "quiet": 0x40}


@dataclass(frozen=True, slots=True)
class Number:
    """A value of the function: its name, and its lanes (0: a scalar)."""

    ssa: str
    width: int


class Numbers:
    """The arithmetic of one kernel, all in its compute type."""

    def __init__(self, builder: Builder, memory: Memory, target: Target, compute: str) -> None:
        self._builder = builder
        self._memory = memory
        self._target = target
        self._scalar = TYPES[compute].llvm
        self._bound: dict[str, Number] = {}

    def bind(self, name: str, value: Value, lanes: Lanes | None) -> None:
        self._bound[name] = self._value(value, lanes)

    def store(self, buffer: Buffer, place: tuple[Index, ...], value: Value, lanes: Lanes | None) -> None:
        result = self._value(value, lanes)
        width = lanes.width if lanes is not None else 0
        ssa = self._stored(self._widened(result, width), buffer.dtype, width)
        self._memory.store(buffer, place, lanes, ssa)

    def accumulate(self, buffer: Buffer, place: tuple[Index, ...], a: Value, b: Value, lanes: Lanes | None) -> None:
        """Add a product to what a buffer holds."""
        self.store(buffer, place, Fma(a, b, Load(buffer, place)), lanes)

    def _value(self, value: Value, lanes: Lanes | None) -> Number:
        match value:
            case Const(constant):
                return Number(number(constant, self._scalar), 0)
            case Ref(name):
                return self._bound[name]
            case Load(buffer, place):
                ssa, width = self._memory.load(buffer, place, lanes)
                return Number(self._loaded(ssa, buffer.dtype, width), width)
            case Unary(op, a):
                return self._unary(op, self._value(a, lanes))
            case Binary(op, a, b):
                return self._binary(op, self._value(a, lanes), self._value(b, lanes))
            case Fma(a, b, c):
                return self._fma(*(self._value(operand, lanes) for operand in (a, b, c)))
            case Select(compare, a, b, then, other):
                return self._select(compare, *(self._value(operand, lanes) for operand in (a, b, then, other)))
        raise TypeError(f"not a value that can be printed: {value}")

    def _widened(self, value: Number, width: int) -> str:
        if value.width == width:
            return value.ssa
        if value.ssa.startswith("0x"):
            return constant(self._scalar, value.ssa, width)
        return self._memory.splat(value.ssa, self._scalar, width)

    def _do(self, form: str, **values: Number) -> Number:
        """An operation on values of as many lanes as the widest has, by the names that its form has for them."""
        width = max(value.width for value in values.values())
        given = {name: self._widened(value, width) for name, value in values.items()}
        return Number(self._builder.define("f", form, **fields(self._scalar, width), **given), width)

    def _unary(self, op: str, a: Number) -> Number:
        return self._power_of_two(a) if op == "exp2i" else self._do(_UNARY[op], a=a)

    def _power_of_two(self, a: Number) -> Number:
        integer, place, bias = ("i32", 23, 127) if self._scalar == "float" else ("i64", 52, 1023)
        biased = self._widened(Number(number(_ROUNDING[self._scalar] + bias, self._scalar), 0), a.width)
        shift = {"bits": vector(integer, a.width), "place": constant(integer, place, a.width), "bias": biased}
        return Number(
            self._builder.define("f", "power_of_two", **fields(self._scalar, a.width), **shift, a=a.ssa), a.width
        )

    def _binary(self, op: str, a: Number, b: Number) -> Number:
        if op in ("max", "min"):
            return self._select("gt" if op == "max" else "lt", a, b, a, b)
        return self._do(_BINARY.get(op, op), a=a, b=b)

    def _fma(self, a: Number, b: Number, c: Number) -> Number:
        if self._target.fma:
            return self._do("fma", a=a, b=b, c=c)
        return self._do("fadd", a=self._do("fmul", a=a, b=b), b=c)

    def _select(self, compare: str, a: Number, b: Number, then: Number, other: Number) -> Number:
        return self._do(compare, a=a, b=b, then=then, other=other)

    def _loaded(self, ssa: str, dtype: str, width: int) -> str:
        """A number of a buffer's dtype, in the compute type."""
        if dtype != "bf16":
            return self._converted("widen", ssa, dtype, self._scalar, width)
        single = self._converted("from_bf16", ssa, dtype, "float", width)
        return self._converted("widen", single, "f32", self._scalar, width)

    def _stored(self, ssa: str, dtype: str, width: int) -> str:
        """A number in a buffer's dtype, rounded to nearest, ties to even."""
        return self._converted("to_bf16" if dtype == "bf16" else "narrow", ssa, dtype, self._scalar, width)

    def _converted(self, form: str, ssa: str, dtype: str, scalar: str, width: int) -> str:
        """A number of a dtype as one of LLVM's type `scalar`, or one of that in the dtype."""
        stored = TYPES[dtype].llvm
        if stored == scalar:
            return ssa
        bits = {name: constant("i32", value, width) for name, value in _OF_BF16.items()} if dtype == "bf16" else {}
        types = {**fields(scalar, width), "stored": vector(stored, width), "bits": vector("i32", width)}
        return self._builder.define("f", form, a=ssa, **types, **bits)
