"""One operation of torch's, with what its arguments are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .builder import Builder, Constant, check
from .layout import Tensor


class Refused:
    """A value that can't be read, and why: an error only where something uses it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Fill:
    """A tensor of one number, whose shape may depend on the input."""

    def __init__(self, value: float, sizes: tuple[Any, ...]) -> None:
        self.value, self.sizes = value, sizes


class Call:
    """The arguments by their names in torch's schema: tensors, constants, numbers, and lists of them."""

    def __init__(self, target: str, arguments: Mapping[str, Any]) -> None:
        self.target = target
        self.arguments = arguments

    def __getitem__(self, name: str) -> Any:
        value = self.arguments[name]
        if isinstance(value, Refused):
            raise ValueError(value.reason)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self.arguments else default

    def tensor(self, name: str) -> Tensor:
        """An argument that depends on the input. Raises ValueError for another."""
        value = self[name]
        check(isinstance(value, Tensor), f"`{name}` is no tensor that depends on the input")
        assert isinstance(value, Tensor)
        return value

    def constant(self, name: str) -> Constant | None:
        """An argument that does not depend on it, or None. Raises ValueError for another."""
        value = self[name]
        check(value is None or isinstance(value, Constant), f"`{name}` depends on the input")
        assert value is None or isinstance(value, Constant)
        return value

    def axis(self, name: str, x: Tensor) -> int:
        """An axis of a tensor, from the front."""
        return int(self[name]) % len(x.axes)


Handler = Callable[[Builder, Call], Any]
