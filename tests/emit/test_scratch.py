"""Large scratch arrays lie in the caller's memory: each thread's in its own slice, and all of it within."""

import ctypes
import re
import struct
import threading
from collections.abc import Callable

import numpy as np
import pytest
from support.helpers import (
    PROBLEMS,
    RUNNABLE,
    assert_exact,
    bits,
    compiled,
    empty_output,
    exact_data,
    expected,
    last_line,
    python,
    run_compiled,
    supports,
)
from support.kernel_helpers import call
from support.teams import run_of, use
from support.toom_helpers import toom_plan
from support.type_helpers import Array

from conv1d_codegen.compiler import Compilation, Program
from conv1d_codegen.emit import emit
from conv1d_codegen.emit import scratch as layout
from conv1d_codegen.emit.abi import FIRST_RUN, RUN
from conv1d_codegen.emit.scratch import scratch_bytes
from conv1d_codegen.ir import Alloc, For, Kernel, Statement, buffer, load, loop, store
from conv1d_codegen.ir.packing import aligned_zeros
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.jit import Code
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.runtime import workspace as scratch
from conv1d_codegen.runtime.kernel import CompiledKernel
from conv1d_codegen.selftest.guards import guarded
from conv1d_codegen.symbolic.index import var
from conv1d_codegen.verify import verify

LARGE = "c512_f512_k2_s2_valid_linear_f32"  # streamed weights: 126 KiB of totals
SMALL = "c8_f8_k3_same_linear_f32"
#: A hand-written kernel as a function, and the code that it is of.
MachineCode = tuple[Callable[[bytes], None], Code]
ROW = 5001  # numbers of a hand-written kernel's arrays: not whole cache lines


def hand_written(name: str = "rows") -> Kernel:
    """y[n] is x[n] backwards, plus 1000 n, plus x[n]: through two large arrays at a time, one small one, and one in an
    inner block.
    """
    x, y = (buffer(name, "f32", (var("N"), ROW), space) for name, space in (("x", "input"), ("y", "update")))
    first, second, third = (buffer(f"tmp{number}", "f32", (ROW,), "scratch") for number in range(3))
    few = buffer("few", "f32", (4,), "scratch")
    n, i = var("n"), var("i")

    def every(*body: Statement) -> For:
        return loop("i", 0, ROW, body)

    through = loop(
        "once",
        0,
        1,
        (Alloc(third), every(store(third, (i,), load(second, i))), every(store(y, (n, i), load(third, i)))),
    )
    again = loop(
        "once",
        0,
        1,
        (
            Alloc(third),
            every(store(third, (i,), load(y, n, i) + load(few, 3))),
            every(store(y, (n, i), load(third, i))),
        ),
    )
    body = (
        Alloc(first),
        Alloc(few),
        loop("i", 0, 4, (store(few, (i,), load(x, n, 0)),)),
        every(store(first, (i,), load(x, n, i))),
        Alloc(second),
        every(store(second, (i,), load(first, ROW - 1 - i))),
        through,
        again,
        every(store(y, (n, i), load(y, n, i) + load(first, i))),
    )
    kernel = Kernel(name, "f32", (("N", 1),), (x, y), (loop("n", 0, var("N"), body, "parallel"),))
    verify(kernel)
    return kernel


def rows(count: int) -> tuple[Array, Array]:
    x = np.random.default_rng(0).integers(-50, 50, (count, ROW)).astype(np.float32)
    return x, x[:, ::-1] + x[:, :1] + x


@pytest.fixture(scope="module")
def machine_code() -> MachineCode:
    kernel, target = hand_written(), resolve(None)
    code = jit.load(emit(kernel, target, "title", "plan"), kernel.name, target)
    return ctypes.CFUNCTYPE(None, ctypes.c_char_p)(code.address), code


def run_rows(
    machine_code: MachineCode,
    x: Array,
    y: Array,
    address: int,
    shares: int = 1,
    counters: ctypes.Array[ctypes.c_int64] | None = None,
) -> None:
    function, _ = machine_code
    at = 0 if counters is None else ctypes.addressof(counters)
    function(struct.pack("PPqqPqP", x.ctypes.data, y.ctypes.data, len(x), len(x), address, shares, at))


# --- where arrays lie -------------------------------------------------------------------------------------------------


def test_arrays_follow_each_other_and_what_ends_makes_room() -> None:
    line = -(-ROW * 4 // 64) * 64
    kernel = hand_written()
    assert scratch_bytes(kernel) == 3 * line
    ir = emit(kernel, resolve("avx2"), "title", "plan")
    found = re.findall(
        r"%(tmp\d|few)\.\d+ = (?:getelementptr nusw i8, ptr %scratch, i64 (\d+)|alloca \[4 x float\])", ir
    )
    assert found == [("tmp0", "0"), ("few", ""), ("tmp1", f"{line}"), ("tmp2", f"{2 * line}"), ("tmp2", f"{2 * line}")]


@pytest.mark.parametrize("text", [LARGE, "c300_f8_k3_same_relu_f32", "c256_f256_k3_same_linear_f32", SMALL])
def test_no_large_array_is_on_the_stack(text: str) -> None:
    compilation = compiled(Problem.parse(text), "avx2")
    sizes = [
        int(n) * (8 if t == "double" else 4)
        for n, t in re.findall(r"alloca \[(\d+) x (\w+)\]", compilation.dump("llvm"))
    ]
    assert max(sizes, default=0) <= layout._SMALL
    assert ("ptr %scratch, i64 0\n" in compilation.dump("llvm")) == (scratch_bytes(compilation.program.scheduled) > 0)


# --- what machine code does with it -----------------------------------------------------------------------------------


def test_the_hand_written_kernel(machine_code: MachineCode) -> None:
    x, wanted = rows(3)
    y = np.full_like(x, np.nan)
    interpret(hand_written(), {"x": x, "y": y}, {"N": 3})
    np.testing.assert_array_equal(y, wanted)
    room = aligned_zeros((scratch_bytes(hand_written()),), np.dtype(np.uint8))
    y[...] = np.nan
    run_rows(machine_code, x, y, room.ctypes.data)
    np.testing.assert_array_equal(y, wanted)


def test_each_of_a_team_touches_its_slice_and_nothing_else(machine_code: MachineCode) -> None:
    x, wanted = rows(3)
    size = scratch_bytes(hand_written())
    room = aligned_zeros((4 * size,), np.dtype(np.uint8))
    for place in (0, 1, 2):
        room[:] = 0xA5
        y = np.full_like(x, np.nan)
        counters = (ctypes.c_int64 * 3)(place)
        run_rows(machine_code, x, y, room.ctypes.data, 3, counters)
        np.testing.assert_array_equal(y, wanted)
        assert list(counters) == [place + 1, 0, 3]
        slices = room.reshape(4, size)
        assert [bool((part != 0xA5).any()) for part in slices] == [number == place for number in range(4)]


def test_a_team_at_work_at_the_same_time(machine_code: MachineCode) -> None:
    x, wanted = rows(64)
    room = aligned_zeros((4 * scratch_bytes(hand_written()),), np.dtype(np.uint8))
    for _ in range(10):
        y, counters = np.full_like(x, np.nan), (ctypes.c_int64 * (FIRST_RUN + 8))()
        team = [
            threading.Thread(target=run_rows, args=(machine_code, x, y, room.ctypes.data, 8 * RUN, counters))
            for _ in range(4)
        ]
        for member in team:
            member.start()
        for member in team:
            member.join()
        np.testing.assert_array_equal(y, wanted)
        begun, own, *taken = counters
        assert (begun, own) == (4, 0)
        assert all(RUN <= count <= RUN + 4 for count in taken)  # each of the team may find one too many


def test_a_thread_takes_its_own_run_first(machine_code: MachineCode) -> None:
    """And then the next one, and so on; of each what is left. Its scratch memory holds the row that came last."""
    runs, size, x = 3, scratch_bytes(hand_written()), rows(3 * RUN)[0]
    for place in range(runs):
        for taken in ((0, 0, 0), (0, RUN - 1, RUN), (RUN + 7, 0, 1), (RUN - 1, RUN, 2)):
            room = aligned_zeros((runs * size,), np.dtype(np.uint8))
            y, counters = np.full_like(x, np.nan), (ctypes.c_int64 * (FIRST_RUN + runs))(place, 0, *taken)
            run_rows(machine_code, x, y, room.ctypes.data, runs * RUN, counters)
            order = [(place + tried) % runs for tried in range(runs)]
            left = [number * RUN + share for number in order for share in range(taken[number], RUN)]
            assert list(np.flatnonzero(~np.isnan(y).any(axis=1))) == sorted(left)
            first = room[place * size :][: 4 * ROW].view(np.float32)
            np.testing.assert_array_equal(first, x[left[-1]])
            assert list(counters) == [place + 1, 0, *(max(count, RUN) for count in taken)]


# --- calls ------------------------------------------------------------------------------------------------------------


def all_provided(monkeypatch: pytest.MonkeyPatch, problem: Problem, target: str) -> CompiledKernel:
    """A compilation, kept nowhere, for which every scratch array counts as large."""
    found = compiled(problem, target)
    own = Compilation(problem, Program(problem, found.plan, found.target))
    with monkeypatch.context() as patch:
        patch.setattr(layout, "_SMALL", 0)
        assert "alloca" not in own.dump("llvm")
        assert own.kernel.scratch_bytes == scratch_bytes(own.program.scheduled)
    return own.kernel


@pytest.mark.parametrize("text", PROBLEMS[2::5])
def test_all_kinds_of_problems_with_all_scratch_provided(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    problem = Problem.parse(text)
    use(monkeypatch, run_of("pool"))
    for target in (target for target in RUNNABLE if supports(target, problem)):
        kernel = all_provided(monkeypatch, problem, target)
        for length in (1, 29, 67):
            x, w, b = exact_data(problem, 3, length)
            packed = kernel.pack(w, b)
            for threads in (1, 3):
                y = call(kernel, packed, x, threads)
                assert_exact(problem, y, expected(problem, x, w, b), f"@3x{length} {target}, {threads} threads")
                assert bits(y) == bits(run_compiled(problem, x, w, b, target))


# --- nothing beside it is touched -------------------------------------------------------------------------------------


GUARDED = (
    ("c16_f65_k3_causal_relu_f32", "auto", None),
    ("c37_f37_k19_same_linear_f32", "auto", None),
    ("c300_f70_k3_s2_pad3x1_relu_f64", "auto", None),
    ("c5_f19_k3_same_tanh_f32_first", "auto", None),
    (LARGE, "auto", None),
    ("c17_f33_k3_same_linear_f64", "cook_toom", toom_plan(2, 3)),
    ("c8_f9_k7_d2_causal_relu_f32", "cook_toom", toom_plan(2, 2, rows=(4, 3, 1), windows=8)),
    ("c3_f7_k5_s2_valid_linear_f32_first", "cook_toom", toom_plan(2, 2)),
)


def main(target: str) -> None:
    """In the child: memory of exactly the size that is asked for lies against a page that nothing may touch."""
    layout._SMALL = 0
    side = "end"

    def take(size: int) -> scratch.Room:
        array = guarded(np.full(size, 0xFF, np.uint8), side, 64)
        return scratch.Room(array, array.ctypes.data, size)

    scratch.take = take
    for text, algorithm, plan in GUARDED:
        problem = Problem.parse(text)
        kernel = compiled(problem, target, algorithm, plan).kernel
        assert kernel.scratch_bytes
        for side in ("end", "start"):
            for length in (3, 70, 301):
                print(f"{problem}@2x{length} {target} {algorithm}, guarded at the {side}", flush=True)
                x, w, b = exact_data(problem, 2, length)
                y = empty_output(problem, 2, length)
                kernel(x, kernel.pack(w, b), y)
                assert_exact(problem, y, expected(problem, x, w, b))
    print("done")


@pytest.mark.parametrize("target", RUNNABLE)
def test_kernels_stay_inside_their_scratch(target: str) -> None:
    code, out, err = python("import test_scratch as t, sys; t.main(sys.argv[1])", target, timeout=300)
    assert (code, last_line(out)) == (0, "done"), f"exit {code} at {last_line(out)}\n{err[-2000:]}"
