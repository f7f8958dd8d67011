"""Did a change of the compiler change the loops? The scheduled text of many kernels, written down before and compared
afterwards.

    python tools/schedules.py --write before.json     of the bench's cases, both layouts and four targets, direct and Cook–Toom
    python tools/schedules.py --against before.json   prints what differs, and fails if anything does

The same loops make the same code: what is rearranged in the compiler without a difference here has changed neither
speed nor results.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.shapes import load  # noqa: E402
from conv1d_codegen import CompileOptions  # noqa: E402
from conv1d_codegen.compiler import compile_problem  # noqa: E402
from conv1d_codegen.machine.target import TARGETS  # noqa: E402

_SHOWN = 40  # lines of a difference


def scheduled() -> Iterator[tuple[str, str]]:
    """The name and the plan and loops of each kernel."""
    for channels_first, target in product((False, True), TARGETS):
        for case in load(channels_first):
            for accuracy in ("strict", "standard"):
                compilation = compile_problem(
                    case.problem, CompileOptions(target=target, accuracy=accuracy), case.length
                )
                yield f"{case} {target} {accuracy}", compilation.dump("plan") + compilation.dump("scheduled")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE", help="write the texts down")
    what.add_argument("--against", type=Path, metavar="FILE", help="compare with what was written")
    arguments = parser.parse_args()
    texts = dict(scheduled())
    if arguments.write:
        arguments.write.write_text(json.dumps(texts), encoding="utf-8")
        print(f"{len(texts)} kernels written to {arguments.write}")
        return 0
    before = json.loads(arguments.against.read_text(encoding="utf-8"))
    changed = [name for name in before | texts if before.get(name) != texts.get(name)]
    for name in changed:
        old, new = before.get(name, "").splitlines(), texts.get(name, "").splitlines()
        print(f"\n{name}", *list(difflib.unified_diff(old, new, "before", "now", lineterm="", n=1))[:_SHOWN], sep="\n")
    print(f"{len(changed)} of {len(before | texts)} kernels differ")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
