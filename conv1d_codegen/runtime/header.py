"""How a kernel is called, as JSON: its name, arrays, sizes and packings, and its entry.

Nothing in it is looked up by a name that the text gives but the classes below, and what they are made of is checked:
index expressions become Python functions, so their names are names and their factors integers.
"""

from __future__ import annotations

import json
from dataclasses import fields
from enum import Enum
from typing import Any

from ..emit.abi import Entry, Slot
from ..ir import Axis, Buffer, Kernel, Rows, Storage
from ..ir.packing import Mixing, Packing
from ..ir.values import Access, is_name
from ..symbolic.index import Div, Extreme, Index, Var

_CLASSES: dict[str, Any] = {
    made.__name__: made
    for made in (Access, Axis, Buffer, Div, Entry, Extreme, Kernel, Mixing, Packing, Rows, Slot, Storage)
}


def written(kernel: Kernel, entry: Entry) -> bytes:
    """The text of a kernel without loops, and of its entry."""
    return json.dumps([_plain(kernel.with_body(())), _plain(entry)], separators=(",", ":")).encode()


def read(text: bytes) -> tuple[Kernel, Entry]:
    """The inverse of `written`. Raises ValueError for any other text."""
    try:
        kernel, entry = (_made(part) for part in json.loads(text))
        if not isinstance(kernel, Kernel) or not isinstance(entry, Entry) or written(kernel, entry) != text:
            raise ValueError("no kernel and its entry")
        entry.format  # noqa: B018  which knows the types of slots
        return kernel, entry
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"not a header: {error!r}") from error


def _plain(thing: Any) -> Any:
    match thing:
        case Var():
            return {"Var": str(thing)}
        case None | bool() | int() | float() | str():
            return thing
        case tuple():
            return [_plain(part) for part in thing]
        case Enum():
            return {type(thing).__name__: thing.value}
        case Index():
            return {"Index": [[factor, _plain(atoms)] for atoms, factor in thing.terms]}
        case _:
            return {type(thing).__name__: [_plain(getattr(thing, field.name)) for field in fields(thing)]}


def _made(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(map(_made, data))
    if not isinstance(data, dict):
        return data
    ((name, value),) = data.items()
    if name == "Var":
        if type(value) is not str or not is_name(value):
            raise ValueError(f"not a name: {value!r}")
        return Var(value)
    if name == "Index":
        terms = {_made(atoms): factor for factor, atoms in value}
        if any(type(factor) is not int for factor in terms.values()):
            raise ValueError("the factors of an index are integers")
        if not all(isinstance(atom, Var | Div | Extreme) for atoms in terms for atom in atoms):
            raise ValueError("an index is made of names, divisions and extremes")
        return Index(terms)
    made = _CLASSES[name]
    if issubclass(made, Enum):
        return made(value)
    result = made(*map(_made, value))
    if isinstance(result, Div | Extreme):
        _check(result)
    return result


def _check(atom: Div | Extreme) -> None:
    """Raises ValueError for what is no division, minimum or maximum of indices."""
    operands = (atom.numerator, atom.divisor) if isinstance(atom, Div) else (atom.a, atom.b)
    kind = "max" if isinstance(atom, Div) else atom.kind
    if kind not in ("min", "max") or not all(isinstance(part, Index) for part in operands):
        raise ValueError(f"no division, minimum or maximum: {atom!r}")
