"""What stands on top of each pass: its name and what it does; what it needs, leaves, and obeys of the plan."""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conv1d_codegen.passes import PIPELINE, Pass
from conv1d_codegen.schedule.plan import Plan

FIELDS = {field.name for field in dataclasses.fields(Plan)} | {"panel", "split", "of_steps"}


def head_of(entry: Pass) -> str:
    return inspect.getdoc(sys.modules[entry.run.__module__]) or ""


def used_of_the_plan(entry: Pass) -> Iterator[str]:
    """The fields of the plan that the code of a pass reads, in its file or in all of its folder."""
    path = Path(inspect.getfile(entry.run))
    files = path.parent.glob("*.py") if path.name == "__init__.py" else [path]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in FIELDS:
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name.strip("_") == "plan":
                yield node.attr


@pytest.mark.parametrize("entry", PIPELINE, ids=lambda entry: entry.name)
def test_the_head_says_what_a_pass_is(entry: Pass) -> None:
    head = head_of(entry)
    assert head.startswith(f"{entry.name}: ")
    lines = re.search(r"^needs   \S.*\nleaves  \S.*\nobeys   (\S.*(?:\n        \S.*)?)\Z", head, re.MULTILINE)
    assert lines, head
    assert set(re.findall(r"`(\w+)`", lines[1])) == set(used_of_the_plan(entry))
    assert entry.reason
