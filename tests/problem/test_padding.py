"""Padding arithmetic against counting, and the same functions on index expressions."""

import itertools

import pytest

from conv1d_codegen.problem import padding as pad
from conv1d_codegen.problem.padding import Padding
from conv1d_codegen.symbolic.index import Indexable, var

PADDINGS = ["valid", "same", "causal", (0, 0), (2, 0), (0, 3), (4, 7)]
CASES = list(itertools.product(range(14), (1, 2, 3, 5), (1, 2, 3), (1, 2, 3), PADDINGS))


def windows(length: int, kernel_size: int, stride: int, dilation: int, left: int, right: int) -> list[int]:
    """The first step of every window that fits, by sliding it over the padded input."""
    extent = 1 + sum(dilation for _ in range(kernel_size - 1))
    return [start - left for start in range(0, length + left + right - extent + 1, stride)]


def by_counting(length: int, kernel_size: int, stride: int, dilation: int, padding: Padding) -> tuple[int, int]:
    """(left, right) steps of zeros that the documentation of Keras and TensorFlow describes."""
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return (kernel_size - 1) * dilation, 0
    # the fewest zeros with which a window starts at every stride-th step, the odd one at the right
    if padding == "same":
        wanted = len(range(0, length, stride))
        total = 0
        while len(windows(length, kernel_size, stride, dilation, 0, total)) < wanted:
            total += 1
        return total // 2, total - total // 2
    assert not isinstance(padding, str)
    return padding


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_against_sliding_a_window(padding: str | tuple[int, int]) -> None:
    for length, kernel_size, stride, dilation, _ in (case for case in CASES if case[4] == padding):
        note = f"{length=} {kernel_size=} {stride=} {dilation=} {padding=}"
        left, right = by_counting(length, kernel_size, stride, dilation, padding)
        starts = windows(length, kernel_size, stride, dilation, left, right)
        steps = max(0, pad.output_length(length, kernel_size, stride, dilation, padding))
        assert steps == len(starts), note
        if not steps:
            continue
        assert pad.left_padding(length, kernel_size, stride, dilation, padding) == left, note
        lefts = pad.left_paddings(kernel_size, stride, dilation, padding)
        assert lefts[0] <= left <= lefts[1], note
        first, last = pad.interior(length, (left, left), kernel_size, stride, dilation)
        always_first, always_last = pad.interior(length, lefts, kernel_size, stride, dilation)
        assert first <= always_first <= first + 1, note
        assert last - 1 <= always_last <= last, note
        for t, start in enumerate(starts):
            on_input = [j for j in range(kernel_size) if 0 <= start + j * dilation < length]
            low, high = pad.taps_on_input(t, length, left, kernel_size, stride, dilation)
            assert on_input == list(range(low, high)), f"{note} {t=}"
            assert (first <= t < last) == (len(on_input) == kernel_size), f"{note} {t=}"
        for j in range(kernel_size):
            low, high = pad.steps_of_tap(j, length, left, stride, dilation)
            on_input = [t for t, start in enumerate(starts) if 0 <= start + j * dilation < length]
            assert on_input == list(range(max(0, low), min(steps, high))), f"{note} {j=}"


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_expressions_agree_with_integers(padding: str | tuple[int, int]) -> None:
    t, length = var("t"), var("T")
    for kernel_size, stride, dilation in itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 2, 3)):
        arguments = (kernel_size, stride, dilation)
        outputs = pad.output_length(length, *arguments, padding)
        left = pad.left_padding(length, *arguments, padding)
        low, high = pad.taps_on_input(t, length, left, *arguments)
        first, last = pad.interior(length, (left, left), *arguments)
        for number, step in itertools.product(range(12), range(5)):
            values = {"T": number, "t": step}
            here = pad.left_padding(number, *arguments, padding)

            def at(expression: Indexable, values: dict[str, int] = values) -> int:
                return expression if isinstance(expression, int) else expression.evaluate(values)

            assert at(outputs) == pad.output_length(number, *arguments, padding)
            assert at(left) == here
            assert (at(low), at(high)) == pad.taps_on_input(step, number, here, *arguments)
            assert (at(first), at(last)) == pad.interior(number, (here, here), *arguments)


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_left_padding_takes_every_value_in_its_range(padding: str | tuple[int, int]) -> None:
    for arguments in itertools.product((1, 2, 3, 4, 7), (1, 2, 3, 5, 9), (1, 2, 3)):
        found = {pad.left_padding(length, *arguments, padding) for length in range(1, 40)}
        least, most = pad.left_paddings(*arguments, padding)
        assert found == {*range(least, most + 1)}, arguments


def test_the_odd_step_goes_to_the_right() -> None:
    assert pad.left_padding(10, 4, 1, 1, "same") == 1
    assert pad.left_padding(10, 3, 2, 1, "same") == 0
    assert pad.left_padding(9, 3, 2, 1, "same") == 1


@pytest.mark.parametrize(("a", "b"), [(a, b) for a in range(-9, 10) for b in (1, 2, 3, 7)])
def test_ceildiv(a: int, b: int) -> None:
    assert b * (pad.ceildiv(a, b) - 1) < a <= b * pad.ceildiv(a, b)
