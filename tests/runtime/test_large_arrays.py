"""More than 2**31 numbers, and more than 2**32 bytes, in and out: offsets that do not fit in 32 bits, signed or not.

The arrays take hardly any memory. An input is zeros that nothing has written, of which only every stride-th step is
read. An output is many views of one small piece of memory, one behind the other: what is written last into the piece
stays, and is compared. An offset that wrapped would lie before the output or in another place of it, so the last
numbers would be missing, or the process would end.
"""

import ctypes
import mmap
import os
import sys
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE, compiled, exact_data, expected, python
from support.type_helpers import Array

from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.problem import Problem

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mappings as Linux has them")

ELEMENTS = 2**31 + 2**20
PIECE = 1 << 26  # bytes

#: Inputs of many channels, of many steps and of many sequences, in each layout; outputs of few steps.
INPUTS = (
    ("c4096_f1_k2_s1000_valid_linear_f32_nobias", 1),
    ("c1_f1_k3_s262144_valid_linear_f32", 1),
    ("c3_f2_k2_s262144_same_linear_f32", 5),
    ("c4_f4_k3_s65536_g4_causal_relu_f32", 3),
    ("c16_f8_k2_s4000_d3000_same_linear_bf16", 1),
    ("c2_f2_k1_s100000_pad7x9_linear_f64", 2),
)

#: Outputs of many filters, of many steps and of several sequences; in one, most of them are of padding alone.
OUTPUTS = (
    ("c1_f8192_k1_valid_linear_f32", 1, 2**18 + 100),
    ("c1_f512_k1_causal_linear_bf16_nobias", 3, 2**21 // 3 * 2 + 100),
    ("c1_f64_k1_valid_relu_f32_first", 1, 2**25 + 20000),
    ("c1_f2048_k1_valid_linear_f16_first", 2, 2**19 + 1000),
    ("c1_f64_k1_pad1000x33600000_linear_f32", 1, 2000),
)
_LAST = 64  # steps that are compared


def zeros(elements: int, dtype: np.dtype[Any]) -> Array:
    """Memory that is all zeros and takes none until it is written."""
    room = mmap.mmap(
        -1, elements * dtype.itemsize, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    )
    return np.frombuffer(room, dtype, elements)


def repeated(elements: int, dtype: np.dtype[Any]) -> Array:
    """An array of which all numbers that are `PIECE` bytes apart are the same memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long],
    )
    room = zeros(elements, dtype)
    piece = os.memfd_create("piece")
    os.ftruncate(piece, PIECE)
    for at in range(0, room.nbytes, PIECE):
        size = min(PIECE, room.nbytes - at)
        # MAP_FIXED
        where = libc.mmap(
            room.ctypes.data + at, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | 0x10, piece, 0
        )
        assert where == room.ctypes.data + at, os.strerror(ctypes.get_errno())
    os.close(piece)
    return room


def taken() -> int:
    """Bytes of memory that this process has for itself."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))


@pytest.mark.parametrize("layout", ["", "_first"])
@pytest.mark.parametrize(
    ("text", "batch", "algorithm"), [*((*case, "auto") for case in INPUTS), (*INPUTS[2], "generic")]
)
def test_large_inputs(text: str, batch: int, layout: str, algorithm: str) -> None:
    problem = Problem.parse(text.replace("_nobias", "") + layout + ("_nobias" if "nobias" in text else ""))
    dtype = TYPES[problem.dtype].numpy
    length = -(-ELEMENTS // (problem.channels * batch))
    x = zeros(batch * length * problem.channels, dtype).reshape(problem.input_shape(batch, length))
    assert x.size > 2**31
    _, w, b = exact_data(problem, 1, 1)
    w[...] = 2
    # A few numbers that are read, the last ones of the array among them.
    steps, left = problem.output_length(length), problem.left_padding(length)
    wanted = np.zeros(problem.output_shape(batch, length), dtype)
    wanted += 0 if b is None else b[:, None] if problem.channels_first else b
    for n, t, c in (
        (batch - 1, steps - 1, problem.channels - 1),
        (0, steps // 2, 0),
        (batch - 1, steps // 3, problem.channels // 2),
    ):
        j = max(j for j in range(problem.kernel_size) if 0 <= t * problem.stride + j * problem.dilation - left < length)
        step = t * problem.stride + j * problem.dilation - left
        x[(n, c, step) if problem.channels_first else (n, step, c)] = 3
        of_group = slice(
            c // problem.group_channels * problem.group_filters,
            (c // problem.group_channels + 1) * problem.group_filters,
        )
        wanted[(n, of_group, t) if problem.channels_first else (n, t, of_group)] += 6
    if problem.activation.name == "relu":
        wanted = np.maximum(wanted, 0)
    kernel = compiled(problem, algorithm=algorithm).kernel
    y = np.full_like(wanted, np.nan)
    before = taken()
    kernel(x, kernel.pack(w, b), y)
    np.testing.assert_array_equal(y, wanted, err_msg=f"{problem}@{batch}x{length} {algorithm}")
    assert taken() - before < 1 << 30


def large_output(text: str, batch: int, length: int) -> None:
    """In the child: the last steps of the last sequence, of which the order of the loops leaves the last filter for the
    end.
    """
    problem = Problem.parse(text)
    first, dtype = problem.channels_first, TYPES[problem.dtype].numpy
    shape = problem.output_shape(batch, length)
    y = repeated(int(np.prod(shape)), dtype).reshape(shape)
    assert y.size > 2**31
    x = np.zeros(problem.input_shape(batch, length), dtype)
    x.reshape(batch, length)[...] = np.arange(length) % 61 - 30
    _, w, b = exact_data(problem, 1, 1)
    kernel = compiled(problem).kernel
    before = taken()
    kernel(x, kernel.pack(w, b), y)
    assert taken() - before < 1 << 30
    last = y[-1, -1:, -_LAST:] if first else y[-1, -_LAST:]
    right = 0 if isinstance(problem.padding, str) else problem.padding[1]
    plain = problem.with_(padding="valid")
    tail = x[-1:, :, -_LAST:] if first else x[-1:, -_LAST:]
    wanted = expected(plain, tail if not right else np.zeros_like(tail), w, b)[0]
    np.testing.assert_array_equal(last, wanted[-1:] if first else wanted)
    print("done")


@pytest.mark.slow
@pytest.mark.parametrize(("text", "batch", "length"), OUTPUTS)
def test_large_outputs(text: str, batch: int, length: int) -> None:
    if "f16" in text and not any(TARGETS[name].converts("f16") for name in RUNNABLE):
        pytest.skip("no target has float16")
    code, out, err = python(f"import test_large_arrays as t; t.large_output({text!r}, {batch}, {length})")
    assert (code, out) == (0, "done\n"), f"{text}@{batch}x{length}: exit {code}\n{err[-2000:]}"
