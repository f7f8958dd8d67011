"""One convolution: what is computed, with everything that is a constant of the generated kernel.

problem.py     `Problem` and `Activation`, with their text forms
folding.py     a long filter of one channel as a short one of many
padding.py     output length and padding arithmetic
phases.py      a transposed convolution as convolutions of stride 1
summation.py   which products are summed up in which order
"""

from ..number_types import TYPES
from .problem import LARGEST_SPAN, Activation, Problem, parse_case

__all__ = [
    "LARGEST_SPAN",
    "TYPES",
    "Activation",
    "Problem",
    "parse_case",
]
