"""The arguments of Conv1D, brought to their standard form or refused with Keras 3's texts.

Where Keras accepts a size and fails later (`filters=4.0`, `kernel_size=(3.7,)`), or takes a bool or a string for a
number, the standard text comes at once. NumPy's integers are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..options import CompileOptions
from ..problem import Problem

Shape = tuple[int | None, ...]


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def one_tuple(value: Any, name: str) -> tuple[int]:
    """`3`, `(3,)` or `[3]` → `(3,)`. Raises ValueError unless it is one positive integer."""
    message = f"The `{name}` argument must be a tuple of 1 integers. Received {name}={value}"
    if _is_integer(value):
        values: tuple[Any, ...] = (value,)
    else:
        try:
            values = () if isinstance(value, (str, bytes, dict)) else tuple(value)
        except TypeError:
            values = ()
        if len(values) != 1:
            raise ValueError(message)
        if not _is_integer(values[0]):
            raise ValueError(f"{message}, including element {values[0]} of type {type(values[0])}")
    if values[0] <= 0:
        raise ValueError(f"{message}, including values {{{int(values[0])}}} that do not satisfy `value > 0`")
    return (int(values[0]),)


def padding_name(value: Any) -> str:
    """Padding by name ("valid", "same", "causal", whatever the case of the letters), in lower case. Raises ValueError
    for anything else.

    A value that is neither a string nor a list raises AttributeError, as in Keras.
    """
    if isinstance(value, (list, tuple)):
        raise ValueError(f"`padding` must be either `'valid'` or `'same'`. Received {value}.")
    padding = value.lower()
    if padding not in ("valid", "same", "causal"):
        raise ValueError(
            f"The `padding` argument must be a list/tuple or one of {{'valid', 'same', 'causal'}}. Received: {padding}"
        )
    return str(padding)


def data_format_name(value: Any) -> str:
    """The data format by name, in lower case; None is "channels_last". Raises ValueError for anything else."""
    name = "channels_last" if value is None else str(value).lower()
    if name not in ("channels_first", "channels_last"):
        raise ValueError(
            f"The `data_format` argument must be one of {{'channels_first', 'channels_last'}}. Received: data_format={name}"
        )
    return name


def check_filters_and_groups(filters: Any, groups: Any) -> tuple[int, int]:
    """Both as Python integers. Raises ValueError unless they are positive and `groups` divides `filters`."""
    if not _is_integer(filters) or filters <= 0:
        kind = "" if _is_integer(filters) else f" It must be an integer, not {filters!r} of type {type(filters)}."
        raise ValueError(
            f"Invalid value for argument `filters`. Expected a strictly positive value. Received filters={filters}.{kind}"
        )
    if not _is_integer(groups) or groups <= 0:
        raise ValueError(f"The number of groups must be a positive integer. Received: groups={groups}.")
    if filters % groups:
        raise ValueError(
            f"The number of filters must be evenly divisible by the number of groups. Received: groups={groups}, filters={filters}."
        )
    return int(filters), int(groups)


def check_stride_and_dilation(strides: tuple[int], dilation_rate: tuple[int], options: CompileOptions) -> None:
    """Raises ValueError where both are above 1, which Keras documents as incompatible, unless the options allow it."""
    if strides[0] > 1 and dilation_rate[0] > 1 and not options.strided_dilation:
        raise ValueError(
            "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
            f"Received: strides={strides} and dilation_rate={dilation_rate}"
        )


def input_shape_argument(arguments: dict[str, Any]) -> Shape | None:
    """Takes Keras 2's three ways to give the shape of the inputs out of the keyword arguments: the shape, batch first,
    or None.
    """
    whole, inner, dim = (
        arguments.pop("batch_input_shape", None),
        arguments.pop("input_shape", None),
        arguments.pop("input_dim", None),
    )
    batch = arguments.pop("batch_size", None)
    if whole is not None:
        return shape_of(whole, "batch_input_shape")
    if inner is None and dim is not None:
        inner = (None, dim)
    return None if inner is None else (batch, *shape_of(inner, "input_shape"))


def shape_of(value: Any, name: str = "input_shape") -> Shape:
    """A shape as a tuple of integers of 0 or more and None. Raises TypeError or ValueError for anything else."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise TypeError(
            f"`{name}` must be a tuple of integers and None. Received: {name}={value!r} (of type {type(value)})"
        )
    for size in value:
        if size is not None and (not _is_integer(size) or size < 0):
            raise ValueError(
                f"Cannot convert '{value}' to a shape. Found invalid dimension '{size}' of type '{type(size)}'."
            )
    return tuple(None if size is None else int(size) for size in value)


def check_rank(shape: Sequence[int | None], name: str) -> None:
    """Raises ValueError for a shape of rank below 3."""
    if len(shape) < 3:
        raise ValueError(
            f"Input 0 with name 'None' of layer '{name}' is incompatible with the layer: expected min_ndim=3, found ndim={len(shape)}. "
            f"Full shape received: {tuple(shape)}"
        )


def check_channels(shape: Sequence[int | None], axis: int, groups: int) -> int:
    """The number of input channels. Raises ValueError where it is unknown, zero or not divisible by the groups."""
    channels = shape[axis]
    if channels is None:
        raise ValueError(
            f"The channel dimension of the inputs should be defined. The input_shape received is {tuple(shape)}, "
            f"where axis {axis} (0-based) is the channel dimension, which found to be `None`."
        )
    if channels == 0:
        raise ValueError(
            f"The channel dimension of the inputs must be positive. The input_shape received is {tuple(shape)}."
        )
    if channels % groups:
        raise ValueError(
            "The number of input channels must be evenly divisible by the number of groups. "
            f"Received groups={groups}, but the input has {channels} channels (full input shape is {tuple(shape)})."
        )
    return channels


def check_input(shape: Sequence[int], axis: int, channels: int, name: str) -> None:
    """Raises ValueError unless a built layer of that name, with its channels on that axis, takes inputs of a shape."""
    check_rank(shape, name)
    if shape[axis] != channels:
        counted = 1 if axis == -2 and len(shape) == 3 else axis
        raise ValueError(
            f"Input 0 with name 'None' of layer '{name}' is incompatible with the layer: expected axis {counted} of input shape "
            f"to have value {channels}, but received input with shape {tuple(shape)}"
        )


def check_length(length: Any) -> None:
    """Raises ValueError unless it is a number of steps that an input could have, or None."""
    if length is not None and (not _is_integer(length) or length < 0):
        raise ValueError(
            f"`length` must be a number of steps, 0 or more, or None for long inputs. Received: length={length!r}."
        )


def check_output_length(steps: int, length: int, shape: Sequence[int | None], problem: Problem) -> None:
    """Raises ValueError where no output exists. An empty input gives an empty output with "same"
    and "causal" padding.
    """
    if steps <= 0 and not (length == 0 and problem.padding in ("same", "causal")):
        raise ValueError(
            "Computed output size would be zero or negative. "
            f"Received `inputs shape={tuple(shape)}`, `kernel shape={problem.kernel_shape}`, `dilation_rate=[{problem.dilation}]`, "
            f"`strides=({problem.stride},)`, `padding={problem.padding}`."
        )
