"""The environment switches: all of them, typed, with what they do. Those that change generated code are part of every
cache key.

CONV1D_CODEGEN_TARGET=avx2      compile for a named target instead of the machine at hand         (changes code)
CONV1D_CODEGEN_VERIFY=1         run the verifier after every pass too, and not only on what runs   (checks only)
CONV1D_CODEGEN_RED_ZONES=1      kernels check the margins of their scratch arrays, slowly, see emit/red_zones.py   (changes code)
CONV1D_CODEGEN_LOG=loop,asm     print these stages of every kernel to standard error as it is compiled; `all` for all of them
CONV1D_CODEGEN_CACHE_DIR=/home/me/plans   read, and let `tune` write, the plans that it finds (see schedule/tuned_plans.py)   (changes code)
CONV1D_CODEGEN_CODE_MIB=200     keep object code in that directory, up to so many MiB, for later processes (see runtime/kept_code.py)
CONV1D_CODEGEN_THREADS=1        how many threads a layer may use, unless it or `set_num_threads` says otherwise; all cores, if not set
CONV1D_CODEGEN_RUNTIME=openmp   whose threads these are: our own `team`, `openmp`, Python's `pool`; the first that is there, if not set

The last two are read once, at the first call that needs them; the others at every compilation.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

_PREFIX = "CONV1D_CODEGEN_"
#: The stages of a compilation, in order, by the names that CONV1D_CODEGEN_LOG, `dump` and the command line know.
STAGES = ("problem", "plan", "loop", "scheduled", "llvm", "optimized", "asm")


def target(known: Collection[str]) -> str | None:
    """The name of the target to compile for, or None for this machine. Raises ValueError for a name
    that is not known.
    """
    name = os.environ.get(_PREFIX + "TARGET")
    if name and name not in (*known, "host"):
        raise ValueError(f"{_PREFIX}TARGET must be host or one of {', '.join(known)}. Received: {name!r}.")
    return name or None


def verify() -> bool:
    """Whether the verifier runs after every pass. Raises ValueError for what is neither 0 nor 1."""
    return _is_on("VERIFY")


def red_zones() -> bool:
    """Whether kernels surround their scratch arrays with margins, and check them. Raises ValueError for what is neither
    0 nor 1.
    """
    return _is_on("RED_ZONES")


def _is_on(name: str) -> bool:
    text = os.environ.get(_PREFIX + name) or "0"
    if text not in ("0", "1"):
        raise ValueError(f"{_PREFIX}{name} must be 0 or 1. Received: {text!r}.")
    return text == "1"


def log_stages() -> tuple[str, ...]:
    """The stages to print as kernels compile, all of them for `all`. Raises ValueError for one that is not known."""
    wanted = [stage.strip() for stage in os.environ.get(_PREFIX + "LOG", "").split(",") if stage.strip()]
    for stage in wanted:
        if stage not in (*STAGES, "all"):
            raise ValueError(f"{_PREFIX}LOG lists stages: all, or some of {', '.join(STAGES)}. Received: {stage!r}.")
    return STAGES if "all" in wanted else tuple(wanted)


def cache_directory() -> Path | None:
    """Where plans that were found by measuring are kept, or None. Raises ValueError for a path that depends on the
    working directory.
    """
    text = os.environ.get(_PREFIX + "CACHE_DIR")
    if text and not os.path.isabs(text):
        raise ValueError(f"{_PREFIX}CACHE_DIR must be an absolute path. Received: {text!r}.")
    return Path(text) if text else None


def code_bytes() -> int:
    """How many bytes of object code are kept in `cache_directory`: none if the switch is not set. Raises ValueError for
    what is not a whole number, and where no directory is named.
    """
    text = os.environ.get(_PREFIX + "CODE_MIB") or "0"
    if not text.isdecimal() or len(text) > 6:
        raise ValueError(f"{_PREFIX}CODE_MIB must be a whole number of MiB, up to 999999. Received: {text!r}.")
    if int(text) and cache_directory() is None:
        raise ValueError(
            f"{_PREFIX}CODE_MIB={text} keeps code in the directory of {_PREFIX}CACHE_DIR, which is not set: name one that is only yours."
        )
    return int(text) << 20


def threads() -> int | None:
    """The number of threads to use, or None if the switch is not set. Raises ValueError for what is
    not a positive number.
    """
    text = os.environ.get(_PREFIX + "THREADS")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{_PREFIX}THREADS must be a whole number of 1 or more. Received: {text!r}.")
    return int(text)


def runtime() -> str | None:
    """The thread runtime to use, or None if the switch is not set. Raises ValueError for a name that is not known."""
    name = os.environ.get(_PREFIX + "RUNTIME") or None
    if name not in (None, "team", "openmp", "pool"):
        raise ValueError(f"{_PREFIX}RUNTIME must be team, openmp or pool. Received: {name!r}.")
    return name
