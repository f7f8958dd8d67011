"""Values of the IR as floating-point instructions, scalar or one for each lane."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Binary, Buffer, Const, Fma, Load, Ref, Select, Unary, Value
from ..machine.target import Target
from ..number_types import TYPES
from ..symbolic.index import Index
from .builder import Builder
from .memory import Lanes, Memory
from .types import mangled, number, vector

_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_COMPARE = {"lt": "fcmp olt", "le": "fcmp ole", "gt": "fcmp ogt", "ge": "fcmp oge", "eq": "fcmp oeq"}
_ROUNDING = {"float": float(3 << 22), "double": float(3 << 51)}  # 1.5 * 2**23: its last bit is worth 1, and it can go up and down


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

    def _type(self, width: int) -> str:
        return vector(self._scalar, width) if width else self._scalar

    def _widened(self, value: Number, width: int) -> str:
        if value.width == width:
            return value.ssa
        if value.ssa.startswith("0x"):
            return f"splat ({self._scalar} {value.ssa})"
        return self._memory.splat(value.ssa, self._scalar, width)

    def _same(self, *values: Number) -> tuple[int, list[str]]:
        width = max(value.width for value in values)
        return width, [self._widened(value, width) for value in values]

    def _intrinsic(self, name: str, *values: Number) -> Number:
        width, operands = self._same(*values)
        type_ = self._type(width)
        return Number(
            self._builder.call("f", type_, f"llvm.{name}.{mangled(self._scalar, width)}", *((type_, operand) for operand in operands)),
            width,
        )

    def _arithmetic(self, instruction: str, *values: Number) -> Number:
        width, operands = self._same(*values)
        return Number(self._builder.define("f", "binary", op_name=instruction, type=self._type(width), a=operands[0], b=operands[1]), width)

    def _unary(self, op: str, a: Number) -> Number:
        match op:
            case "neg":
                return Number(self._builder.define("f", "unary", op_name="fneg", type=self._type(a.width), a=a.ssa), a.width)
            case "abs":
                return self._intrinsic("fabs", a)
            case "exp2i":
                return self._power_of_two(a)
        return self._intrinsic(op, a)

    def _power_of_two(self, a: Number) -> Number:
        """2**a for an integer `a`: added to the exponent's bias at the end of the significand, and shifted into the exponent's place."""
        integer, bits, bias = ("i32", 23, 127) if self._scalar == "float" else ("i64", 52, 1023)
        biased = self._arithmetic("fadd", a, Number(number(_ROUNDING[self._scalar] + bias, self._scalar), 0))
        type_ = vector(integer, a.width) if a.width else integer
        raw = self._builder.define("bits", "cast", op_name="bitcast", from_type=self._type(a.width), a=biased.ssa, type=type_)
        shift = f"splat ({integer} {bits})" if a.width else str(bits)
        shifted = self._builder.define("bits", "binary", op_name="shl", type=type_, a=raw, b=shift)
        return Number(self._builder.define("f", "cast", op_name="bitcast", from_type=type_, a=shifted, type=self._type(a.width)), a.width)

    def _binary(self, op: str, a: Number, b: Number) -> Number:
        if op in ("max", "min"):
            return self._select("gt" if op == "max" else "lt", a, b, a, b)
        return self._intrinsic(op, a, b) if op == "copysign" else self._arithmetic(_BINARY[op], a, b)

    def _fma(self, a: Number, b: Number, c: Number) -> Number:
        if self._target.fma:
            return self._intrinsic("fma", a, b, c)
        return self._arithmetic("fadd", self._arithmetic("fmul", a, b), c)

    def _select(self, compare: str, a: Number, b: Number, then: Number, other: Number) -> Number:
        width, (left, right, yes, no) = self._same(a, b, then, other)
        type_ = self._type(width)
        condition = self._builder.define("test", "compare", op_name=_COMPARE[compare], type=type_, a=left, b=right)
        condition_type = vector("i1", width) if width else "i1"
        return Number(
            self._builder.define("f", "select", condition_type=condition_type, condition=condition, type=type_, a=yes, b=no), width
        )

    def _loaded(self, ssa: str, dtype: str, width: int) -> str:
        """A number of a buffer's dtype, in the compute type. A bfloat16 is the upper half of a float."""
        if dtype == "bf16":
            wide = self._bits("shl", self._cast("zext", ssa, "i16", "i32", width), 16, width)
            return self._cast("bitcast", wide, "i32", "float", width)
        return ssa if TYPES[dtype].llvm == self._scalar else self._cast("fpext", ssa, TYPES[dtype].llvm, self._scalar, width)

    def _stored(self, ssa: str, dtype: str, width: int) -> str:
        """A number in a buffer's dtype, rounded to nearest, ties to even. For bfloat16 that is an addition to the bits that are cut off:
        0x7fff, and one more where the last bit that stays is odd. A NaN, whose fraction could overflow, stays one by its quiet bit.
        """
        if dtype != "bf16":
            return ssa if TYPES[dtype].llvm == self._scalar else self._cast("fptrunc", ssa, self._scalar, TYPES[dtype].llvm, width)
        raw = self._cast("bitcast", ssa, "float", "i32", width)
        upper = self._bits("lshr", raw, 16, width)
        carry = self._integer("add", self._bits("and", upper, 1, width), self._constant(0x7FFF, width), width)
        rounded = self._bits("lshr", self._integer("add", raw, carry, width), 16, width)
        quiet = self._bits("or", upper, 0x40, width)
        is_nan = self._builder.define("test", "compare", op_name="fcmp uno", type=self._type(width), a=ssa, b=ssa)
        condition_type = vector("i1", width) if width else "i1"
        type_ = vector("i32", width) if width else "i32"
        result = self._builder.define("bits", "select", condition_type=condition_type, condition=is_nan, type=type_, a=quiet, b=rounded)
        return self._cast("trunc", result, "i32", "i16", width)

    def _constant(self, bits: int, width: int) -> str:
        return f"splat (i32 {bits})" if width else str(bits)

    def _integer(self, op: str, a: str, b: str, width: int) -> str:
        return self._builder.define("bits", "binary", op_name=op, type=vector("i32", width) if width else "i32", a=a, b=b)

    def _bits(self, op: str, a: str, constant: int, width: int) -> str:
        return self._integer(op, a, self._constant(constant, width), width)

    def _cast(self, op: str, ssa: str, from_scalar: str, to_scalar: str, width: int) -> str:
        from_type, type_ = (vector(s, width) if width else s for s in (from_scalar, to_scalar))
        return self._builder.define("f", "cast", op_name=op, from_type=from_type, a=ssa, type=type_)
