"""Kernels written by hand, as no lowering makes them yet: what the verifier accepts is compiled to what the interpreter
computes.
"""

import ctypes
import struct
from dataclasses import replace

import numpy as np
import pytest
from support.helpers import RUNNABLE

from conv1d_codegen.emit import emit
from conv1d_codegen.emit.abi import entry
from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import (
    Alloc,
    Bind,
    Buffer,
    Call,
    Const,
    If,
    Instruction,
    Kernel,
    Let,
    Ref,
    Statement,
    accumulate,
    buffer,
    load,
    loop,
    store,
)
from conv1d_codegen.ir.rewrite import substitute
from conv1d_codegen.lower.instructions import VDPBF16PS
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import host
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.symbolic.index import Indexable, index, maximum, minimum, var
from conv1d_codegen.verify import InvalidKernel, verify

N, T, n, t, k, b, lane = (var(name) for name in ("N", "T", "n", "t", "k", "b", "l"))
X = buffer("x", "f32", (N, T), "input")
Y = buffer("y", "f32", (N, T), "update")
SUM = buffer("sum", "f32", (), "register")
TMP = buffer("tmp", "f32", (8,), "scratch")


def sequences(*body: Statement) -> Kernel:
    return Kernel("by_hand", "f32", (("N", 1), ("T", 0)), (X, Y), (loop("n", 0, N, body, "parallel"),))


KERNELS = {
    # Once loaded before the loop over k, the sum of the first step only.
    "an output that is added to": sequences(
        loop("t", 0, T, (loop("k", 0, T, (store(Y, (n, t), load(Y, n, t) + load(X, n, k)),)),))
    ),
    "an output that is read where it was written before": sequences(
        loop("t", 1, T, (store(Y, (n, t), load(Y, n, t - 1) + load(X, n, t)),))
    ),
    "an output that is read twice": sequences(
        loop(
            "t",
            0,
            T,
            (store(Y, (n, t), load(Y, n, t) + 1), Bind("s", load(Y, n, t)), store(Y, (n, t), Ref("s") + load(Y, n, t))),
        ),
    ),
    "vectors of an output": sequences(
        loop(
            "k",
            0,
            3,
            (
                loop(
                    "b",
                    0,
                    T // 8,
                    (loop("l", 0, 8, (store(Y, (n, 8 * b + lane), load(Y, n, 8 * b + lane) + 1),), "lanes", 8),),
                ),
            ),
        )
    ),
    "scratch that one of two loops writes": sequences(
        loop(
            "t",
            0,
            T,
            (
                Alloc(TMP),
                loop("early", 0, minimum(1, maximum(4 - t, 0)), (loop("k", 0, 8, (store(TMP, (k,), Const(1.0)),)),)),
                loop("late", 0, minimum(1, t // 4), (loop("k", 0, 8, (store(TMP, (k,), load(X, n, t)),)),)),
                store(Y, (n, t), load(TMP, 5)),
            ),
        )
    ),
    "a sum in a register over a loop that may not run": sequences(
        loop(
            "t",
            0,
            T,
            (
                Alloc(SUM),
                store(SUM, (), Const(2.0)),
                loop("k", 3, t, (store(SUM, (), load(SUM) + load(X, n, k)),)),
                store(Y, (n, t), load(SUM)),
            ),
        ),
    ),
    "scratch that is written on one of two conditions": sequences(
        loop(
            "t",
            0,
            T,
            (
                Alloc(TMP),
                If((3 - t,), (loop("k", 0, 8, (store(TMP, (k,), Const(1.0)),)),)),
                If((t - 4,), (loop("k", 0, 8, (store(TMP, (k,), load(X, n, t)),)),)),
                store(Y, (n, t), load(TMP, 5)),
            ),
        )
    ),
    "a sum in a register that some steps add to": sequences(
        loop(
            "t",
            0,
            T,
            (
                Alloc(SUM),
                store(SUM, (), Const(2.0)),
                loop("k", 0, 3, (If((t - k, k - 1), (accumulate(SUM, (), load(X, n, t - k), Const(3.0)),)),)),
                store(Y, (n, t), load(SUM)),
            ),
        )
    ),
    "conditions that are known as code is printed": sequences(
        loop(
            "t",
            0,
            T,
            (
                Alloc(SUM),
                store(SUM, (), Const(0.0)),
                loop("k", 0, 5, (If((k - 1, 3 - k), (accumulate(SUM, (), load(X, n, t), Const(2.0)),)),), "unrolled"),
                store(Y, (n, t), load(SUM)),
            ),
        )
    ),
    "a condition within another, and an output that is added to": sequences(
        loop(
            "t",
            0,
            T,
            (
                store(Y, (n, t), Const(1.0)),
                If((t - 1,), (If((T - 2 - t,), (accumulate(Y, (n, t), load(X, n, t - 1), load(X, n, t + 1)),)),)),
            ),
        )
    ),
    "a register that may not be written, and is written later": sequences(
        Alloc(SUM),
        If((T - 2,), (store(SUM, (), load(X, n, 1)),)),
        loop("k", 2, T, (store(SUM, (), load(X, n, k)),)),
        loop("k", 0, 4, (store(SUM, (), Const(2.0)),)),
        loop("t", 0, T, (store(Y, (n, t), load(SUM)),)),
    ),
    "blocks that many names lead to": sequences(
        Let("last", T // 3 * 3),
        loop("k", 0, T // 3, (loop("b", 0, 3, (store(Y, (n, var("last") - 3 * k - b - 1), load(X, n, 3 * k + b)),)),)),
    ),
}


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("name", KERNELS)
def test_the_same_as_interpreted(name: str, target: str) -> None:
    kernel = KERNELS[name]
    verify(kernel, scheduled=True)
    code = jit.load(emit(kernel, TARGETS[target], kernel.name, name), kernel.name, TARGETS[target])
    for length in (0, 1, 3, 8, 21):
        x = np.arange(2 * length, dtype=np.float32).reshape(2, length) % 7
        found, wanted = np.full_like(x, 5), np.full_like(x, 5)
        interpret(kernel, {"x": x, "y": wanted}, {"N": 2, "T": length})
        # Arrays, sizes, parallel iterations, no scratch memory, and no team.
        sizes = (2, length, entry(kernel).iterations[0].evaluate({"N": 2, "T": length}))
        block = struct.pack("2P3qPqP", x.ctypes.data, found.ctypes.data, *sizes, 0, 1, 0)
        ctypes.CFUNCTYPE(None, ctypes.c_char_p)(code.address)(block)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{name}, {length} steps, {target}")


HALVES = buffer("x", "bf16", (N, T), "input")
TWO = buffer("w", "bf16", (2, 32), "constant")
DOT = buffer("dot", "f32", (2, 16), "register")
SUMS = buffer("y", "f32", (N, T // 32, 16), "output")


def dot_products() -> Kernel:
    """Of 32 numbers of x at a time with those of w: 16 sums of pairs, twice."""
    place = (n, 32 * b)
    body = (
        Alloc(DOT),
        loop("i", 0, 2, (loop("l", 0, 16, (store(DOT, (var("i"), lane), Const(0.0)),), "lanes", 16),), "unrolled"),
        loop(
            "b",
            0,
            T // 32,
            (
                loop(
                    "i",
                    0,
                    2,
                    (call(VDPBF16PS, (DOT, (var("i"), 0)), (HALVES, place), (TWO, (var("i"), 0))),),
                    "unrolled",
                ),
                loop("l", 0, 16, (store(SUMS, (n, b, lane), load(DOT, 0, lane) - load(DOT, 1, lane)),), "lanes", 16),
            ),
        ),
    )
    return Kernel("by_hand", "f32", (("N", 1), ("T", 0)), (HALVES, TWO, SUMS), (loop("n", 0, N, body, "parallel"),))


def call(instruction: Instruction, *arguments: tuple[Buffer, tuple[Indexable, ...]]) -> Call:
    return Call(instruction, tuple((buffer, tuple(index(i) for i in place)) for buffer, place in arguments))


def test_an_instruction_is_what_its_program_says() -> None:
    """Interpreted always; as code where the processor has it."""
    kernel = dot_products()
    verify(kernel)
    rng, length = np.random.default_rng(0), 100
    x = rng.integers(-8, 9, (2, length)).astype(TYPES["bf16"].numpy)
    w = rng.integers(-8, 9, (2, 32)).astype(TYPES["bf16"].numpy)
    exact = (x[:, :96].reshape(2, 3, 1, 16, 2).astype(float) * w.reshape(2, 16, 2).astype(float)).sum(-1).cumsum(1)
    wanted = np.full((2, 3, 16), 5, np.float32)
    interpret(kernel, {"x": x, "w": w, "y": wanted}, {"N": 2, "T": length})
    np.testing.assert_array_equal(wanted, exact[:, :, 0] - exact[:, :, 1])
    text = emit(kernel, host(), kernel.name, "by hand") if "+avx512bf16" in host().features.split(",") else ""
    if not text:
        with pytest.raises(CompileError, match="it needs a processor with avx512bf16"):
            emit(kernel, host(), kernel.name, "by hand")
        return
    assert "vdpbf16ps" in jit.assembly(text, host())
    code = jit.load(text, kernel.name, host())
    found = np.full((2, 3, 16), 5, np.float32)
    sizes = (2, length, entry(kernel).iterations[0].evaluate({"N": 2, "T": length}))
    block = struct.pack("3P3qPqP", *(a.ctypes.data for a in (x, w, found)), *sizes, 0, 1, 0)
    ctypes.CFUNCTYPE(None, ctypes.c_char_p)(code.address)(block)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("start", [-1, 1])
def test_an_instruction_that_reads_beside_an_array_is_refused(start: int) -> None:
    wrong = replace(dot_products(), body=substitute(dot_products().body, {"b": b + start}))
    with pytest.raises(InvalidKernel, match=r"vdpbf16ps\(.*: index 1 of x: .* may be (negative|T or more)"):
        verify(wrong)


def test_an_instruction_that_a_target_lacks() -> None:
    with pytest.raises(CompileError, match=r"avx2 .* has no vdpbf16ps: it needs a processor with avx512bf16"):
        emit(dot_products(), TARGETS["avx2"], "by_hand", "by hand")
