"""Files that are damaged at random, or are something else than a file; and what readers must make of them."""

import os
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

#: Files that each kind of damage makes, where the test has no number of its own: MUTATIONS=10000 pytest … for more.
MUTATIONS = os.environ.get("MUTATIONS")


def damaged(whole: bytes, rng: np.random.Generator, least: bytes, digits: bool = False) -> bytes:
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
    return bytes(text)


def survived(
    path: Path,
    damage: Callable[[np.random.Generator], bytes],
    read: Callable[[Path], object],
    usual: int,
    memory: int,
) -> float:
    """Writes a file `usual` times, or `MUTATIONS`, each with other damage, and reads it: the part that gave something.

    `read` asserts what must hold of what it reads. Errors beside ValueError fail, as do warnings and more than `memory`
    bytes at one time.
    """
    found, count = 0, int(MUTATIONS or usual)
    for seed in range(count):
        path.write_bytes(damage(np.random.default_rng(seed)))
        tracemalloc.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                read(path)
            found += 1
        except ValueError:
            pass
        except BaseException as error:
            raise AssertionError(f"mutation {seed} raised {error!r}") from error
        finally:
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert most < memory, f"mutation {seed} took {most} bytes"
    return found / count


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


#: What makes of a file something that nobody may believe, by what it is then.
NO_FILES: dict[str, Callable[[Path], None]] = {
    "a link": to_link,
    "a pipe": to_pipe,
    "a folder": to_folder,
    "writable by the group": lambda file: file.chmod(0o620),
    "writable by all": lambda file: file.chmod(0o602),
    "gone": lambda file: file.unlink(),
}
