"""One case of a run: a convolution, its batch and its length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import activations
from ..layers.conv1d import Conv1D
from ..number_types import TYPES
from ..options import CompileOptions
from ..problem import Problem, parse_case
from ..reference import activations as reference
from ..schedule.plan import Plan

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One convolution with what its problem fuses, its batch and its length. `kind` is the class that it is counted in."""

    name: str
    kind: str
    batch: int
    length: int
    problem: Problem

    @classmethod
    def parse(cls, text: str, name: str = "", kind: str = "own") -> Case:
        """The inverse of `str`; without a name, it has that of its text, which tells it from others of its problem. Raises
        ValueError for text of another form, and for inputs that make no output.
        """
        problem, batch, length = parse_case(text)
        reference.check(problem.activation)
        if not batch:
            raise ValueError(f"{text}: a batch of 0 sequences has nothing to measure.")
        if not problem.output_length(length):
            raise ValueError(
                f"{text}: inputs of {length} steps are shorter than the {problem.extent} that it reaches over."
            )
        return cls(name or f"{problem}@{batch}x{length}", kind, batch, length, problem)

    @property
    def flops(self) -> int:
        return self.problem.flops(self.batch, self.length)

    def __str__(self) -> str:
        return f"{self.problem}@{self.batch}x{self.length}"

    def layer(
        self,
        algorithm: str = "auto",
        target: str | None = None,
        threads: int = 1,
        accuracy: str = "standard",
        plan: Plan | None = None,
    ) -> Conv1D:
        """A built layer for it. Its weights are random, and the same for all layers of a case."""
        problem = self.problem
        layer = Conv1D(
            problem.filters,
            problem.kernel_size,
            strides=problem.stride,
            padding=problem.padding if isinstance(problem.padding, str) else "valid",
            data_format="channels_first" if problem.channels_first else "channels_last",
            dilation_rate=problem.dilation,
            groups=problem.groups,
            activation=activations.identifier_of(problem.activation),
            use_bias=problem.use_bias,
            dtype=TYPES[problem.dtype].keras,
            options=CompileOptions(
                algorithm=algorithm,
                accuracy=accuracy,
                num_threads=threads,
                target=target,
                plan=plan,
                strided_dilation=True,
                explicit_padding=None if isinstance(problem.padding, str) else problem.padding,
            ),
        )
        layer.build(problem.input_shape(self.batch, self.length))
        layer.set_weights(self.weights())
        return layer

    def weights(self) -> list[Array]:
        """Of the layer: kernel and, where it has one, bias."""
        problem, rng = self.problem, np.random.default_rng(1)
        spread = (problem.kernel_size * problem.group_channels) ** -0.5
        kernel = spread * rng.standard_normal(problem.kernel_shape, np.float32)
        bias = rng.standard_normal(problem.filters, np.float32)
        return [each.astype(TYPES[problem.dtype].numpy) for each in (kernel, bias)[: 1 + problem.use_bias]]

    def inputs(self) -> Array:
        """Normally distributed inputs in the problem's dtype, the same at every call."""
        dtype = TYPES[self.problem.dtype].numpy
        x = placed(self.problem.input_shape(self.batch, self.length), dtype)
        drawn = np.float64 if dtype == np.float64 else np.float32
        x[...] = np.random.default_rng(2).standard_normal(x.shape, drawn)
        return x

    def output(self) -> Array:
        """An array for the output, all NaN."""
        y = placed(self.problem.output_shape(self.batch, self.length), TYPES[self.problem.dtype].numpy)
        y.fill(np.nan)
        return y


def placed(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array that begins 16 bytes after a multiple of 64, as NumPy's large arrays do on Linux, and as its small ones
    may or may not.

    Left to chance, that alone moves `wav2vec2/1s_conv0` from 410 µs, with the output at a multiple of 64, to 740 µs.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + 16
    array: Array = memory[begin : begin + size].view(dtype).reshape(shape)
    return array
