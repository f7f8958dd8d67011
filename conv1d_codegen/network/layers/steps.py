"""Layers that change how many steps there are: padding, pools, repetition, other shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...layers import arguments as check
from .. import ops
from ..symbols import Symbol
from .base import NetworkLayer, SingleOp, check_format


class ZeroPadding1D(SingleOp):
    """Steps of zeros before and after."""

    def __init__(self, padding: int | Sequence[int] = 1, **kwargs: Any) -> None:
        super().__init__(ops.Pad(*_pair(padding)), kwargs)


class Cropping1D(SingleOp):
    """Without the first steps and the last."""

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(ops.Crop(*_pair(cropping)), kwargs)


def _pair(sizes: int | Sequence[int]) -> tuple[int, int]:
    left, right = (sizes, sizes) if isinstance(sizes, int) else sizes
    return left, right


class UpSampling1D(SingleOp):
    """Each step several times."""

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(ops.Repeat(size), kwargs)


class MaxPooling1D(SingleOp):
    """The largest of `pool_size` steps."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(_pool("max", pool_size, strides, padding), kwargs)


class AveragePooling1D(SingleOp):
    """The mean of `pool_size` steps; padding takes no part in it."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(_pool("average", pool_size, strides, padding), kwargs)


def _pool(kind: str, size: Any, strides: Any, padding: str) -> ops.Pool:
    (steps,) = check.one_tuple(size, "pool_size")
    (stride,) = (steps,) if strides is None else check.one_tuple(strides, "strides")
    name = check.padding_name(padding)
    if name == "causal":
        raise ValueError(f'Pools have padding "valid" or "same". Received: padding={padding!r}.')
    return ops.Pool(kind, steps, stride, name)


class GlobalMaxPooling1D(SingleOp):
    """The largest of all steps."""

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(ops.GlobalPool("max", bool(keepdims)), kwargs)


class GlobalAveragePooling1D(SingleOp):
    """The mean of all steps."""

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(ops.GlobalPool("average", bool(keepdims)), kwargs)


class Flatten(NetworkLayer):
    """All numbers of a tensor as a vector. It takes an input of known length."""

    def __init__(self, **kwargs: Any) -> None:
        check_format(kwargs.pop("data_format", None), str(kwargs.get("name", "")))
        super().__init__(kwargs)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        return self.made(ops.Reshape(None, _size(x, self.name)), x)


class Reshape(NetworkLayer):
    """The numbers of a tensor in another shape, `(steps, channels)` or `(channels,)`; one size may be -1. Of two axes
    before the channels one has length 1, and is left out: the `unit`, 1 or 2.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(kwargs)
        self._target = tuple(target_shape)
        self.unit: int | None = None
        if len(self._target) == 3 and 1 in self._target[:2]:
            self.unit = 2 if self._target[1] == 1 else 1
            self._target = self._target[: self.unit - 1] + self._target[self.unit :]

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        if self._target == (-1, x.known.channels) and x.known.steps is not None:
            return x
        size = _size(x, self.name)
        known = math.prod(n for n in self._target if n != -1)
        target = [size // max(known, 1) if n == -1 else n for n in self._target]
        if len(target) not in (1, 2):
            raise ValueError(
                f"Layer '{self.name}' of a network makes (steps, channels) or (channels,). Received: {self._target}."
            )
        return self.made(ops.Reshape(target[0] if len(target) == 2 else None, target[-1]), x)


class Permute(NetworkLayer):
    """Steps as channels and channels as steps, of an input of known length: `dims` (2, 1)."""

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(kwargs)
        self.dims = tuple(dims)

    def apply(self, *inputs: Symbol) -> Symbol:
        (x,) = inputs
        if sorted(self.dims) != [1, 2]:
            raise ValueError(f"Layer '{self.name}' of a network exchanges (1, 2). Received: dims={self.dims}.")
        return x if self.dims == (1, 2) else self.made(ops.Transpose(), x)


def _size(x: Symbol, layer: str) -> int:
    size = x.known.channels if x.known.steps is None else (x.known.steps * x.known.channels).constant
    if size is None:
        raise ValueError(f"Layer '{layer}' takes an input of known length. Received: {x!r}; give `Input` a length.")
    return size
