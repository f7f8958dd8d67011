"""Compiles a Keras-style Conv1D layer to native code: `Conv1D(32, 3, padding="causal", activation="gelu")(x)`.

Importing the package loads NumPy and nothing heavier; the compiler is imported when the first kernel is needed.
"""

from __future__ import annotations

from .errors import CompileError, UnprovedWarning
from .layer import Conv1D, Convolution1D
from .options import CompileOptions
from .plan import Plan
from .problem import Activation, Problem
from .threads import get_num_threads, set_num_threads
from .tuning import tune

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "CompileError",
    "CompileOptions",
    "Conv1D",
    "Convolution1D",
    "Plan",
    "Problem",
    "UnprovedWarning",
    "get_num_threads",
    "set_num_threads",
    "tune",
]
