"""Cook–Toom: m neighbouring outputs of a convolution with r taps from m + r - 1 multiplications instead of m * r.

Two polynomials of degrees m - 1 and r - 1 have a product with m + r - 1 coefficients. So it is known once its values at
as many points are, and each of these is one multiplication of the factors' values: evaluate, multiply, interpolate. A
filter is the transpose of that: the same three matrices, turned round, give m outputs from m + r - 1 inputs. The
weights are transformed once; inputs and outputs cost a few additions each, which many filters, and many channels,
share. The price is accuracy: values at points far apart differ in size, and cancel; that grows quickly with m + r.

    algorithm.py   the three matrices of F(m, r), in rational numbers        points.py   the points, a trade of accuracy and steps
    program.py     a matrix times a vector, in few additions                 error.py    the rounding error to be expected
    split.py       any kernel size, stride and dilation as uses of F(m, r)
    nested.py      one F(m, r) within another, for many taps         transforms.py   the programs of any of them

The functions `algorithm` and `program` are called like their files, and imported from there.

Source: Toom, The Complexity of a Scheme of Functional Elements Realizing the Multiplication of Integers, 1963; Cook, On
the Minimum Computation Time of Functions, 1966; Winograd, Arithmetic Complexity of Computations, 1980, for filters, and
that fewer multiplications are impossible; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015,
arXiv 1509.09308, for layers of neural networks.
"""

from __future__ import annotations

from .algorithm import LARGEST, Algorithm, Matrix
from .program import Program, Step

__all__ = ["LARGEST", "Algorithm", "Matrix", "Program", "Step"]
