"""The operations of a module of torch's, as `torch.export` finds them."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from ....locks import COMPILING


def torch_module() -> Any:
    """The package torch. Raises ImportError without it."""
    try:
        with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
            return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError("Modules of torch are read with the package torch: pip install torch.") from error


def checked(module: Any, torch: Any) -> None:
    """Raises TypeError for what is no module, ValueError for one in training mode."""
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch takes a torch.nn.Module. Received: {type(module)}.")
    training = [name or "the module itself" for name, part in module.named_modules() if part.training]
    if training:
        more = f" and {len(training) - 5} more" if len(training) > 5 else ""
        raise ValueError(
            "A network computes what a module does after training: call module.eval() first. In training mode are "
            f"{', '.join(training[:5])}{more}."
        )


def exported(module: Any, examples: Sequence[Any], layouts: Sequence[str], dynamic: bool, torch: Any) -> Any:
    """The program of a module, without mutation, of its operations as a user called them. With `dynamic`, batch and
    lengths are what a call knows where the module allows it, else the batch alone.

    Raises ValueError where torch can't export it.
    """
    auto = torch.export.Dim.AUTO
    free = "nt" if dynamic else "n"
    shapes = {
        name: {axis: auto for axis, kind in enumerate(layout) if kind in free}
        for name, layout in zip(_names(module, len(examples)), layouts, strict=True)
    }
    # Fewer than two sequences, or steps, would be taken for constants.
    given = tuple(_of_two(x, layout, torch) for x, layout in zip(examples, layouts, strict=True))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of old ways to store weights, and of what torch does by itself
            program = torch.export.export(module, given, dynamic_shapes=shapes, strict=False)
            return program.run_decompositions({})
    except Exception as error:  # whatever the module's own code raises, and torch's
        raise ValueError(f"torch.export can not export the module for the given example: {error}") from error


def _names(module: Any, count: int) -> list[str]:
    """The names of the first arguments of a module."""
    parameters = inspect.signature(module.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(names) < count:
        raise ValueError(f"The module takes {len(names)} inputs by position. Received: {count} examples.")
    return names[:count]


def _of_two(x: Any, layout: str, torch: Any) -> Any:
    axis = layout.index("n")
    return x if x.shape[axis] > 1 else torch.cat([x, x], axis)
