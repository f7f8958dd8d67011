"""Several nests in a kernel.

Two convolutions, each with a plan of its own: the second reads what the first left in scratch memory, block by block.
And a sum in two nests one after another, which leaves the same bits for any number of threads.
"""

import ctypes
import struct

import numpy as np
import pytest
from support.helpers import RUNNABLE, expected
from support.type_helpers import Array

from conv1d_codegen.emit import emit
from conv1d_codegen.emit.abi import FIRST_RUN, RUN, entry
from conv1d_codegen.emit.scratch import scratch_bytes
from conv1d_codegen.ir import (
    Alloc,
    Axis,
    Const,
    For,
    Kernel,
    Let,
    Level,
    Statement,
    View,
    accumulate,
    buffer,
    load,
    loop,
    store,
)
from conv1d_codegen.ir.packing import aligned_zeros, laid_out
from conv1d_codegen.lower.formula import Sizes
from conv1d_codegen.lower.nest import nest, sizes_of
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.jit import Code
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.problem import padding as pad
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.runtime import threads
from conv1d_codegen.runtime.work import Work
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.symbolic.index import Index, index, maximum, minimum, var
from conv1d_codegen.verify import verify

PAIRS = {
    "c4_f8_k3_causal_relu_f32 c8_f16_k5_d2_causal_linear_f32": 24,
    "c3_f16_k3_same_relu_f32 c16_f8_k3_same_linear_f32": 40,
    "c2_f32_k1_valid_linear_f32 c32_f20_k3_same_relu_f32": 16,
    "c8_f8_k3_same_tanh_f32 c8_f24_k4_valid_relu_f32": 13,
}


def outputs(problem: Problem, length: Index) -> Index:
    return index(pad.output_length(length, problem.kernel_size, problem.stride, problem.dilation, problem.padding))


def pair(first: Problem, second: Problem, block: int) -> tuple[Kernel, dict[str, Sizes]]:
    """A block of the second's steps from a block of the first's, which has as many steps more as the second's taps
    reach over.
    """
    n, number, start, end = var("n"), var("block"), var("start"), var("end")
    x = View.of(
        buffer("x", "f32", (var("N"), var("T"), first.channels), "input", (Axis.SEQUENCE, Axis.STEP, Axis.CHANNEL))
    )
    between = outputs(first, var("T"))
    reach = (second.kernel_size - 1) * second.dilation
    left = second.left_paddings()[0]
    begin, finish = var("begin"), var("finish")
    scratch = buffer("h", "f32", (1, block + reach, first.filters), "scratch", (Axis.SEQUENCE, Axis.STEP, Axis.CHANNEL))
    h = View(scratch, (n, begin, index(0)), (n + 1, between, index(first.filters)))
    steps = outputs(second, between)
    y = View.of(
        buffer("y", "f32", (var("N"), steps, second.filters), "output", (Axis.SEQUENCE, Axis.STEP, Axis.FILTER))
    )
    one, formula_one = nest("one", first, x, h, n, (begin, finish))
    two, formula_two = nest("two", second, h, y, n, (start, end))
    body = (
        Let("start", number * block),
        Let("end", index(minimum(start + block, steps))),
        Let("begin", index(maximum(start - left, 0))),
        Let("finish", index(minimum(end + (reach - left), between))),
        Alloc(scratch),
        one,
        two,
    )
    blocks = loop("block", 0, (steps + (block - 1)) // block, body, "parallel", axis=Axis.STEP, level=Level.BLOCK)
    weights = [b for formula in (formula_one, formula_two) for b in (formula.w, formula.b)]
    buffers = (x.buffer, *weights, y.buffer)
    kernel = Kernel(
        "pair",
        "f32",
        (("N", 1), ("T", 0)),
        buffers,
        (loop("n", 0, var("N"), (blocks,), "parallel", axis=Axis.SEQUENCE),),
    )
    return kernel, {"one": sizes_of(first, x), "two": sizes_of(second, h)}


def prepared(text: str, target: str) -> tuple[Problem, Problem, Kernel, dict[str, Context]]:
    first, second = map(Problem.parse, text.split())
    kernel, sizes = pair(first, second, PAIRS[text])
    contexts = {
        name: Context(problem, choose(problem, TARGETS[target], "direct"), TARGETS[target], sizes[name])
        for name, problem in (("one", first), ("two", second))
    }
    return first, second, kernel, contexts


def data(first: Problem, second: Problem, length: int) -> tuple[dict[str, Array], Array]:
    rng = np.random.default_rng(length)
    arrays = {"x": rng.integers(-3, 4, (2, length, first.channels)).astype(np.float32)}
    for name, problem in (("one", first), ("two", second)):
        arrays[f"w_{name}"] = rng.integers(-2, 3, problem.kernel_shape).astype(np.float32)
        arrays[f"b_{name}"] = rng.integers(-2, 3, problem.filters).astype(np.float32)
    hidden = expected(first, arrays["x"], arrays["w_one"], arrays["b_one"])
    return arrays, expected(second, hidden.astype(np.float32), arrays["w_two"], arrays["b_two"])


@pytest.mark.parametrize("text", PAIRS)
def test_as_interpreted(text: str) -> None:
    first, second, kernel, contexts = prepared(text, "avx2")
    *_, (_, scheduled) = stages(kernel, contexts)
    for length in (1, 2, 7, 25, 61):
        arrays, wanted = data(first, second, length)
        for each in (kernel, scheduled):
            y = np.full(wanted.shape, np.nan, np.float32)
            interpret(each, {**arrays, "y": y}, {"N": 2, "T": length})
            np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5, err_msg=f"{text} @2x{length}")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("text", PAIRS)
def test_as_code(text: str, target: str) -> None:
    first, second, kernel, contexts = prepared(text, target)
    *_, (_, scheduled) = stages(kernel, contexts)
    verify(scheduled, scheduled=True)
    code = jit.load(emit(scheduled, TARGETS[target], scheduled.name, text), scheduled.name, TARGETS[target])
    for length in (1, 7, 61, 200):
        arrays, wanted = data(first, second, length)
        y = np.full(wanted.shape, np.nan, np.float32)
        packed = laid_out(scheduled.packings, arrays, np.dtype(np.float32), {"N": 2, "T": length})
        room = aligned_zeros((max(1, scratch_bytes(scheduled)),), np.dtype(np.uint8))
        ordered = [y if b.name == "y" else packed[b.name] for b in scheduled.buffers]
        sizes = (2, length, entry(scheduled).iterations[0].evaluate({"N": 2, "T": length}))
        block = struct.pack(f"{len(ordered)}P3qPqP", *(a.ctypes.data for a in ordered), *sizes, room.ctypes.data, 1, 0)
        ctypes.CFUNCTYPE(None, ctypes.c_char_p)(code.address)(block)
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5, err_msg=f"{text} @2x{length}")


# --- nests one after another: the shape of a kernel gradient ----------------------------------------------------------

PARTS, WIDTH = 6, 8  # of the steps; of the filters


def gradient() -> Kernel:
    """y[j, c, f] = Σ_{n, t} x[n, t + j, c] * g[n, t, f]: sums over parts of the steps, and in the next nest the sums of
    these, in order.
    """
    n, t, part, j, c, lane = map(var, ("n", "t", "part", "j", "c", "l"))
    size, filters = var("T"), WIDTH
    x = buffer("x", "f32", (var("N"), size + 2, 4), "input")
    g = buffer("g", "f32", (var("N"), size, filters), "input")
    sums = buffer("sums", "f32", (PARTS, 3, 4, filters), "shared")
    y = buffer("y", "f32", (3, 4, filters), "output")
    acc = buffer("acc", "f32", (filters,), "register")
    length = (size + (PARTS - 1)) // PARTS
    first = index(minimum(part * length, size))
    last = index(minimum(first + length, size))

    def in_lanes(*statements: Statement) -> For:
        return loop("l", 0, filters, statements, "lanes", filters)

    product = in_lanes(accumulate(acc, (lane,), load(x, n, t + j, c), load(g, n, t, lane)))
    over_steps = loop("n", 0, var("N"), (loop("t", first, last, (product,)),))
    zero = in_lanes(store(acc, (lane,), Const(0.0)))
    of_part = (Alloc(acc), zero, over_steps, in_lanes(store(sums, (part, j, c, lane), load(acc, lane))))
    partial = loop("part", 0, PARTS, (loop("j", 0, 3, (loop("c", 0, 4, of_part),)),), "parallel")
    each = loop("part", 0, PARTS, (in_lanes(store(acc, (lane,), load(acc, lane) + load(sums, part, j, c, lane))),))
    of_weight = (Alloc(acc), zero, each, in_lanes(store(y, (j, c, lane), load(acc, lane))))
    total = loop("j", 0, 3, (loop("c", 0, 4, of_weight),), "parallel")
    return Kernel("gradient", "f32", (("N", 1), ("T", 0)), (x, g, y), (Alloc(sums), partial, total))


def run(kernel: Kernel, code: Code, arrays: tuple[Array, ...], sizes: dict[str, int], count: int) -> None:
    """Each nest when the one before has ended, by a team of so many threads."""
    called = entry(kernel)
    assert called.scratch_bytes == 0
    shared = [
        aligned_zeros(tuple(size.evaluate(sizes) for size in b.shape), np.dtype(np.float32)) for b in called.shared
    ]
    for array in shared:
        array[...] = np.nan
    pointers = [array.ctypes.data for array in (*arrays, *shared)]
    function = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(code.address)
    for number, iterations_of in enumerate(called.iterations):
        counters = (ctypes.c_int64 * (FIRST_RUN + count))()
        team = (RUN * count, ctypes.addressof(counters)) if count > 1 else (1, 0)
        block = struct.pack(called.format, *pointers, *sizes.values(), number, iterations_of.evaluate(sizes), 0, *team)
        threads.runtime().run(Work(function, block, (counters, shared)), count) if count > 1 else function(block)


@pytest.mark.parametrize("target", RUNNABLE)
def test_a_sum_over_batch_and_steps_has_the_same_bits_for_any_number_of_threads(target: str) -> None:
    kernel = gradient()
    verify(kernel, scheduled=True)
    code = jit.load(emit(kernel, TARGETS[target], kernel.name, "by hand"), kernel.name, TARGETS[target])
    rng = np.random.default_rng(0)
    for batch, length in ((1, 0), (1, 1), (2, 5), (3, 40), (2, 1000)):
        x = rng.standard_normal((batch, length + 2, 4)).astype(np.float32)
        g = rng.standard_normal((batch, length, WIDTH)).astype(np.float32)
        sizes = {"N": batch, "T": length}
        exact = np.stack(
            [np.einsum("ntc,ntf->cf", x[:, j : j + length].astype(float), g.astype(float)) for j in range(3)]
        )
        found = []
        for count in (1, 1, 2, 3, 5):
            y = np.full((3, 4, WIDTH), np.nan, np.float32)
            run(kernel, code, (x, g, y), sizes, count)
            found.append(y)
        np.testing.assert_allclose(found[0], exact, rtol=1e-4, atol=1e-4)
        assert len({y.tobytes() for y in found}) == 1
        if length <= 40:
            y = np.full((3, 4, WIDTH), np.nan, np.float32)
            interpret(kernel, {"x": x, "g": g, "y": y}, sizes)
            close = 0 if TARGETS[target].fma else 1e-4  # products are rounded twice where no instruction adds them
            np.testing.assert_allclose(y, found[0], rtol=close, atol=close)
