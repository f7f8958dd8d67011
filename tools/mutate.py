"""Mutation testing: do the tests notice one small fault in the compiler?

    python tools/mutate.py --sample 480 --seed 0                     of all that `TESTS` lists: about 40 minutes on one core
    python tools/mutate.py --only problem/ --only lower/             all mutants of some files
    python tools/mutate.py --only passes/tile/ --list              what they are

Each mutant is tried in a process of its own, forked from one that has imported what is slow to import and nothing of
the package; an import hook gives it the mutated module, so no file is ever changed. It runs the tests that `TESTS`
names for its file, stops at the first that fails, and is killed by a test that fails, by a crash, or by time. Survivors
are printed, but for those that `equivalent_mutants.txt` lists with the reason why no test can tell them apart. See
tests/MUTATION.md.

No tool from the package index was taken: of those that are kept up, mutmut copies the whole tree and runs one selection
of tests for all mutants, and cosmic-ray writes the faults into the files and starts an interpreter for each, which
takes longer than most tests here.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import signal
import sys
import time
import types
from collections import Counter
from pathlib import Path

import jinja2  # noqa: F401  (imported once for all that are forked, as are the next two)
import llvmlite.binding  # noqa: F401
import numpy as np  # noqa: F401
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from mutants import Mutant, Place, mutant, places  # noqa: E402

#: For the files whose names begin so, the first that fits: what pytest is given. The quick tests come first; of slow
#: files, a part.
_GOLDEN = "tests/compiler/test_golden.py"
_PART = ("-k", "not neon")
TESTS: dict[str, tuple[str, ...]] = {
    "problem/": ("tests/problem/test_padding.py",),
    "symbolic/index.py": ("tests/symbolic/test_index.py", _GOLDEN),
    "lower/cook_toom.py": (_GOLDEN, "tests/compiler/test_cook_toom.py"),
    "lower/": (_GOLDEN, "tests/reference/test_interpreter.py", "tests/passes/test_passes.py", *_PART),
    "passes/": (
        _GOLDEN,
        "tests/passes/test_cut.py",
        "tests/passes/test_pass_structure.py",
        "tests/passes/test_passes.py",
        "tests/compiler/test_cook_toom.py",
        "tests/compiler/test_long_kernels.py",
        *_PART,
    ),
    "emit/": (
        "tests/emit/test_emit.py",
        "tests/emit/test_red_zones.py",
        _GOLDEN,
        "tests/emit/test_scratch.py",
        "tests/runtime/test_workspace.py",
        "tests/runtime/test_kernel.py",
        *_PART,
    ),
    "verify/": ("tests/verify/test_verify.py", "tests/verify/test_proved_kernels.py"),
    "symbolic/": (
        "tests/symbolic/test_polynomial.py",
        "tests/symbolic/test_scope.py",
        "tests/verify/test_verify.py",
        "tests/verify/test_proved_kernels.py",
    ),
}
PACKAGE = ROOT / "conv1d_codegen"
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.txt"
_LIMIT = 12 << 30  # bytes of address space: a loop that never ends may allocate


class _Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a syntax tree."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        inside = [str(self.path.parent)] if self.path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(name, self.path, loader=self, submodule_search_locations=inside)

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def tests_of(file: str) -> tuple[str, ...]:
    return next(arguments for prefix, arguments in TESTS.items() if file.startswith(prefix))


def _module(file: str) -> str:
    return ".".join(["conv1d_codegen", *Path(file).with_suffix("").parts]).removesuffix(".__init__")


def run(arguments: tuple[str, ...], one: Mutant | None, seconds: int) -> bool:
    """Whether tests pass, in so many seconds of a processor; without a mutant, with the program as it is."""
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_LIMIT, _LIMIT))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nothing, stream)
        if one is not None:
            sys.meta_path.insert(0, _Hook(_module(one.file), PACKAGE / one.file, one.tree))
        os._exit(
            int(
                pytest.main([*arguments, "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-seed=0"])
            )
        )
    end = time.monotonic() + 8 * seconds  # of a machine that is busy; or it waits for ever
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    code = os.waitstatus_to_exitcode(done[1])
    if one is None and code in (4, 5):
        raise SystemExit(f"pytest finds no tests for {' '.join(arguments)}")
    return code == 0


def _seconds() -> float:
    """Of a processor, that children took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def chosen(only: list[str], sample: int | None, seed: int) -> list[tuple[str, Place]]:
    """Places of mutants: those of files whose names begin with one of `only`, or of all that have
    tests; a sample, or all.
    """
    names = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
    wanted = [name for name in names if any(name.startswith(prefix) for prefix in (only or TESTS))]
    everything = [(name, place) for name in wanted for place in places(PACKAGE / name)]
    if sample is None or sample >= len(everything):
        return everything
    return sorted(random.Random(seed).sample(everything, sample))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", action="append", default=[], metavar="PREFIX", help="files whose names begin so, as `passes/tile`"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="so many mutants at random; without it, all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    listed = [line.split("  # ")[0] for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if "  # " in line]
    beginnings = tuple(line[:-1] for line in listed if line.endswith("*"))
    some = [
        mutant(PACKAGE / name, name, place) for name, place in chosen(arguments.only, arguments.sample, arguments.seed)
    ]
    if arguments.list:
        print(*some, sep="\n")
        return 0
    limits: dict[tuple[str, ...], int] = {}
    for tests in dict.fromkeys(tests_of(one.file) for one in some):
        before = _seconds()
        if not run(tests, None, 600):
            raise SystemExit(f"the tests fail without any mutant: {' '.join(tests)}")
        limits[tests] = int(3 * (_seconds() - before)) + 5
    killed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for number, one in enumerate(some):
        if one.key in listed or one.key.startswith(beginnings):
            continue
        survived = run(tests_of(one.file), one, limits[tests_of(one.file)])
        total[one.file] += 1
        killed[one.file] += not survived
        if survived:
            print(f"survived: {one}", flush=True)
        if number % 50 == 49:
            print(
                f"{number + 1} of {len(some)}: {killed.total()} of {total.total()} killed", file=sys.stderr, flush=True
            )
    for file in total:
        print(f"{file:36} {killed[file]:4} of {total[file]:4} killed")
    share = killed.total() / max(1, total.total())
    print(
        f"{killed.total()} of {total.total()} killed, {share:.1%}; {len(some) - total.total()} that are equivalent were left out"
    )
    return 0 if share >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
