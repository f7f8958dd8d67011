"""Passes look at what loops and arrays are, and not at what they are called: no name of a loop, an array or an
algorithm is compared.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import conv1d_codegen.passes

ROOM = Path(conv1d_codegen.passes.__file__).parent
FILES = sorted(ROOM.rglob("*.py"))
#: Attributes that hold a name, and `PIPELINE` aside nothing that a decision can depend on.
NAMES = ("var", "name", "algorithm", "note")


def named(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in NAMES


def decisions(tree: ast.AST) -> Iterator[int]:
    """Where the code compares a name, matches one, or asks how one begins or ends."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            texts = any(
                isinstance(part, ast.Constant) and isinstance(part.value, str)
                for side in sides
                for part in ast.walk(side)
            )
            if texts and any(named(side) for side in sides):
                yield node.lineno
        elif isinstance(node, ast.MatchClass):
            for keyword, pattern in zip(node.kwd_attrs, node.kwd_patterns, strict=True):
                if keyword in NAMES and not isinstance(pattern, ast.MatchAs):
                    yield node.cls.lineno
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("startswith", "endswith")
        ):
            yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOM)) for path in FILES])
def test_no_name_decides(path: Path) -> None:
    assert not list(decisions(ast.parse(path.read_text(encoding="utf-8")))), path


def test_it_would_be_noticed() -> None:
    wrong = (
        's.var == "t"',
        's.var in ("t", "f")',
        '"acc" != s.buffer.name',
        's.var.startswith("c_")',
        'plan.algorithm == "direct"',
        'match s:\n    case For(var="i"): pass',
        'match s:\n    case For(body=(For(var="j" | "c"),)): pass',
    )
    for text in wrong:
        assert list(decisions(ast.parse(text))), text
    for text in ('plan.lanes == "time"', "s.var == other.var", 'match s:\n    case For(var=name, kind="serial"): pass'):
        assert not list(decisions(ast.parse(text))), text
