"""The templates: what is LLVM IR stands there, one form for each thing that a kernel does, and each is used."""

import ast
import re
from pathlib import Path

import pytest

import conv1d_codegen.emit
from conv1d_codegen.emit import templates

FORMS = {
    name: str(form)
    for name, form in vars(templates().get_template("instructions.ll.j2").module).items()
    if not name.startswith("_")
}
FILES = sorted(Path(conv1d_codegen.emit.__file__).parent.glob("*.py"))
#: Words of LLVM's language that no Python should spell.
LLVM = re.compile(
    r"llvm\.|\b(?:icmp|fcmp|getelementptr|shufflevector|insertelement|zeroinitializer|bitcast|alloca \[)\b|\bnsw\b"
)


def texts(path: Path) -> list[str]:
    """The strings of a file, without its docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    blocks = [node.body[0] for node in nodes if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docs = {id(first.value) for first in blocks if isinstance(first, ast.Expr)}
    constants = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docs)
    return [constant.value for constant in constants if isinstance(constant.value, str)]


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_no_python_spells_llvm(path: Path) -> None:
    assert not [text for text in texts(path) if LLVM.search(text)]


def test_every_form_is_used() -> None:
    """By its name in a string of the emitter; an operation of the IR by its own name."""
    named = {text for path in FILES for text in texts(path)}
    operations = {"copysign", "lt", "le", "gt", "ge", "eq", "min", "max", "vdpbf16ps"}
    assert {name for name in FORMS if not name.endswith("_declaration")} - operations <= named
    assert all(name.removesuffix("_declaration") in FORMS for name in FORMS)


def test_what_is_called_is_declared() -> None:
    for name, form in FORMS.items():
        called = re.findall(r"@(llvm\.[^(]+)\(", form)
        assert (
            not called
            or re.findall(r"@(llvm\.[^(]+)\(", FORMS[f"{name.removesuffix('_declaration')}_declaration"]) == called
        ), name


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="suffix"):
        FORMS["fma"].format_map({"to": "%f", "type": "float", "a": "%a", "b": "%b", "c": "%c"})
