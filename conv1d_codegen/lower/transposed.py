"""A transposed convolution as kernels: for each of its phases (`problem/phases.py`), or several beside each other, an
ordinary convolution, by any algorithm, whose output lies in rows a stride apart; or where steps have no products, an
expression of the bias.

    y[n, u, f] = act( b[f] + Σ_{j<k, c<C} x[n, (u + left − j·d) / s, c] · w[j, f, c] )      where that is a step of x

With several groups, c goes over the channels of the group that f is of. The filters of adjacent steps would then not lie
together, so each phase is a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import STORED, SUM, Const, Expression, Operand, Ref, Value, input_names, weight_names
from ..problem import Problem
from ..problem import padding as pad
from ..problem.phases import Phase, phases
from .operations import ConvTranspose, Map
from .placement import Placement

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Transposed:
    """One transposed convolution; `left` and `right` steps are left out at its ends, fewer than none at the right are
    added.
    """

    channels: int
    filters: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    left: int = 0
    right: int = 0
    dtype: str = "f32"
    use_bias: bool = True
    groups: int = 1

    def output_length(self, length: int) -> int:
        return int(pad.transposed_length(length, self.kernel_size, self.stride, self.dilation, self.left, self.right))

    def __str__(self) -> str:
        sizes = f"c{self.channels}_f{self.filters}_k{self.kernel_size}_s{self.stride}_d{self.dilation}"
        bias = ("" if self.use_bias else "_nobias") + (f"_g{self.groups}" if self.groups > 1 else "")
        return f"transposed {sizes}_crop{self.left}x{self.right}_{self.dtype}{bias}"

    def parts(self) -> list[Part]:
        """What computes it together, in the order of the first output steps."""
        sizes = self.kernel_size, self.stride, self.dilation, self.left, self.right
        return [Part(self, phase) for phase in phases(*sizes, joined=self.groups == 1)]

    def direct(self, epilogue: Expression | None) -> ConvTranspose:
        """One kernel for all phases, which is slower, for where there are very many."""
        return ConvTranspose(
            *(self.dtype, self.channels, self.filters, self.kernel_size, self.stride, self.dilation),
            *(self.left, self.right, self.use_bias, self.groups, epilogue or Expression(SUM)),
        )

    def laid_out(self, weights: Mapping[str, Array], with_products: bool) -> dict[str, Array]:
        """The arrays of `direct` before they are packed: of each tap and channel of a group, the filters by groups."""
        taps = np.moveaxis(weights["w"], 1, 2)
        shape = -1, self.groups, self.filters // self.groups
        return {**weights, "w": np.ascontiguousarray(taps).reshape(shape)}


@dataclass(frozen=True, slots=True)
class Part:
    """Output steps that one kernel computes: a `problem` with a `placement`, or where these have no products `bare`."""

    whole: Transposed
    phase: Phase

    def rows(self, length: int) -> int:
        """Rows of output for `length` steps of input; zero or less means that there is none."""
        return length + self.phase.more

    def has_products(self, length: int) -> bool:
        """Whether any output step reads the input: there are taps, and steps that are not left out."""
        return bool(self.phase.taps) and self.problem_length(length) >= 0

    def problem_length(self, length: int) -> int:
        """Steps of the problem's input, of `length` that the array has."""
        return length + min(self.phase.padding[0], 0) + min(self.phase.padding[1], 0)

    @property
    def filters(self) -> int:
        """Of adjacent output steps."""
        return self.whole.filters * self.phase.count

    @property
    def problem(self) -> Problem:
        """The convolution. Raises ValueError for a part without taps."""
        w, left, right = self.whole, *self.phase.padding
        return Problem(
            w.channels,
            self.filters,
            self.phase.kernel_size,
            dilation=self.phase.dilation,
            padding=(max(left, 0), max(right, 0)),
            dtype=w.dtype,
            use_bias=w.use_bias,
            groups=w.groups,
        )

    @property
    def placement(self) -> Placement:
        """Where the problem's input and output lie."""
        before, after = (max(-padding, 0) for padding in self.phase.padding)
        return self._placed(before + after, before, after)

    def _placed(self, lacking: int, before: int = 0, after: int = 0) -> Placement:
        """The placement for a size `T` that is the length of the whole input less `lacking`."""
        apart = self.whole.stride * self.whole.filters
        rest = self.whole.output_length(lacking) * self.whole.filters
        return Placement(self.phase.first * self.whole.filters, apart, rest, before, after)

    def bare(self, epilogue: Expression | None) -> Map:
        """What makes the output steps where there are no products, of `rows` steps: of the bias, if there is one."""
        own, first = self.epilogue(epilogue) or Expression(SUM), int(self.whole.use_bias)
        bias: Value = Ref("channel0") if self.whole.use_bias else Const(0.0)
        given: dict[str, Value] = {name: Ref(name) for name in input_names(len(own.inputs))}
        given |= {name: Ref(f"channel{first + k}") for k, name in enumerate(weight_names(own.weights))}
        given |= {SUM.name: bias, STORED.name: STORED}
        made = Expression(own.of(given), own.inputs, first + own.weights, own.also_of(given))
        return Map(self.whole.dtype, self.filters, made, self._placed(-self.phase.more))

    def epilogue(self, epilogue: Expression | None) -> Expression | None:
        """An epilogue of the whole, for rows of adjacent steps. Its inputs are alike: see `takes`."""
        if epilogue is None:
            return None
        return replace(epilogue, inputs=(Operand(self.filters),) * len(epilogue.inputs))

    def laid_out(self, weights: Mapping[str, Array], with_products: bool) -> dict[str, Array]:
        """The kernel's arrays before they are packed, of those of the whole: `w`, of shape `(kernel_size, filters,
        channels)`, and what there is one number of for each filter.
        """
        made = {name: np.tile(array, self.phase.count) for name, array in weights.items() if name != "w"}
        if with_products:
            taps = np.array(self.phase.taps).T  # of each tap of the problem, those of the adjacent steps
            steps = np.moveaxis(weights["w"][taps], 3, 1)
            return {**made, "w": np.ascontiguousarray(steps).reshape(self.problem.kernel_shape)}
        names = [name for name in ("b", *weight_names(len(made))) if name in made]
        return {f"channel{number}": made[name] for number, name in enumerate(names)}


def takes(epilogue: Expression, filters: int) -> bool:
    """Whether parts can have an epilogue: its inputs have the shape of the output, and lie in rows as it does."""
    return all(operand == Operand(filters) for operand in epilogue.inputs)
