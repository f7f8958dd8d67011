"""What a module holds: its parameters and buffers, and what its code computes from them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ....symbolic.index import Index
from .builder import Constant


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor of torch's, or several; its name where it is a parameter or a buffer, or the names of what it is made of."""

    value: Any
    name: str | None = None
    derived: tuple[str, ...] = ()

    @property
    def all_names(self) -> tuple[str, ...]:
        return self.derived if self.name is None else (self.name, *self.derived)


def constant(value: Any) -> Any:
    """What is held as arrays, within lists too; and sizes that are known as integers."""
    if isinstance(value, list):
        return [constant(v) for v in value]
    if isinstance(value, Held):
        tensor = value.value.detach().cpu()
        wide = tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor
        return Constant(wide.numpy(), value.name, value.derived)
    if isinstance(value, Index) and value.constant is not None:
        return value.constant
    return value


def normed(target: str, names: Sequence[str]) -> str | None:
    """The name of the weight that torch's `weight_norm` makes of two parameters."""
    if "weight_norm" not in target or len(names) != 2:
        return None
    first, second = names
    if first.endswith("_g") and second.endswith("_v"):
        return first[:-2]
    module, _, ending = first.partition("parametrizations.")
    return module + ending.removesuffix(".original0") if ending.endswith(".original0") else None
