"""What is measured: the convolutions of shapes.json, taken from real models and from other libraries' benchmarks, as
named cases.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conv1d_codegen import Activation, CompileOptions, Conv1D, Plan, Problem
from conv1d_codegen.number_types import TYPES

Array = np.ndarray[Any, Any]
_FILE = Path(__file__).with_name("shapes.json")


@dataclass(frozen=True, slots=True)
class Case:
    """One convolution with bias and relu, its batch and its length."""

    name: str
    kind: str
    batch: int
    length: int
    problem: Problem

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
        """A built layer for it, by a plan if one is given. Its weights are random, and the same for all layers of a case."""
        problem = self.problem
        layer = Conv1D(
            problem.filters,
            problem.kernel_size,
            strides=problem.stride,
            padding=problem.padding if isinstance(problem.padding, str) else "valid",
            data_format="channels_first" if problem.channels_first else "channels_last",
            dilation_rate=problem.dilation,
            groups=problem.groups,
            activation="relu",
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
        rng = np.random.default_rng(1)
        spread = (problem.kernel_size * problem.group_channels) ** -0.5
        layer.set_weights(
            [
                spread * rng.standard_normal(problem.kernel_shape, np.float32),
                rng.standard_normal(problem.filters, np.float32),
            ]
        )
        return layer

    def inputs(self) -> Array:
        """Normally distributed inputs in the problem's dtype, the same at every call."""
        x = placed(self.problem.input_shape(self.batch, self.length), TYPES[self.problem.dtype].keras)
        np.random.default_rng(2).standard_normal(dtype=x.dtype.type, out=x)
        return x

    def output(self) -> Array:
        """An array for the output, all NaN."""
        y = placed(self.problem.output_shape(self.batch, self.length), TYPES[self.problem.dtype].keras)
        y.fill(np.nan)
        return y


def placed(shape: tuple[int, ...], dtype: str) -> Array:
    """An array that begins 16 bytes after a multiple of 64, as NumPy's large arrays do on Linux, and as its small ones
    may or may not.

    Left to chance, that alone moves `wav2vec2/1s_conv0` from 410 µs, with the output at a multiple of 64, to 740 µs.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + 16
    return memory[begin : begin + size].view(dtype).reshape(shape)


def load(channels_first: bool = False, dtype: str = "f32", text: str = "") -> list[Case]:
    """The cases whose name, class or problem contains a text, in the file's order, in float32
    ("f32") or float64 ("f64").
    """
    cases = []
    for shape in json.loads(_FILE.read_text(encoding="utf-8")):
        left, right = shape["padding"]
        problem = Problem(
            channels=shape["cin"],
            filters=shape["cout"],
            kernel_size=shape["kernel"],
            stride=shape["stride"],
            dilation=shape["dilation"],
            groups=shape["groups"],
            padding=(left, right) if left or right else "valid",
            activation=Activation("relu"),
            dtype=dtype,
            channels_first=channels_first,
        )
        cases.append(Case(shape["name"], shape["class"], shape["batch"], shape["length"], problem))
    return [case for case in cases if text in f"{case.name} {case.kind} {case.problem}"]
