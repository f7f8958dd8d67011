"""The same bits, whatever computes them: sums are taken in one order."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.helpers import (
    RUNNABLE,
    algorithms,
    bits,
    compiled,
    real_data,
    run_compiled,
    supports,
)
from support.kernel_helpers import REAL, assert_bits_at_every_alignment, call

from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.plan import Plan


def plans(problem: Problem, target_lanes: int) -> Iterator[Plan]:
    """Schedules that differ in everything."""
    if problem.groups == problem.channels > 1 and not problem.channels_first:
        yield Plan("depthwise", "channels", 8, 1, (5, 1), 7, 3)
        yield Plan("depthwise", "channels", 4, 1, (1,), 64, 1)
        yield Plan("depthwise", "channels", 2, 1, (6, 3, 1), 33, 2)
    if problem.channels_first and problem.stride == 1:
        yield Plan("direct", "time", 8, 1, (3,), 24, 2)
        yield Plan("direct", "time", 4, 2, (2,), 64, 5)
    yield Plan("direct", "filters", target_lanes, 1, (4, 3, 1), 11, 1)
    yield Plan("direct", "filters", 4, 3, (2, 1), 4096, 7)
    yield Plan("direct", "filters", 1, 1, (1,), 5, 2)


@pytest.mark.parametrize("text", REAL)
def test_the_same_bits_for_every_algorithm_and_plan(text: str) -> None:
    """Real numbers, whose sums depend on the order: the order is the formula's, everywhere. Without fma the
    bits are others.

    But where lanes add up products of their own: there it is the same for all plans of as many lanes.
    """
    problem = Problem.parse(text)
    x, w, b = real_data(problem, 2, 45)
    for family in ([t for t in RUNNABLE if TARGETS[t].fma], [t for t in RUNNABLE if not TARGETS[t].fma]):
        results = {}
        for target in (target for target in family if supports(target, problem)):
            for algorithm in algorithms(problem):
                if not compiled(problem, target, algorithm).plan.sums_in_lanes:
                    results[target, algorithm] = bits(run_compiled(problem, x, w, b, target, algorithm))
        if results:
            for plan in plans(problem, 8):
                results[target, str(plan)] = bits(run_compiled(problem, x, w, b, target, plan=plan))
        for key, result in results.items():
            first = next(iter(results))
            assert result == results[first], f"{problem}: {key} and {first} differ"


@pytest.mark.parametrize(
    "text", ["c32_f1_k9_same_linear_f32", "c64_f3_k3_s2_causal_linear_f32", "c16_f5_k4_d3_pad3x7_linear_f64"]
)
def test_the_same_bits_for_every_plan_that_adds_up_lanes(text: str) -> None:
    problem = Problem.parse(text)
    x, w, b = real_data(problem, 2, 45)
    for width in (2, 4, 8):
        results = [
            bits(run_compiled(problem, x, w, b, RUNNABLE[-1], plan=Plan("direct", "channels", width, *rest)))
            for rest in ((1, (1,), 64, 1), (3, (2, 1), 16, 2), (2, (width, 1), 33, 5))
        ]
        assert len(set(results)) == 1, f"{problem} {width}"


@pytest.mark.parametrize("text", REAL)
def test_the_same_bits_for_every_batch_and_thread_count(text: str) -> None:
    problem = Problem.parse(text)
    kernel = compiled(problem).kernel
    x, w, b = real_data(problem, 5, 61)
    packed = kernel.pack(w, b)
    together = call(kernel, packed, x)
    for n in range(5):
        assert bits(call(kernel, packed, x[n : n + 1])) == bits(together[n]), f"{problem}: sequence {n} alone"
    for threads in (1, 2, 3, 64):
        assert bits(call(kernel, packed, x, threads)) == bits(together), f"{problem}: {threads} threads"


@pytest.mark.parametrize("text", REAL)
def test_the_same_bits_at_every_position(text: str) -> None:
    """A sequence moved by whole strides gives the output moved, wherever the tiles, the blocks and
    the remainders fall.
    """
    problem = Problem.parse(text).with_(padding="valid")
    kernel = compiled(problem).kernel
    x, w, b = real_data(problem, 1, 160)
    packed = kernel.pack(w, b)
    time = 2 if problem.channels_first else 1
    whole = np.moveaxis(call(kernel, packed, x), time, 0)
    for first, last in ((1, 160), (2, 159), (7, 100), (13, 30), (5, 130)):
        part = np.ascontiguousarray(np.take(x, range(first * problem.stride, last), time))
        if first * problem.stride >= last:
            continue
        y = np.moveaxis(call(kernel, packed, part), time, 0)
        assert bits(y) == bits(whole[first : first + len(y)]), f"{problem}: {first}..{last}"


@pytest.mark.parametrize("text", [text for text in REAL if "causal" in text] + ["c5_f7_k4_d3_causal_linear_f32_first"])
def test_causal_results_do_not_depend_on_the_future(text: str) -> None:
    problem = Problem.parse(text)
    kernel = compiled(problem).kernel
    x, w, b = real_data(problem, 1, 50)
    packed = kernel.pack(w, b)
    time = 2 if problem.channels_first else 1
    whole = np.moveaxis(call(kernel, packed, x), time, 0)
    for length in range(51):
        prefix = np.moveaxis(call(kernel, packed, np.ascontiguousarray(np.take(x, range(length), time))), time, 0)
        assert bits(prefix) == bits(whole[: len(prefix)]), f"{problem}@1x{length}"


@pytest.mark.parametrize("text", REAL)
def test_the_same_bits_again_and_at_every_alignment(text: str) -> None:
    problem = Problem.parse(text)
    kernel = compiled(problem).kernel
    x, w, b = real_data(problem, 1, 40)
    packed = kernel.pack(w, b)
    right = bits(call(kernel, packed, x))
    assert bits(call(kernel, packed, x)) == right
    assert bits(call(kernel, kernel.pack(w.copy(), b if b is None else b.copy()), x)) == right
    assert_bits_at_every_alignment(kernel, packed, x, right)
