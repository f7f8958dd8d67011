"""LLVM's names for types and numbers: the fields of the templates' forms that are no values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache

import numpy as np

from ..number_types import TYPES

#: Of what each type is held as.
BYTES = {row.llvm: row.bytes for row in TYPES.values()}
#: How the names of intrinsics end.
SUFFIXES = {"float": "f32", "double": "f64", "half": "f16", "i16": "i16"}


def vector(scalar: str, width: int) -> str:
    """A vector of `width` numbers; a scalar where that is 0."""
    return f"<{width} x {scalar}>" if width else scalar


@cache
def fields(scalar: str, width: int) -> dict[str, object]:
    """The fields about a type that forms use: of vectors of `width` numbers, or of scalars where that is 0."""
    suffix = f"v{width}{SUFFIXES[scalar]}" if width else SUFFIXES[scalar]
    return {
        "type": vector(scalar, width),
        "suffix": suffix,
        "flags": vector("i1", width),
        "width": width,
        "align": BYTES[scalar],
    }


def constant(scalar: str, number: int | str, width: int) -> str:
    """A number, the same in all lanes."""
    return f"splat ({scalar} {number})" if width else str(number)


def lanes(integer: str, numbers: Iterable[object]) -> str:
    """A vector of integers, each its own."""
    return f"<{', '.join([f'{integer} {number}' for number in numbers])}>"


def number(value: float, scalar: str) -> str:
    """A constant, exact: the hexadecimal form is that of the double, also for a float (LLVM Language Reference, Simple
    Constants).
    """
    exact = float(np.float32(value)) if scalar == "float" else float(value)
    return "0x" + struct.pack(">d", exact).hex().upper()
