"""Keras's dtype policies: which dtype the weights have, which one inputs and outputs have, and how
a user may say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..number_types import TYPES

#: The type of a problem, by Keras's name of the dtype.
PROBLEM_DTYPES = {row.keras: row.name for row in TYPES.values()}

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_QUANTIZED = ("int8", "int4", "float8", "gptq", "awq")


@dataclass(frozen=True, slots=True)
class DTypePolicy:
    """A policy by name; "float16" has weights, inputs and outputs of that dtype, "mixed_float16"
    keeps float32 weights.
    """

    name: str = "float32"

    @property
    def compute_dtype(self) -> str:
        """Dtype of the layer's inputs and outputs."""
        return _MIXED.get(self.name, self.name)

    @property
    def variable_dtype(self) -> str:
        """Dtype of the layer's weights."""
        return "float32" if self.name in _MIXED else self.name

    def serialize(self) -> dict[str, Any]:
        """The dict that Keras 3 writes."""
        return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": self.name}, "registered_name": None}

    @classmethod
    def of(cls, identifier: Any) -> DTypePolicy:
        """The policy for None (float32), a name, a NumPy dtype or scalar type, a policy of Keras's, or a dict of Keras
        2.9's or 3's.

        Raises ValueError for anything else, also for a dtype that a Conv1D can't have.
        """
        if identifier is None:
            return cls()
        if isinstance(identifier, Mapping):
            config = identifier.get("config")
            name = config.get("name") if isinstance(config, Mapping) else None
        elif isinstance(identifier, type):
            name = np.dtype(identifier).name
        else:
            name = identifier if isinstance(identifier, str) else getattr(identifier, "name", None)
        if not isinstance(name, str):
            raise ValueError(
                f"Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. Received: dtype={identifier}"
            )
        if name.startswith(_QUANTIZED):
            raise ValueError(
                "Cannot convert `policy` into a valid pair (`mode`, `source_name`) to instantiate `QuantizedDTypePolicy`. "
                f"Received: policy={name}"
            )
        if name not in PROBLEM_DTYPES and name not in _MIXED:
            raise ValueError(
                f"Cannot convert '{name}' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', "
                "'mixed_bfloat16', and the name of any float dtype such as 'float32'."
            )
        return cls(name)
