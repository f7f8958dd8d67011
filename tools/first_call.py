"""How long does the first call of a network take? A residual network of 39 convolutions, in new processes: cold, with
kept object code, and one kernel after another.

    python tools/first_call.py                the medians of 5 processes each, wall and processor time
    python tools/first_call.py --different    with a dilation and kernel size of its own for each convolution

Importing the package, which is the same for all, is not part of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conv1d_codegen import Conv1D, Input, Network, executable  # noqa: E402
from conv1d_codegen.network import layers  # noqa: E402

_GROUPS = ((11, 1), (11, 4), (21, 10), (41, 25))  # kernel size and dilation


def residual(different: bool) -> Network:
    """The network; `different`: no two of its large convolutions are alike."""
    x = Input(4)
    y: Any = Conv1D(32, 1)(x)
    skip: Any = Conv1D(32, 1)(y)
    for size, dilation in _GROUPS:
        for block in range(4):
            z = y
            for half in range(2):
                z = layers.Activation("relu")(layers.BatchNormalization()(z))
                own = (size + 2 * half, dilation + block) if different else (size, dilation)
                z = Conv1D(32, own[0], dilation_rate=own[1], padding="same")(z)
            y = layers.Add()([z, y])
        skip = layers.Add()([skip, Conv1D(32, 1)(y)])
    return Network(x, Conv1D(3, 1)(skip))


def first_call(different: bool, together: bool) -> tuple[float, float]:
    """Seconds of the first call in this process, and those of the processor."""
    if not together:
        executable.make_together = lambda executables: None
    network, x = residual(different), np.zeros((1, 1000, 4), np.float32)
    wall, processor = time.perf_counter(), time.process_time()
    network(x)
    return time.perf_counter() - wall, time.process_time() - processor


def in_new_process(different: bool, switches: dict[str, str], together: bool = True) -> tuple[float, float]:
    """What `first_call` gives in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONV1D_CODEGEN_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or the package itself is compiled each time
    command = [
        sys.executable,
        __file__,
        "--once",
        *(["--different"] if different else []),
        *([] if together else ["--apart"]),
    ]
    printed = subprocess.run(
        command, env={**environment, **switches}, capture_output=True, text=True, check=True
    ).stdout
    wall, processor = map(float, printed.split())
    return wall, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--different", action="store_true", help="no two large convolutions are alike")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="print the seconds of this process's first call")
    parser.add_argument("--apart", action="store_true", help="with --once: one kernel after another")
    arguments = parser.parse_args()
    if arguments.once:
        print(*first_call(arguments.different, not arguments.apart))
        return
    with tempfile.TemporaryDirectory() as folder:
        kept = {"CONV1D_CODEGEN_CACHE_DIR": folder, "CONV1D_CODEGEN_CODE_MIB": "100"}
        in_new_process(arguments.different, kept)
        kinds: dict[str, tuple[dict[str, str], bool]] = {
            "one after another": ({}, False),
            "cold": ({}, True),
            "kept code": (kept, True),
        }
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for _ in range(arguments.rounds):  # in turns, as the machine's speed changes
            for kind, (switches, together) in kinds.items():
                found[kind].append(in_new_process(arguments.different, switches, together))
    for kind, times in found.items():
        wall, processor = (median(column) for column in zip(*times, strict=True))
        print(f"{kind:18} {wall:7.3f} s, processor {processor:7.3f} s")


if __name__ == "__main__":
    main()
