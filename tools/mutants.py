"""Mutants of a Python file: the same program with one small fault, each a syntax tree that can be compiled.

What is left alone, because no test should tell it apart: docstrings, annotations, decorators, the texts of errors, what
f-strings print, and whether `zip` is strict.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_COMPARE |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
_ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Div: ast.Mult,
}
_ARITHMETIC |= {ast.LShift: ast.RShift, ast.BitAnd: ast.BitOr}
_NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One fault: where it is, the statement before and after, and the syntax tree of the whole file with it."""

    file: str
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def key(self) -> str:
        """What names it, however the lines around it move."""
        return f"{self.file}: {self.before} -> {self.after}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before} -> {self.after}"


Place = tuple[int, int]  # a node of a file, and which of its faults


def places(path: Path) -> list[Place]:
    """Where a file may have a fault."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(number, which) for number, (node, _) in enumerate(_nodes(tree)) for which in range(len(_faults(node)))]


def mutant(path: Path, file: str, place: Place) -> Mutant:
    """The file at `path`, called `file`, with the fault at a place."""
    number, which = place
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node, statement = list(_nodes(tree))[number]
    line, before = getattr(node, "lineno", statement.lineno), _short(statement, node)
    _faults(node)[which]()
    return Mutant(file, line, before, _short(statement, node), ast.fix_missing_locations(tree))


def _short(statement: ast.AST, node: ast.AST) -> str:
    """The line of a statement that a fault changes: the head of a block, or the innermost
    expression that says enough.
    """
    if isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.FunctionDef, ast.ClassDef, ast.Match)):
        return (
            ast.unparse(statement).split("\n")[0]
            if not isinstance(node, ast.stmt)
            else ast.unparse(node).split("\n")[0]
        )
    return " ".join(ast.unparse(statement).split())


def _nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.stmt]]:
    """Every node that may have a fault, with the statement around it."""
    for statement in tree.body:
        yield from _within(statement, statement)


def _within(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[ast.AST, ast.stmt]]:
    if isinstance(node, ast.stmt):
        statement = node
    if isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Assert)):
        if isinstance(node, ast.Raise):
            yield node, statement
        return
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.keyword) and node.arg == "strict":  # of `zip`: a check
        return
    yield node, statement
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _within(child, statement)


def _faults(node: ast.AST) -> list[Callable[[], Any]]:
    """What can go wrong in a node: functions that change it in place."""
    faults: list[Callable[[], Any]] = []

    def put(**fields: object) -> None:
        faults.append(lambda: vars(node).update(fields))

    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARE:
            put(ops=[_COMPARE[type(op)]()])
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            put(op=_ARITHMETIC[type(op)]())
        case ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            put(op=_ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op):
            put(op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            faults.append(lambda: _become(node, ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])))
        case ast.UnaryOp(op=ast.USub()):
            put(op=ast.UAdd())
        case ast.Constant(value=bool(value)):
            put(value=not value)
        case ast.Constant(value=int(value)):
            put(value=value + 1)
            if value > 1:
                put(value=value - 1)
        case ast.Constant(value=float(value)):
            put(value=value + 1.0)
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            put(id=_NAMES[name])
        case ast.If() | ast.IfExp() | ast.While():
            test = node.test
            put(test=ast.UnaryOp(ast.Not(), test))
        case ast.Raise() | ast.Expr(value=ast.Call()) | ast.Continue():
            faults.append(lambda: _become(node, ast.Pass()))
        case ast.Return(value=value) if value is not None and not (
            isinstance(value, ast.Constant) and value.value is None
        ):
            put(value=ast.Constant(None))
    return faults


def _become(node: ast.AST, other: ast.AST) -> None:
    """Another node in the place of this one, whose parents are not known here."""
    place = {name: getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update({**other.__dict__, **place})
