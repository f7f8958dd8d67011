"""Problem: one convolution, frozen. Everything that is a constant of the generated kernel, and nothing else.

A problem has a one-line text form that tests, benchmarks, bug reports and the command line share:

    c64_f128_k3_d8_causal_relu_f32           64 channels, 128 filters, 3 taps, dilation 8, bias, channels last
    c8_f8_k3_s2_g4_same_linear_f64_first     stride 2, 4 groups, float64, channels first
    c1_f32_k80_s16_pad3x2_leaky_relu(negative_slope=0.1)_f32_nobias

Batch and length are not part of it: one kernel serves all. A *case* adds them: `c64_f128_k3_causal_relu_f32@4x100`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..number_types import TYPES
from . import padding as pad

#: Bytes that steps, windows and padding may span. Generated code counts elements and bytes in 64 bits, and multiplies
#: these constants with the numbers of a plan, each up to 2**16: what it makes of them, and of arrays that an address
#: space holds (2**47 bytes), never wraps.
LARGEST_SPAN = 2**46
_LARGEST_ARRAY = 2**63 - 1  # bytes that NumPy, and an offset of 64 bits, can count

_TEXT = re.compile(
    r"c(?P<channels>\d+)_f(?P<filters>\d+)_k(?P<kernel_size>\d+)"
    r"(?:_s(?P<stride>\d+))?(?:_d(?P<dilation>\d+))?(?:_g(?P<groups>\d+))?"
    r"_(?P<padding>valid|same|causal|pad\d+x\d+)"
    r"_(?P<activation>[a-z][a-z0-9_]*?(?:\([^()]*\))?)"
    rf"_(?P<dtype>{'|'.join(TYPES)})(?P<first>_first)?(?P<nobias>_nobias)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Activation:
    """An element-wise activation by name, with the parameters that differ from its defaults, sorted by name."""

    name: str = "linear"
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *(name for name, _ in self.parameters)):
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"An activation's name, and those of its parameters, are made of a-z, 0-9 and _. Received: {name!r}."
                )

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}({','.join(f'{name}={float(value)!r}' for name, value in self.parameters)})"

    @classmethod
    def parse(cls, text: str) -> Activation:
        """The inverse of `str`. Raises ValueError for text of another form."""
        match = re.fullmatch(r"([a-z][a-z0-9_]*)(?:\(([^()]*)\))?", text)
        pairs = [item.partition("=") for item in (match[2] or "").split(",") if item] if match else []
        try:
            if match is None:
                raise ValueError("not a name with parameters")
            return cls(match[1], tuple(sorted((name, float(value)) for name, _, value in pairs)))
        except ValueError as error:
            raise ValueError(
                f"Expected an activation such as `relu` or `elu(alpha=0.5)`. Received: {text!r} ({error})."
            ) from error


@dataclass(frozen=True, slots=True)
class Problem:
    """One convolution: `y[n, t, f] = act(b[f] + Σ_{j<k, c<C/g} x[n, t·s + j·d − left, group(f)·C/g + c] · w[j, c, f])`.

    Raises ValueError, with the numbers, where the sizes do not make a convolution.
    """

    channels: int
    filters: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: pad.Padding = "valid"
    activation: Activation = field(default_factory=Activation)
    dtype: str = "f32"
    channels_first: bool = False
    use_bias: bool = True

    def __post_init__(self) -> None:
        for name in ("channels", "filters", "kernel_size", "stride", "dilation", "groups"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"Problem.{name} must be an int of 1 or more. Received: {name}={value!r}.")
        for name in ("channels_first", "use_bias"):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"Problem.{name} must be True or False. Received: {name}={getattr(self, name)!r}.")
        for name in ("channels", "filters"):
            if getattr(self, name) % self.groups:
                raise ValueError(
                    f"Problem.{name} must be divisible by groups. Received: {name}={getattr(self, name)}, groups={self.groups}."
                )
        if self.dtype not in TYPES:
            raise ValueError(f"Problem.dtype must be one of {', '.join(TYPES)}. Received: {self.dtype!r}.")
        if self.padding not in pad.PADDINGS:
            pair = self.padding
            if type(pair) is not tuple or len(pair) != 2 or any(type(p) is not int or p < 0 for p in pair):
                raise ValueError(
                    f"Problem.padding must be one of {pad.PADDINGS} or a pair of ints of 0 or more. Received: {pair!r}."
                )
        if self.kernel_bytes > LARGEST_SPAN:
            raise ValueError(
                f"The kernel of {self} would take {self.kernel_bytes} bytes in float64, which no address space holds."
            )
        explicit = self.padding if isinstance(self.padding, tuple) else (0, 0)
        steps = self.extent + self.stride * self.dilation + sum(explicit)
        span = steps * max(self.channels, self.filters) * 8
        if span > LARGEST_SPAN:
            raise ValueError(
                f"Sizes are limited to 2**46 bytes. Received: kernel_size={self.kernel_size}, strides={self.stride}, "
                f"dilation_rate={self.dilation}, padding={self.padding!r}, channels={self.channels}, filters={self.filters}, "
                f"which make {steps} steps, of {span} bytes in float64."
            )

    @property
    def group_channels(self) -> int:
        """Input channels that one filter sees."""
        return self.channels // self.groups

    @property
    def group_filters(self) -> int:
        """Filters in one group."""
        return self.filters // self.groups

    @property
    def kernel_shape(self) -> tuple[int, int, int]:
        """Shape of the weights, Keras's order: `(kernel_size, channels // groups, filters)`, in both data formats."""
        return (self.kernel_size, self.group_channels, self.filters)

    @property
    def kernel_bytes(self) -> int:
        """Bytes of the weights as the widest numbers, float64."""
        return self.kernel_size * self.group_channels * self.filters * 8

    @property
    def itemsize(self) -> int:
        """Bytes of one number of the inputs and outputs."""
        return TYPES[self.dtype].bytes

    @property
    def compute(self) -> str:
        """The type that products are summed up in: f64 for f64, else f32."""
        return TYPES[self.dtype].compute

    @property
    def extent(self) -> int:
        """Steps of input that one output step looks at."""
        return int(pad.extent(self.kernel_size, self.dilation))

    def output_length(self, length: int) -> int:
        """Steps of output for `length` steps of input; zero or less means that no output exists."""
        return int(pad.output_length(length, self.kernel_size, self.stride, self.dilation, self.padding))

    def left_padding(self, length: int) -> int:
        """Steps of zeros before the input."""
        return int(pad.left_padding(length, self.kernel_size, self.stride, self.dilation, self.padding))

    def left_paddings(self) -> tuple[int, int]:
        """The least and the most that `left_padding` is, for all lengths."""
        return pad.left_paddings(self.kernel_size, self.stride, self.dilation, self.padding)

    def flops(self, batch: int, length: int) -> int:
        """Multiplications and additions of the direct algorithm, padding counted as if it were data."""
        return 2 * batch * max(0, self.output_length(length)) * self.kernel_size * self.group_channels * self.filters

    def input_shape(self, batch: int, length: int) -> tuple[int, int, int]:
        return (batch, self.channels, length) if self.channels_first else (batch, length, self.channels)

    def output_shape(self, batch: int, length: int) -> tuple[int, int, int]:
        steps = max(0, self.output_length(length))
        return (batch, self.filters, steps) if self.channels_first else (batch, steps, self.filters)

    def check_bytes(self, shape: Sequence[int | None], name: str) -> None:
        """Raises ValueError where no array can have a shape, of which None is unknown, because its bytes can't be
        counted.

        `name` says which array it is: "input" or "output". As in NumPy, an axis of no elements makes no difference.
        """
        size = math.prod(axis or 1 for axis in shape) * self.itemsize
        if size > _LARGEST_ARRAY:
            raise ValueError(
                f"An {name} of shape {tuple(shape)} of {self} would take {size} bytes, and an array has at most 2**63 - 1 of them."
            )

    def __str__(self) -> str:
        sizes = [f"c{self.channels}", f"f{self.filters}", f"k{self.kernel_size}"]
        sizes += [
            f"{letter}{size}"
            for letter, size in (("s", self.stride), ("d", self.dilation), ("g", self.groups))
            if size > 1
        ]
        padding = self.padding if isinstance(self.padding, str) else "pad{}x{}".format(*self.padding)
        flags = ["first"] * self.channels_first + ["nobias"] * (not self.use_bias)
        return "_".join([*sizes, padding, str(self.activation), self.dtype, *flags])

    @classmethod
    def parse(cls, text: str) -> Problem:
        """The inverse of `str`. Raises ValueError for text of another form."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(
                f"Not a problem's text form: {text!r}. Expected something like `c64_f128_k3_s2_d8_g4_causal_relu_f32`: channels, filters, "
                "kernel size, then stride, dilation and groups where above 1, padding, activation, dtype, and `first` or `nobias`."
            )
        part: Mapping[str, str | None] = match.groupdict()
        padding: pad.Padding = part["padding"] or ""
        if isinstance(padding, str) and padding.startswith("pad"):
            left, right = padding[3:].split("x")
            padding = (int(left), int(right))
        return cls(
            **{
                name: int(part[name] or 1)
                for name in ("channels", "filters", "kernel_size", "stride", "dilation", "groups")
            },
            padding=padding,
            activation=Activation.parse(part["activation"] or "linear"),
            dtype=part["dtype"] or "f32",
            channels_first=part["first"] is not None,
            use_bias=part["nobias"] is None,
        )

    def with_(self, **changes: object) -> Problem:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def parse_case(text: str) -> tuple[Problem, int, int]:
    """`PROBLEM@BATCHxLENGTH` → problem, batch, length. Raises ValueError for text of another form."""
    problem, _, sizes = text.partition("@")
    match = re.fullmatch(r"(\d+)x(\d+)", sizes, re.ASCII)
    if match is None:
        raise ValueError(
            f"Expected PROBLEM@BATCHxLENGTH, for example c16_f32_k3_valid_linear_f32@4x100. Received: {text!r}."
        )
    return Problem.parse(problem), int(match[1]), int(match[2])
