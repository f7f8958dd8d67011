"""LLVM's names for types and numbers."""

from __future__ import annotations

import struct

import numpy as np

from ..number_types import TYPES

#: Of what each type is held as.
BYTES = {row.llvm: row.bytes for row in TYPES.values()}
#: How the names of intrinsics end.
SUFFIXES = {"float": "f32", "double": "f64", "half": "f16", "i16": "i16"}


def vector(scalar: str, width: int) -> str:
    return f"<{width} x {scalar}>"


def mangled(scalar: str, width: int) -> str:
    """The suffix of an overloaded intrinsic: f32, or v8f32 for a vector."""
    return f"v{width}{SUFFIXES[scalar]}" if width else SUFFIXES[scalar]


def number(value: float, scalar: str) -> str:
    """A constant, exact: the hexadecimal form is that of the double, also for a float (LLVM Language Reference, Simple Constants)."""
    exact = float(np.float32(value)) if scalar == "float" else float(value)
    return "0x" + struct.pack(">d", exact).hex().upper()
