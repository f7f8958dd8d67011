"""How large the rounding error of a Cook–Toom kernel is to be expected: what decides whether it keeps the direct algorithm's promise.

The model takes inputs and weights as independent and N(0, 1), and every rounding as an error of its own, of mean 0, that goes
through the rest of the computation, which is linear. Rounding v errs by up to half an ulp, evenly: its variance is ulp² / 12. With
v = s * 2**e, 1 <= s < 2, an ulp is 2u * 2**e = 2u v / s, where u is the unit roundoff; averaged over scales, log s is uniform, and
the mean of 1 / s² is the integral of s**-3 / ln 2, which is 3 / (8 ln 2). So

    variance of a rounding  =  KAPPA u² (variance of the value),        KAPPA = 4 / 12 * 3 / (8 ln 2) = 1 / (8 ln 2) = 0.18

The values' variances follow from their coefficients on the inputs, as B x, G w and what they add up to are linear in x, and in w.
Rounded are: the weights G w, once; each step of B's program; each multiply-add of a chain and each chunk that is added to the total
(`chunks.py`); each step of A's program. Terms are groups of `taps` taps, with a window of the input each.

Source of the approach, for the worst case and the usual one: Barabasz, Anderson, Soodhalter and Gregg, Error Analysis and
Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2018, arXiv 1803.10986.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..chunks import window_chunk_shape
from .algorithm import Algorithm, Matrix
from .program import Program, program

Array = NDArray[np.float64]

KAPPA = 1 / (8 * math.log(2))
DEVIATIONS = 5.3  # one of 10**7 normal errors is larger
#: An output's error is in proportion to its own partial sums, so over many outputs it is not quite normal, the less so the fewer products
#: there are. The largest of 10**6 errors of 18 algorithms was 1.3 to 1.7 times what a normal one would be with 32 and 64 products, 1.1 to
#: 1.4 with 128, and 1.0 to 1.3 with 256 and 512, two cases apart (`python -m bench accuracy`).
TAIL = 4.0
PROMISE = 8.0  # the direct algorithm's error is within 8 u sum |x| |w|: `reference.error_bound`


@cache
def predicted(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> float:
    """The largest error of 10**7 outputs at the window's worst place, as a share of the direct algorithm's bound."""
    bound = PROMISE * kernel_size * channels * 2 / math.pi  # the mean of |x| |w| is 2 / pi
    tail = 1 + TAIL / math.sqrt(terms * channels)
    return float(DEVIATIONS * tail * deviations(algorithm, kernel_size, channels, terms).max() / bound)


def deviations(algorithm: Algorithm, kernel_size: int, channels: int, terms: int) -> Array:
    """The standard deviation of the error of each of the window's outputs, in unit roundoffs."""
    b, g, a = _floats(algorithm.inputs), _floats(algorithm.weights), _floats(algorithm.results)
    error_x = _rounded_on_the_way(program(algorithm.inputs), np.eye(len(b)))
    covariance = []  # of one product of each multiplication, for each term; different products have nothing to do with each other
    error = np.zeros((len(b), len(b)))
    for term in range(terms):
        used = g[:, : max(kernel_size - term * algorithm.taps, 0)]
        covariance_w = used @ used.T
        covariance.append((b @ b.T) * covariance_w)
        inexact = [not _is_exact(row[: used.shape[1]]) for row in algorithm.weights]
        error += channels * (error_x * covariance_w + np.diag(np.diag(covariance[-1]) * inexact))
    error += np.diag(_rounded_in_sums(np.array([np.diag(c) for c in covariance]), channels))
    sums = channels * np.sum(covariance, axis=0)
    variance = np.diag(a @ error @ a.T + _rounded_on_the_way(program(algorithm.results), sums))
    return np.asarray(np.sqrt(KAPPA * variance))


def amplification(algorithm: Algorithm) -> float:
    """The factor by which errors grow in the worst case, to first order: the largest over outputs of |A| ((|G| 1) * (|B| 1))."""
    b, g, a = (np.abs(_floats(matrix)) for matrix in (algorithm.inputs, algorithm.weights, algorithm.results))
    return float((a @ (g.sum(axis=1) * b.sum(axis=1))).max())


def _rounded_on_the_way(way: Program, covariance: Array) -> Array:
    """The covariance of the errors that a program's own roundings make in its results, for inputs with this covariance."""
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


def _rounded_in_sums(products: Array, channels: int) -> Array:
    """The variance of the errors of the sums over terms and channels; `products` is that of a product, for each term and multiplication."""
    some_terms, some_channels = window_chunk_shape(len(products), channels)
    total, error = np.zeros(products.shape[1]), np.zeros(products.shape[1])
    for first in range(0, len(products), some_terms):
        for channel in range(0, channels, some_channels):
            count = min(some_channels, channels - channel)
            chain = np.zeros_like(total)
            for product in products[first : first + some_terms]:
                error += count * chain + count * (count + 1) / 2 * product  # the variances of the partial sums, added up
                chain += count * product
            error += (total + chain) * (total > 0)  # the first chunk is added to zero
            total += chain
    return error


def _is_exact(row: tuple[Fraction, ...]) -> bool:
    """Whether a row times numbers of the dtype is one of them again: at most one term, with a power of two."""
    terms = [c for c in row if c]
    return len(terms) < 2 and all((n & (n - 1)) == 0 for c in terms for n in (abs(c.numerator), c.denominator))


def _floats(matrix: Matrix) -> Array:
    return np.array([[float(c) for c in row] for row in matrix])
