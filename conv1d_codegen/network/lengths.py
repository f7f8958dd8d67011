"""How long the formulas of lengths are: an operation that has its input's length several times doubles them, and some
dozens of these make one that nobody can evaluate.
"""

from __future__ import annotations

from ..symbolic.index import Index, Var, parts

MOST_PARTS = 20_000  # of a length that is evaluated by each call


class Parts:
    """The numbers of parts that formulas have, each counted once."""

    def __init__(self) -> None:
        self._known: dict[Index, int] = {}

    def check(self, length: Index | None) -> None:
        """Raises ValueError for a formula of too many parts."""
        if length is not None and self._of(length) > MOST_PARTS:
            raise ValueError(
                f"Its steps are a formula of {self._of(length):.0e} parts, and {MOST_PARTS} can be evaluated."
            )

    def _of(self, length: Index) -> int:
        """How many terms and atoms a formula has, those within it counted each time."""
        count = self._known.get(length)
        if count is None:
            count = 0
            for monomial, _ in length.terms:
                count += 1
                for atom in monomial:
                    count += 1 if isinstance(atom, Var) else sum(self._of(part) for part in parts(atom))
            self._known[length] = count
        return count
