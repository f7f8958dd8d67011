"""What LLVM makes of one text for one machine is made once in a run of the tests, by whichever process comes first.

Every kernel is still lowered, scheduled, proved and printed by the test that asks for it: only where all of that leads to
the very same LLVM IR does it get the object code, or the assembly, that is there. Tests whose subject is LLVM's own work
use the fixture `llvm_makes_all`, or child processes, which share nothing.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pytest

from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import Target

Made = TypeVar("Made", bytes, str)

#: Functions of `jit` that give the same for the same.
FUNCTIONS = ("object_code", "assembly", "optimised")


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Within it, `jit` finds what is in the folder, and leaves there what it makes."""

    def once(make: Callable[..., Made]) -> Callable[..., Made]:
        @wraps(make)
        def found(ir: str, target: Target, *others: object) -> Made:
            key = repr((make.__name__, ir, sorted(asdict(target).items()), others))
            file = folder / sha256(key.encode()).hexdigest()
            try:
                there: Made = pickle.loads(file.read_bytes())
            except FileNotFoundError:
                made = make(ir, target, *others)
                beside = file.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
                beside.write_bytes(pickle.dumps(made))
                beside.replace(file)  # at once, for others who look
                return made
            return there

        return found

    with pytest.MonkeyPatch.context() as patch:
        for name in FUNCTIONS:
            patch.setattr(jit, name, once(getattr(jit, name)))
        yield
