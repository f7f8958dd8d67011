"""The weights of a layer at one moment, as one record that is exchanged whole.

Whoever reads a layer takes the record once, and so has the kernel and the bias of one set, whatever another thread
assigns meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..runtime.fast_calls import FastCalls

if TYPE_CHECKING:
    from ..compiler import Compilation
    from ..runtime.kernel import CompiledKernel

Array = NDArray[Any]


class Prepared(NamedTuple):
    """What a call needs: a kernel, and the weights as it takes them."""

    kernel: CompiledKernel
    packed: Any
    after: Callable[..., Any] | None  # the activation, where the kernel doesn't compute it
    compilation: Compilation  # held, so that it is not made again


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Values by name, and what was made of exactly these, which only grows."""

    values: Mapping[str, Array]
    again: bool = False  # whether others were used before, and so more may come
    of_compilation: dict[Compilation, Prepared] = field(default_factory=dict)
    of_length: dict[int, Prepared] = field(default_factory=dict)  # what serves inputs of so many steps
    fast: FastCalls = field(default_factory=FastCalls)

    def replaced(self, values: Mapping[str, Array]) -> Weights:
        """The record of the values that come after these. Once weights were used, their followers may be used for a
        single call: a fast call is prepared for the second one.
        """
        again = self.again or bool(self.of_compilation)
        return Weights(values, again, fast=FastCalls(often=2 if again else 1))

    def in_dtype(self, name: str, dtype: np.dtype[Any]) -> Array:
        """The values of that name in another dtype."""
        if self.values[name].dtype is dtype:
            return self.values[name]
        with np.errstate(over="ignore"):
            return self.values[name].astype(dtype, copy=False)
