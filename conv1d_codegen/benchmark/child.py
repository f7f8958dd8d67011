"""`python -m conv1d_codegen.benchmark.child MODULE SETTINGS`: measures in a process of its own, by `Settings` and
`events` of a module, and prints what happens as JSON, a line an event.

Numbers of threads are fixed as libraries are loaded: XLA counts the cores it may use, OpenMP reads its environment. So
the process is pinned first, and what measures is imported then. Libraries print, too; what they print goes to standard
error.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from ..machine import timing


def main(argv: list[str]) -> int:
    module, settings = argv[0], json.loads(argv[1])
    cores = timing.pin(settings["threads"])
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as lines:
        os.dup2(2, 1)

        measuring = import_module(module)
        chosen = measuring.Settings(**{**settings, "peers": tuple(settings["peers"])})
        for event in measuring.events(chosen, cores):
            print(json.dumps(event), file=lines, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
