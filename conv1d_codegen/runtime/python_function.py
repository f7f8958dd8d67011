"""A function of Python's that is machine code: `templates/fast_call.ll.j2`, behind CPython's fast call.

It is made of functions of CPython's stable ABI (PEP 384), whose addresses are those in the running process; buffers
belong to it since Python 3.11. A build without the GIL is not known here, nor is another interpreter.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from ..locks import COMPILING
from ..machine.target import Target
from . import fixed_code

#: Words of what a function does, before the calls that were prepared.
HEADER = (
    *("inputs", "outputs", "listed", "type_code", "misaligned", "array_type", "none", "empty", "settings"),
    *("known_settings", "room", "bytes"),
)
#: Words of a prepared call, before the layouts of its arrays.
CALL = ("words", "function", "room_bytes", "long", "slots", "team_call", "team", "seats", "wakes", "counters")
#: Numbers of the bases.
ZERO, ROOM, FIRST_ARRAY = 0, 1, 2
_POINTERS = frozenset(("array_type", "none", "empty", "settings", "room", "function", "team_call", "team"))
#: Of CPython's `Py_buffer`.
_FIELDS = (
    *("buf", "obj", "len", "itemsize", "readonly", "ndim", "format", "shape", "strides", "suboffsets", "internal"),
)
_WANTED_VIEW = 0x18 | 0x04  # PyBUF_STRIDES, PyBUF_FORMAT
_API = (
    *("PyBuffer_Release", "PyBytes_AsString", "PyErr_Clear", "PyEval_RestoreThread", "PyEval_SaveThread"),
    *("PyList_New", "PyList_SetItem", "PyObject_Call", "PyObject_GetBuffer", "PyObject_Type", "PyTuple_GetItem"),
    *("Py_DecRef", "Py_IncRef"),
)
_NAME = b"fast_call"
_FAST_CALL = 0x80  # METH_FASTCALL

#: `f(*arrays)` gives the outputs, or None where it has done nothing.
PythonFunction = Callable[..., Any]


@cache
def is_known() -> bool:
    """Whether this is an interpreter that functions can be made for."""
    return (
        sys.implementation.name == "cpython"
        and sys.version_info[:2] >= (3, 11)
        and "t" not in getattr(sys, "abiflags", "")  # a build without the GIL
        and os.name == "posix"
        and struct.calcsize("P") == 8
    )


def python_function(target: Target, words: bytes, keep: tuple[object, ...]) -> PythonFunction:
    """The function that does what `words` say, in code for a target. It keeps alive what it is given, itself included.

    `words` are those of `HEADER`, then of the calls; what their addresses point to must be among `keep`, or live for
    ever. Raises CompileError for another machine.
    """
    code = _code(target)
    definition = struct.pack("PPiP", _address(_NAME), code.address, _FAST_CALL, 0)
    own = (words, definition, code, *keep)
    made: PythonFunction = _new_function()(_address(definition), own, None)
    return made


def _address(content: bytes) -> int:
    """Where the contents of a `bytes` lie."""
    return ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value or 0


@cache
def _new_function() -> Callable[..., PythonFunction]:
    # of its own, as ctypes.pythonapi is everybody's
    kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return kind(("PyCFunction_NewEx", ctypes.pythonapi))


@cache
def _code(target: Target) -> Any:
    with COMPILING:  # around imports too
        from ..machine import jit

        # level 0 takes 3 ms instead of 18, which the first call waits for; each call then takes 0.03 µs longer
        image = fixed_code.image(
            target,
            "fast_call",
            level=0,
            name="fast_call",
            header=HEADER,
            call=CALL,
            pointers=sorted(_POINTERS),
            fields=_FIELDS,
            wanted_view=_WANTED_VIEW,
            zero=ZERO,
            room=ROOM,
            first_array=FIRST_ARRAY,
        )
        addresses = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _API}
        return jit.link(image, "fast_call", addresses)
