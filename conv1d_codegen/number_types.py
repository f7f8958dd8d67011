"""The number types: what each is called, how wide it is, and which type its sums are computed in.
The one table of them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from .locks import COMPILING


@dataclass(frozen=True, slots=True)
class NumberType:
    """One type of number, under each of its names."""

    name: str  # in problems and in the loop IR
    keras: str  # Keras's, NumPy's and ml_dtypes'
    # LLVM's, for how it is held in memory; bfloat16 is moved as bits: `fptrunc` to it is a library call on most
    # machines
    llvm: str
    bytes: int
    compute: str  # the type that products of such numbers are summed up in
    significand: int  # bits, with the leading one
    least_exponent: int  # the smallest positive number is 2 to this power

    @property
    def numpy(self) -> np.dtype[Any]:
        """NumPy's dtype. Raises ImportError for bfloat16 without the package `ml_dtypes`."""
        return numpy_dtype(self.keras)


TYPES = {
    row.name: row
    for row in (
        NumberType("f32", "float32", "float", 4, "f32", 24, -149),
        NumberType("f64", "float64", "double", 8, "f64", 53, -1074),
        NumberType("f16", "float16", "half", 2, "f32", 11, -24),
        NumberType("bf16", "bfloat16", "i16", 2, "f32", 8, -133),
    )
}
#: Those that kernels compute in.
COMPUTE_TYPES = frozenset(row.compute for row in TYPES.values())


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a dtype's name. Raises ImportError for bfloat16 without the package `ml_dtypes`, which defines
    it.
    """
    if name != "bfloat16":
        return np.dtype(name)
    try:
        with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
            ml_dtypes: Any = importlib.import_module("ml_dtypes")
    except ImportError as error:
        raise ImportError(
            "bfloat16 needs the package `ml_dtypes`: pip install ml_dtypes. Received: dtype='bfloat16'."
        ) from error
    bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return bfloat16
