"""A transposed convolution as phases: every product of the formula once, and no other."""

import itertools
from collections import Counter

import pytest

from conv1d_codegen.problem import padding as pad
from conv1d_codegen.problem.phases import phases

CROPS = ((0, 0), (1, 1), (3, 0), (0, -2), (2, 5), (7, -4), (20, -9))


def products(sizes: tuple[int, int, int, int, int], length: int) -> Counter[tuple[int, int, int]]:
    """Output step, tap and input step of each product that the phases have; no tap and no input step for each output
    step.
    """
    _, stride, *_ = sizes
    found: Counter[tuple[int, int, int]] = Counter()
    for phase in phases(*sizes):
        for q, p in itertools.product(range(length + phase.more), range(phase.count)):
            u = phase.first + p + q * stride
            found[u, -1, -1] += 1
            for i, tap in enumerate(phase.taps[p] if phase.taps else ()):
                t = q + i * phase.dilation - phase.padding[0]
                if 0 <= t < length:
                    found[u, tap, t] += 1
    return found


@pytest.mark.parametrize("stride", range(1, 10))
def test_phases_have_every_product_once(stride: int) -> None:
    for kernel_size, dilation, (left, right) in itertools.product(range(1, 18), range(1, 5), CROPS):
        sizes = kernel_size, stride, dilation, left, right
        for length in (1, 2, 5):
            steps = pad.transposed_length(length, *sizes)
            wanted = Counter((u, -1, -1) for u in range(steps))
            for t, j in itertools.product(range(length), range(kernel_size)):
                if 0 <= (u := t * stride + j * dilation - left) < steps:
                    wanted[u, j, t] += 1
            assert products(sizes, length) == wanted, (sizes, length)


@pytest.mark.parametrize("stride", range(1, 10))
def test_the_padding_of_a_phase_gives_as_many_rows(stride: int) -> None:
    for kernel_size, dilation, (left, right) in itertools.product(range(1, 18), range(1, 5), CROPS):
        for phase in phases(kernel_size, stride, dilation, left, right):
            if phase.taps:
                reach = (phase.kernel_size - 1) * phase.dilation
                assert sum(phase.padding) - reach == phase.more, (kernel_size, stride, dilation, left, right)


def test_phases_beside_each_other_are_one() -> None:
    """As many taps as strides: those before the first step of a window, and those from it on."""
    assert [(p.first, p.count, p.padding) for p in phases(16, 8, 1, 4, 4)] == [(0, 4, (1, 0)), (4, 4, (0, 1))]
    assert [(p.first, p.count, p.taps) for p in phases(2, 5, 1, 0, -3)] == [(0, 2, ((0,), (1,))), (2, 3, ())]
    assert [(p.first, p.count) for p in phases(8, 4, 1, 0, 0)] == [(0, 4)]


def test_a_stride_without_end_has_as_many_phases_as_taps() -> None:
    assert len(phases(3, 1 << 60, 1, 0, 0)) <= 3
