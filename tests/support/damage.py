"""Files that are damaged at random, or are something else than a file."""

import os
from pathlib import Path

import numpy as np


def damaged(whole: bytes, rng: np.random.Generator, least: bytes, digits: bool = False) -> bytearray:
    """Truncated, with bits turned over, with pieces twice or missing, with other `digits`; `least` where nothing is left."""
    text = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        at, size = int(rng.integers(len(text))), int(2 ** rng.integers(0, 9))
        match int(rng.integers(4 + digits)):
            case 0:
                del text[at:]
            case 1:
                text[at] ^= 1 << int(rng.integers(8))
            case 2:
                text[at:at] = text[at : at + size]
            case 3:
                del text[at : at + size]
            case 4:
                known = [i for i, c in enumerate(text) if 48 <= c < 58] or [0]
                text[known[at % len(known)]] = 48 + int(rng.integers(10))
        text = text or bytearray(least)
    return text


def to_link(file: Path) -> None:
    """The file is a link to what it was."""
    file.rename(file.with_suffix(".elsewhere"))
    file.symlink_to(file.with_suffix(".elsewhere"))


def to_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def to_folder(file: Path) -> None:
    file.unlink()
    file.mkdir(0o700)
