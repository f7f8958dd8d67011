"""The arena: tensors that are in use at one time lie apart, and it is not much larger than what is in use at one time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from conv1d_codegen.network.execution.arena import Life, planned

LIVES = st.lists(
    st.builds(
        lambda size, first, length: Life(size, first, first + length),
        st.integers(1, 10_000),
        st.integers(0, 12),
        st.integers(0, 5),
    ),
    max_size=25,
)


@given(LIVES)
@settings(max_examples=300, deadline=None)
def test_what_is_in_use_together_lies_apart(lives: list[Life]) -> None:
    named = {f"t{number}": life for number, life in enumerate(lives)}
    arena = planned(named)
    assert arena.places.keys() == named.keys()
    for name, life in named.items():
        begin, end = arena.places[name], arena.places[name] + life.bytes
        assert begin % 64 == 0
        assert 0 <= begin < end <= arena.bytes
        for other, its in named.items():
            if other != name and its.first <= life.last and life.first <= its.last:
                assert end <= arena.places[other] or arena.places[other] + its.bytes <= begin


def test_a_chain_takes_two_tensors() -> None:
    lives = {f"t{step}": Life(6400, step, step + 1) for step in range(40)}
    assert planned(lives).bytes == 2 * 6400


def test_the_smallest_gap_is_taken() -> None:
    lives = {
        "a": Life(640, 0, 9),
        "b": Life(320, 0, 1),
        "c": Life(600, 0, 9),
        "d": Life(128, 2, 3),
        "e": Life(320, 2, 9),
    }
    assert planned(lives).bytes <= 640 + 640 + 320 + 128
