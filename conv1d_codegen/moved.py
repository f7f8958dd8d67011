"""Modules that had other names in version 0.1: pickles that were written then name them, and so do programs."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

_PACKAGE = __name__.rpartition(".")[0]
#: The module that has what each of these had.
MOVED = {
    "activations": "layers.activations",
    "constraints": "layers.constraints",
    "dtypes": "layers.dtype_policy",
    "initializers": "layers.initializers",
    "layer": "layers.conv1d",
    "plan": "schedule.plan",
    "regularizers": "layers.regularizers",
}


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module by its earlier name: the module of today, and not a second one."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, module = name.rpartition(".")
        return importlib.machinery.ModuleSpec(name, self) if package == _PACKAGE and module in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(
            f"{_PACKAGE}.{MOVED[module.__name__.rpartition('.')[2]]}"
        )


def find_moved_modules() -> None:
    """Let imports find them, after all that is there by its name."""
    sys.meta_path.append(_Moved())
