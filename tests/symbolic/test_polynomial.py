"""Polynomials: an expression and its polynomial have the same value for all values of their integers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from conv1d_codegen.symbolic.polynomial import Integers, Poly, World, constant, plus, product, split

NAMES = ("a", "b", "c")


@st.composite
def polynomials(draw: st.DrawFn, integers: list[int]) -> Poly:
    """Sums of products of the given integers."""
    result = constant(draw(st.integers(-3, 3)))
    for _ in range(draw(st.integers(0, 3))):
        monomial = constant(draw(st.integers(-2, 2)))
        for integer in draw(st.lists(st.sampled_from(integers), max_size=2)):
            monomial = product(monomial, {(integer,): 1})
        result = plus(result, monomial)
    return result


@settings(max_examples=300, deadline=None)
@given(st.data(), st.tuples(*[st.integers(-9, 9)] * 3))
def test_arithmetic(data: st.DataObject, values: tuple[int, ...]) -> None:
    integers = Integers()
    world = World(integers)
    names = [integers.variable() for _ in values]
    for name, value in zip(names, values, strict=True):
        world.set(name, value)
    p, q = data.draw(polynomials(names)), data.draw(polynomials(names))
    a, b = world.value(p), world.value(q)
    assert world.value(plus(p, q, -2)) == a - 2 * b
    assert world.value(product(p, q)) == a * b
    assert all(product(p, q).values()), "a coefficient of 0 is left out"
    assert not plus(product(p, q), product(q, p), -1)
    for divisor in (1, 2, 5):
        assert world.value(integers.quotient(p, constant(divisor))) == a // divisor
    assert world.value(integers.extreme("max", p, q)) == max(a, b)
    assert world.value(integers.extreme("min", p, q)) == min(a, b)
    last = max((m[-1] for m in p if m), default=0)
    parts = split(p, last) if last else None
    if parts is not None:
        assert world.value(plus(product(parts[0], {(last,): 1}), parts[1])) == a


def alone(integer: int) -> Poly:
    return {(integer,): 1}


def test_products_whose_parts_cancel() -> None:
    integers = Integers()
    a, b = alone(integers.variable()), alone(integers.variable())
    squares = product(plus(a, b), plus(a, b, -1))
    assert squares == plus(product(a, a), product(b, b), -1)


def test_the_extreme_of_two_that_differ_by_a_number_is_one_of_them() -> None:
    integers = Integers()
    a = alone(integers.variable())
    more = plus(a, constant(1))
    assert integers.extreme("max", a, more) == more == integers.extreme("max", more, a)
    assert integers.extreme("min", a, more) == a == integers.extreme("min", more, a)
