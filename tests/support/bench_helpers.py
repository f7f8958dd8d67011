"""What the tests of the bench share: a case by its name."""

from __future__ import annotations

from bench import shapes


def case(name: str, channels_first: bool = False) -> shapes.Case:
    return next(case for case in shapes.load(channels_first) if case.name == name)
