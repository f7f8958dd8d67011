"""Explanation: the facts of a kernel, which print as text and show as HTML in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from .facts import Facts
from .html import html
from .text import text
from .wording import sections


@dataclass(frozen=True, slots=True, repr=False)
class Explanation(Facts):
    """The facts of one kernel. `str` and `repr` give plain text, as a shell shows what it is given, and a notebook shows HTML."""

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return text(sections(self))

    def _repr_html_(self) -> str:
        return html(sections(self))


class Explanations(tuple[Explanation, ...]):
    """Explanations of several kernels that compute one thing together. `str`, `repr` and notebooks show one after another."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        return "\n".join(each._repr_html_() for each in self)
