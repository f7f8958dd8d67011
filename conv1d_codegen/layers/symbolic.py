"""What a layer can be called on instead of an array: a tensor that is not there yet (see `network/symbols.py`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Symbolic(ABC):
    """Stands for a tensor of a network."""

    @abstractmethod
    def through(self, layer: Any) -> Any:
        """What a layer makes of it."""
