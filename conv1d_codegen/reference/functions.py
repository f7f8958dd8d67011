"""Functions of single numbers that networks have beside activations, in NumPy: in the dtype of the array, but for `erf`,
which is rounded to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _power(x: Array, exponent: float) -> Array:
    result: Array = np.power(x, x.dtype.type(exponent))
    return result


FUNCTIONS: Mapping[str, Callable[..., Array]] = {
    "ceil": np.ceil,
    "cos": np.cos,
    "erf": lambda x: _erf(x).astype(x.dtype),
    "floor": np.floor,
    "log": np.log,
    "power": _power,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
}
