"""Stored: how a weight of a network comes from the arrays of a file whose program has other layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Weights

Array = NDArray[Any]
_COUNTERS = ".num_batches_tracked"  # of torch's batch norms, which compute nothing with them


@dataclass(frozen=True, slots=True)
class Stored:
    """The arrays that a weight is made of, by their names in files, with their shapes, and what makes it of them. Without
    names it is a constant, or `derived` from arrays of these names in a way that only the program knows.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    convert: Callable[..., Array]
    derived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What a network knows of the program that it comes from: how its weights are stored there, by their names here, and
    which arrays there are besides, as no weight is made of them.
    """

    stored: Mapping[str, Stored]
    unused: frozenset[str]


def replaced(weights: Weights, given: Mapping[str, Array], imported: Imported | None) -> dict[str, Array]:
    """New weights of a network from the arrays of a file, by name. Raises ValueError, which lists them all, for arrays
    that are missing, not expected, or of other shapes.
    """
    stored = imported.stored if imported is not None else {}
    rows = {name: stored.get(name) or Stored((name,), (old.shape,), np.asarray) for name, old in weights.items()}
    wanted = {name: shape for row in rows.values() for name, shape in zip(row.names, row.shapes, strict=True)}
    arrays = _without_norms(given, wanted)
    unused = imported.unused if imported is not None else frozenset()
    problems = [
        f"{name} is computed from {', '.join(row.derived)} by the module's code: read the module again, with its new weights"
        for name, row in rows.items()
        if row.derived
    ]
    problems += [f"{name} of shape {shape} is missing" for name, shape in wanted.items() if name not in arrays]
    problems += [
        f"{name} of shape {arrays[name].shape} is not expected"
        for name in arrays
        if name not in wanted and name not in unused and not name.endswith(_COUNTERS)
    ]
    problems += [
        f"{name} has shape {arrays[name].shape}, and not {shape}"
        for name, shape in wanted.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if problems:
        raise ValueError("The arrays are not those of the network's weights:\n" + "\n".join(f"  {p}" for p in problems))
    return {
        name: row.convert(*(arrays[part] for part in row.names)) if row.names else np.asarray(weights[name])
        for name, row in rows.items()
    }


def _without_norms(given: Mapping[str, Array], wanted: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays, where those of torch's `weight_norm` are the weight that it makes of them: g·v ÷ ‖v‖."""
    arrays = dict(given)
    for name in wanted:
        module, _, weight = name.rpartition(".")
        dot = f"{module}." if module else ""
        for g, v in (
            (f"{dot}parametrizations.{weight}.original0", f"{dot}parametrizations.{weight}.original1"),
            (f"{name}_g", f"{name}_v"),
        ):
            if name in arrays or g not in arrays or v not in arrays or arrays[g].ndim != arrays[v].ndim:
                continue
            size, direction = arrays.pop(g), arrays.pop(v).astype(np.float64)
            axes = tuple(axis for axis, count in enumerate(size.shape) if count == 1)
            with np.errstate(all="ignore"):
                arrays[name] = direction * (size / np.sqrt((direction * direction).sum(axes, keepdims=True)))
    return arrays
