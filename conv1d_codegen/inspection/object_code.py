"""How large the parts of an object file are: machine code, and the constants that it reads."""

from __future__ import annotations

import struct

_WRITES, _ALLOCATED, _RUNS = 1, 2, 4  # flags of a section (System V ABI, Object Files, Section Headers)
_NOTHING, _NO_BITS = 0, 8  # types of sections
_TABLES = (b".eh_frame",)


def sizes(image: bytes) -> tuple[int, int]:
    """Bytes of the sections that run, and of other ones that are loaded to be read, but for tables of unwinding. Raises
    ValueError for another format than ELF of 64 bits.
    """
    if image[:5] != b"\x7fELF\x02":
        raise ValueError(f"Not an ELF object of 64 bits: it begins with {image[:5]!r}.")
    (at,) = struct.unpack_from("<Q", image, 0x28)
    width, count, names = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", image, at + i * width) for i in range(count)]
    strings = headers[names][4]
    code = constants = 0
    for name, kind, flags, _, _, size in headers:
        if not flags & _ALLOCATED or kind in (_NOTHING, _NO_BITS):
            continue
        title = image[strings + name : image.index(b"\0", strings + name)]
        if flags & _RUNS:
            code += size
        elif not flags & _WRITES and not title.startswith(_TABLES):
            constants += size
    return code, constants
