"""The rooms of the package: each knows those on lower floors only, and no modules import each other in a circle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import conv1d_codegen

PACKAGE = Path(conv1d_codegen.__file__).parent
#: From the ground up. A room may import from those before it.
FLOORS = (
    *("errors", "knobs", "locks", "number_types", "parser", "private_files", "version"),
    *(
        "symbolic",
        "machine",
        "problem",
        "toom",
        "ir",
        "schedule",
        "reference",
        "lower",
        "verify",
        "passes",
        "emit",
        "runtime",
    ),
    *(
        "options",
        "executable",
        "compiler",
        "inspection",
        "layers",
        "tuning",
        "network",
        "benchmark",
        "selftest",
        "demo",
        "commands",
        "moved",
        "__init__",
        "__main__",
    ),
)


def modules() -> dict[tuple[str, ...], Path]:
    """Every module's name within the package, as a tuple, and its file."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts] = path
    return found


MODULES = modules()


def imports(name: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules that one imports anywhere in it, for types too; of a package, its `__init__`."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" and len(path.relative_to(PACKAGE).parts) > 1 else name[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                found = (*base, alias.name)
                yield found if found in MODULES else base or ("__init__",)


def test_no_room_knows_one_above_it() -> None:
    assert {name[0] for name in MODULES} == set(FLOORS)
    upwards = [
        f"{'.'.join(name)} imports {'.'.join(other)}"
        for name in MODULES
        for other in imports(name)
        if other[0] != name[0] and FLOORS.index(other[0]) > FLOORS.index(name[0])
    ]
    assert not upwards


def test_no_modules_import_each_other_in_a_circle() -> None:
    seen: set[tuple[str, ...]] = set()
    circles = []

    def visit(name: tuple[str, ...], path: tuple[tuple[str, ...], ...]) -> None:
        if name in path:
            circles.append(" → ".join(".".join(part) for part in (*path[path.index(name) :], name)))
        elif name not in seen:
            seen.add(name)
            for other in sorted(set(imports(name)) - {name}):
                visit(other, (*path, name))

    for name in MODULES:
        visit(name, ())
    assert not circles


def test_a_list_of_files_has_them_all() -> None:
    """Where the text on top of a package lists its files, none is missing."""
    listed = 0
    for init in PACKAGE.rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text())) or ""
        if re.search(r"^ *\w+\.py {2,}\S", text, re.MULTILINE):
            listed += 1
            there = {path.name for path in init.parent.glob("*.py")} - {"__init__.py"}
            assert there <= set(re.findall(r"\w+\.py", text)), init
    assert listed > 5
