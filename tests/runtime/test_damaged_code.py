"""What is wrong with a file of object code is a miss, and never reaches LLVM."""

import json
import os
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from support.damage import NO_FILES
from support.kept_code import check, only, program

from conv1d_codegen.machine import jit
from conv1d_codegen.runtime import header, kept_code

MUTATIONS = int(os.environ.get("MUTATIONS", "300"))


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def defect(file: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return defect


def sealed(name: str, body: bytes) -> bytes:
    return sha256(name.encode() + body).digest() + body


def _forged(change: Callable[[str], str]) -> Callable[[Path], None]:
    """A file with a right digest, and another header."""

    def defect(file: Path) -> None:
        body = file.read_bytes()[32:]
        end = 8 + int.from_bytes(body[:8], "little")
        text = change(body[8:end].decode()).encode()
        file.write_bytes(sealed(file.name, len(text).to_bytes(8, "little") + text + body[end:]))

    return defect


def _of_another_name(file: Path) -> None:
    other = file.with_name("f" * 64 + ".code")
    body = file.read_bytes()[32:]
    other.write_bytes(sealed(other.name, body))
    other.replace(file)


def _of_nothing(file: Path) -> None:
    file.write_bytes(sealed(file.name, b""))


DEFECTS: dict[str, Callable[[Path], None]] = {
    "empty": _rewrite(lambda content: b""),
    "a digest of nothing": _of_nothing,
    "half": _rewrite(lambda content: content[: len(content) // 2]),
    "without its last byte": _rewrite(lambda content: content[:-1]),
    "with a byte more": _rewrite(lambda content: content + b"\0"),
    "one bit of the code": _rewrite(lambda content: content[:-900] + bytes([content[-900] ^ 4]) + content[-899:]),
    "too large": _rewrite(lambda content: content + bytes(1 << 20)),
    "of another name": _of_another_name,
    "no header": _forged(lambda text: ""),
    "a header that is no JSON": _forged(lambda text: text[:-1]),
    "a header of nothing": _forged(lambda text: "[]"),
    "a nested header": _forged(lambda text: "[" * 20000 + "]" * 20000),
    "another class": _forged(lambda text: text.replace('"Slot"', '"system"')),
    "a name that is code": _forged(lambda text: text.replace('{"Var":"N"}', '{"Var":"print(1)"}')),
    "a number that is text": _forged(lambda text: text.replace('"Index":[[1,', '"Index":[["1",')),
    "another type": _forged(lambda text: text.replace('"i64"', '"i65"')),
    "no entry": _forged(lambda text: json.dumps([json.loads(text)[0]] * 2)),
    **NO_FILES,
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_a_defect_of_a_file_is_a_miss_and_is_written_over(
    defect: Callable[[Path], None], folder: Path, made: list[str]
) -> None:
    check()
    file = only(folder)
    before = file.read_bytes()
    defect(file)
    assert kept_code.read(file.name) is None
    check()
    assert len(made) == 2
    if not file.is_dir():
        assert file.read_bytes() == before
        check()
        assert len(made) == 2


def test_no_damage_reaches_llvm(folder: Path) -> None:
    """Bytes changed, added, removed and moved; `MUTATIONS=10000` for more of them."""
    check()
    file = only(folder)
    content = file.read_bytes()
    for number in range(MUTATIONS):
        rng = random.Random(number)
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at, kind = rng.randrange(len(damaged) or 1), rng.randrange(5)
            if kind == 0:
                damaged[at : at + 1] = bytes([rng.randrange(256)])
            elif kind == 1:
                damaged[at : at + 1] = bytes([(damaged[at] if at < len(damaged) else 0) ^ 1 << rng.randrange(8)])
            elif kind == 2:
                del damaged[at : at + rng.choice([1, 8, 4096])]
            elif kind == 3:
                damaged[at:at] = rng.randbytes(rng.choice([1, 8, 64]))
            else:
                damaged[at : at + 16] = damaged[: len(damaged[at : at + 16])]
        file.write_bytes(damaged)
        found = kept_code.read(file.name)
        assert (found is None) == (bytes(damaged) != content), f"mutation {number}"


def test_a_header_is_read_or_refused(folder: Path) -> None:
    """Text with a right digest is no reason for an error either."""
    image = jit.in_llvm(program()._begun())
    text = header.written(image.kernel, image.entry)
    for number in range(MUTATIONS):
        rng = random.Random(number)
        damaged = bytearray(text)
        for _ in range(rng.choice([1, 2, 4])):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.choice([0, 1, 2])] = rng.choice(
                [b"", b"0", b"[", b"}", b'"', b"-", b"null", b"1e999", b"\xff"]
            )
        try:
            kernel, entry = header.read(bytes(damaged))
        except ValueError:
            continue
        assert header.written(kernel, entry) == damaged, f"mutation {number}"
