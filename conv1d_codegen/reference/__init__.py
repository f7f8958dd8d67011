"""What everything means, in NumPy: slow, and short enough to be read.

convolution.py   a convolution, in the order of the formula, with the bound of its rounding errors
activations.py   the activations
functions.py     functions that networks have beside these
interpreter.py   the loop IR
arithmetic.py    sums and products rounded as the machine does
"""

from .convolution import conv1d, error_bound

__all__ = ["conv1d", "error_bound"]
