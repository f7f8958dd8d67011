"""Output length and padding arithmetic: the only file that knows it.

For an input of `length` steps, with `extent = (kernel_size - 1) * dilation + 1` the steps that one window spans:

    valid    output = (length - extent) // stride + 1            left = right = 0
    causal   output = ceil(length / stride)                      left = (kernel_size - 1) * dilation, right = 0
    same     output = ceil(length / stride)                      left = total // 2, right = total - left
             where total = max((output - 1) * stride + extent - length, 0): the odd step goes to the right
    (l, r)   output = (length + l + r - extent) // stride + 1    left = l, right = r

A transposed convolution is the other way round: each input step adds to output steps `t*stride + j*dilation - left`.

    output = (length - 1) * stride + extent - left - right       right < 0: the last steps have no products

The functions use nothing but ``+ - * //`` and `maximum`, so they take Python integers (the layer, the argument checks)
and the loop IR's index expressions (the lowerings, for which the length is known only at run time) alike.

Source: TensorFlow's "Notes on padding" (SAME puts the extra zero on the right) and Keras's `causal`.
"""

from __future__ import annotations

from typing import Any

from ..symbolic.index import maximum, minimum

Padding = str | tuple[int, int]

PADDINGS = ("valid", "same", "causal")


def ceildiv(a: Any, b: Any) -> Any:
    """`a / b` rounded up, for positive `b`."""
    return (a + b - 1) // b


def extent(kernel_size: Any, dilation: Any) -> Any:
    """Steps of input that one output step looks at, gaps included."""
    return (kernel_size - 1) * dilation + 1


def output_length(length: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Padding) -> Any:
    """Steps of output for `length` steps of input. For "valid" and explicit pairs it can be zero or
    negative: no output.
    """
    if padding in ("same", "causal"):
        return ceildiv(length, stride)
    left, right = padding if isinstance(padding, tuple) else (0, 0)
    return (length + left + right - extent(kernel_size, dilation)) // stride + 1


def pooled_length(length: Any, size: Any, stride: Any, dilation: Any, padding: Padding, ceil: bool) -> Any:
    """The same for a pool; with `ceil` there is one more window where steps are left at the end, if it begins on the input
    or before it.
    """
    if not ceil or padding in ("same", "causal"):
        return output_length(length, size, stride, dilation, padding)
    left, right = padding if isinstance(padding, tuple) else (0, 0)
    whole = output_length(length + stride - 1, size, stride, dilation, (left, right))
    return minimum(whole, ceildiv(length + left, stride))


def left_padding(length: Any, kernel_size: Any, stride: Any, dilation: Any, padding: Padding) -> Any:
    """Steps of zeros before the first step of input. It depends on `length` only for "same" with a stride above 1."""
    if padding == "causal":
        return (kernel_size - 1) * dilation
    if padding == "same":
        outputs = output_length(length, kernel_size, stride, dilation, padding)
        return maximum((outputs - 1) * stride + extent(kernel_size, dilation) - length, 0) // 2
    return padding[0] if isinstance(padding, tuple) else 0


def left_paddings(kernel_size: int, stride: int, dilation: int, padding: Padding) -> tuple[int, int]:
    """The least and the most that `left_padding` is, for all lengths."""
    if padding == "same":  # (output - 1) * stride - length is -stride to -1
        reach = extent(kernel_size, dilation)
        return max(reach - stride, 0) // 2, (reach - 1) // 2
    left = left_padding(0, kernel_size, stride, dilation, padding)
    return left, left


def edges(padding: Padding) -> int:
    """At how many ends of a sequence kernels have code for outputs that lack taps: at both for any explicit pair."""
    return {"valid": 0, "causal": 1}.get(padding, 2) if isinstance(padding, str) else 2


def taps_on_input(t: Any, length: Any, left: Any, kernel_size: Any, stride: Any, dilation: Any) -> tuple[Any, Any]:
    """The half-open range of taps `j` for which output step `t` reads inside the input: `0 <= t*stride + j*dilation -
    left < length`.
    """
    first = t * stride - left
    return maximum(0, ceildiv(-first, dilation)), minimum(kernel_size, ceildiv(length - first, dilation))


def steps_of_tap(j: Any, length: Any, left: Any, stride: Any, dilation: Any) -> tuple[Any, Any]:
    """The half-open range of output steps, unclamped, for which tap `j` reads inside the input: `taps_on_input`, seen
    from the tap.
    """
    first = left - j * dilation
    return ceildiv(first, stride), ceildiv(length + first, stride)


def interior(length: Any, lefts: tuple[Any, Any], kernel_size: Any, stride: Any, dilation: Any) -> tuple[Any, Any]:
    """The half-open range of output steps, unclamped, all of whose taps fall on the input whichever of `lefts` the left
    padding is.

    Where that depends on the length, one step beside it at either end may have all its taps too; but the range is
    simpler to reason about.
    """
    least, most = lefts
    return ceildiv(most, stride), (length + least - extent(kernel_size, dilation)) // stride + 1


def transposed_length(length: Any, kernel_size: Any, stride: Any, dilation: Any, left: Any, right: Any) -> Any:
    """Steps of output of a transposed convolution for `length` steps of input."""
    return (length - 1) * stride + extent(kernel_size, dilation) - (left + right)


def transposed_crops(
    kernel_size: int, stride: int, dilation: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """Steps that a transposed convolution with "valid" or "same" padding leaves out at either end; fewer than none are
    added (Keras's `compute_conv_transpose_output_length`).
    """
    window, same = int(extent(kernel_size, dilation)), padding == "same"
    if output_padding is not None:
        total = window - window % 2 - output_padding if same else -output_padding
        left = max(total // 2, 0) if same else 0
        return left, total - left
    if not same:
        return 0, -max(stride - window, 0)
    left = max(window - stride, 0) // 2
    return left, window - stride - left
