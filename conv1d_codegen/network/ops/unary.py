"""Functions of single numbers that are no activations."""

from __future__ import annotations

from dataclasses import dataclass

from .op import Op, check

FUNCTIONS = ("abs", "sqrt", "log", "sin", "cos")


@dataclass(frozen=True, slots=True)
class Unary(Op):
    """One of `FUNCTIONS`, element by element."""

    function: str

    def __post_init__(self) -> None:
        check(self.function in FUNCTIONS, f"A function is one of {', '.join(FUNCTIONS)}. Received: {self.function!r}.")

    def __str__(self) -> str:
        return self.function
