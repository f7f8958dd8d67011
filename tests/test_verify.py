"""The verifier accepts what the compiler makes, and refuses kernels that are wrong in one thing."""

import pytest
from helpers import PROBLEMS, algorithms, compiled, lowered

from conv1d_codegen.index import index, maximum, minimum, var
from conv1d_codegen.ir import Activate, Alloc, Bind, Const, Fma, Kernel, Let, Prefetch, Ref, buffer, load, loop, store
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.verify import InvalidKernel, verify

N, T, n, t, i, v, lane = (var(name) for name in ("N", "T", "n", "t", "i", "v", "l"))
X = buffer("x", "f32", (N, T, 4), "input")
Y = buffer("y", "f32", (N, T), "output")
W = buffer("wp", "f32", (8,), "packed")
ROWS = buffer("wp", "f32", (2, 8), "packed")
ACC = buffer("acc", "f32", (2, 8), "register")
TMP = buffer("tmp", "f32", (4,), "scratch")
ONE = Const(1.0)


def kernel(*body, sizes=(("N", 1), ("T", 0)), buffers=(X, W, Y)):
    return Kernel("k", "f32", sizes, buffers, body)


def steps(*body, lo=0, hi=T, kind="serial"):
    """The body for every sequence and step."""
    return loop("n", 0, N, (loop("t", lo, hi, body, kind),), "parallel")


GOOD = {
    "every element": kernel(steps(store(Y, (n, t), load(X, n, t, 3)))),
    "shifted, and the range with it": kernel(steps(store(Y, (n, t), load(X, n, t + 2, 0)), hi=T - 2)),
    "guarded taps": kernel(
        steps(loop("j", maximum(0, 2 - t), minimum(3, T + 2 - t), (store(Y, (n, t), load(X, n, t + var("j") - 2, 0)),)))
    ),
    "a part of a vector": kernel(
        loop("n", 0, N, (Let("rest", T - T // 8 * 8), loop("l", 0, var("rest"), (store(Y, (n, T // 8 * 8 + lane), ONE),), "lanes", 8)))
    ),
    "registers": kernel(
        steps(
            Alloc(ACC),
            loop("i", 0, 2, (loop("l", 0, 8, (store(ACC, (i, lane), load(W, lane)),), "lanes", 8),), "unrolled"),
        )
    ),
    "a register that is read lane by lane where its index is a constant": kernel(steps(Alloc(ACC), store(Y, (n, t), load(ACC, 1, 3)))),
    "a column of registers": kernel(
        steps(
            Alloc(ACC),
            loop("i", 0, 8, (loop("l", 0, 2, (store(Y, (n, t), load(ACC, lane, i)),), "lanes", 2),), "unrolled"),
        )
    ),
    "scratch, indexed by a loop": kernel(steps(Alloc(TMP), loop("i", 0, 4, (store(TMP, (i,), ONE),)))),
    "a name used again in another block": kernel(steps(loop("i", 0, 2, ()), loop("i", 0, 3, ()), Bind("s", ONE))),
    "a let that says the same again": kernel(Let("a", T + 1), Let("a", T + 1)),
    "a number that is set again": kernel(steps(Bind("s", ONE), Bind("s", Ref("s") + 1))),
    "a line of the input that is fetched": kernel(steps(Prefetch(X, (n, t, index(0))))),
    "two parallel loops, one within the other": kernel(steps(store(Y, (n, t), ONE), kind="parallel")),
    "a line that is fetched": kernel(steps(Prefetch(Y, (n, t)))),
    "weights that are fetched past the end of a row": kernel(steps(Prefetch(ROWS, (index(0), index(9)))), buffers=(X, ROWS, Y)),
    "an empty range": kernel(steps(store(Y, (n, t + 100), ONE), lo=T)),
}

LANES = loop("l", 0, 8, (store(ACC, (0, lane), ONE),), "lanes", 8)
BAD = {
    # Names.
    "undefined name in an index": (kernel(steps(store(Y, (n, var("u")), ONE))), "`u` is not defined"),
    "undefined name in a bound": (kernel(steps(ONE and Bind("s", ONE), hi=var("u"))), "loop t: `u` is not defined"),
    "undefined name in a let": (kernel(Let("a", var("u") + 1)), "let a: `u` is not defined"),
    "undefined size in a shape": (kernel(sizes=(("N", 1),)), "the shape of x.*`T` is not defined"),
    "a loop variable after its loop": (kernel(steps(ONE and Bind("s", ONE)), Let("a", t)), "`t` is not defined"),
    "undefined number": (kernel(steps(store(Y, (n, t), Ref("s")))), "`s` is not defined"),
    "a number after its block": (kernel(steps(loop("i", 0, 2, (Bind("s", ONE),)), store(Y, (n, t), Ref("s")))), "`s` is not defined"),
    "undefined number inside an expression": (kernel(steps(store(Y, (n, t), Fma(ONE, ONE + Ref("s"), ONE)))), "`s` is not defined"),
    "undefined buffer": (kernel(steps(store(TMP, (0,), ONE))), "tmp.* is not defined"),
    "a buffer that isn't the one of that name": (
        kernel(steps(store(Y, (n, t), load(buffer("x", "f32", (N, T, 5), "input"), n, t, 0)))),
        "is not defined",
    ),
    "a buffer after its block": (
        kernel(steps(loop("i", 0, 2, (Alloc(TMP),)), store(Y, (n, t), load(TMP, 0)))),
        "tmp.* is not defined",
    ),
    "a let defined twice": (kernel(Let("a", T), Let("a", T + 1)), "`a` is defined twice"),
    "a loop over a variable in use": (kernel(steps(loop("t", 0, 2, ()))), "`t` is defined twice"),
    "a loop over a size": (kernel(loop("T", 0, 2, ())), "`T` is defined twice"),
    "a let with a buffer's name": (kernel(Let("x", T)), "`x` is defined twice"),
    "a number with an integer's name": (kernel(steps(Bind("t", ONE))), "`t` is defined twice"),
    "a register defined twice": (kernel(steps(Alloc(ACC), Alloc(ACC))), "`acc` is defined twice"),
    # Accesses.
    "one past the end": (kernel(steps(store(Y, (n, t + 1), ONE))), r"index 1 of y.*may be T or more"),
    "one before the start": (kernel(steps(store(Y, (n, t - 1), ONE))), "index 1 of y.*may be negative"),
    "one past the end of a constant axis": (kernel(steps(store(Y, (n, t), load(X, n, t, 4)))), "index 2 of x.*may be 4 or more"),
    "a range that is one too long": (kernel(steps(store(Y, (n, t), ONE), hi=T + 1)), "may be T or more"),
    "taps guarded one too late": (
        kernel(steps(loop("j", maximum(0, 1 - t), 3, (store(Y, (n, t), load(X, n, t + var("j") - 2, 0)),)))),
        "may be negative",
    ),
    "the first element of what may be empty": (kernel(store(Y, (0, 0), ONE)), "may be T or more"),
    "a load inside an expression": (kernel(steps(store(Y, (n, t), ONE + Fma(ONE, load(X, n, t + 1, 0), ONE)))), "may be T or more"),
    "a load in a bind": (kernel(steps(Bind("s", load(X, n, t - 1, 0)))), "may be negative"),
    "a prefetch of what is not there": (kernel(steps(Prefetch(Y, (n, t + 1)))), r"prefetch y\[n, t \+ 1\]: index 1.*may be T or more"),
    "a prefetch past all weights": (
        kernel(steps(Prefetch(ROWS, (index(1), index(8)))), buffers=(X, ROWS, Y)),
        r"its offset in wp: packed f32\[2, 8\], `16`, may be 16 or more",
    ),
    "past the end of scratch": (kernel(steps(Alloc(TMP), loop("i", 0, 5, (store(TMP, (i,), ONE),)))), "may be 4 or more"),
    "past the end of packed weights": (kernel(steps(store(Y, (n, t), load(W, 8)))), "may be 8 or more"),
    # Lanes.
    "lanes past the width": (kernel(loop("l", 0, 9, (), "lanes", 8)), "may run past its width"),
    "lanes that may be past the width": (kernel(loop("l", 0, T, (), "lanes", 8)), "may run past its width"),
    "a loop within lanes": (kernel(loop("l", 0, 8, (loop("i", 0, 2, ()),), "lanes", 8)), "stands within a lanes loop"),
    "lanes within lanes": (kernel(loop("l", 0, 8, (loop("m", 0, 8, (), "lanes", 8),), "lanes", 8)), "stands within a lanes loop"),
    # Parallel loops.
    "parallel within serial": (kernel(loop("t", 0, T, (loop("n", 0, N, (), "parallel"),))), "stands within the serial loop t"),
    "parallel deep within serial": (
        kernel(loop("t", 0, T, (loop("i", 0, 2, (loop("n", 0, N, (), "parallel"),)),))),
        "stands within the serial loop t",
    ),
    "two parallel loops one after another": (
        kernel(loop("n", 0, N, (), "parallel"), loop("m", 0, N, (), "parallel")),
        "has statements beside it",
    ),
    "a statement beside a parallel loop": (kernel(loop("n", 0, N, (), "parallel"), Bind("s", ONE)), "has statements beside it"),
}

BAD_AS_CODE = {
    "an activation": (kernel(steps(store(Y, (n, t), Activate(Activation("relu"), ONE)))), "activation was not expanded"),
    "an activation inside": (kernel(steps(store(Y, (n, t), ONE + Activate(Activation("relu"), ONE)))), "activation was not expanded"),
    "a register indexed by a loop": (
        kernel(steps(Alloc(ACC), loop("i", 0, 2, (store(ACC, (i, 0), ONE),)))),
        "register acc is indexed by `i`",
    ),
    "a register indexed by a size": (
        kernel(steps(Alloc(ACC), store(ACC, (minimum(T, 1), 0), ONE))),
        "register acc is indexed by `T`",
    ),
    "a register's rows in the lanes": (
        kernel(steps(Alloc(ACC), loop("l", 0, 2, (store(ACC, (lane, 0), ONE),), "lanes", 8))),
        "register acc is indexed by `l`",
    ),
    "a column that a loop counts": (
        kernel(steps(Alloc(ACC), loop("i", 0, 8, (loop("l", 0, 2, (store(Y, (n, t), load(ACC, lane, i)),), "lanes", 2),)))),
        "register acc is indexed by `i`",
    ),
    "a column in lanes that are no power of two": (
        kernel(steps(Alloc(ACC), loop("l", 0, 2, (store(Y, (n, t), load(ACC, lane, 1)),), "lanes", 3))),
        "a column of vectors of 8 in lanes of 3",
    ),
    "a column in more lanes than the vectors have": (
        kernel(steps(Alloc(ACC), loop("l", 0, 2, (store(Y, (n, t), load(ACC, lane, 1)),), "lanes", 16))),
        "a column of vectors of 8 in lanes of 16",
    ),
    "a vector of another width": (
        kernel(steps(Alloc(ACC), loop("l", 0, 4, (store(ACC, (0, lane), ONE),), "lanes", 4))),
        "a vector of 8 in lanes of 4",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name):
    verify(GOOD[name])
    verify(GOOD[name], scheduled=True)


@pytest.mark.parametrize("name", BAD)
def test_bad(name):
    wrong, message = BAD[name]
    for scheduled in (False, True):
        with pytest.raises(InvalidKernel, match=message):
            verify(wrong, scheduled)


@pytest.mark.parametrize("name", BAD_AS_CODE)
def test_what_only_code_can_not_be(name):
    wrong, message = BAD_AS_CODE[name]
    verify(wrong)
    with pytest.raises(InvalidKernel, match=message):
        verify(wrong, scheduled=True)


@pytest.mark.parametrize("text", PROBLEMS)
def test_the_formula_as_lowered(text):
    problem = Problem.parse(text)
    for algorithm in algorithms(problem):
        verify(lowered(problem, algorithm))


def test_a_compiled_kernel_that_is_moved_by_one_is_refused():
    scheduled = compiled(Problem.parse("c8_f16_k3_valid_linear_f32"), "avx2").program.scheduled
    verify(scheduled, scheduled=True)
    text = str(scheduled)
    short = scheduled.buffer("x")
    wrong = Kernel(
        scheduled.name,
        scheduled.compute,
        scheduled.sizes,
        tuple(buffer("x", "f32", (N, T - 1, 8), "input") if b == short else b for b in scheduled.buffers),
        scheduled.body,
    )
    assert str(scheduled) == text
    with pytest.raises(InvalidKernel):
        verify(wrong, scheduled=True)
    assert index(0) == 0
