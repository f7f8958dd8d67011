"""One node of an ONNX graph, with its attributes as Python values."""

from __future__ import annotations

from collections.abc import Container, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...symbolic.index import Index
from .onnx_file import Budget, dtype_of, tensor, text

#: By the type of an attribute: the field that has it.
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}
_SHOWN = 80  # characters of an attribute in a message


class OnnxNode:
    """A node: what it computes, from what, and as what. Raises ValueError for attributes of a type that no operator has."""

    def __init__(
        self, proto: Any, opset: int, folder: Path, budget: Budget, lengths: Container[Index], used: Set[str]
    ) -> None:
        own = proto.domain in ("", "ai.onnx")
        self.op_type: str = text(proto.op_type) if own else f"{text(proto.domain)}.{text(proto.op_type)}"
        self.inputs: Sequence[str] = [text(name) for name in proto.input]
        #: Names of the outputs; empty for those that nothing reads, and without them at the end.
        self.outputs: Sequence[str] = _without_end([name if name in used else "" for name in map(text, proto.output)])
        self.name: str = text(proto.name) or next((name for name in proto.output if name), "")
        #: How many outputs it has, those that nothing reads among them.
        self.count = len(proto.output)
        self.opset, self.folder, self.budget = opset, folder, budget
        self._lengths = lengths
        self._attributes = {text(attribute.name): _value(attribute) for attribute in proto.attribute}

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute: a number, text, a list of these, or protobuf of a tensor or graph."""
        return self._attributes.get(name, default)

    def tensor(self, proto: Any) -> NDArray[Any]:
        """The array in an attribute."""
        return tensor(proto, self.folder, self.budget)

    def dtype(self, name: str) -> np.dtype[Any]:
        """The dtype that an attribute names."""
        return dtype_of(self.attribute(name, 0), f"The attribute {name}")

    def is_length(self, value: Index) -> bool:
        """Whether some tensor has so many steps, so that the value is not negative."""
        return value in self._lengths

    def __str__(self) -> str:
        """For messages: the operator, the name, and the attributes that are short."""
        shown = ", ".join(
            f"{name}={value}" for name, value in self._attributes.items() if isinstance(value, int | float | str | list)
        )
        named = f"{self.op_type} {self.name[:_SHOWN]!r}"
        return f"{named} ({shown[:_SHOWN]})" if shown else named


def _without_end(names: list[str]) -> list[str]:
    while names and not names[-1]:
        names.pop()
    return names


def _value(attribute: Any) -> Any:
    if attribute.ref_attr_name or attribute.type not in _FIELDS:
        raise ValueError(f"The attribute {attribute.name[:_SHOWN]!r} is of type {attribute.type}, which is not read.")
    value = getattr(attribute, _FIELDS[attribute.type])
    if attribute.type == 3:
        return value.decode("utf-8", "replace")
    return list(value) if attribute.type in (6, 7, 8) else value
