"""Kernels that make sense to the interpreter, and can't be printed as code, each with what the verifier must say of it."""

from support.small_kernels import (
    ACC,
    COLUMN,
    ONE,
    N,
    T,
    W,
    X,
    Y,
    i,
    kernel,
    lane,
    n,
    steps,
    t,
    written,
)

from conv1d_codegen.ir import Activate, Alloc, Let, buffer, load, loop, store
from conv1d_codegen.problem import Activation
from conv1d_codegen.symbolic.index import minimum

#: What makes sense to the interpreter, and can't be printed as code.
BAD_AS_CODE = {
    "no parallel loop": (kernel(Let("a", N + 1)), "no parallel loop, and so nothing that code is printed for"),
    "weights of a smaller type": (
        kernel(buffers=(X, buffer("wp", "f16", (8,), "constant"), Y)),
        "constants are of the type that is computed in, f32",
    ),
    "weights past the end of their panel": (
        kernel(steps(loop("l", 0, 3, (store(Y, (n, t + lane), load(W, lane + 1)),), "lanes", 8), hi=T - 2)),
        "index 0 of wp: constant f32.8., `8`, may be 8 or more",
    ),
    "an activation": (
        kernel(steps(store(Y, (n, t), Activate(Activation("relu"), ONE)))),
        "activation was not expanded",
    ),
    "an activation inside": (
        kernel(steps(store(Y, (n, t), ONE + Activate(Activation("relu"), ONE)))),
        "activation was not expanded",
    ),
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
        "all lanes write one element of register acc",
    ),
    "a column that a loop counts": (
        kernel(steps(*written(loop("i", 0, 8, (COLUMN,))), hi=T - 1)),
        "register acc is indexed by `i`",
    ),
    "a column in lanes that are no power of two": (
        kernel(steps(*written(loop("l", 0, 2, (store(Y, (n, t + lane), load(ACC, lane, 1)),), "lanes", 3)), hi=T - 1)),
        "a column of vectors of 8 in lanes of 3",
    ),
    "a column in more lanes than the vectors have": (
        kernel(steps(*written(loop("l", 0, 2, (store(Y, (n, t + lane), load(ACC, lane, 1)),), "lanes", 16)), hi=T - 1)),
        "a column of vectors of 8 in lanes of 16",
    ),
    "a column of as many rows as there are steps": (
        kernel(
            steps(*written(loop("l", 0, minimum(T - t, 2), (store(Y, (n, t + lane), load(ACC, lane, 1)),), "lanes", 2)))
        ),
        "which is no constant",
    ),
    "vectors that are written as scalars": (
        kernel(steps(*written(store(ACC, (0, 0), ONE)))),
        "register acc holds vectors, and is used as a scalar, or the other way round",
    ),
    "a vector of another width": (
        kernel(steps(Alloc(ACC), loop("l", 0, 4, (store(ACC, (0, lane), ONE),), "lanes", 4))),
        "a vector of 8 in lanes of 4",
    ),
}
