"""Types that tests and their helpers share, and a value that is known to be of one."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

T = TypeVar("T")
Array = np.ndarray[Any, Any]
#: Inputs, weights and bias.
Data = tuple[Array, Array, Array | None]
#: What compares a text with the golden file of a name.
Golden = Callable[[str, str], None]


class Pick(Protocol):
    """Takes a list and gives one of its elements."""

    def __call__(self, choices: list[T], /) -> T: ...


def the(kind: type[T], value: object) -> T:
    """The value, which is one of that kind: `the(For, statement)`."""
    assert isinstance(value, kind), f"not of {kind.__name__}: {value}"
    return value


def known(value: T | None) -> T:
    """The value, which is not None: `known(loop.hi.constant)`."""
    assert value is not None
    return value
