"""How large the rounding error of a Cook–Toom kernel is to be expected: what decides whether it keeps the direct
algorithm's promise.

The model takes inputs and weights as independent and N(0, 1), and every rounding as an error of its own, of mean 0,
that goes through the rest of the computation, which is linear. Rounding v errs by up to half an ulp, evenly: its
variance is ulp² / 12. With v = s * 2**e, 1 <= s < 2, an ulp is 2u * 2**e = 2u v / s, where u is the unit roundoff;
averaged over scales, log s is uniform, and the mean of 1 / s² is the integral of s**-3 / ln 2, which is 3 / (8 ln 2).
So

    variance of a rounding  =  KAPPA u² (variance of the value),        KAPPA = 4 / 12 * 3 / (8 ln 2) = 1 / (8 ln 2) = 0.18

The values' variances follow from their coefficients on the inputs, as B x, G w and what they add up to are linear in x,
and in w. Rounded are: the weights G w, once; each step of B's program; each multiply-add of a chain and each chunk that
is added to the total (`problem/summation.py`); each step of A's program. Terms are groups of `taps` taps, with a window
of the input each.

Source of the approach, for the worst case and the usual one: Barabasz, Anderson, Soodhalter and Gregg, Error Analysis
and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2018, arXiv 1803.10986.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..problem.summation import window_chunk_shape
from . import transforms
from .algorithm import Algorithm
from .program import Program

Array = NDArray[np.float64]

KAPPA = 1 / (8 * math.log(2))
DEVIATIONS = 5.3  # one of 10**7 normal errors is larger
#: An output's error is in proportion to its own partial sums, so over many outputs it is not quite normal, the less so
#: the fewer products there are. The largest of 10**6 errors of 18 algorithms was 1.3 to 1.7 times what a normal one
#: would be with 32 and 64 products, 1.1 to 1.4 with 128, and 1.0 to 1.3 with 256 and 512, two cases apart (`python -m
#: bench accuracy`). A nested algorithm sums up as many times more as its inner levels have products: with F(3,3) inside
#: and 64 channels, 320.
TAIL = 4.0
PROMISE = 8.0  # the direct algorithm's error is within 8 u sum |x| |w|: `reference.error_bound`


@cache
def predicted(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> float:
    """The largest error of 10**7 outputs at the window's worst place, as a share of the direct algorithm's bound."""
    worst = deviations(algorithm, kernel_size, channels, terms).max()
    return _as_share(worst, algorithm, kernel_size, channels, terms)


@cache
def at_least(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> float:
    """What `predicted` is at least, soon found: by the roundings in sums of products alone, which from 32 channels on make
    half of the variance or more.
    """
    b, g, a = _matrices(algorithm)
    used = ((g[:, :taps], count) for taps, count in _terms(algorithm.taps, kernel_size, terms))
    products = [(np.diag((b @ b.T) * (w @ w.T)), count) for w, count in used]
    variance = (a * a) @ _rounded_in_sums(products, channels)
    return _as_share(math.sqrt(KAPPA * variance.max()), algorithm, kernel_size, channels, terms)


def _as_share(deviation: float, algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> float:
    """The largest of 10**7 errors of this deviation, in unit roundoffs, as a share of the bound."""
    bound = PROMISE * kernel_size * channels * 2 / math.pi  # the mean of |x| |w| is 2 / pi
    inner = math.prod(level.multiplications for level in algorithm.levels[:-1])
    tail = 1 + TAIL / math.sqrt(terms * channels * inner)
    return float(DEVIATIONS * tail * deviation / bound)


def deviations(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> Array:
    """The standard deviation of the error of each of the window's outputs, in unit roundoffs."""
    return np.asarray(np.sqrt(KAPPA * sum(_variances(algorithm, kernel_size, channels, terms).values())))


def sources(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> dict[str, float]:
    """Where the error of the window's worst output comes from: the shares of its variance, 1 together."""
    variances = _variances(algorithm, kernel_size, channels, terms)
    total = np.asarray(sum(variances.values()))
    worst = int(total.argmax())
    return {name: float(variance[worst] / total[worst]) for name, variance in variances.items()}


def _variances(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> dict[str, Array]:
    """The variance of the error of each of the window's outputs, ÷ KAPPA u², by what is rounded."""
    b, g, a = _matrices(algorithm)
    error_x = _rounded_on_the_way(transforms.inputs(algorithm), np.eye(algorithm.reach))
    of_inputs, of_weights = np.zeros((len(b), len(b))), np.zeros((len(b), len(b)))
    products = []  # the variance of a product, for each multiplication, and how many terms have such products
    sums = np.zeros_like(of_inputs)
    for taps, count in _terms(algorithm.taps, kernel_size, terms):
        used = g[:, :taps]
        covariance_w = used @ used.T
        # of one term's product; those of different terms have nothing to do with each other
        covariance = (b @ b.T) * covariance_w
        inexact = [not _is_exact(row[:taps]) for row in algorithm.weights]
        of_inputs += count * channels * error_x * covariance_w
        of_weights += count * channels * np.diag(np.diag(covariance) * inexact)
        sums += count * channels * covariance
        products.append((np.diag(covariance), count))
    of_sums = np.diag(_rounded_in_sums(products, channels))
    return {
        "the transform of inputs": np.diag(a @ of_inputs @ a.T),
        "the transformed weights": np.diag(a @ of_weights @ a.T),
        "sums of products": np.diag(a @ of_sums @ a.T),
        "the transform of results": np.diag(_rounded_on_the_way(transforms.results(algorithm), sums)),
    }


def amplification(algorithm: Algorithm) -> float:
    """The factor by which errors grow in the worst case, to first order: the largest over outputs of |A| ((|G| 1) *
    (|B| 1)).
    """
    b, g, a = map(np.abs, _matrices(algorithm))
    return float((a @ (g.sum(axis=1) * b.sum(axis=1))).max())


def _rounded_on_the_way(way: Program, covariance: Array) -> Array:
    """The covariance of the errors that a program's own roundings make in its results, for inputs
    with this covariance.
    """
    values = list(np.eye(way.inputs))  # each operand as what it is of the inputs,
    errors = [np.zeros(len(way.steps)) for _ in values]  # and as what it has of the error of each step
    variance = np.zeros(len(way.steps))
    for k, step in enumerate(way.steps):
        values.append(float(step.factor) * values[step.b] + (0 if step.a is None else values[step.a]))
        errors.append(float(step.factor) * errors[step.b] + (0 if step.a is None else errors[step.a]))
        if step.a is not None or not _is_exact((step.factor,)):
            errors[-1][k] = 1
            variance[k] = values[-1] @ covariance @ values[-1]
    none = np.zeros(len(way.steps))
    results = np.array([none if result is None else errors[result] for result in way.results])
    return np.asarray((results * variance) @ results.T)


def _terms(taps: int, kernel_size: int, count: int) -> Iterator[tuple[int, int]]:
    """The terms as (taps, how many terms have so many): all taps, what is left, none."""
    whole = min(kernel_size // taps, count)
    rest = min(count - whole, 1 if kernel_size % taps else 0)
    kinds = ((taps, whole), (kernel_size % taps, rest), (0, count - whole - rest))
    return ((taps, terms) for taps, terms in kinds if terms)


@dataclass(frozen=True, slots=True)
class _Sum:
    """What is added to a total: the variance of the addends, how many additions, and the variance of the errors when
    the total was zero.
    """

    addends: Array
    additions: int
    errors: Array

    def then(self, other: _Sum) -> _Sum:
        """One after the other: each of the later additions rounds what the former have added, too."""
        errors = self.errors + other.errors + other.additions * self.addends
        return _Sum(self.addends + other.addends, self.additions + other.additions, errors)

    def times(self, count: int) -> _Sum:
        """So many of these, one after another."""
        again = self.additions * count * (count - 1) / 2 * self.addends
        return _Sum(count * self.addends, count * self.additions, count * self.errors + again)

    def as_chunk(self) -> _Sum:
        """The same, summed from zero, and added to the total at once."""
        return _Sum(self.addends, 1, self.errors + self.addends)


def _rounded_in_sums(products: list[tuple[Array, int]], channels: int) -> Array:
    """The variance of the errors of the sums over terms and channels; `products` is that of a product, for each
    multiplication, with how many terms have such a one. What is alike is counted, not gone through, however many taps
    and channels there are."""
    some_terms, some_channels = window_chunk_shape(sum(count for _, count in products), channels)
    nothing = np.zeros_like(products[0][0])
    total, first = _Sum(nothing, 0, nothing), nothing
    for terms, repeated in _chunks(products, some_terms):
        chunk = _Sum(nothing, 0, nothing)
        for product, count in terms:
            chunk = chunk.then(_Sum(product, 1, product).times(count * some_channels))
        first = first if total.additions else chunk.addends
        sums = chunk.as_chunk()
        if some_channels < channels:  # of one term
            whole, rest = divmod(channels, some_channels)
            left_over = _Sum(terms[0][0], 1, terms[0][0]).times(rest).as_chunk()
            sums = sums.times(whole).then(left_over) if rest else sums.times(whole)
        total = total.then(sums.times(repeated))
    return np.asarray(total.errors - first)  # the first chunk is added to zero


def _chunks(products: list[tuple[Array, int]], size: int) -> Iterator[tuple[list[tuple[Array, int]], int]]:
    """The terms in chunks of `size`: what is in one, and how often it is repeated."""
    waiting: list[tuple[Array, int]] = []
    room = size
    for product, count in products:
        if waiting:
            taken = min(room, count)
            waiting, room, count = [*waiting, (product, taken)], room - taken, count - taken
            if room == 0:
                yield waiting, 1
                waiting, room = [], size
        if count >= size:
            yield [(product, size)], count // size
        if not waiting and count % size:
            waiting, room = [(product, count % size)], size - count % size
    if waiting:
        yield waiting, 1


def _is_exact(row: tuple[Fraction, ...]) -> bool:
    """Whether a row times numbers of the dtype is one of them again: at most one term, with a power of two."""
    terms = [c for c in row if c]
    return len(terms) < 2 and all((n & (n - 1)) == 0 for c in terms for n in (abs(c.numerator), c.denominator))


@cache
def _matrices(algorithm: Algorithm) -> tuple[Array, Array, Array]:
    """B, G and A, of a nested algorithm as products of those of its levels: its fractions take long to multiply."""
    if not algorithm.levels:
        b, g, a = (np.array([[float(c) for c in row] for row in m]) for m in algorithm.matrices)
        return b, g, a
    inner, outer = algorithm.levels
    (b0, g0, a0), (b1, g1, a1) = _matrices(inner), _matrices(outer)
    b = np.zeros((algorithm.multiplications, algorithm.reach))
    for u in range(outer.reach):
        b[:, inner.taps * u : inner.taps * u + inner.reach] += np.kron(b1[:, u : u + 1], b0)
    return b, np.asarray(np.kron(g1, g0), float), np.asarray(np.kron(a1, a0), float)
