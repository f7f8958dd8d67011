"""Winners: the plans that `tune` found, remembered in this process, and in files where the user has named a directory.

A file holds one plan as text, how fast it was, and what it was found for: the problem, the machine with its exact
features, the versions of this package and of LLVM. Nothing of the user's data, weights or paths is in it, and nothing
in it is code. Its name is the digest of what it was found for, so another machine or version finds nothing.

What a file says decides which code is generated, so it is trusted only where nobody else can have written it
(`private_files.py`). A file that is damaged, unsafe or unreadable counts as missing; reading never raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from .. import knobs, private_files
from ..locks import COMPILING
from ..machine.target import Target
from ..problem import Problem
from ..version import __version__
from .fits import check_fits
from .plan import Plan

_FORMAT = 2  # of the files
_LARGEST_FILE = 1 << 14  # bytes

_found: dict[tuple[Problem, Target], Plan] = {}


def recall(problem: Problem, target: Target) -> Plan | None:
    """The plan that was found in this process, or else is in the directory of CONV1D_CODEGEN_CACHE_DIR; None if there
    is none.

    A file is looked for once in the life of a process.
    """
    plan = _found.get((problem, target))
    directory = knobs.cache_directory()
    return plan if plan is not None or directory is None else _read(directory, problem, target)


def remember(
    problem: Problem, target: Target, plan: Plan, directory: Path | None, notes: Mapping[str, Any]
) -> Path | None:
    """Keep a plan, in `directory` (None: that of CONV1D_CODEGEN_CACHE_DIR, if it is set) too; gives the file.

    `notes` are for the file's human readers: how the plan was found.
    Raises OSError, with the plan kept in this process only, where the directory is not private or can't be written.
    """
    _found[problem, target] = plan
    directory = directory or knobs.cache_directory()
    if directory is None:
        return None
    record = {**_identity(problem, target), "plan": str(plan), "measured": dict(notes)}
    file = directory / _name(problem, target)
    private_files.write(directory, file.name, _sealed(json.dumps(record, indent=1).encode() + b"\n"))
    return file


def _identity(problem: Problem, target: Target) -> dict[str, Any]:
    """All that a plan depends on."""
    with COMPILING:  # a fork in the middle of an import leaves the module locked in the child
        from ..machine import jit

    return {
        "format": _FORMAT,
        "package": __version__,
        "llvm": jit.version(),
        "problem": str(problem),
        "target": asdict(target),
    }


def _name(problem: Problem, target: Target) -> str:
    return sha256(json.dumps(_identity(problem, target), sort_keys=True).encode()).hexdigest() + ".plan"


def _sealed(text: bytes) -> bytes:
    """The content of a file: a digest, which shows damage (not malice), then the text."""
    return sha256(text).hexdigest().encode() + b"\n" + text


@cache
def _read(directory: Path, problem: Problem, target: Target) -> Plan | None:
    try:
        content = private_files.read(directory, _name(problem, target), _LARGEST_FILE)
        text = content.partition(b"\n")[2]
        record = json.loads(text) if content == _sealed(text) else None
        if not isinstance(record, dict) or any(
            record.get(name) != value for name, value in _identity(problem, target).items()
        ):
            return None
        plan = Plan.parse(str(record.get("plan")))
        check_fits(problem, plan)
        return plan
    except (OSError, ValueError, RuntimeError):  # CompileError, or RecursionError from json
        return None
