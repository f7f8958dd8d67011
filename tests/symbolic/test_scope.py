"""Bounds: what is proved is true, and what the kernels need is proved."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.labels import label

from conv1d_codegen.symbolic import search
from conv1d_codegen.symbolic.index import Index, Indexable, index, maximum, minimum, var
from conv1d_codegen.symbolic.scope import Scope

NAMES = ("T", "t", "j")
#: The first integer of a loop, and the one after its last.
Range = tuple[Index, Index]


@st.composite
def expressions(draw: st.DrawFn, names: Sequence[str] = NAMES) -> Index:
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


def worlds(bounds: tuple[Range, Range], extra: Index | None = None) -> Iterator[dict[str, int]]:
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
def test_what_is_proved_holds_in_every_world(outer: Range, inner: Range, goal: Index) -> None:
    facts = Scope.of_sizes([("T", 0)]).in_range("t", *outer).in_range("j", *inner)
    if facts.proves(goal):
        for world in worlds((outer, inner)):
            assert goal.evaluate(world) >= 0, f"{goal} >= 0 with {world}, t in {outer}, j in {inner}"


@settings(max_examples=150, deadline=None)
@given(st.tuples(ONE, ONE), st.tuples(TWO, TWO), expressions(), expressions(("T", "t", "e")))
def test_with_a_named_expression(outer: Range, inner: Range, named: Index, goal: Index) -> None:
    facts = Scope.of_sizes([("T", 0)]).in_range("t", *outer).in_range("j", *inner).where("e", named)
    if facts.proves(goal):
        for world in worlds((outer, inner), named):
            assert goal.evaluate(world) >= 0, f"{goal} >= 0 with {world}, e = {named}"


def without_examples(scope: Scope) -> Scope:
    """The same scope, in which nothing is refuted by an example."""
    scope._place.worlds = []
    scope._place.search._worlds = []
    return scope


@settings(max_examples=150, deadline=None)
@given(st.tuples(ONE, ONE), st.tuples(TWO, TWO), expressions())
def test_without_the_examples_too(outer: Range, inner: Range, goal: Index) -> None:
    """The examples only say no sooner: what the search alone finds is true as well."""
    scope = without_examples(Scope.of_sizes([("T", 0)]).in_range("t", *outer).in_range("j", *inner))
    if scope.proves(goal):
        for world in worlds((outer, inner)):
            assert goal.evaluate(world) >= 0, f"{goal} >= 0 with {world}, t in {outer}, j in {inner}"


T, t, j, n, d = (var(name) for name in ("T", "t", "j", "n", "d"))
SIZES = Scope.of_sizes([("T", 0), ("N", 1), ("K", 1), ("S", 1), ("D", 1)])


def ceildiv(a: Index, b: Indexable) -> Index:
    return (a + b - 1) // b


IN_ORDER = SIZES.in_range("t", 0, T)
VALID = SIZES.in_range("t", 0, (T - 3) // 2 + 1).in_range("j", 0, 3)
GUARDED = SIZES.in_range("t", 0, T).in_range("j", maximum(0, ceildiv(4 - t, 2)), 3)
INNER = SIZES.in_range("t", 4, T)
BLOCKED = SIZES.in_range("block", 0, ceildiv(T, 96)).in_range(
    "t", 96 * var("block"), minimum(96 * (var("block") + 1), T)
)
TILED = SIZES.where("count", T // 6).in_range("tile", 0, var("count")).in_range("i", 0, 6)
# Row by row through the steps of several sequences.
ROWS = SIZES.where("steps", index(maximum(T - 2, 1))).in_range("row", 0, 6 * ((var("N") * var("steps")) // 6))
ROW, STEPS = var("row"), var("steps")
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
        (SIZES, T - 4 * (T // 4)),
        (SIZES, 3 - (T - 4 * (T // 4))),
        (SIZES.in_range("t", 0, 3).in_range("j", 0, 2), 5 - (2 * t + j)),
        (RUN_TIME, t * var("S") + j * var("D") - 4),
        (ROWS, ROW // STEPS),
        (ROWS, var("N") - 1 - ROW // STEPS),
        (ROWS, ROW - ROW // STEPS * STEPS),
        (ROWS, STEPS - 1 - ROW + ROW // STEPS * STEPS),
        (ROWS, 3 * STEPS - 3 - 3 * ROW + 3 * (ROW // STEPS) * STEPS),
    ],
    ids=label,
)
def test_what_kernels_need(facts: Scope, goal: Index) -> None:
    assert facts.proves(goal)


@pytest.mark.parametrize(
    ("facts", "goal"),
    [
        (lambda: SIZES, index(-1)),
        (lambda: SIZES, T - 1),
        (lambda: SIZES, -T),
        (lambda: IN_ORDER, T - 2 - t),
        (lambda: IN_ORDER, t - 1),
        (lambda: VALID, T - 2 - 2 * t - j),
        (lambda: GUARDED, t + 2 * j - 5),
        (lambda: TILED, T - 2 - 6 * var("tile") - var("i")),
        (lambda: SIZES, 2 - (T - 4 * (T // 4))),
        (lambda: ROWS, ROW // STEPS - 1),
        (lambda: ROWS, var("N") - 2 - ROW // STEPS),
        (lambda: ROWS, ROW - ROW // STEPS * STEPS - 1),
        (lambda: ROWS, STEPS - 2 - ROW + ROW // STEPS * STEPS),
    ],
    ids=label,
)
@pytest.mark.parametrize("bare", [False, True], ids=["", "no examples"])
def test_what_does_not_follow(facts: Callable[[], Scope], goal: Index, bare: bool) -> None:
    assert not (without_examples(facts()) if bare else facts()).proves(goal)


def proves_equal(facts: Scope, a: Indexable, b: Indexable) -> bool:
    return facts.proves(index(a) - b) and facts.proves(index(b) - a)


def test_equality() -> None:
    assert proves_equal(SIZES, minimum(T, T + 1), T)
    facts = SIZES.in_range("t", 3, 4)
    assert proves_equal(facts, t, 3)
    assert not proves_equal(IN_ORDER, t, 0)


def test_impossible_facts_prove_anything() -> None:
    assert SIZES.in_range("t", 5, 5).proves(index(0) - t - 100)


def test_scopes_are_immutable() -> None:
    inner = SIZES.in_range("t", 0, 3)
    SIZES.in_range("t", 7, 9)
    assert inner.proves(2 - t)
    assert not Scope.of_sizes([("t", 0)]).proves(2 - t)


def test_the_least_size_counts() -> None:
    for least, other in itertools.product(range(3), range(4)):
        assert Scope.of_sizes([("n", least)]).proves(n - other) == (other <= least)


FIRST, LAST = var("first"), var("last")
LENGTH = LAST - FIRST
BLOCK = SIZES.in_range("b", 0, T // 96 + 1).where("first", index(maximum(96 * var("b"), 1)))
BLOCK = BLOCK.where("last", index(maximum(FIRST, minimum(minimum(T, 96 * var("b") + 96), T - 1))))
TALL = BLOCK.where("tiles", LENGTH // 5).where("tall", index(minimum(var("tiles"), LENGTH - 5 * var("tiles"))))
TURNED = BLOCK.where("tiles", LENGTH // 5).where("tall", index(minimum(LENGTH - 5 * var("tiles"), var("tiles"))))
WINDOWS = SIZES.where("windows", index(maximum((T - 2) // 32 * 8, 0))).where("share", index(minimum(T // 7, 12)))
WINDOWS = WINDOWS.in_range("b", 0, T).where("before", index(minimum(var("b") * var("share"), var("windows"))))
WINDOWS = WINDOWS.in_range("w", 0, minimum(var("share"), var("windows") - var("before")))
WINDOW = var("before") + var("w")


@pytest.mark.parametrize(
    ("scope", "goal"),
    [
        # A mean of both sides of a minimum, and which side a maximum is where the loop runs.
        (TALL.in_range("i", 0, var("tall")), T - 1 - (FIRST + 6 * var("i") + 5)),
        (TURNED.in_range("i", 0, var("tall")), T - 1 - (FIRST + 6 * var("i") + 5)),
        # A loop that runs once or not at all, where there is enough.
        (BLOCK.in_range("enough", 0, minimum(1, LENGTH // 4)), LAST - 4 - FIRST),
        (BLOCK.in_range("enough", 0, minimum(1, LENGTH // 4)), T - 6),
        # A number and its quotient change together; a bound within a division.
        (WINDOWS, T - 3 - (24 * (WINDOW // 8) + WINDOW + 2)),
        # A product of two names: the windows of a block.
        (WINDOWS, WINDOW - var("b") * var("share")),
        (WINDOWS, (var("b") + 1) * var("share") - 1 - WINDOW),
        # Loops that never run.
        (SIZES.in_range("n", 0, minimum(T, 3) - T), index(-1)),
    ],
    ids=range(8),
)
def test_what_takes_more_than_bounds_in_place_of_variables(scope: Scope, goal: Index) -> None:
    assert scope.proves(goal)


def test_a_search_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is false in an example is not searched for: of 40 questions that can't be proved, few take a step."""
    steps = []
    holds = search.Search._without_last

    def counted(*arguments: Any) -> bool:
        steps.append(1)
        return holds(*arguments)

    monkeypatch.setattr(search.Search, "_without_last", counted)
    scope = Scope.of_sizes([("T", 0)]).in_range("t", 0, T // 3).in_range("j", 0, minimum(t, 7))
    for number in range(40):
        assert not scope.proves(T - 4 * t - j - number)
    assert len(steps) < 40


def test_a_name_of_sizes_knows_the_numbers_that_it_lies_between() -> None:
    """The left padding of "same" with a stride of 37 and a reach of 25 is 0 to 12, whatever else is
    asked of it at once.
    """
    length = var("T")
    left = index(maximum(37 * ((length + 36) // 37) - length - 12, 0)) // 2
    scope = Scope.of_sizes([("T", 0)], [36, 37]).where("left", left)
    ((monomial, _),) = scope.polynomial(var("left")).items()
    assert scope.integers[monomial[0]].bounds == ((1, {}), (-1, {(): 12}))
    inside = scope.in_range("t", 0, var("T")).where("again", left)
    ((same, _),) = inside.polynomial(var("again")).items()
    assert scope.integers[same[0]].bounds == ((1, {}), (-1, {(): 12})), "forgotten where it is said again"
