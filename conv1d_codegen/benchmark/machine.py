"""Which machine and which versions a run was made with, as far as the system tells."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np

from ..machine import timing
from ..machine.host import host
from ..version import __version__
from . import peers

_CPU = Path("/sys/devices/system/cpu/cpu0")


def describe() -> dict[str, object]:
    """The processor, its cores and caches, and the system."""
    return {
        "cpu": _model(),
        "llvm_cpu": host().cpu,
        "cores": os.cpu_count() or 1,
        "usable_cores": timing.cores(),
        "caches": _caches(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "kernel": platform.release(),
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """Of Python, of this package, of what it stands on, and of the peers of these names."""
    return {
        "python": platform.python_version(),
        "conv1d_codegen": __version__,
        "numpy": np.__version__,
        "llvmlite": metadata.version("llvmlite"),
        **peers.versions(names),
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _caches() -> dict[str, str]:
    """Sizes as Linux writes them: {"L1 data": "48K", ...}."""
    found = {}
    for index in sorted((_CPU / "cache").glob("index*")):
        level, kind, size = ((index / name).read_text(encoding="ascii").strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind.lower()}"] = size
    return found
