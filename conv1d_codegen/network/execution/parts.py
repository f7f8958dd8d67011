"""The kernels of a transposed convolution."""

from __future__ import annotations

from ...lower.transposed import Part, Transposed
from ..ops import ConvTranspose

#: Kernels of one transposed convolution. More would take long to compile: it has them where its stride and its dilation
#: share a factor and are large.
_MOST_PARTS = 32


def parts(op: ConvTranspose, dtype: str) -> list[Part]:
    """What kernels compute of it together; nothing where NumPy computes all."""
    sizes = op.channels, op.filters, op.kernel_size, op.stride, op.dilation, op.left, op.right
    found = Transposed(*sizes, dtype=dtype, use_bias=op.use_bias).parts() if op.groups == 1 else []
    return found if len(found) <= _MOST_PARTS else []
