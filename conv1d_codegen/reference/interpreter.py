"""The interpreter: runs the loop IR at any stage on NumPy arrays, one number at a time, without LLVM.

It is the meaning of the IR. Every access is checked against its buffer; registers and scratch start as NaN, so that a
number that is read before it is written shows in the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..ir import (
    Accumulate,
    Activate,
    Alloc,
    Binary,
    Bind,
    Block,
    Buffer,
    Call,
    Const,
    Fma,
    For,
    If,
    Kernel,
    Let,
    Load,
    Nest,
    Prefetch,
    Ref,
    Select,
    Storage,
    Store,
    Unary,
    Value,
)
from ..ir.packing import laid_out
from ..number_types import TYPES
from ..symbolic.index import Index
from . import arithmetic
from .activations import evaluate

Array = np.ndarray[Any, Any]


def interpret(kernel: Kernel, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
    """Run `kernel`. `arrays`: one for each unpacked buffer, by name, outputs written in place; `sizes`: the run-time
    sizes.

    Packed buffers are laid out from their sources, which are among `arrays`. Raises IndexError on an access outside a
    buffer.
    """
    machine = Machine(TYPES[kernel.compute].numpy, dict(sizes))
    sources = laid_out(kernel.packings, arrays, machine.dtype, sizes)
    for buffer in kernel.buffers:
        machine.arrays[buffer.name] = _seen(buffer, sources[buffer.name], sizes)
    with np.errstate(all="ignore"):
        machine.run(kernel.body)


def _seen(buffer: Buffer, array: Array, sizes: Mapping[str, int]) -> Array:
    """The array as a kernel sees it: in the shape of the buffer, of which it may be a part."""
    shape = tuple(size.evaluate(sizes) for size in buffer.shape)
    if buffer.rows is None:
        return array.reshape(shape)
    batch, count, *inner = shape[0], max(shape[1], 0), *shape[2:]
    first, apart, whole = buffer.rows.first, buffer.rows.apart, buffer.rows.whole.evaluate(sizes)
    if count and (first < 0 or first + (count - 1) * apart + math.prod(inner) > whole):
        raise IndexError(f"the rows of {buffer} are outside an array of {whole} numbers a sequence")
    of_row = array.reshape(batch, whole)[:, first:] if count else array[:0]
    strides = (whole, apart, *(math.prod(inner[axis + 1 :]) for axis in range(len(inner))))
    return as_strided(of_row, (batch, count, *inner), tuple(array.itemsize * step for step in strides))


class Machine:
    """What a kernel computes with: its integers, arrays and numbers by name. A subclass may take other numbers."""

    def __init__(self, dtype: np.dtype[Any], integers: dict[str, int]) -> None:
        self.dtype = dtype
        self.integers = integers
        self.arrays: dict[str, Array] = {}
        self.numbers: dict[str, Any] = {}

    def run(self, body: Block) -> None:
        for statement in body:
            match statement:
                case For(variable, lo, hi, inner):
                    for number in range(self.integer(lo), self.integer(hi)):
                        self.integers[variable] = number
                        self.run(inner)
                case If(conditions, inner):
                    if all(self.integer(condition) >= 0 for condition in conditions):
                        self.run(inner)
                case Nest(_, inner):
                    self.run(inner)
                case Call():
                    self.call(statement)
                case Let(name, number):
                    self.integers[name] = self.integer(number)
                case Bind(name, value):
                    self.numbers[name] = self.number(value)
                case Alloc(buffer):
                    self.arrays[buffer.name] = np.full(
                        [self.integer(size) for size in buffer.shape], np.nan, self.dtype
                    )
                case Store(buffer, place, value):
                    self.arrays[buffer.name][self.place(buffer, place)] = self.number(value)
                case Accumulate(buffer, place, a, b):
                    self.arrays[buffer.name][self.place(buffer, place)] = self.number(Fma(a, b, Load(buffer, place)))
                # past the ends of rows, in the order of memory
                case Prefetch(buffer, place, _) if buffer.storage is Storage.CONSTANT:
                    if not 0 <= self.integer(buffer.offset(place)) < self.arrays[buffer.name].size:
                        raise IndexError(f"{statement} is outside {buffer}")
                case Prefetch(buffer, place, _):
                    self.place(buffer, place)

    def call(self, statement: Call) -> None:
        """Run an instruction's program on the elements that its arguments name."""
        inner = Machine(self.dtype, {})
        for parameter, (buffer, place) in zip(statement.instruction.parameters, statement.arguments, strict=True):
            count = parameter.shape[0].constant or 0
            *row, first = self.place(buffer, place)
            self.place(buffer, (*place[:-1], place[-1] + (count - 1)))
            inner.arrays[parameter.name] = self.arrays[buffer.name][tuple(row)][first : first + count]  # a view
        inner.run(statement.instruction.meaning)

    def integer(self, expression: Index) -> int:
        return expression.evaluate(self.integers)

    def place(self, buffer: Buffer, place: tuple[Index, ...]) -> tuple[int, ...]:
        at = tuple(self.integer(i) for i in place)
        if not all(0 <= i < size for i, size in zip(at, self.arrays[buffer.name].shape, strict=True)):
            raise IndexError(
                f"{buffer.name}{list(at)} is outside {buffer}, here of shape {self.arrays[buffer.name].shape}"
            )
        return at

    def number(self, value: Value) -> Any:
        match value:
            case Const(number):
                return self.dtype.type(number)
            case Load(buffer, place):
                return self.dtype.type(self.arrays[buffer.name][self.place(buffer, place)])
            case Ref(name):
                return self.numbers[name]
            case Unary(op, a):
                return arithmetic.unary(op, self.number(a))
            case Binary(op, a, b):
                return arithmetic.binary(op, self.number(a), self.number(b))
            case Fma(a, b, c):
                return arithmetic.fma(self.number(a), self.number(b), self.number(c))
            case Select(compare, a, b, then, other):
                return arithmetic.select(compare, *(self.number(v) for v in (a, b, then, other)))
            case Activate(activation, a):
                return self.dtype.type(evaluate(activation, self.number(a)))
        raise TypeError(f"not a value: {value!r}")
