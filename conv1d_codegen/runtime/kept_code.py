"""Kept code: object code in files, for the next process, where the user asked for it (CONV1D_CODEGEN_CODE_MIB).

A file holds a kernel's object code and how it is called. Its name is the digest of all that these depend on: the
problem or operation, the plan, what follows a convolution, the target, the switches, the versions of this package and
of LLVM, and the package's own source and templates, so that a changed compiler finds nothing. What is written was
proved before.

Damaged object code ends the process or, worse, runs. So a file counts only where nobody but the user can have written it
(`private_files.py`), and where its digest is right, over its name and all of its bytes. The digest shows damage, not
malice: who can write the user's files has other ways too. All else is a miss, and none of it reaches LLVM; reading and
writing never raise. Where the files have more than the wished number of bytes, those go that were used least lately.

    32 bytes      SHA-256 of the file's name and of what follows
    8 bytes       length of the header, little-endian
    header        JSON: the kernel without its loops, and its entry (`header.py`); none for the driver of networks
    the rest      the object code
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from .. import knobs, private_files
from ..emit import template_folder
from ..emit.abi import Entry
from ..ir import Kernel
from ..machine.target import Target
from ..version import __version__
from . import header

_FORMAT = 1  # of the files
_NAMES = re.compile(r"[0-9a-f]{64}\.code")
_DIGEST, _LENGTH = 32, 8  # bytes


@dataclass(frozen=True, slots=True)
class Image:
    """A proved kernel's object code, and how it is called. The kernel has no loops."""

    kernel: Kernel
    entry: Entry
    code: bytes


def key(target: Target, *parts: object) -> str | None:
    """The name of the file for code that depends on a target and these parts, by their text; None where none is kept, nor
    read where all passes are to be checked.
    """
    if not knobs.code_bytes() or knobs.verify():
        return None
    from ..machine import jit

    try:
        sources = _sources()
    except OSError:  # not in a folder, as within an archive
        return None
    machine = jit.host_machine().triple, jit.version(), jit.library()
    known = (_FORMAT, __version__, sources, machine, sorted(asdict(target).items()), parts)
    return sha256(repr(known).encode()).hexdigest() + ".code"


def read(name: str | None) -> Image | None:
    """The image of that name, or None."""
    text, code = read_parts(name)
    try:
        return None if code is None else Image(*header.read(text), code)
    except ValueError:
        return None


def read_parts(name: str | None) -> tuple[bytes, bytes | None]:
    """The header and the object code of that name; no code where there is no such file, or a damaged one."""
    directory = knobs.cache_directory()
    if name is None or directory is None:
        return b"", None
    try:
        content = private_files.read(directory, name, knobs.code_bytes(), used=True)
    except OSError:
        return b"", None
    body = content[_DIGEST:]
    if content[:_DIGEST] != _digest(name, body):
        return b"", None
    start = _LENGTH + int.from_bytes(body[:_LENGTH], "little")
    return body[_LENGTH:start], body[start:]


def write(name: str | None, image: Image) -> None:
    """Keep an image, if that can be done."""
    write_parts(name, header.written(image.kernel, image.entry), image.code)


def write_parts(name: str | None, text: bytes, code: bytes) -> None:
    """Keep object code with a header, if that can be done."""
    directory = knobs.cache_directory()
    if name is None or directory is None:
        return
    body = len(text).to_bytes(_LENGTH, "little") + text + code
    if _DIGEST + len(body) > knobs.code_bytes():
        return
    try:
        private_files.write(directory, name, _digest(name, body) + body)
        private_files.shrink(directory, _NAMES, knobs.code_bytes())
    except OSError:
        return


def _digest(name: str, body: bytes) -> bytes:
    return sha256(name.encode() + body).digest()


@cache
def _sources() -> str:
    """The digest of the package's source and templates, as they are when it is first asked for. Raises OSError."""
    digest = sha256()
    for path in _files():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    package = Path(__file__).resolve().parent.parent
    if not package.is_dir():
        raise NotADirectoryError(package)
    yield from sorted(package.rglob("*.py"))
    yield from sorted(template_folder().glob("*.j2"))  # pages have a folder beside them
