"""The IR: nodes that make no sense can't be built, and everything prints."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from conv1d_codegen.ir import (
    Activate,
    Alloc,
    Axis,
    Binary,
    Bind,
    Buffer,
    Const,
    Fma,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Ref,
    Select,
    Unary,
    accumulate,
    buffer,
    load,
    loop,
    rewrite,
    store,
)
from conv1d_codegen.ir import nodes as ir
from conv1d_codegen.problem import Activation
from conv1d_codegen.symbolic.index import Index, index, var

N, T = var("N"), var("T")
X = buffer("x", "f32", (N, T, 4), "input")
Y = buffer("y", "f32", (N, T), "output")
W = buffer("wp", "f32", (4,), "constant")
ACC = buffer("acc", "f32", (2, 8), "register")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: buffer("x y", "f32", (1,), "input"), "not a buffer name"),
        (lambda: buffer("", "f32", (1,), "input"), "not a buffer name"),
        (lambda: buffer("ÿ", "f32", (1,), "input"), "not a buffer name"),
        (lambda: buffer("x", "int8", (1,), "input"), "no such dtype"),
        (lambda: buffer("x", "f32", (1,), "heap"), "no such space"),
        (lambda: buffer("acc", "f32", (T,), "register"), "constant sizes"),
        (lambda: buffer("tmp", "f32", (4, T), "scratch"), "constant sizes"),
        (lambda: load(X, 0, 0), "indexed with 2 indices"),
        (lambda: load(ACC, 0, 0, 0), "indexed with 3 indices"),
        (lambda: store(Y, (0,), Const(1.0)), "indexed with 1 indices"),
        (lambda: store(X, (0, 0, 0), Const(1.0)), "x is read-only"),
        (lambda: store(W, (0,), Const(1.0)), "wp is read-only"),
        (lambda: load(Y, 0, 0), "is only written"),
        (lambda: accumulate(Y, (0, 0), Const(1.0), Const(1.0)), "y: the kernel only writes it"),
        (lambda: buffer("x", "f32", (N, T), "input", (Axis.SEQUENCE,)), "1 axes for 2 dimensions"),
        (lambda: If((), ()), "an If has a condition"),
        (lambda: Let("a b", index(1)), "not a name"),
        (lambda: Bind("1x", Const(1.0)), "not a name"),
        (lambda: Unary("tanh", Const(1.0)), "no such operation"),
        (lambda: Binary("+", Const(1.0), Const(1.0)), "no such operation"),
        (lambda: Select("<", *[Const(1.0)] * 4), "no such comparison"),
        (lambda: Alloc(X), "only scratch and registers"),
        (lambda: Prefetch(ACC, (index(0), index(0))), "only what the caller passes is far away"),
        (lambda: Prefetch(Y, (index(0),)), "indexed with 1 indices"),
        (lambda: loop("t t", 0, 3, ()), "not a variable name"),
        (lambda: loop("t", 0, 3, (), "vectorised"), "no such kind"),
        (lambda: loop("l", 0, 8, (), "lanes"), "have a width"),
        (lambda: loop("l", 1, 8, (), "lanes", 8), "start at 0"),
        (lambda: loop("i", 0, T, (), "unrolled"), "constant bounds"),
        (lambda: loop("i", T, 5, (), "unrolled"), "constant bounds"),
        (lambda: Kernel("no name", "f32", (), (), ()), "not a kernel name"),
        (lambda: Kernel("k", "f16", (), (), ()), "compute in f32 or f64"),
    ],
)
def test_nodes_that_make_no_sense(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


NODES = [
    cls
    for cls in vars(ir).values()
    if isinstance(cls, type) and cls.__module__ == ir.__name__ and dataclasses.is_dataclass(cls)
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_nodes_are_frozen_and_slotted(node: Any) -> None:
    assert node.__dataclass_params__.frozen
    assert "__slots__" in vars(node)


def test_the_grammar_names_every_node() -> None:
    for node in NODES:
        assert node is Buffer or node.__name__ in ir.__doc__


a, b, c = Ref("a"), Ref("b"), Ref("c")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Const(1), "1.0"),
        (Const(-0.0), "-0.0"),
        (load(X, 0, var("t") + 1, 3), "x[0, t + 1, 3]"),
        (load(buffer("acc", "f32", (), "register")), "acc"),
        (a + b * 2 - 1, "((a + (b * 2.0)) - 1.0)"),
        (1 - a / b, "(1.0 - (a / b))"),
        (2 / -a, "(2.0 / -a)"),
        (Unary("sqrt", a), "sqrt(a)"),
        (Binary("max", a, b), "max(a, b)"),
        (Binary("copysign", a, b), "copysign(a, b)"),
        (Fma(a, b, c), "fma(a, b, c)"),
        (Select("le", a, b, c, Const(0.0)), "select(a <= b, c, 0.0)"),
        (Activate(Activation("elu", (("alpha", 0.5),)), a), "elu(alpha=0.5)(a)"),
    ],
)
def test_values_print(node: Activate | Binary | Const | Fma | Load | Select | Unary, text: str) -> None:
    assert str(node) == text


def test_a_kernel_prints() -> None:
    acc = buffer("acc", "f32", (2, 8), "register")
    t, i, lane = var("t"), var("i"), var("l")
    place = (i, lane)
    step = accumulate(acc, place, load(X, var("n"), t, 0), load(W, lane))
    body = (
        Let("half", T // 2),
        Alloc(acc),
        loop("t", 0, var("half"), (loop("i", 0, 2, (loop("l", 0, 3, (step,), "lanes", 8),), "unrolled"),), note="why"),
        Bind("s", load(acc, 0, 0) + 1),
        Prefetch(Y, (var("n"), index(0))),
        If((T - 1, 4 - var("half")), (store(Y, (var("n"), 0), Ref("s")),)),
    )
    kernel = Kernel("k", "f32", (("N", 1), ("T", 0)), (X, W, Y), (loop("n", 0, N, body, "parallel"),))
    assert str(kernel) == (
        "kernel k(\n"
        "    x: f32[N, T, 4],\n"
        "    wp: constant f32[4],\n"
        "    y: f32[N, T],\n"
        "    sizes N >= 1, T >= 0)\n"
        "  parallel n in 0..N\n"
        "    let half := T//2\n"
        "    acc: reg f32[2, 8]\n"
        "    for t in 0..half  # why\n"
        "      unrolled i in 0..2, lanes l in 0..3 of 8: acc[i, l] += x[n, t, 0] * wp[l]\n"
        "    s := (acc[0, 0] + 1.0)\n"
        "    prefetch y[n, 0]\n"
        "    if T >= 1 and 4 >= half\n"
        "      y[n, 0] := s\n"
    )


def test_a_condition_in_an_unrolled_loop_prints_with_its_body() -> None:
    inside = If((T - var("i"),), (store(Y, (0, var("i")), Const(1.0)),))
    kernel = Kernel("k", "f32", (("T", 0),), (Y,), (loop("i", 0, 2, (inside,), "unrolled"),))
    lines = [text for text, _ in kernel.lines()][-3:]
    assert lines == ["  unrolled i in 0..2", "    if T >= i", "      y[0, i] := 1.0"]


def test_lines_know_their_statements() -> None:
    """Each statement stands in one line, whose text is that of the kernel."""
    step = store(Y, (0, var("i")), Const(1.0))
    body = (loop("n", 0, N, (loop("i", 0, 2, (step,), "unrolled"), Let("a", T)), "parallel"),)
    kernel = Kernel("k", "f32", (("N", 1), ("T", 0)), (Y,), body)
    assert "".join(f"{text}\n" for text, _ in kernel.lines()) == str(kernel)
    shown = [[type(statement).__name__ for statement in statements] for _, statements in kernel.lines()]
    assert shown == [[], [], [], ["For"], ["For", "Store"], ["Let"]]


def test_walk_is_outside_in() -> None:
    inner = store(Y, (0, 0), Const(1.0))
    outer = loop("n", 0, N, (loop("t", 0, T, (inner,)), Let("a", T)))
    assert [type(s).__name__ for s in rewrite.walk((outer,))] == ["For", "For", "Store", "Let"]


def test_rewriting_reaches_every_value() -> None:
    everything = Select("lt", Unary("neg", a), Fma(a, a, a), Binary("add", a, a), Activate(Activation("relu"), a))
    rewritten = rewrite.rewrite_value(everything, lambda node: b if node == a else node)
    assert str(rewritten) == str(everything).replace("a", "b").replace("fmb", "fma")
    before = (loop("n", 0, N, (Bind("v", everything), store(Y, (0, 0), everything))),)
    after = rewrite.rewrite_values(before, lambda node: b if node == a else node)
    assert [s.value for s in rewrite.walk(after) if isinstance(s, Bind | ir.Store)] == [rewritten, rewritten]


def test_rewriting_is_leaves_first() -> None:
    doubled = rewrite.rewrite_value(a + b, lambda node: node * 2 if isinstance(node, Ref) else node)
    assert str(doubled) == "((a * 2.0) + (b * 2.0))"


def test_substitution_reaches_every_index() -> None:
    t = var("t")
    body = (
        Let("later", t + 1),
        Prefetch(Y, (index(0), t + 2)),
        loop("j", t, t + 4, (Bind("v", load(X, 0, t, 0)), store(Y, (0, t), load(X, 0, 2 * t, 0) + load(X, t, 0, 0)))),
    )
    text = str(Kernel("k", "f32", (), (X, Y), rewrite.substitute(body, {"t": 5})))
    assert "let later := 6" in text
    assert "prefetch y[0, 7]" in text
    assert "for j in 5..9" in text
    assert "v := x[0, 5, 0]" in text
    assert "y[0, 5] := (x[0, 10, 0] + x[5, 0, 0])" in text


def test_loops_that_run_nothing() -> None:
    assert loop("t", 3, 3, ()).runs_nothing
    assert loop("t", T, T - 1, ()).runs_nothing
    assert not loop("t", 0, T, ()).runs_nothing
    assert not loop("t", 0, 1, ()).runs_nothing


def test_plain_integers_become_indices() -> None:
    assert all(isinstance(i, Index) for i in load(X, 0, 1, 2).index)
    assert loop("t", 0, 3, ()).hi == index(3)
    assert isinstance(load(X, 0, 0, 0), Load)
