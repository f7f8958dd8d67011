"""The environment switches: all of them, typed, with what they do. Those that change generated code are part of every cache key.

CONV1D_CODEGEN_TARGET=avx2      compile for a named target instead of the machine at hand         (changes code)
CONV1D_CODEGEN_VERIFY=1         run the verifier after every pass; slow                            (checks only)
CONV1D_CODEGEN_LOG=loop,asm     print these stages of every kernel to standard error as it is compiled; `all` for all of them
CONV1D_CODEGEN_THREADS=2        how many threads a layer may use, unless it or `set_num_threads` says otherwise
"""

from __future__ import annotations

import os

_PREFIX = "CONV1D_CODEGEN_"


def target() -> str | None:
    """The name of the target to compile for, or None for this machine."""
    return os.environ.get(_PREFIX + "TARGET") or None


def verify() -> bool:
    """Whether the verifier runs after every pass."""
    return os.environ.get(_PREFIX + "VERIFY", "0") not in ("", "0")


def log_stages() -> tuple[str, ...]:
    """The stages to print as kernels compile; `("all",)` for all of them."""
    return tuple(stage.strip() for stage in os.environ.get(_PREFIX + "LOG", "").split(",") if stage.strip())


def threads() -> int | None:
    """The number of threads to use, or None if the switch is not set. Raises ValueError for what is not a positive number."""
    text = os.environ.get(_PREFIX + "THREADS")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{_PREFIX}THREADS must be a whole number of 1 or more. Received: {text!r}.")
    return int(text)
