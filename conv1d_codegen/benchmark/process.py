"""Starts `child.py` for one number of threads, and reads what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

_COUNTS = ("CONV1D_CODEGEN_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Settings(Protocol):
    """What to measure, and how: a dataclass of a module that also has `events(settings, cores)`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def threads(self) -> int: ...

    @property
    def peers(self) -> tuple[str, ...]: ...


class ProcessFailed(Exception):
    """The process that measures ended before its work did."""


def events(settings: Settings) -> Iterator[dict[str, Any]]:
    """What happens in a process of its own, pinned to `settings.threads` cores: see `events` beside its class.

    Raises ProcessFailed where the process ends with an error, after the events until then.
    """
    environment = {**os.environ, **dict.fromkeys(_COUNTS, str(settings.threads)), "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # the same modules
    child_module = f"{__package__}.child"
    command = [sys.executable, "-m", child_module, type(settings).__module__, json.dumps(asdict(settings))]
    last = "the start"
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8") as child:
        try:
            assert child.stdout is not None
            for line in child.stdout:
                event = json.loads(line)
                last = event.get("begin", last)
                yield event
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise ProcessFailed(
            f"The process that measures on {settings.threads} threads ended with code {child.returncode} at {last}. "
            "What it printed is above; measure without some of the peers, or leave cases out with --filter, to find the cause."
        )
