"""What the tests of the bench share: a case by its name."""

from __future__ import annotations

from bench import shapes
from conv1d_codegen.benchmark.cases import Case


def case(name: str, channels_first: bool = False) -> Case:
    return next(case for case in shapes.load(channels_first) if case.name == name)
