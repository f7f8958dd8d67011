"""From a user's array to a kernel's arguments and back: dtypes, memory layout, extended batch shapes, `out`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..locks import COMPILING
from ..options import CompileOptions
from ..problem import Problem
from ..reference.activations import glu
from .arguments import Shape, check_output_length
from .arrays import as_array, as_numbers, is_real_float

if TYPE_CHECKING:
    from ..compiler import Compilation
    from ..inspection.explanation import Explanation
    from ..ir import Expression
    from ..lower import Placement
    from ..runtime.kernel import CompiledKernel

Array = NDArray[Any]


def is_ready(inputs: Any, dtype: np.dtype[Any]) -> bool:
    """Whether inputs are what `as_input` would make of them. It may say no where they are: a dtype that is equal but
    another object.
    """
    return (
        type(inputs) is np.ndarray and inputs.dtype is dtype and (flags := inputs.flags).c_contiguous and flags.aligned
    )


def as_input(inputs: Any, dtype: np.dtype[Any], autocast: bool = True, owner: str = "Conv1D") -> Array:
    """The inputs as a plain, aligned, C-contiguous array of `dtype`; no copy where they are one already.

    Real floating-point inputs of another dtype are converted, with `autocast`. Raises TypeError for inputs that hold
    anything else, or whose type means more than its numbers (`arrays.py`): Keras leaves integers alone, and then no
    back end convolves them.
    """
    wanted = "real floating-point numbers" if autocast else f"{dtype.name} (the layer has autocast=False)"
    rule = f"{owner} takes an array of {wanted}"
    x = as_numbers(as_array(inputs, rule), dtype, rule)
    if not is_real_float(x.dtype) or (not autocast and x.dtype != dtype):
        advice = f" Convert it first, for example with np.asarray(x, '{dtype.name}')." if x.dtype.kind in "biuf" else ""
        raise TypeError(f"{rule}. Received: {type(inputs)} of dtype {x.dtype} and shape {x.shape}.{advice}")
    with np.errstate(over="ignore"):  # 1e300 is inf in float32
        return np.require(x, dtype, ["C", "A"])


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], x: Array) -> None:
    """Raises TypeError or ValueError unless `out` is an array that the result for `x` can be written into.

    It may not share memory with `x`, which is read as the result is written. (The weights' arrays are not writeable.)
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"`out` must be a NumPy array. Received: {type(out)}.")
    as_array(out, "`out` must be an array of plain numbers")
    if out.dtype != dtype:
        raise ValueError(f"`out` must have dtype {dtype.name} in native byte order. Received: {out.dtype!r}.")
    if out.shape != shape:
        raise ValueError(f"`out` must have shape {shape}. Received: {out.shape}.")
    if not out.flags.carray:
        kinds = {"C-contiguous": out.flags.c_contiguous, "aligned": out.flags.aligned, "writeable": out.flags.writeable}
        lacking = " and ".join(kind for kind, has in kinds.items() if not has)
        raise ValueError(
            f"`out` must be C-contiguous, aligned and writeable. Received an array of strides {out.strides} that is not {lacking}."
        )
    if np.may_share_memory(out, x):
        raise ValueError(
            f"`out` must not share memory with the inputs. Received: out of shape {out.shape} and inputs of shape {x.shape}."
        )


def delivered(result: Any, dtype: np.dtype[Any], out: Array | None, x: Array) -> Array:
    """What NumPy computed for `x` as an array of `dtype`, in `out` if that is given. Raises what `check_out` does."""
    y = np.asarray(result, dtype)
    if out is None:
        return y
    check_out(out, y.shape, y.dtype, x)
    out[...] = y
    return out


def compiled(
    problem: Problem,
    options: CompileOptions,
    length: int | None,
    epilogue: Expression | None = None,
    placement: Placement | None = None,
    others: int = 0,
) -> Compilation:
    """What `compile_problem` gives, which is imported here: LLVM is loaded when it is first needed."""
    with COMPILING:  # around the import too: a fork in the middle of one leaves the module locked in the child
        from ..compiler import compile_problem

        return compile_problem(problem, options, length, epilogue, placement, others)


def explained(problem: Problem, options: CompileOptions, batch: int, length: int | None, measure: bool) -> Explanation:
    """The kernel of `compiled`, explained: see `inspection/explain.py`, which is imported here."""
    compilation = compiled(problem, options, length)
    with COMPILING:
        from ..inspection.explain import explain
    return explain(compilation, batch, length, options.accuracy, measure)


def convolve(problem: Problem, kernel: CompiledKernel, packed: Any, x: Array, out: Array | None, threads: int) -> Array:
    """Runs a kernel on `x`, `batch_shape + (T, C)` or `batch_shape + (C, T)`, and gives `batch_shape + (T', F)` or `+
    (F, T')`.

    `x` is as `as_input` gives it; `out` is checked. Raises ValueError where no output exists; an empty batch, or an
    empty sequence with "same" and "causal" padding, gives an empty result without a call of the kernel.
    """
    launch = kernel.launch(x.shape)
    if not launch.flops:
        length = x.shape[-1 if problem.channels_first else -2]
        check_output_length(problem.output_length(length), length, x.shape, problem)
    if out is None:
        y = np.empty(launch.output_shape, x.dtype)
    else:
        check_out(out, launch.output_shape, x.dtype, x)
        y = out
    if launch.flops:
        kernel.run(launch, x, packed, y, threads)
    return y


def padded(problem: Problem, x: Array) -> Array:
    """`x` with the zeros of causal or explicit padding around it; as it is for "valid" and "same"."""
    if problem.padding in ("valid", "same"):
        return x
    right = problem.padding[1] if isinstance(problem.padding, tuple) else 0
    widths = [(0, 0)] * x.ndim
    widths[-1 if problem.channels_first else -2] = (problem.left_padding(0), right)
    return np.pad(x, widths)


def output_shape(problem: Problem, shape: Sequence[int | None], activation: Callable[..., Any]) -> Shape:
    """The shape of a layer's output; an unknown size (None) stays unknown. Raises ValueError where no output exists."""
    length = shape[-1] if problem.channels_first else shape[-2]
    steps = None
    if length is not None:
        steps = problem.output_length(length)
        check_output_length(steps, length, shape, problem)
    tail = (problem.filters, steps) if problem.channels_first else (steps, problem.filters)
    whole = (*shape[:-2], *tail)
    problem.check_bytes(shape, "input")
    problem.check_bytes(whole, "output")
    return activated_shape(whole, activation)


def activated(values: Array, activation: Callable[..., Any], layer: str) -> Array:
    """What an activation that runs after the kernel makes of its output. Raises ValueError where a
    layer can't give that.
    """
    shape = activated_shape(values.shape, activation)
    rule = (
        f"The activation {activation!r} of layer '{layer}' must make real floating-point numbers of shape {shape} of an output of "
        f"shape {values.shape}"
    )
    made = activation(values)
    try:
        result = as_array(made, rule)
    except TypeError as error:
        raise ValueError(str(error)) from error
    if result.shape != shape or not is_real_float(result.dtype):
        raise ValueError(f"{rule}. It made {result.dtype} of shape {result.shape}.")
    return result


def activated_shape(shape: Shape, activation: Callable[..., Any]) -> Shape:
    """The shape that an activation makes of an output: its own, but for `glu`, which halves one axis."""
    function, axis = (
        (activation.func, activation.keywords.get("axis", -1)) if isinstance(activation, partial) else (activation, -1)
    )
    if function is not glu:
        return shape
    whole = list(shape)
    size = whole[axis]
    if size is not None and size % 2:
        raise ValueError(f"axis size must be divisible by 2. Received: x.shape={shape} with axis={axis}")
    whole[axis] = None if size is None else size // 2
    return tuple(whole)
