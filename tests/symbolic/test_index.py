"""Index expressions compute what Python's integers compute, and stay canonical."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conv1d_codegen.symbolic.index import Div, Index, index, maximum, minimum, parts, var

NAMES = ("a", "b", "n")
VALUES = st.fixed_dictionaries({name: st.integers(-20, 20) for name in NAMES})

#: A number, a name, or an operation and what it is done to.
Tree = int | str | tuple["str | Tree", ...]

# A tree of operations, as nested tuples: what the expression means is defined here, by Python, apart from the code that
# is tested.
TREES = st.recursive(
    st.integers(-9, 9) | st.sampled_from(NAMES),
    lambda below: (
        st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), below, below)
        | st.tuples(st.just("//"), below, st.integers(1, 9))
        | st.tuples(st.just("neg"), below)
    ),
    max_leaves=12,
)
_OPERATIONS: dict[object, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "neg": operator.neg,
}


def python(tree: Tree, values: Mapping[str, int]) -> int:
    match tree:
        case int():
            return tree
        case str():
            return values[tree]
    operations: dict[object, Callable[..., int]] = {**_OPERATIONS, "min": min, "max": max}
    return operations[tree[0]](*(python(part, values) for part in tree[1:]))


def build(tree: Tree) -> Index:
    match tree:
        case int():
            return index(tree)
        case str():
            return var(tree)
    operations: dict[object, Callable[..., Index | int]] = {**_OPERATIONS, "min": minimum, "max": maximum}
    return index(operations[tree[0]](*(build(part) for part in tree[1:])))


@given(TREES, VALUES)
def test_evaluates_as_python_does(tree: Tree, values: dict[str, int]) -> None:
    assert build(tree).evaluate(values) == python(tree, values)


@given(TREES, VALUES)
def test_the_printed_form_is_python(tree: Tree, values: dict[str, int]) -> None:
    assert eval(str(build(tree)), {"min": min, "max": max}, values) == python(tree, values)


@given(TREES, TREES, VALUES)
def test_equal_expressions_have_equal_values(first: Tree, second: Tree, values: dict[str, int]) -> None:
    a, b = build(first), build(second)
    if a == b:
        assert hash(a) == hash(b)
        assert str(a) == str(b)
        assert a.evaluate(values) == b.evaluate(values)
    assert (a - b == 0) == (a == b)


@given(TREES, st.dictionaries(st.sampled_from(NAMES), TREES), VALUES)
def test_substitution(tree: Tree, replaced: dict[str, Tree], values: dict[str, int]) -> None:
    inner = {name: build(other) for name, other in replaced.items()}
    outer = {**values, **{name: python(other, values) for name, other in replaced.items()}}
    assert build(tree).substitute(inner).evaluate(values) == python(tree, outer)


@given(TREES)
def test_substituting_itself_changes_nothing(tree: Tree) -> None:
    expression = build(tree)
    assert expression.substitute({}) is expression
    assert expression.substitute({name: var(name) for name in NAMES}) == expression


@given(TREES, VALUES)
def test_substituting_numbers_leaves_a_number(tree: Tree, values: dict[str, int]) -> None:
    number = build(tree).substitute(values)
    assert number.constant == python(tree, values)
    assert list(number.variables()) == []


@given(TREES)
def test_the_parts_rebuild_it(tree: Tree) -> None:
    expression = build(tree)
    assert sum((Index({monomial: coefficient}) for monomial, coefficient in expression.terms), index(0)) == expression
    assert all(coefficient for _, coefficient in expression.terms)
    assert expression.constant_term == dict(expression.terms).get((), 0)


@given(TREES, TREES, TREES)
def test_algebra(first: Tree, second: Tree, third: Tree) -> None:
    a, b, c = build(first), build(second), build(third)
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert a * (b + c) == a * b + a * c
    assert a - a == 0
    assert -(-a) == a  # noqa: B002
    assert a * 1 == a + 0 == a
    assert a * 0 == 0


@given(TREES, st.integers(1, 9), st.integers(-50, 50))
def test_division_takes_out_multiples(tree: Tree, divisor: int, whole: int) -> None:
    expression = build(tree)
    assume(expression.constant is None)
    assert (expression * divisor + whole * divisor) // divisor == expression + whole


def test_division_by_an_expression() -> None:
    quotient = var("n") // var("d")
    for n in range(-7, 8):
        for d in (1, 2, 3):
            assert quotient.evaluate({"n": n, "d": d}) == n // d
    assert (7 // var("d")).evaluate({"d": 2}) == 3
    assert quotient.substitute({"d": 1}) == var("n")


t, j = var("t"), var("j")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (index(0), "0"),
        (index(-3), "-3"),
        (t, "t"),
        (-t, "-t"),
        (2 * j + t - 4, "2*j + t - 4"),
        (t - 4 + 2 * j - t, "2*j - 4"),
        (t * j + j, "j*t + j"),
        ((t + 6) // 4, "(t + 6)//4"),
        ((4 * t + 6) // 4, "t + 1"),
        ((4 * t + j) // 4, "j//4 + t"),
        (-(t // 2), "-(t//2)"),
        (1 - t // 2, "-(t//2) + 1"),
        (j - t // 2, "j - t//2"),
        ((t // 2) // 3, "(t//2)//3"),
        (2 * (t // 3), "2*(t//3)"),
        (minimum(t, j + 1), "min(t, j + 1)"),
        (2 * maximum(0, 4 - t) - 1, "2*max(0, -t + 4) - 1"),
        (maximum(t, t + 2), "t + 2"),
        (minimum(t, t + 2), "t"),
    ],
)
def test_text(expression: Index, text: str) -> None:
    assert str(expression) == repr(expression) == text


def test_plain_integers_stay_plain() -> None:
    assert maximum(2, 5) == 5
    assert type(maximum(2, 5)) is int
    assert type(minimum(2, 5)) is int


def test_what_an_expression_is() -> None:
    assert index(5).constant == 5
    assert index(0).constant == 0
    assert (t + 5).constant is None
    assert t.single_atom is not None
    for expression in (t + 1, 2 * t, t * j, index(3), index(0)):
        assert expression.single_atom is None
    division = ((t + 1) // j).single_atom
    assert isinstance(division, Div)
    assert parts(division) == (t + 1, j)
    assert sorted(((t + 1) // j + minimum(t, var("k"))).variables()) == ["j", "k", "t", "t"]


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(KeyError, match="t"):
        (t + 1).evaluate({"j": 1})


def test_what_a_substitution_does_not_change_is_the_same_object() -> None:
    expression = (t + 1) // j
    assert expression.substitute({"n": 3}) is expression
    assert expression.substitute({"j": 1}) == t + 1


def test_atoms_that_stay_leave_the_same_object() -> None:
    expression = var("a") * var("b") // 3 + maximum(var("a"), 2) + 1
    assert expression.map_atoms(lambda atom: None) is expression
    # which is no atom of its own there
    assert expression.map_atoms(lambda atom: 5 if atom == "a" else None) is expression
    assert (var("a") * 2).map_atoms(lambda atom: 5) == 10


def test_the_text_of_formulas_within_formulas() -> None:
    """Is written in a time that grows with its length."""
    deep = var("T")
    for _ in range(60):
        deep = (deep + 1) // 2 - 3
    assert str(deep).count("//2") == 60
