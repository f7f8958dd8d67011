"""Private files: what this user has written, and nobody else can have.

Of what a file says, code is made, or it is code. So it is trusted only where file and directory belong to the user and
are not writable by group or others; no link is followed to them. All else is an OSError. A file is replaced as a whole,
so a reader sees the old one or the new one.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Whether files can be opened within a directory that is open, which keeps others from exchanging it meanwhile.
_SAFE = os.open in os.supports_dir_fd and hasattr(os, "geteuid")
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC if _SAFE else 0
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}")
_LEFT_BEHIND = 3600  # seconds, after which nobody writes a temporary file any more


def read(directory: Path, name: str, largest: int, used: bool = False) -> bytes:
    """The content of a file of up to `largest` bytes. `used`: it is then the one used last, for `shrink`. Raises OSError
    where there is none that is private.
    """
    with _private(directory) as folder:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=folder)
        try:
            status = os.fstat(file)
            _check_private(status, name)
            if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
                raise OSError(f"{name} is not a file of up to {largest} bytes")
            if used:
                with suppress(OSError):  # of a disk that can't be written
                    os.utime(file)
            with os.fdopen(file, "rb", closefd=False) as stream:
                return stream.read(largest)
        finally:
            os.close(file)


def write(directory: Path, name: str, content: bytes) -> None:
    """Make or replace a file, and its directory if there is none. Raises OSError where that can't be done privately."""
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


def shrink(directory: Path, names: re.Pattern[str], most: int) -> None:
    """Delete the files of these names that were used least lately, so that all of them have up to `most` bytes, and what
    writers that were killed have left behind. Other processes may do the same meanwhile. Raises OSError.
    """
    with _private(directory) as folder:
        found = []
        for name in os.listdir(folder):
            if names.fullmatch(name) or _TEMPORARY.fullmatch(name):
                with suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    found.append((status.st_mtime_ns, name, status.st_size))
        abandoned = time.time_ns() - _LEFT_BEHIND * 10**9
        excess = sum(size for _, name, size in found if names.fullmatch(name)) - most
        for written, name, size in sorted(found):
            if names.fullmatch(name):
                if excess <= 0:
                    continue
                excess -= size
            elif written > abandoned:
                continue
            with suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(name, dir_fd=folder)


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
