"""Resizing: `T·up ÷ down` steps, rounded down, between those of the input.

    y[n, t, c] := x[n, round(p), c],  or on the line between two steps  x[n, ⌊p⌋, c]·(1 − q) + x[n, ⌊p⌋ + 1, c]·q

where p is the place of output step t, `coordinates` say which, and q its fraction. Places are fractions of integers: where
one lies half way between two steps, no rounding decides. What is beside the input is its first or last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ir import Axis, Bind, Const, Kernel, Ref, Select, Value, buffer, load, store
from ...number_types import TYPES
from ...problem.padding import ceildiv
from ...symbolic.index import Index, index, maximum, minimum, var
from .operation import Operation, T, in_blocks, over_channels, over_steps


@dataclass(frozen=True, slots=True)
class Resize(Operation):
    """Steps as `ops.Resize` says. On a line ("linear"), an array `fractions` has that of each output step."""

    channels: int
    mode: str
    up: int
    down: int
    coordinates: str
    rounding: str

    def kernel(self) -> Kernel:
        outputs = index(self._outputs(T))
        x, y = self.array("x", T, self.channels), self.array("y", outputs, self.channels, "output")
        fractions = buffer("fractions", self.compute, (outputs,), "input", (Axis.STEP,))
        n, t, q = var("n"), var("t"), Ref("q")
        numerator, divisor = self._place(t, T)
        at = _within(self._rounded(numerator, divisor))

        def nearest(c: Index) -> Value:
            return load(x, n, at, c)

        def between(c: Index) -> Value:
            here = load(x, n, at, c)
            there = load(x, n, index(minimum(at + 1, T - 1)), c)
            return Select("eq", q, Const(0.0), here, here * (1.0 - q) + there * q)

        value = between if self.on_line else nearest
        row = over_channels(self.channels, lambda c: (store(y, (n, t, c), value(c)),))
        named = (Bind("q", load(fractions, t)),) if self.on_line else ()
        body = in_blocks(outputs, self.channels, lambda first, end: (over_steps(first, end, (*named, row)),))
        return self.named([x, *([fractions] if self.on_line else []), y], (body,), 1)

    @property
    def on_line(self) -> bool:
        """Whether it takes numbers between those of two steps."""
        return self.mode == "linear"

    def fractions(self, length: int) -> NDArray[Any]:
        """The array `fractions` for an input of so many steps."""
        steps = np.arange(self._outputs(length))
        numerators, divisor = self._place(steps, length)
        inside = (numerators >= 0) & (numerators < (length - 1) * divisor)
        found = np.where(inside, numerators % divisor / divisor, 0.0)
        return found.astype(TYPES[self.compute].numpy)

    def _outputs(self, length: Any) -> Any:
        return length * self.up // self.down

    def _place(self, t: Any, length: Any) -> tuple[Any, Any]:
        """The place of output step `t`, as a numerator and a positive divisor; of integers or index expressions."""
        up, down, outputs = self.up, self.down, self._outputs(length)
        middle = (t * 2 + 1) * down - up
        match self.coordinates:
            case "asymmetric":
                return t * down, up
            case "align_corners":
                return t * (length - 1) * down, maximum(length * up - down, 1)
            case "align_ends":
                return t * (length - 1), maximum(outputs - 1, 1)
            case "half_pixel_symmetric":
                return length * up - outputs * down + middle, 2 * up
            case "pytorch_half_pixel":  # where a single step is the first
                return middle * minimum(outputs - 1, 1), 2 * up
        return middle, 2 * up

    def _rounded(self, numerator: Index, divisor: Any) -> Index:
        if self.on_line or self.rounding == "floor":
            return index(numerator // divisor)
        if self.rounding == "ceil":
            return index(ceildiv(numerator, divisor))
        up = 0 if self.rounding == "round_prefer_ceil" else 1
        return index((numerator * 2 + divisor - up) // (divisor * 2))

    def __str__(self) -> str:
        way = self.mode if self.on_line else f"nearest_{self.rounding}"
        return f"resize_{way} c{self.channels}_{self.up}to{self.down}_{self.coordinates} {self.dtype}"


def _within(step: Index) -> Index:
    return index(maximum(minimum(step, T - 1), 0))
