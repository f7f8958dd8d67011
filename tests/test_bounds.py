"""Bounds: what is proved is true, and what the kernels need is proved."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv1d_codegen import bounds
from conv1d_codegen.bounds import Facts
from conv1d_codegen.index import index, maximum, minimum, var

NAMES = ("T", "t", "j")


@st.composite
def expressions(draw, names=NAMES):
    """Small linear expressions, divisions and extremes, and products of two names."""
    result = index(draw(st.integers(-4, 4)))
    for name in names:
        result = result + draw(st.integers(-2, 2)) * var(name)
    match draw(st.sampled_from(["linear", "linear", "division", "extreme", "product"])):
        case "division":
            return result // draw(st.integers(1, 4)) + draw(st.integers(-2, 2))
        case "extreme":
            other = draw(st.sampled_from(names))
            return index(draw(st.sampled_from([minimum, maximum]))(result, var(other) + draw(st.integers(-3, 3))))
        case "product":
            return result + var(draw(st.sampled_from(names))) * var(draw(st.sampled_from(names)))
    return result


def worlds(bounds, extra=None):
    """All small integers with T >= 0 that satisfy the ranges of t and j, and `e` where it stands for an expression."""
    for T in range(7):
        lo, hi = (bound.evaluate({"T": T}) for bound in bounds[0])
        for t in range(lo, min(hi, lo + 9)):
            low, high = (bound.evaluate({"T": T, "t": t}) for bound in bounds[1])
            for j in range(low, min(high, low + 9)):
                world = {"T": T, "t": t, "j": j}
                yield world if extra is None else {**world, "e": extra.evaluate(world)}


ONE = expressions(("T",))
TWO = expressions(("T", "t"))


@settings(max_examples=250, deadline=None)
@given(st.tuples(ONE, ONE), st.tuples(TWO, TWO), expressions())
def test_what_is_proved_holds_in_every_world(outer, inner, goal):
    facts = Facts.of_sizes([("T", 0)]).in_range("t", *outer).in_range("j", *inner)
    if facts.proves(goal):
        for world in worlds((outer, inner)):
            assert goal.evaluate(world) >= 0, f"{goal} >= 0 with {world}, t in {outer}, j in {inner}"


@settings(max_examples=150, deadline=None)
@given(st.tuples(ONE, ONE), st.tuples(TWO, TWO), expressions(), expressions(("T", "t", "e")))
def test_with_a_named_expression(outer, inner, named, goal):
    facts = Facts.of_sizes([("T", 0)]).in_range("t", *outer).in_range("j", *inner).where("e", named)
    if facts.proves(goal):
        for world in worlds((outer, inner), named):
            assert goal.evaluate(world) >= 0, f"{goal} >= 0 with {world}, e = {named}"


@settings(max_examples=150, deadline=None)
@given(st.tuples(ONE, ONE), TWO)
def test_without_the_examples_too(outer, goal):
    """The examples only say no sooner: the proof alone is sound as well, and never says less."""
    facts = Facts.of_sizes([("T", 0)]).in_range("t", *outer)
    bare = Facts(facts.known, facts.equalities, ())
    if bare.proves(goal):
        for T in range(9):
            lo, hi = (bound.evaluate({"T": T}) for bound in outer)
            for t in range(lo, min(hi, lo + 12)):
                assert goal.evaluate({"T": T, "t": t}) >= 0
    if facts.proves(goal):
        assert bare.proves(goal)


T, t, j, n, d = (var(name) for name in ("T", "t", "j", "n", "d"))
SIZES = Facts.of_sizes([("T", 0), ("N", 1), ("K", 1), ("S", 1), ("D", 1)])


def ceildiv(a, b):
    return (a + b - 1) // b


IN_ORDER = SIZES.in_range("t", 0, T)
VALID = SIZES.in_range("t", 0, (T - 3) // 2 + 1).in_range("j", 0, 3)
GUARDED = SIZES.in_range("t", 0, T).in_range("j", maximum(0, ceildiv(4 - t, 2)), 3)
INNER = SIZES.in_range("t", 4, T)
BLOCKED = SIZES.in_range("block", 0, ceildiv(T, 96)).in_range("t", 96 * var("block"), minimum(96 * (var("block") + 1), T))
TILED = SIZES.where("count", T // 6).in_range("tile", 0, var("count")).in_range("i", 0, 6)
RUN_TIME = SIZES.in_range("t", 0, T).in_range("j", maximum(0, ceildiv(4 - t * var("S"), var("D"))), var("K"))


@pytest.mark.parametrize(
    ("facts", "goal"),
    [
        (SIZES, index(0)),
        (SIZES, T),
        (SIZES, var("N") - 1),
        (IN_ORDER, t),
        (IN_ORDER, T - 1 - t),
        (IN_ORDER, T - 1),  # there is a step, so there is a length
        (VALID, 2 * t + j),
        (VALID, T - 1 - 2 * t - j),
        (GUARDED, t + 2 * j - 4),
        (GUARDED, T - 1 - (t + 2 * j - 4)),
        (INNER, 0 - ceildiv(4 - t, 2)),
        (BLOCKED, t),
        (BLOCKED, T - 1 - t),
        (TILED, 6 * var("tile") + var("i")),
        (TILED, T - 1 - 6 * var("tile") - var("i")),
        (SIZES.in_range("t", maximum(2, T - 3), T), t - 2),
        (SIZES.in_range("t", 0, minimum(T, 5)), 4 - t),
        (SIZES, maximum(T, 3) - T),
        (SIZES, T - minimum(T, 3)),
        (SIZES, minimum(T, 3) + maximum(T, 3) - T - 3),
        (SIZES, T - 4 * (T // 4)),
        (SIZES, 3 - (T - 4 * (T // 4))),
        (SIZES.in_range("t", 0, 3).in_range("j", 0, 2), 5 - (2 * t + j)),
        (RUN_TIME, t * var("S") + j * var("D") - 4),
    ],
    ids=str,
)
def test_what_kernels_need(facts, goal):
    assert facts.proves(goal)


@pytest.mark.parametrize(
    ("facts", "goal"),
    [
        (SIZES, index(-1)),
        (SIZES, T - 1),
        (SIZES, -T),
        (IN_ORDER, T - 2 - t),
        (IN_ORDER, t - 1),
        (VALID, T - 2 - 2 * t - j),
        (GUARDED, t + 2 * j - 5),
        (TILED, T - 2 - 6 * var("tile") - var("i")),
        (SIZES, var("unknown")),
        (SIZES, 2 - (T - 4 * (T // 4))),
    ],
    ids=str,
)
@pytest.mark.parametrize("bare", [False, True], ids=["", "no examples"])
def test_what_does_not_follow(facts, goal, bare):
    if bare:
        facts = Facts(facts.known, facts.equalities, ())
    elif "unknown" in goal.variables():
        return  # the examples have no value for it, and the verifier refuses such names first
    assert not facts.proves(goal)


def proves_equal(facts, a, b):
    return facts.proves(index(a) - b) and facts.proves(index(b) - a)


def test_equality():
    assert proves_equal(SIZES, minimum(T, T + 1), T)
    facts = SIZES.in_range("t", 3, 4)
    assert proves_equal(facts, t, 3)
    assert not proves_equal(IN_ORDER, t, 0)


def test_impossible_facts_prove_anything():
    assert SIZES.in_range("t", 5, 5).proves(index(0) - t - 100)


def test_facts_are_immutable():
    before = SIZES.known
    SIZES.in_range("t", 0, 3)
    assert SIZES.known is before
    assert not Facts.of_sizes([("t", 0)]).proves(2 - t)


def test_the_least_size_counts():
    for least, other in itertools.product(range(3), range(4)):
        assert Facts.of_sizes([("n", least)]).proves(n - other) == (other <= least)


def test_only_the_extremes_that_matter_are_told_apart(monkeypatch):
    """`t` ends at `first`; the extremes that `last` is made of have nothing to do with that. Told apart too, they took 213 eliminations."""
    eliminations = []
    eliminate = bounds._eliminate
    monkeypatch.setattr(bounds, "_eliminate", lambda *arguments: eliminations.append(None) or eliminate(*arguments))
    first, end = var("first"), minimum(T, 96 * var("b") + 96)
    facts = SIZES.in_range("b", 0, T // 96 + 1).where("first", maximum(96 * var("b"), 1))
    facts = facts.where("last", maximum(first, minimum(end, minimum(T - 1, T // 2)))).in_range("t", 96 * var("b"), first)
    eliminations.clear()
    bounds._proves.cache_clear()
    assert facts.proves(1 - 2 * t)
    assert 0 < len(eliminations) < 60
