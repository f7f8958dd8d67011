"""The interpreter: runs the loop IR at any stage on NumPy arrays, one number at a time, without LLVM.

It is the meaning of the IR. Every access is checked against its buffer; registers and scratch start as NaN, so that a
number that is read before it is written shows in the result.

Each statement and value is looked at once, and becomes a function that is called as often as its loops run: a third of
the time that looking at it each time takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..ir import (
    Accumulate,
    Activate,
    Alloc,
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
    Statement,
    Storage,
    Store,
    Value,
)
from ..ir.packing import laid_out
from ..number_types import TYPES
from ..symbolic.index import Index
from . import arithmetic
from .activations import evaluate

Array = np.ndarray[Any, Any]
Step = Callable[[], None]


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
        machine.block(kernel.body)()


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
    """What a kernel computes with: its integers, arrays and numbers by name. A subclass may take other numbers.

    What a floating-point operation warns of is the caller's to silence.
    """

    def __init__(self, dtype: np.dtype[Any], integers: dict[str, int]) -> None:
        self.dtype = dtype
        self.integers = integers
        self.arrays: dict[str, Array] = {}
        self.numbers: dict[str, Any] = {}

    def block(self, body: Block) -> Step:
        """What runs the statements, one after another."""
        steps = [self.step(statement) for statement in body]

        def run() -> None:
            for step in steps:
                step()

        return run

    def step(self, statement: Statement) -> Step:
        """What runs a statement."""
        match statement:
            case For():
                return self._loop(statement)
            case If(conditions, body):
                held, inner = [self.integer(condition) for condition in conditions], self.block(body)
                return lambda: inner() if all(number() >= 0 for number in held) else None
            case Nest(_, body):
                return self.block(body)
            case Call():
                return self._call(statement)
            case Let(name, value):
                return self._set(self.integers, name, self.integer(value))
            case Bind(name, value):
                return self._set(self.numbers, name, self.number(value))
            case Alloc(buffer):
                sizes = self._integers(buffer.shape)
                return self._set(self.arrays, buffer.name, lambda: np.full(sizes(), np.nan, self.dtype))
            case Store(buffer, place, value):
                return self._store(buffer, place, self.number(value))
            case Accumulate(buffer, place, a, b):
                return self._store(buffer, place, self.number(Fma(a, b, Load(buffer, place))))
        return self._prefetch(statement)

    def _loop(self, loop: For) -> Step:
        first, end, body = self.integer(loop.lo), self.integer(loop.hi), self.block(loop.body)

        def run() -> None:
            for number in range(first(), end()):
                self.integers[loop.var] = number
                body()

        return run

    def _set(self, names: dict[str, Any], name: str, value: Callable[[], Any]) -> Step:
        def run() -> None:
            names[name] = value()

        return run

    def _store(self, buffer: Buffer, place: tuple[Index, ...], number: Callable[[], Any]) -> Step:
        at = self.place(buffer, place)

        def run() -> None:
            result = number()
            self.arrays[buffer.name][at()] = result

        return run

    def _prefetch(self, request: Prefetch) -> Step:
        at = self.place(request.buffer, request.index)
        offset = self.integer(request.buffer.offset(request.index))

        def run() -> None:
            if request.buffer.storage is not Storage.CONSTANT:
                at()
            elif not 0 <= offset() < self.arrays[request.buffer.name].size:
                raise IndexError(
                    f"{request} is outside {request.buffer}"
                )  # past the ends of rows, in the order of memory

        return run

    def _call(self, statement: Call) -> Step:
        """Runs an instruction's program on the elements that its arguments name."""
        inner = Machine(self.dtype, {})
        program = inner.block(statement.instruction.meaning)
        arguments = [
            (parameter.name, buffer.name, count, self.place(buffer, place), self.place(buffer, last))
            for parameter, (buffer, place) in zip(statement.instruction.parameters, statement.arguments, strict=True)
            for count in (parameter.shape[0].constant or 0,)
            for last in ((*place[:-1], place[-1] + (count - 1)),)
        ]

        def run() -> None:
            for parameter, name, count, at, end in arguments:
                *row, first = at()
                end()
                inner.arrays[parameter] = self.arrays[name][tuple(row)][first : first + count]  # a view
            program()

        return run

    def integer(self, expression: Index) -> Callable[[], int]:
        """What evaluates an expression."""
        number = expression.constant
        if number is not None:
            return lambda: number
        code = _code((expression,))
        return lambda: eval(code, _EXTREMES, self.integers)[0]

    def _integers(self, expressions: tuple[Index, ...]) -> Callable[[], tuple[int, ...]]:
        code = _code(expressions)
        return lambda: eval(code, _EXTREMES, self.integers)

    def place(self, buffer: Buffer, place: tuple[Index, ...]) -> Callable[[], tuple[int, ...]]:
        """What evaluates the indices of an element, and raises IndexError where there is none."""
        indices, arrays, name = self._integers(place), self.arrays, buffer.name
        known = tuple(number for number in (i.constant for i in place) if number is not None)
        sizes = [size.constant for size in buffer.shape]
        if len(known) == len(place) and all(size and 0 <= i < size for i, size in zip(known, sizes, strict=True)):
            return lambda: known  # as of most registers

        def at() -> tuple[int, ...]:
            found, shape = indices(), arrays[name].shape
            for i, size in zip(found, shape, strict=True):
                if not 0 <= i < size:
                    raise IndexError(f"{name}{list(found)} is outside {buffer}, here of shape {shape}")
            return found

        return at

    def number(self, value: Value) -> Callable[[], Any]:
        """What evaluates a value."""
        below = [self.number(operand) for operand in value.operands]
        match value:
            case Const(constant):
                number = self.dtype.type(constant)
                return lambda: number
            case Load(buffer, place):
                at, name, rounded = self.place(buffer, place), buffer.name, self.dtype.type
                return lambda: rounded(self.arrays[name][at()])
            case Ref(name):
                return lambda: self.numbers[name]
            case Activate(activation):
                (a,), rounded = below, self.dtype.type
                return lambda: rounded(evaluate(activation, a()))
        operation = arithmetic.operation(value)
        return lambda: operation(*[operand() for operand in below])


_EXTREMES = {"min": min, "max": max}


@lru_cache(maxsize=1 << 14)
def _code(expressions: tuple[Index, ...]) -> CodeType:
    """Expressions, whose text form is Python's, as a tuple."""
    return compile(f"({''.join(f'{expression}, ' for expression in expressions)})", "<index>", "eval")
