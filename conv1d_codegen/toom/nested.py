"""F(r0, r0) ⊗ F(m1, r1): Cook–Toom within Cook–Toom, for kernels with more taps than one level is accurate for.

    y[r0*o1 + o0]  =  sum over j1 of  ( sum over j0 of x[r0*(o1 + j1) + o0 + j0] * w[r0*j1 + j0] )         o0, j0 < r0

The inner sum is r0 outputs of a filter of r0 taps, of the inputs from r0*(o1 + j1) on: F(r0, r0), of 2*r0 - 1 products.
The outer one is m1 outputs of a filter of r1 taps, r0 steps apart, whose products are such inner sums: F(m1, r1). So
m1*r0 neighbouring outputs of r1*r0 taps come from (m1 + r1 - 1) * (2*r0 - 1) products, and errors grow with the points
of two small levels instead of those of one large one. With n0 products of the inner level, and o1 + j1 = u1:

    B   row p1*n0 + p0: B1[p1, u1] * B0[p0, u0] at the input r0*u1 + u0, as neighbouring u1 share inputs
    G   G1 ⊗ G0                              A   A1 ⊗ A0

The outer level may be nested itself. A transform goes level by level (`transforms.py`), which takes far fewer steps
than the whole matrix. The error of the sums of products, which is most of it, is the product of what each level has,
so the points that suit a level alone (`points.py`) suit it in a pair.

Source: products of bilinear algorithms are in Winograd, Arithmetic Complexity of Computations, 1980; cutting a long
convolution in one dimension into short ones in two, in Agarwal and Burrus, Fast One-Dimensional Digital Convolution by
Multidimensional Techniques, 1974.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cache, partial

from ..errors import CompileError
from .algorithm import Algorithm, Matrix, algorithm

#: Nested algorithms of two levels for kernels of 6 taps and more: outputs, taps, and the taps of the inner level. Those of
#: more products saved are for more channels, as their errors are larger. Others of up to 20 taps save less than one of
#: these, or err more (`python -m bench accuracy`).
USUAL = (
    (12, 6, (3,)),
    (12, 8, (4,)),
    (16, 8, (4,)),
    (20, 8, (4,)),
    (12, 9, (3,)),
    (15, 9, (3,)),
    (15, 10, (5,)),
    (9, 12, (3,)),
    (12, 12, (4,)),
    (16, 12, (4,)),
    (20, 12, (4,)),
    (9, 15, (3,)),
    (12, 15, (3,)),
    (12, 16, (4,)),
    (16, 16, (4,)),
    (9, 18, (3,)),
    (8, 20, (4,)),
    (12, 20, (4,)),
    (16, 20, (4,)),
)
_MOST = 128  # multiplications: what straight-line code is made for
_ZERO = Fraction(0)


@cache
def algorithm_of(outputs: int, taps: int, inner: tuple[int, ...] = ()) -> Algorithm:
    """F(outputs, taps), or the nested one with an inner level F(r, r) for each r of `inner`, the innermost first.

    Raises CompileError where the levels don't divide the outputs and the taps, or one of them is too large.
    """
    step = math.prod(inner)
    if inner and (min(inner) < 2 or outputs % step or taps % step):
        raise CompileError(
            f"Inner levels of F(m, r) have 2 taps or more, and their product divides m and r. Received: m={outputs}, "
            f"r={taps}, levels of {', '.join(map(str, inner))} taps"
        )
    levels = [*(algorithm(size, size) for size in inner), algorithm(outputs // step, taps // step)]
    multiplications = math.prod(level.multiplications for level in levels)
    if inner and multiplications > _MOST:
        raise CompileError(
            f"Nested algorithms have up to {_MOST} multiplications. Received: {' ⊗ '.join(map(str, levels))}, of "
            f"{multiplications}"
        )
    *inside, made = levels
    for level in reversed(inside):
        made = nested(level, made)
    return made


def nested(inner: Algorithm, outer: Algorithm) -> Algorithm:
    """`inner`, which has as many outputs as taps, within `outer`."""
    step = inner.taps
    assert inner.outputs == step
    return Algorithm(step * outer.outputs, step * outer.taps, (), (inner, outer), partial(_of_levels, inner, outer))


def _of_levels(inner: Algorithm, outer: Algorithm) -> tuple[Matrix, Matrix, Matrix]:
    inputs = tuple(_spread(far, near, inner.taps) for far, near in itertools.product(outer.inputs, inner.inputs))
    return inputs, _kronecker(outer.weights, inner.weights), _kronecker(outer.results, inner.results)


def _spread(far: tuple[Fraction, ...], near: tuple[Fraction, ...], step: int) -> tuple[Fraction, ...]:
    """A row of B: the outer level's coefficients times the inner one's, `step` inputs apart."""
    row = [_ZERO] * (step * (len(far) - 1) + len(near))
    for (u1, b1), (u0, b0) in itertools.product(enumerate(far), enumerate(near)):
        if b1 and b0:
            row[step * u1 + u0] += b1 * b0
    return tuple(row)


def _kronecker(outer: Matrix, inner: Matrix) -> Matrix:
    return tuple(
        tuple(a * b if a and b else _ZERO for a, b in itertools.product(far, near))
        for far, near in itertools.product(outer, inner)
    )
