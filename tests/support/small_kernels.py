"""Small kernels by hand, and what the tests of the verifier make them of."""

from support.type_helpers import known

from conv1d_codegen.ir import (
    Alloc,
    Bind,
    Block,
    Buffer,
    Const,
    For,
    If,
    Kernel,
    Let,
    Prefetch,
    Ref,
    Statement,
    buffer,
    load,
    loop,
    store,
)
from conv1d_codegen.symbolic.index import Indexable, index, maximum, minimum, var

N, T, n, t, i, v, lane = (var(name) for name in ("N", "T", "n", "t", "i", "v", "l"))
X = buffer("x", "f32", (N, T, 4), "input")
Y = buffer("y", "f32", (N, T), "update")
W = buffer("wp", "f32", (8,), "constant")
KEPT = buffer("kept", "f32", (4,), "shared")
ROWS = buffer("wp", "f32", (2, 8), "constant")
ACC = buffer("acc", "f32", (2, 8), "register")
TMP = buffer("tmp", "f32", (4,), "scratch")
SUM = buffer("sum", "f32", (), "register")
ONE = Const(1.0)
B = var("b")
WINDOW = 4 * B + var("s")


def kernel(
    *body: Statement, sizes: tuple[tuple[str, int], ...] = (("N", 1), ("T", 0)), buffers: tuple[Buffer, ...] = (X, W, Y)
) -> Kernel:
    return Kernel("k", "f32", sizes, buffers, body)


def steps(*body: Statement, lo: Indexable = 0, hi: Indexable = T, kind: str = "serial") -> For:
    """The body for every sequence and step."""
    return loop("n", 0, N, (loop("t", lo, hi, body, kind),), "parallel")


def written(*body: Statement, tile: Buffer = ACC) -> Block:
    """The body where all of a register tile is written."""
    rows, width = tile.shape
    return (
        Alloc(tile),
        loop(
            "i",
            0,
            rows,
            (loop("l", 0, width, (store(tile, (i, lane), ONE),), "lanes", known(width.constant)),),
            "unrolled",
        ),
        *body,
    )


PART = loop("l", 0, var("rest"), (store(Y, (n, T // 8 * 8 + lane), ONE),), "lanes", 8)
COLUMN = loop("l", 0, 2, (store(Y, (n, t + lane), load(ACC, lane, i)),), "lanes", 2)
FILL = loop("k", 0, 4, (store(TMP, (var("k"),), ONE),))


def first_block_also_from(first: Indexable) -> Kernel:
    """Blocks of 8 steps, of which the first one also does the steps from `first` on."""
    return kernel(
        Let("blocks", index(maximum(T // 8, 1))),
        loop(
            "b",
            0,
            var("blocks"),
            (
                loop("alone", 0, 1 - B, (loop("t", first, T, (store(Y, (0, t), ONE),)),)),
                loop("s", 0, minimum(8, T - 8 * B), (store(Y, (0, 8 * B + var("s")), ONE),)),
            ),
            "parallel",
        ),
    )


def windows_apart(step: int) -> Kernel:
    """Windows of 4 outputs that lie `step` apart, three windows within each other."""
    return kernel(
        Let("windows", T // 12 * 3),
        loop(
            "b",
            0,
            (var("windows") + 3) // 4,
            (
                loop(
                    "s",
                    0,
                    minimum(4, var("windows") - 4 * B),
                    tuple(store(Y, (0, WINDOW // 3 * 9 + WINDOW + step * a), ONE) for a in range(4)),
                ),
            ),
            "parallel",
        ),
    )


def windows_of_rows(rows: int, step: int) -> Kernel:
    """Windows 32 outputs apart, of so many rows of 16 in the lanes that lie `step` apart; in blocks of four."""
    outputs = tuple(store(Y, (0, 32 * WINDOW + step * a + lane), ONE) for a in range(rows))
    return kernel(
        Let("windows", index(maximum((T - 16) // 32, 0))),
        loop(
            "b",
            0,
            (var("windows") + 3) // 4,
            (loop("s", 0, minimum(4, var("windows") - 4 * B), (loop("l", 0, 16, outputs, "lanes", 16),)),),
            "parallel",
        ),
    )


#: What must be accepted.
GOOD = {
    "every element": kernel(steps(store(Y, (n, t), load(X, n, t, 3)))),
    "shifted, and the range with it": kernel(steps(store(Y, (n, t), load(X, n, t + 2, 0)), hi=T - 2)),
    "guarded taps": kernel(
        steps(loop("j", maximum(0, 2 - t), minimum(3, T + 2 - t), (store(Y, (n, t), load(X, n, t + var("j") - 2, 0)),)))
    ),
    "a part of a vector": kernel(
        loop("n", 0, N, (Let("rest", T - T // 8 * 8), loop("part", 0, minimum(1, var("rest")), (PART,))), "parallel")
    ),
    "registers": kernel(
        steps(
            Alloc(ACC),
            loop("i", 0, 2, (loop("l", 0, 8, (store(ACC, (i, lane), load(W, lane)),), "lanes", 8),), "unrolled"),
        )
    ),
    "registers that are scalars": kernel(
        steps(
            Alloc(ACC),
            loop("i", 0, 2, (loop("k", 0, 8, (store(ACC, (i, var("k")), ONE),), "unrolled"),), "unrolled"),
            store(Y, (n, t), load(ACC, 1, 3)),
        )
    ),
    "a column of registers": kernel(steps(*written(loop("i", 0, 8, (COLUMN,), "unrolled")), hi=T - 1)),
    "scratch that a loop wrote": kernel(steps(Alloc(TMP), FILL, store(Y, (n, t), load(TMP, 2)))),
    "scratch that tiles wrote, the last of them moved back": kernel(
        steps(
            Alloc(TMP),
            loop("q", 0, 2, (loop("k", 0, 3, (store(TMP, (minimum(3 * var("q"), 1) + var("k"),), ONE),)),)),
            store(Y, (n, t), load(TMP, 3)),
        )
    ),
    "scratch that tiles wrote from an offset on, the last of them moved back": kernel(
        steps(
            Alloc(TMP),
            loop("q", 0, 2, (loop("k", 0, 3, (store(TMP, (minimum(t + 3 * var("q"), t + 1) + var("k") - t,), ONE),)),)),
            store(Y, (n, t), load(TMP, 3)),
        )
    ),
    "scratch that two loops wrote, of which one does more": kernel(
        steps(
            Alloc(TMP),
            If((T - 4,), (FILL,)),
            If((3 - T,), (loop("k", 0, 3, (store(TMP, (var("k"),), ONE),)),)),
            store(Y, (n, t), load(TMP, 2)),
        )
    ),
    "scratch that one of two loops wrote": kernel(
        steps(
            Alloc(TMP),
            loop("many", 0, minimum(1, T // 4), (FILL,)),
            loop("few", 0, minimum(1, maximum(4 - T, 0)), (FILL,)),
            store(Y, (n, t), load(TMP, 2)),
        )
    ),
    "a sum in a register": kernel(
        steps(
            Alloc(SUM),
            store(SUM, (), ONE),
            loop("j", 0, T, (store(SUM, (), load(SUM) + 1),)),
            store(Y, (n, t), load(SUM)),
        )
    ),
    "an output that is read by who writes it": kernel(steps(store(Y, (n, t), load(Y, n, t) + load(X, n, t, 0)))),
    "blocks of steps": kernel(
        loop(
            "n",
            0,
            N,
            (
                loop(
                    "b",
                    0,
                    (T + 7) // 8,
                    (loop("t", 8 * B, minimum(8 * B + 8, T), (store(Y, (n, t), ONE),)),),
                    "parallel",
                ),
            ),
            "parallel",
        )
    ),
    "what the first block does beside all others": first_block_also_from(var("blocks") * 8),
    "windows that take turns": windows_apart(3),
    "windows of rows in the lanes": windows_of_rows(2, 16),
    "lanes of two stores that take turns": kernel(
        steps(loop("l", 0, 4, tuple(store(Y, (n, 2 * lane + a), ONE) for a in range(2)), "lanes", 4), lo=8)
    ),
    "scratch, indexed by a loop": kernel(steps(Alloc(TMP), loop("i", 0, 4, (store(TMP, (i,), ONE),)))),
    "a name used again in another block": kernel(steps(loop("i", 0, 2, ()), loop("i", 0, 3, ()), Bind("s", ONE))),
    "a let that says the same again": kernel(Let("a", T + 1), Let("a", T + 1), steps()),
    "a number that is set again": kernel(steps(Bind("s", ONE), Bind("s", Ref("s") + 1))),
    "a line of the input that is fetched": kernel(steps(Prefetch(X, (n, t, index(0))))),
    "two parallel loops, one within the other": kernel(steps(store(Y, (n, t), ONE), kind="parallel")),
    "a line that is fetched": kernel(steps(Prefetch(Y, (n, t)))),
    "weights that are fetched past the end of a row": kernel(
        steps(Prefetch(ROWS, (index(0), index(9)))), buffers=(X, ROWS, Y)
    ),
    "an empty range": kernel(steps(store(Y, (n, t + 100), ONE), lo=T)),
}
