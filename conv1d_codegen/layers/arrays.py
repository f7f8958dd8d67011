"""What a user gives as an array → a plain NumPy array of numbers, or an error that says what to do.

Nothing that numbers mean may be lost on the way:

- Of a subclass of `ndarray` NumPy takes the memory without asking it. One that redefines arithmetic (ufuncs, functions
  or `+`), as masked arrays and those with units do, means something else than that memory, and is refused. Others, such
  as `np.memmap`, are plain numbers.
- An object of another type is asked (`__array__`), and what it gives, or its refusal, is its own answer.
- The words of a number are not the number: 16-bit integers may be those of float16 or bfloat16, so they are refused as
  weights; HDF5 and `.keras` files hold bfloat16 as `V2`, which is bfloat16 where the layer is, and refused elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_REDEFINED = ("__array_ufunc__", "__array_function__", "__add__")
_DEEPEST = 64  # axes of an array
_FILE_WORDS = np.dtype("V2")

#: What makes a plain array, by the method that an object has.
_ADVICE = {
    "filled": "x.filled(0.0), which says what counts for the masked ones",
    "toarray": "x.toarray()",
    "todense": "x.todense()",
    "to_tensor": "x.to_tensor().numpy()",
    "detach": "x.detach().cpu().float().numpy(), or .double() for float64",
    "to_value": "x.to_value(unit)",
    "to_numpy": "x.to_numpy('float32')",
    "numpy": "x.numpy()",
}


def as_array(given: Any, rule: str) -> Array:
    """A plain array of what was given, the same where it is one.

    Raises TypeError, which begins with `rule`, where NumPy can't make an array of it, or what it means would be lost.
    """
    if type(given) is np.ndarray:
        return given
    _check_plain(given, given, rule)
    try:
        array = np.asanyarray(given)  # as it is: an object may give an array that means more than its numbers
    except MemoryError:
        raise
    except Exception as error:  # whatever the object's own code raises
        raise TypeError(
            f"{rule}. Received: {type(given)}, of which NumPy can make no array: {error}{_advice(given)}"
        ) from error
    _check_plain(array, given, rule)
    if array.dtype == object:
        raise TypeError(
            f"{rule}. Received: {type(given)}, of which NumPy makes Python objects of shape {array.shape}.{_advice(given)}"
        )
    return np.asarray(array)


def _check_plain(value: Any, given: Any, rule: str, depth: int = 0) -> None:
    if isinstance(value, np.ndarray):
        kind = type(value)
        if any(getattr(kind, name) is not getattr(np.ndarray, name) for name in _REDEFINED):
            where = "" if value is given else f" in {type(given)}"
            raise TypeError(
                f"{rule}. Received: {kind}{where}, whose arithmetic is not that of plain numbers, so that its meaning would be lost."
                f"{_advice(value) or ' Convert it first: np.asarray(x) takes the bare numbers.'}"
            )
    elif isinstance(value, (list, tuple)) and depth < _DEEPEST:
        for item in value:
            _check_plain(item, given, rule, depth + 1)


def _advice(value: Any) -> str:
    found = next((advice for method, advice in _ADVICE.items() if hasattr(value, method)), None)
    return "" if found is None else f" Convert it first, for example with {found}."


def is_real_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype holds real floating-point numbers, all those of `ml_dtypes` included."""
    return dtype.kind == "f" or _is_extension(dtype, r"b?float\d")


def as_numbers(array: Array, dtype: np.dtype[Any], rule: str) -> Array:
    """An array as it is, but for the words of bfloat16 that files hold. Raises TypeError for those where `dtype` is
    another.
    """
    if array.dtype != _FILE_WORDS:
        return array
    if dtype.name != "bfloat16":
        raise TypeError(
            f"{rule}. Received an array of dtype {array.dtype}: HDF5 and .keras files hold bfloat16 so. "
            "Say that it is, with x.view(ml_dtypes.bfloat16)."
        )
    return array.view(dtype)


def as_weights(given: Any, dtype: np.dtype[Any], rule: str) -> Array:
    """An array that can be cast to `dtype`: of real floats, of integers but those of 16 bits, or of booleans.

    Raises TypeError, which begins with `rule`, for anything else.
    """
    array = as_numbers(as_array(given, rule), dtype, rule)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 2:
        raise TypeError(
            f"{rule}. Received an array of dtype {array.dtype}, which may hold numbers, or the words of float16 or bfloat16. Say which: "
            "w.astype('float32') for numbers, w.view('float16') or w.view(ml_dtypes.bfloat16) for words."
        )
    if not is_real_float(array.dtype) and array.dtype.kind not in "biu" and not _is_extension(array.dtype, r"u?int\d"):
        raise TypeError(f"{rule}. Received an array of dtype {array.dtype}.")
    return array


def _is_extension(dtype: np.dtype[Any], pattern: str) -> bool:
    """Whether it is one of those that `ml_dtypes` registers, of a name."""
    return dtype.isbuiltin == 2 and re.match(pattern, dtype.name) is not None
