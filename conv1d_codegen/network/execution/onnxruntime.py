"""The only importer of ONNX Runtime: it runs the parts of a network that no operation here computes."""

from __future__ import annotations

import importlib
import math
import os
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...locks import COMPILING, ProcessLock
from ..ops.delegated import Axes, Computed, Part, Read

Array = NDArray[Any]
Outputs = Mapping[Part, Mapping[str, Array]]

#: What was made for each part, by the process, the threads and whether it is exact: threads do not survive a fork.
_SESSIONS: weakref.WeakKeyDictionary[Part, dict[tuple[int, int, bool], Any]] = weakref.WeakKeyDictionary()
_LOCK = ProcessLock()


def session(part: Part, threads: int, exact: bool) -> Any:
    """What runs a part, with so many threads; where it is to be `exact`, each operator by itself, as the file has them.

    Raises ImportError without the package onnxruntime, and ValueError for a part that it refuses.
    """
    key = (os.getpid(), threads, exact)
    with _LOCK.here:
        made = _SESSIONS.setdefault(part, {})
        if key not in made:
            made[key] = _session(part, threads, exact)
        return made[key]


def _session(part: Part, threads: int, exact: bool) -> Any:
    try:
        with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
            runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ImportError(
            'fallback="onnxruntime" runs what no network here has with the package onnxruntime: '
            "pip install conv1d-codegen[onnxruntime]. It is needed for:\n" + _listed(part)
        ) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # errors come as exceptions
    if exact:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return runtime.InferenceSession(part.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # which are of many classes
        raise ValueError(f"ONNX Runtime refuses a part of the model: {error}\n" + _listed(part)) from error


def _listed(part: Part) -> str:
    return "".join(f"  {layer}\n" for layer in part.layers)


def run(
    part: Part, made: Any, tensors: Mapping[str, Array], sizes: Mapping[str, int], others: Outputs
) -> dict[str, Array]:
    """What a session makes of a part's inputs, by name: the network's tensors, the lengths, and what other parts made.

    A part of a file of batch 1 runs once for each sequence; the outputs have an axis more then, the first. Raises
    ValueError for another batch than the file's, and for whatever ONNX Runtime refuses.
    """
    batch = sizes["N"]
    if part.batch in (None, batch):
        found = _once(part, made, tensors, sizes, others)
        return {name: y[None] for name, y in found.items()}
    if part.batch != 1:
        raise ValueError(
            f"The file fixes the batch to {part.batch}, and parts of it run in ONNX Runtime. Received: {batch}."
        )
    each = [
        _once(
            part,
            made,
            {name: x[place : place + 1] for name, x in tensors.items()},
            sizes,
            {p: {name: y[place : place + 1] for name, y in outputs.items()} for p, outputs in others.items()},
        )
        for place in range(batch)
    ]
    try:
        return {name: np.stack([found[name] for found in each]) for name in part.outputs}
    except ValueError as error:
        raise ValueError(f"ONNX Runtime makes other shapes of sequences of one length: {error}") from error


def _once(
    part: Part, made: Any, tensors: Mapping[str, Array], sizes: Mapping[str, int], others: Outputs
) -> dict[str, Array]:
    feeds = {}
    for name, given in part.inputs.items():
        if isinstance(given, Read):
            feeds[name] = to_onnx(tensors[given.tensor], given.axes)
        elif isinstance(given, Computed):
            feeds[name] = _evaluated(given, sizes)
        else:
            feeds[name] = others[given.part][given.name][0]
    try:
        return dict(zip(part.outputs, made.run(list(part.outputs), feeds), strict=True))
    except Exception as error:  # which are of many classes
        raise ValueError(f"ONNX Runtime refuses the inputs of a part: {error}\n" + _listed(part)) from error


def _evaluated(given: Computed, sizes: Mapping[str, int]) -> Array:
    if given.shape is not None:
        return np.full([size.evaluate(sizes) for size in given.shape], given.values, given.dtype)
    numbers = [value.evaluate(sizes) for value in given.values.flat]
    return np.array(numbers, given.dtype).reshape(given.values.shape)


def to_onnx(x: Array, axes: Axes) -> Array:
    """A tensor of a network, with the axes that it has in ONNX."""
    steps = x.shape[1] if x.ndim == 3 else 1
    sizes: dict[str | int, int] = {"N": len(x), "T": steps, **dict(enumerate(axes.parts))}
    factors = list(sizes)
    used = [f for axis in axes.axes for f in axis]
    order = [factors.index(f) for f in (*used, *(f for f in factors if f not in used))]
    moved = x.reshape(list(sizes.values())).transpose(order)
    return np.ascontiguousarray(moved.reshape([math.prod(sizes[f] for f in axis) for axis in axes.axes]))


def from_onnx(y: Array, axes: Axes, wanted: tuple[int, int | None, int], dtype: np.dtype[Any]) -> Array:
    """What ONNX Runtime made, in a leading axis of one or of sequences, as a tensor of a network. Raises ValueError where
    it is not of the batch, steps (None: any) and channels that the file promised, or of another dtype.
    """
    batch, length, channels = wanted
    places: dict[str | int, int] = {axis[0]: number for number, axis in enumerate(axes.axes, 1) if axis}
    known = dict(enumerate(axes.parts))
    fits = (
        y.ndim == len(axes.axes) + 1
        and y.dtype == dtype
        and all(y.shape[places[f]] == known[f] for f in known if f in places)
    )
    units = [number for number, axis in enumerate(axes.axes, 1) if not axis]
    steps = y.shape[places["T"]] if fits and "T" in places else 1
    whole = len(y) * (y.shape[places["N"]] if fits and "N" in places else 1)
    size = batch * steps * channels
    if (
        not fits
        or whole != batch
        or length not in (None, steps)
        or y.size != size
        or any(y.shape[u] != 1 for u in units)
    ):
        raise ValueError(
            f"ONNX Runtime made an array of shape {y.shape[1:]} and {y.dtype}, where the file has "
            f"{batch} sequences of {'some' if length is None else length} steps and {channels} channels of {dtype}."
        )
    order = [0, *(places[f] for f in ("N", "T", *known) if f in places), *units]
    return np.ascontiguousarray(y.transpose(order).reshape(batch, steps, channels))
