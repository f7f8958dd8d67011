"""The operations of a module of torch's, as `torch.export` finds them."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from ....locks import COMPILING
from .any_length import any_length


def torch_module() -> Any:
    """The package torch. Raises ImportError without it."""
    try:
        with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
            return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "Modules of torch are read with the package torch: pip install conv1d-codegen[torch]."
        ) from error


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
    """The program of a module, without mutation. With `dynamic`, batch and
    lengths are what a call knows where the module allows it, else the batch alone.

    Raises ValueError where torch can't export it.
    """
    auto = torch.export.Dim.AUTO
    free = "nt" if dynamic else "n"
    free_axes = [{axis: auto for axis, kind in enumerate(layout) if kind in free} for layout in layouts]
    # Fewer than two sequences, or steps, would be taken for constants.
    given = tuple(_of_two(x, layout, torch) for x, layout in zip(examples, layouts, strict=True))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of old ways to store weights, and of what torch does by itself
            with any_length(torch):
                program = torch.export.export(module, given, dynamic_shapes=_by_name(module, free_axes), strict=False)
            # What is changed in place is made anew. It takes long, and a few operations become several.
            return program.run_decompositions({}) if _mutates(program) else program
    except Exception as error:  # whatever the module's own code raises, and torch's
        raise ValueError(f"torch.export can not export the module for the given example: {error}") from error


def _mutates(program: Any) -> bool:
    """Whether an operation changes one of its arguments."""
    schemas = (getattr(node.target, "_schema", None) for node in program.graph.nodes)
    return any(schema is not None and schema.is_mutable for schema in schemas)


def _by_name(module: Any, given: Sequence[Any]) -> dict[str, Any]:
    """What is said of the arguments of a module, by their names."""
    parameters = inspect.signature(module.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = [p.name for p in parameters if p.kind == p.VAR_POSITIONAL]
    if len(names) < len(given) and not rest:
        raise ValueError(f"The module takes {len(names)} inputs by position. Received: {len(given)} examples.")
    named = dict(zip(names, given, strict=False))
    return {**named, rest[0]: tuple(given[len(names) :])} if rest else named


def _of_two(x: Any, layout: str, torch: Any) -> Any:
    axis = layout.index("n")
    return x if x.shape[axis] > 1 else torch.cat([x, x], axis)
