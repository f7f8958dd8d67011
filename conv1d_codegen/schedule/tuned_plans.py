"""Winners: the plans that `tune` found, remembered in this process, and in files where the user has named a directory.

A file holds one plan as text, how fast it was, and what it was found for: the problem, the machine with its exact
features, the versions of this package and of LLVM. Nothing of the user's data, weights or paths is in it, and nothing
in it is code. Its name is the digest of what it was found for, so another machine or version finds nothing.

What a file says decides which code is generated, so it is trusted only where nobody else can have written it: file and
directory belong to the user and are not writable by group or others, and no link is followed to them. A file that is
damaged, unsafe or unreadable counts as missing; reading never raises. Files are replaced as a whole, so a reader sees
the old one or the new one.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from .. import knobs
from ..locks import COMPILING
from ..machine.target import Target
from ..problem import Problem
from ..version import __version__
from .plan import Plan, check_fits

_FORMAT = 2  # of the files
_LARGEST_FILE = 1 << 14  # bytes
#: Whether files can be opened within a directory that is open, which keeps others from exchanging it meanwhile.
_SAFE = os.open in os.supports_dir_fd and hasattr(os, "geteuid")
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC if _SAFE else 0

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
    _write(directory, file.name, _sealed(json.dumps(record, indent=1).encode() + b"\n"))
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
        with _private(directory) as folder:
            content = _content(_name(problem, target), folder)
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


def _content(name: str, folder: int) -> bytes:
    # Without O_NONBLOCK, opening a named pipe would wait for its writer.
    file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=folder)
    try:
        status = os.fstat(file)
        _check_private(status, name)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
            raise OSError(f"{name} is not a file of up to {_LARGEST_FILE} bytes")
        return os.read(file, _LARGEST_FILE)
    finally:
        os.close(file)


def _write(directory: Path, name: str, content: bytes) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _private(directory) as folder:
        temporary = f".{secrets.token_hex(16)}"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(content)
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise


@contextmanager
def _private(directory: Path) -> Iterator[int]:
    """The directory, opened, so that it is the one that was checked in which files are opened. Raises OSError where it
    isn't private.
    """
    if not _SAFE:
        raise OSError(f"{directory} is not used: this system can't open files within a directory that is open")
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
    try:
        _check_private(os.fstat(folder), directory)
        yield folder
    finally:
        os.close(folder)


def _check_private(status: os.stat_result, path: object) -> None:
    """Raises PermissionError where another user may have written a file, or into a directory."""
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to user {status.st_uid}, not to {os.geteuid()}, and is not used")
    if status.st_mode & 0o022:
        mode = oct(stat.S_IMODE(status.st_mode))
        raise PermissionError(f"{path} has mode {mode}, so that others may write it, and is not used; `chmod go-w` it")
