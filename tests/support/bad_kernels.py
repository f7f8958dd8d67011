"""Kernels that make no sense, each with what the verifier must say of it."""

from support.small_kernels import (
    ACC,
    FILL,
    KEPT,
    ONE,
    ROWS,
    SUM,
    TMP,
    B,
    N,
    T,
    W,
    X,
    Y,
    first_block_also_from,
    i,
    kernel,
    lane,
    n,
    steps,
    t,
    windows_apart,
    windows_of_rows,
)

from conv1d_codegen.ir import Alloc, Bind, Fma, If, Let, Prefetch, Ref, buffer, load, loop, store
from conv1d_codegen.symbolic.index import index, maximum, minimum, var

LANES = loop("l", 0, 8, (store(ACC, (0, lane), ONE),), "lanes", 8)
BAD = {
    # Names.
    "undefined name in an index": (kernel(steps(store(Y, (n, var("u")), ONE))), "`u` is not defined"),
    "undefined name in a bound": (kernel(steps(Bind("s", ONE), hi=var("u"))), "loop t: `u` is not defined"),
    "undefined name in a let": (kernel(Let("a", var("u") + 1)), "let a: `u` is not defined"),
    "undefined size in a shape": (kernel(sizes=(("N", 1),)), "the shape of x.*`T` is not defined"),
    "a loop variable after its loop": (kernel(steps(Bind("s", ONE)), Let("a", t)), "`t` is not defined"),
    "undefined number": (kernel(steps(store(Y, (n, t), Ref("s")))), "`s` is not defined"),
    "a number after its block": (
        kernel(steps(loop("i", 0, 2, (Bind("s", ONE),)), store(Y, (n, t), Ref("s")))),
        "`s` is not defined",
    ),
    "undefined number inside an expression": (
        kernel(steps(store(Y, (n, t), Fma(ONE, ONE + Ref("s"), ONE)))),
        "`s` is not defined",
    ),
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
    "one past the end of a constant axis": (
        kernel(steps(store(Y, (n, t), load(X, n, t, 4)))),
        "index 2 of x.*may be 4 or more",
    ),
    "a range that is one too long": (kernel(steps(store(Y, (n, t), ONE), hi=T + 1)), "may be T or more"),
    "taps guarded one too late": (
        kernel(steps(loop("j", maximum(0, 1 - t), 3, (store(Y, (n, t), load(X, n, t + var("j") - 2, 0)),)))),
        "may be negative",
    ),
    "the first element of what may be empty": (kernel(store(Y, (0, 0), ONE)), "may be T or more"),
    "a load inside an expression": (
        kernel(steps(store(Y, (n, t), ONE + Fma(ONE, load(X, n, t + 1, 0), ONE)))),
        "may be T or more",
    ),
    "a load in a bind": (kernel(steps(Bind("s", load(X, n, t - 1, 0)))), "may be negative"),
    "a prefetch of what is not there": (
        kernel(steps(Prefetch(Y, (n, t + 1)))),
        r"prefetch y\[n, t \+ 1\]: index 1.*may be T or more",
    ),
    "a prefetch past all weights": (
        kernel(steps(Prefetch(ROWS, (index(1), index(8)))), buffers=(X, ROWS, Y)),
        r"its offset in wp: constant f32\[2, 8\], `16`, may be 16 or more",
    ),
    "past the end of scratch": (
        kernel(steps(Alloc(TMP), loop("i", 0, 5, (store(TMP, (i,), ONE),)))),
        "may be 4 or more",
    ),
    "past the end of packed weights": (kernel(steps(store(Y, (n, t), load(W, 8)))), "may be 8 or more"),
    # Lanes.
    "lanes past the width": (kernel(loop("l", 0, 9, (), "lanes", 8)), "may run past its width"),
    "lanes that may be past the width": (kernel(loop("l", 0, T, (), "lanes", 8)), "may run past its width"),
    "a loop within lanes": (kernel(loop("l", 0, 8, (loop("i", 0, 2, ()),), "lanes", 8)), "stands within a lanes loop"),
    "lanes within lanes": (
        kernel(loop("l", 0, 8, (loop("m", 0, 8, (), "lanes", 8),), "lanes", 8)),
        "stands within a lanes loop",
    ),
    "lanes that may be none": (kernel(steps(loop("l", 0, minimum(T - t, 8) - 1, (), "lanes", 8))), "may have no lane"),
    "two lanes that write one element": (
        kernel(steps(loop("l", 0, 8, (store(Y, (n, t), load(W, lane)),), "lanes", 8))),
        "two lanes may touch one element of y",
    ),
    "a lane that reads what its neighbour writes": (
        kernel(steps(Alloc(TMP), FILL, loop("l", 0, 3, (store(TMP, (lane + 1,), load(TMP, lane)),), "lanes", 4))),
        "two lanes may touch one element of tmp",
    ),
    # What is read before it is written.
    "a register that nothing wrote": (
        kernel(steps(Alloc(ACC), store(Y, (n, t), load(ACC, 1, 3)))),
        r"acc\[1, 3\] may be read before",
    ),
    "a sum without a start": (kernel(steps(Alloc(SUM), store(SUM, (), load(SUM) + 1))), "sum.* may be read before"),
    "a row that nothing wrote": (
        kernel(
            steps(
                Alloc(ACC),
                loop("l", 0, 8, (store(ACC, (0, lane), ONE),), "lanes", 8),
                store(Y, (n, t), load(ACC, 1, 3)),
            )
        ),
        "may be read before",
    ),
    "lanes that nothing wrote": (
        kernel(
            steps(
                Alloc(ACC),
                loop("l", 0, 5, (store(ACC, (0, lane), ONE),), "lanes", 8),
                loop("l", 0, 8, (store(Y, (n, t + lane), load(ACC, 0, lane)),), "lanes", 8),
                hi=T - 7,
            )
        ),
        "may be read before",
    ),
    "scratch that a loop may not have written": (
        kernel(steps(Alloc(TMP), loop("q", 0, T - 5, (FILL,)), store(Y, (n, t), load(TMP, 2)))),
        "may be read before",
    ),
    "scratch that neither of two loops may have written": (
        kernel(
            steps(
                Alloc(TMP),
                loop("many", 0, minimum(1, T // 4), (FILL,)),
                loop("few", 0, minimum(1, maximum(3 - T, 0)), (FILL,)),
                store(Y, (n, t), load(TMP, 2)),
            )
        ),
        "may be read before",
    ),
    "scratch beyond tiles from an offset on, the last of them moved back": (
        kernel(
            steps(
                Alloc(TMP),
                loop(
                    "q",
                    0,
                    2,
                    (loop("k", 0, 2, (store(TMP, (minimum(t + 2 * var("q"), t + 1) + var("k") - t,), ONE),)),),
                ),
                store(Y, (n, t), load(TMP, 3)),
            )
        ),
        "may be read before",
    ),
    "scratch between tiles from an offset on": (
        kernel(
            steps(
                Alloc(TMP),
                loop("q", 0, 2, (store(TMP, (minimum(t + 2 * var("q"), t + 3) - t,), ONE),)),
                store(Y, (n, t), load(TMP, 1)),
            )
        ),
        "may be read before",
    ),
    "scratch that one of two loops leaves out": (
        kernel(
            steps(
                Alloc(TMP),
                If((T - 4,), (FILL,)),
                If((3 - T,), (loop("k", 0, 3, (store(TMP, (var("k"),), ONE),)),)),
                store(Y, (n, t), load(TMP, 3)),
            )
        ),
        "may be read before",
    ),
    "scratch of which every other element was written": (
        kernel(steps(Alloc(TMP), loop("k", 0, 2, (store(TMP, (2 * var("k"),), ONE),)), store(Y, (n, t), load(TMP, 2)))),
        "may be read before",
    ),
    "scratch that was written in another iteration": (
        kernel(steps(Alloc(TMP), loop("k", 0, 4, (store(TMP, (var("k"),), load(TMP, 0)),)))),
        "may be read before",
    ),
    "scratch of the last time": (
        kernel(steps(Alloc(TMP), loop("q", 0, 2, (store(Y, (n, t), load(TMP, 0)), FILL)))),
        "may be read before",
    ),
    # Races.
    "one element for all sequences": (
        kernel(steps(store(Y, (0, t), ONE))),
        "two iterations of the parallel loop n may touch one element of y",
    ),
    "two steps that write one element": (
        kernel(loop("n", 0, N, (loop("t", 0, T, (store(Y, (n, t // 2), ONE),), "parallel"),), "parallel")),
        "two iterations of the parallel loop t",
    ),
    "steps that write what the next one does": (
        kernel(
            loop(
                "n",
                0,
                N,
                (loop("t", 0, T - 1, (store(Y, (n, t), ONE), store(Y, (n, t + 1), ONE)), "parallel"),),
                "parallel",
            )
        ),
        "two iterations of the parallel loop t",
    ),
    "blocks that overlap": (
        kernel(
            loop(
                "b", 0, (T + 7) // 8, (loop("t", 8 * B, minimum(8 * B + 9, T), (store(Y, (0, t), ONE),)),), "parallel"
            ),
        ),
        "two iterations of the parallel loop b",
    ),
    "an output that another iteration writes": (
        kernel(loop("t", 0, T - 1, (store(Y, (0, t), load(Y, 0, t + 1)),), "parallel")),
        "two iterations of the parallel loop t",
    ),
    "what the first block does within the next": (
        first_block_also_from(minimum(8, T)),
        "two iterations of the parallel loop b",
    ),
    "windows that do not take turns": (
        windows_apart(2),
        "two iterations of the parallel loop b",
    ),
    "windows whose rows are those of the next": (windows_of_rows(3, 16), "two iterations of the parallel loop b"),
    "rows of lanes that overlap": (windows_of_rows(2, 8), "two lanes may touch one element of y"),
    "lanes of two stores that meet": (
        kernel(steps(loop("l", 0, 4, tuple(store(Y, (n, 2 * lane + 2 * a), ONE) for a in range(2)), "lanes", 4), lo=8)),
        "two lanes may touch one element of y",
    ),
    # Numbers and divisors.
    "a number of an outer block that is set again": (
        kernel(steps(Bind("s", ONE), loop("i", 0, 2, (Bind("s", ONE),)))),
        "`s` is defined twice",
    ),
    "a divisor that is zero where no loop runs": (
        kernel(loop("b", 0, T, (Let("share", N // T), store(Y, (0, B), ONE)), "parallel")),
        "the divisor of .* may be less than 1",
    ),
    "a register that is not written in code that never runs": (
        kernel(
            steps(
                loop(
                    "q",
                    0,
                    minimum(T, 3) - T - 1,
                    (Alloc(ACC), loop("i", 1, 2, (LANES,), "unrolled"), store(Y, (n, t), load(ACC, 1, 3))),
                ),
            )
        ),
        "may be read before",
    ),
    "a divisor that may be zero": (kernel(Let("a", N // (T - 1))), "the divisor of .* may be less than 1"),
    "a divisor that is negative": (kernel(Let("a", var("N") // index(-3))), "the divisor of .* may be less than 1"),
    "a divisor of an index that may be zero": (
        kernel(steps(store(Y, (n, t // T), ONE))),
        "the divisor of .* may be less than 1",
    ),
    "lanes that do not lie evenly apart": (
        kernel(steps(loop("l", 0, 8, (store(Y, (n, t + lane), load(W, lane // 2)),), "lanes", 8), hi=T - 7)),
        "the lanes of wp.* do not lie evenly apart",
    ),
    "scratch of a smaller type": (
        kernel(steps(Alloc(buffer("half", "f16", (4,), "scratch")))),
        "of the type that is computed in, f32",
    ),
    # Parallel loops.
    "parallel loops that may both be negative": (
        kernel(loop("n", 0, T - 5, (loop("m", 0, T - 9, (), "parallel"),), "parallel"), sizes=(("N", 1), ("T", 0))),
        "the ends of both parallel loops n and m may be negative",
    ),
    "a parallel loop that begins later": (kernel(loop("n", 1, N, (), "parallel")), "parallel loop n begins at 1"),
    "a parallel loop whose end depends on another": (
        kernel(loop("n", 0, N, (loop("m", 0, n, (), "parallel"),), "parallel")),
        "the end of parallel loop m, n, depends on n",
    ),
    "a name between parallel loops": (
        kernel(loop("n", 0, N, (Let("a", n + 1), loop("m", 0, T, (), "parallel")), "parallel")),
        "parallel loop m has statements beside it",
    ),
    "parallel within serial": (
        kernel(loop("t", 0, T, (loop("n", 0, N, (), "parallel"),))),
        "stands within `for t in 0..T`",
    ),
    "parallel deep within serial": (
        kernel(loop("t", 0, T, (loop("i", 0, 2, (loop("n", 0, N, (), "parallel"),)),))),
        "stands within `for t in 0..T`",
    ),
    "two parallel loops one after another": (
        kernel(loop("b", 0, N, (loop("n", 0, N, (), "parallel"), loop("m", 0, N, (), "parallel")), "parallel")),
        "has statements beside it",
    ),
    "shared memory within a nest": (
        kernel(loop("n", 0, N, (Alloc(buffer("kept", "f32", (N,), "shared")),), "parallel")),
        "kept: shared .* is allocated within a nest",
    ),
    "scratch that nests share": (
        kernel(Alloc(buffer("kept", "f32", (4,), "scratch"))),
        "kept: scratch .* is allocated at the top",
    ),
    "shared memory that no nest has written": (
        kernel(
            Alloc(KEPT),
            loop("m", 0, 3, (store(KEPT, (var("m"),), ONE),), "parallel"),
            loop("n", 0, N, (store(Y, (n, 0), load(KEPT, 3)),), "parallel"),
            sizes=(("N", 1), ("T", 1)),
        ),
        "may be read before it is written",
    ),
    "shared memory that two iterations write": (
        kernel(Alloc(KEPT), loop("n", 0, N, (store(KEPT, (0,), ONE),), "parallel")),
        "two iterations of the parallel loop n may touch one element of kept",
    ),
    "shared memory that another iteration writes": (
        kernel(
            Alloc(KEPT),
            loop("m", 0, 4, (store(KEPT, (var("m"),), ONE),), "parallel"),
            loop("k", 0, 3, (store(KEPT, (var("k"),), load(KEPT, var("k") + 1)),), "parallel"),
        ),
        "two iterations of the parallel loop k may touch one element of kept",
    ),
    "a statement beside a parallel loop": (
        kernel(loop("n", 0, N, (), "parallel"), Bind("s", ONE)),
        "has statements beside it",
    ),
}
