"""The kernels of a transposed convolution."""

from __future__ import annotations

from ...lower.transposed import Part, Transposed
from ..ops import ConvTranspose

#: Kernels of one transposed convolution. More would take long to compile, as where its stride and its dilation share a
#: factor and are large: then it is one kernel, which looks for the taps of each step.
_MOST_PARTS = 32


def transposed(op: ConvTranspose, dtype: str) -> Transposed:
    """All of it, as the lowering has it."""
    sizes = op.channels, op.filters, op.kernel_size, op.stride, op.dilation, op.left, op.right
    return Transposed(*sizes, dtype=dtype, use_bias=op.use_bias, groups=op.groups)


def parts(op: ConvTranspose, dtype: str) -> list[Part]:
    """What kernels compute of it together; nothing where one computes all."""
    found = transposed(op, dtype).parts()
    return found if len(found) <= _MOST_PARTS else []
