"""Compiles a Keras-style Conv1D layer to native code: `Conv1D(32, 3, padding="causal", activation="gelu")(x)`.

Importing the package loads NumPy and nothing heavier; the compiler is imported when the first kernel is needed.
"""

from __future__ import annotations

from .errors import CompileError, UnprovedWarning
from .layers import activations, constraints, initializers, regularizers
from .layers.conv1d import Conv1D, Convolution1D
from .moved import find_moved_modules
from .network import Input, Network, Sequential, from_keras, from_torch, load, save
from .options import CompileOptions
from .problem import Activation, Problem
from .runtime.threads import get_num_threads, set_num_threads
from .schedule.plan import Plan
from .tuning import tune
from .version import __version__

find_moved_modules()

__all__ = [
    "Activation",
    "CompileError",
    "CompileOptions",
    "Conv1D",
    "Convolution1D",
    "Input",
    "Network",
    "Plan",
    "Problem",
    "Sequential",
    "UnprovedWarning",
    "__version__",
    "activations",
    "constraints",
    "from_keras",
    "from_torch",
    "get_num_threads",
    "initializers",
    "load",
    "regularizers",
    "save",
    "set_num_threads",
    "tune",
]
