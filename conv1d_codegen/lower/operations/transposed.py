"""A transposed convolution as one kernel, which finds the taps of each output step: for strides of very many phases.

    y[n, u, f] := e( b[f] + Σ_{j, c} x[n, (u + left − j·d) / s, c] · w[j, c, f] )      for the taps where that is a step of x

With g = gcd(s, d), those are the taps j₀, j₀ + s/g, j₀ + 2s/g …, where j₀·d/g is (u + left)/g modulo s/g; there are none
where u + left is no multiple of g. They read input steps d/g apart, in falling order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from ...ir import (
    Alloc,
    Axis,
    Block,
    Buffer,
    Const,
    Expression,
    For,
    Kernel,
    Let,
    Value,
    accumulate,
    buffer,
    input_names,
    load,
    loop,
    store,
    weight_names,
)
from ...problem import padding as pad
from ...problem.summation import LONGEST_CHAIN
from ...symbolic.index import Index, index, maximum, minimum, var
from ..formula import read
from .operation import Operation, T, in_blocks, over_channels, over_steps


@dataclass(frozen=True, slots=True)
class ConvTranspose(Operation):
    """Channels and filters of a group have products with each other alone. The expression is of the `sum`, of inputs of
    the output's shape, and of weights of each filter.
    """

    channels: int
    filters: int
    kernel_size: int
    stride: int
    dilation: int
    left: int
    right: int
    use_bias: bool
    groups: int
    expression: Expression

    def kernel(self) -> Kernel:
        sizes = self.kernel_size, self.stride, self.dilation, self.left, self.right
        outputs = index(pad.transposed_length(T, *sizes))
        x, y = self.array("x", T, self.channels), self.array("y", outputs, self.filters, "output")
        inputs = [self.array(name, outputs, self.filters) for name in input_names(len(self.expression.inputs))]
        names = [*(["b"] if self.use_bias else []), *weight_names(self.expression.weights)]
        each = self.groups, self.filters // self.groups
        of_filters = [buffer(name, self.dtype, each, "constant", (Axis.GROUP, Axis.CHANNEL)) for name in names]
        products = self.kernel_size * self.channels // self.groups
        w = buffer("w", self.dtype, (products, *each), "constant", (Axis.TAP, Axis.GROUP, Axis.CHANNEL))
        row = self._row(x, w, of_filters, inputs, y)
        body = in_blocks(outputs, self.filters, lambda first, end: (over_steps(first, end, row),))
        return self.named([x, w, *of_filters, *inputs, y], (body,), 1)

    def _row(self, x: Buffer, w: Buffer, of_filters: list[Buffer], inputs: list[Buffer], y: Buffer) -> Block:
        """One output step."""
        n, t, g = var("n"), var("t"), var("g")

        def of_filter(f: Index) -> Block:
            acc = buffer("acc", self.compute, (), "register")
            total: Value = load(acc)
            given = {array.name: load(array, g, f) for array in of_filters}
            total = total + given.pop("b") if self.use_bias else total
            filter_ = g * (self.filters // self.groups) + f
            for array, operand in zip(inputs, self.expression.inputs, strict=True):
                given[array.name] = read(array, operand, n, t, filter_)
            result = self.expression.of({"sum": total, **given})
            return (
                Alloc(acc),
                store(acc, (), Const(0.0)),
                self._products(x, w, acc, f),
                store(y, (n, t, filter_), result),
            )

        groups = loop("g", 0, self.groups, (over_channels(self.filters // self.groups, of_filter),), axis=Axis.GROUP)
        return (*self._taps(), groups)

    def _taps(self) -> Block:
        """What names the first tap of a step, the input step that it reads, and the range of those after it."""
        shared = gcd(self.stride, self.dilation)
        apart, back = self.stride // shared, self.dilation // shared
        place = var("t") + self.left
        whole = place // shared
        inverse = pow(back, -1, apart) if apart > 1 else 0
        first = whole * inverse - (whole * inverse) // apart * apart
        is_whole = whole - (place - 1) // shared  # 1 where it is a multiple, else 0
        tap, step = var("tap"), var("step")
        taps = minimum(pad.ceildiv(self.kernel_size - tap, apart), step // back + 1)
        return (
            Let("tap", first),
            Let("step", (whole - tap * back) // apart),
            Let("first", index(maximum(0, pad.ceildiv(step - T + 1, back)))),
            Let("end", index(minimum(taps, is_whole * self.kernel_size))),
        )

    def _products(self, x: Buffer, w: Buffer, acc: Buffer, f: Index) -> For:
        """The sum over taps and channels, in chunks of channels."""
        shared, each = gcd(self.stride, self.dilation), self.channels // self.groups
        k, g, c = var("k"), var("g"), var("channel")
        tap = var("tap") + k * (self.stride // shared)
        step = var("step") - k * (self.dilation // shared)
        part = buffer("part", self.compute, (), "register")
        product = accumulate(part, (), load(x, var("n"), step, g * each + c), load(w, tap * each + c, g, f))
        first = var("chunk") * LONGEST_CHAIN
        channels = loop("channel", first, minimum(first + LONGEST_CHAIN, each), (product,), axis=Axis.TAP)
        body = (Alloc(part), store(part, (), Const(0.0)), channels, store(acc, (), load(acc) + load(part)))
        chunks = loop("chunk", 0, -(-each // LONGEST_CHAIN), body, axis=Axis.TAP)
        return loop("k", var("first"), var("end"), (chunks,), axis=Axis.TAP)

    def __str__(self) -> str:
        sizes = f"c{self.channels}_f{self.filters}_k{self.kernel_size}_s{self.stride}_d{self.dilation}_g{self.groups}"
        bias = "" if self.use_bias else "_nobias"
        return f"conv_transpose {sizes}_crop{self.left}x{self.right}{bias} {self.expression} {self.dtype}"
