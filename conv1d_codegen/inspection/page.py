"""A page of HTML about a kernel, or about two beside each other, that needs nothing else: no network and no server.

The template and what it is made of lie in `templates/page/`. Data stand in the page as JSON in which nothing can end a
script; the page shows them as text, never as markup.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from ..emit import template_folder
from .page_data import Data

if TYPE_CHECKING:
    import jinja2

_SCRIPTS = ("model.js", "columns.js", "pictures.js", "roofline.js", "page.js")
#: As JSON writes them in strings, where they alone can stand.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(title: str, sides: list[Data]) -> str:
    """The page of one or two `sides`, as `page_data.side` makes them. Any `title` is text. Raises ValueError for another
    number of sides.
    """
    if len(sides) not in (1, 2):
        raise ValueError(f"A page shows one kernel, or two beside each other. Received: {len(sides)}.")
    shown = [{name: value for name, value in side.items() if name != "explained"} for side in sides]
    data = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in _ESCAPED.items():
        data = data.replace(character, escaped)
    scripts = "\n".join(_file(name) for name in _SCRIPTS)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(title=title, style=_file("page.css"), scripts=scripts, data=data, sides=sides)
    )


def _file(name: str) -> str:
    return (template_folder() / "page" / name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    """Apart from the templates of LLVM IR, which must not be escaped."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder() / "page"), undefined=jinja2.StrictUndefined, autoescape=True
    )
