"""Cook–Toom of many terms: what is counted and not gone through, and the transforms that are computed in loops."""

import itertools

import numpy as np
import pytest
from support.helpers import exact_data
from support.toom_helpers import assert_rational, least_length, toom_plan

from conv1d_codegen.compiler import Program
from conv1d_codegen.ir.packing import Mixing
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.problem.summation import window_chunk_shape
from conv1d_codegen.symbolic.index import index
from conv1d_codegen.toom import error
from conv1d_codegen.toom.algorithm import algorithm
from conv1d_codegen.toom.split import Split
from conv1d_codegen.verify import verify


def sizes_of_terms(split: Split) -> list[int]:
    """The taps of each term, by what `Split` says of them: a term begins with `first_tap`, and others follow in steps
    of `phases`.
    """
    taps = (
        [split.first_tap(term) + i * split.phases for i in range(split.taps)]
        for term in range(split.phases * split.chunks)
    )
    counts = [sum(tap < split.kernel_size for tap in of_term) for of_term in taps]
    return [count for count in counts if count]


def test_terms_are_counted_as_they_are() -> None:
    for kernel_size, taps, phases in itertools.product((1, 2, 3, 7, 16, 41), (1, 2, 3, 5), (1, 2, 3, 7, 40)):
        split = Split(kernel_size, taps, 1, phases, phases)
        counts = sizes_of_terms(split)
        assert split.terms == len(counts), split
        assert split.whole_terms == counts.count(taps), split
        assert all(count == taps for count in counts[: split.whole_terms]), split
    assert Split(3, 1, 1, 1 << 61, 1).terms == 3


def variances_of_sums(products: list[float], channels: int) -> float:
    """What `_rounded_in_sums` counts, added up one number after another."""
    some_terms, some_channels = window_chunk_shape(len(products), channels)
    total, variance = 0.0, 0.0
    for first, channel in itertools.product(range(0, len(products), some_terms), range(0, channels, some_channels)):
        chain = 0.0
        for product in products[first : first + some_terms]:
            for _ in range(min(some_channels, channels - channel)):
                chain += product
                variance += chain
        variance += total + chain if total else 0
        total += chain
    return variance


@pytest.mark.parametrize("channels", [1, 3, 7, 16, 32, 33, 100])
def test_rounding_errors_are_counted_as_they_are_added_up(channels: int) -> None:
    for runs in ([(2.0, 5)], [(2.0, 1), (1.0, 1)], [(2.0, 40), (0.5, 1)], [(3.0, 9), (1.0, 1), (0.0, 30)]):
        one_by_one = [product for product, count in runs for _ in range(count)]
        counted = error._rounded_in_sums([(np.array([product]), count) for product, count in runs], channels)
        assert counted == pytest.approx(variances_of_sums(one_by_one, channels)), f"{runs} {channels=}"


def test_an_error_is_predicted_of_any_size() -> None:
    toom = algorithm(4, 3)
    assert 0 < error.predicted(toom, 3 * 10**9, 10**9, 10**9) < error.predicted(toom, 3, 1, 1)


@pytest.mark.parametrize(("kernel_size", "taps", "phases"), [(3, 3, 1), (11, 4, 1), (38, 2, 5), (7, 2, 6)])
def test_weights_are_transformed_term_by_term(kernel_size: int, taps: int, phases: int) -> None:
    """An infinite weight reaches the terms that have its tap, and no other."""
    split, toom = Split(kernel_size, taps, 1, phases, 1), algorithm(3, taps)
    matrix = np.array(toom.weights, np.float64)
    source, target = (tuple(map(index, shape)) for shape in ((kernel_size, 2, 3), (len(matrix), split.terms, 2, 3)))
    mixing = Mixing("w", "wt", source, target, tuple(map(tuple, matrix.tolist())), phases)
    weights = np.random.default_rng(0).integers(-4, 5, (kernel_size, 2, 3)).astype(np.float32)
    weights[kernel_size // 2] = np.inf
    wanted = np.zeros((len(matrix), split.terms, 2, 3))
    for term, (p, row) in itertools.product(range(split.terms), enumerate(matrix)):
        for i, factor in enumerate(row):
            tap = split.first_tap(term) + i * phases
            with np.errstate(invalid="ignore"):
                wanted[p, term] += factor * weights[tap] if tap < kernel_size else 0
    mixed = mixing(weights, np.dtype(np.float32), {})
    assert mixed.flags.c_contiguous
    np.testing.assert_array_equal(mixed, wanted.astype(np.float32))


#: More transforms than are written out: chunks, phases, both, and some phases of a last chunk.
MANY_TRANSFORMS = (
    ("c2_f3_k36_same_linear_f32", (3, 2)),
    ("c1_f2_k20_s19_pad1x4_linear_f32", (2, 2)),
    ("c2_f2_k38_s5_causal_linear_f32_first", (3, 2)),
    ("c3_f2_k52_s5_d2_valid_linear_f32_nobias", (2, 3)),
    ("c4_f4_k36_g2_valid_linear_f32", (3, 2)),
)


@pytest.mark.parametrize(("text", "toom"), MANY_TRANSFORMS)
def test_many_transforms_are_exact(text: str, toom: tuple[int, int]) -> None:
    problem, plan = Problem.parse(text), toom_plan(*toom)
    assert Split.of(problem, plan.taps).transforms(plan.outputs) > 16
    length = least_length(problem, plan)
    lowered = lower(problem, plan)
    scheduled = [kernel for _, kernel in stages(lowered, Context(problem, plan, TARGETS["avx2"]))][-1]
    for length_, kernel in (
        (length, lowered),
        (length, scheduled),
        (length + 3 * plan.outputs * problem.stride + 1, scheduled),
    ):
        assert_rational(problem, plan, kernel, exact_data(problem, 1, length_), f"@1x{length_}")


@pytest.mark.parametrize("text", [MANY_TRANSFORMS[0][0], MANY_TRANSFORMS[2][0]])
def test_many_transforms_stay_within_their_arrays(text: str) -> None:
    problem, plan = Problem.parse(text), toom_plan(*dict(MANY_TRANSFORMS)[text])
    verify(Program(problem, plan, TARGETS["avx2"]).scheduled, scheduled=True)
