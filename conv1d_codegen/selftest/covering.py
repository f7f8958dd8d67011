"""Covering tables: rows of classes that together hold every pair, or every triple, of classes of different parameters.

Rows are made one after another, each from a pair or triple that is still missing, filled up at random so that of some
ways to do it the one with the most that is missing wins. Which pairs and triples are possible at all is known exactly:
the classes that exclude each other belong to few parameters, whose combinations are all listed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Row = dict[str, str]
_WAYS = 24  # to fill up a row, of which the best one is taken


class Coverage:
    """Which pairs and triples of classes are possible, and which were seen.

    `constrained`: groups of parameters that `allowed` looks at, of which those of different groups go together anyway.
    """

    def __init__(
        self, classes: Mapping[str, Sequence[str]], constrained: Sequence[Sequence[str]], allowed: Callable[[Row], bool]
    ) -> None:
        self._classes = {name: tuple(values) for name, values in classes.items()}
        self._names = [(name, value) for name, values in self._classes.items() for value in values]
        self._number = {pair: number for number, pair in enumerate(self._names)}
        self._constrained = tuple(tuple(names) for names in constrained)
        self._combinations = [np.array(list(self._listed(names, allowed))) for names in self._constrained]
        self._possible = self._possible_triples()
        self._seen = np.zeros_like(self._possible)

    def _listed(self, names: Sequence[str], allowed: Callable[[Row], bool]) -> Iterator[list[int]]:
        """The combinations of classes of some parameters that are possible."""
        for values in itertools.product(*(self._classes[name] for name in names)):
            row = dict(zip(names, values, strict=True))
            if allowed(row):
                yield [self._number[item] for item in row.items()]

    def _possible_triples(self) -> np.ndarray[Any, Any]:
        """`[a, b, c]`: whether three classes go together; with a = b, whether two do."""
        owner = np.array([list(self._classes).index(name) for name, _ in self._names])
        clash = (owner[:, None] == owner) & ~np.eye(len(owner), dtype=bool)
        possible = ~clash[:, None, :] & ~clash[:, :, None] & ~clash[None]
        for combinations in self._combinations:
            own, places = np.unique(combinations, return_inverse=True)
            # A column for each class of this group, and one that is in all combinations, for all other classes.
            holds = np.zeros((len(combinations), len(own) + 1), np.float32)
            np.put_along_axis(holds, places.reshape(combinations.shape), 1, axis=1)
            holds[:, -1] = 1
            together = np.stack([(holds * column[:, None]).T @ holds > 0 for column in holds.T])
            column_of = np.full(len(owner), len(own))
            column_of[own] = np.arange(len(own))
            possible &= together[np.ix_(column_of, column_of, column_of)]
        return np.asarray(possible)

    def _numbers(self, row: Row) -> np.ndarray[Any, Any]:
        return np.array([self._number[item] for item in row.items()])

    def see(self, row: Row) -> None:
        """Count the pairs and triples of a row."""
        numbers = self._numbers(row)
        self._seen[np.ix_(numbers, numbers, numbers)] = True

    def counts(self, strength: int) -> tuple[int, int]:
        """Pairs (2) or triples (3): how many were seen, and how many are possible."""
        possible = self._ordered(self._possible, strength)
        seen = self._ordered(self._seen & self._possible, strength)
        return int(seen.sum()), int(possible.sum())

    def _ordered(self, triples: np.ndarray[Any, Any], strength: int) -> np.ndarray[Any, Any]:
        """Each pair or triple once."""
        size = len(self._names)
        if strength == 2:
            return np.asarray(np.triu(np.diagonal(triples, axis1=0, axis2=1).T, 1))
        at = np.arange(size)
        return triples & (at[:, None, None] < at[:, None]) & (at[:, None] < at)

    def _missing(self, strength: int) -> np.ndarray[Any, Any]:
        return np.argwhere(self._ordered(self._possible & ~self._seen, strength))

    def rows(self, rng: np.random.Generator, strength: int) -> Iterator[Row]:
        """Rows until nothing is missing. Each is counted by who runs it (`see`), but a row is not made twice for the
        same gap.
        """
        missing = self._missing(strength)
        while len(missing):
            rng.shuffle(missing)
            for gap in missing:
                at = (gap[0], gap[0], gap[1]) if strength == 2 else tuple(gap)
                if not self._seen[at]:
                    row = self._best(rng, gap, strength)
                    self.see(row)
                    yield row
            missing = self._missing(strength)

    def _best(self, rng: np.random.Generator, gap: np.ndarray[Any, Any], strength: int) -> Row:
        rows = [self._filled(rng, gap) for _ in range(_WAYS)]
        return max(rows, key=lambda row: self._news(row, strength))

    def _news(self, row: Row, strength: int) -> int:
        numbers = self._numbers(row)
        if strength == 2:
            return int(np.count_nonzero(~self._seen[numbers[:, None], numbers[:, None], numbers]))
        return int(np.count_nonzero(~self._seen[np.ix_(numbers, numbers, numbers)]))

    def _filled(self, rng: np.random.Generator, fixed: np.ndarray[Any, Any]) -> Row:
        """A row at random that holds some classes."""
        chosen = dict(self._names[number] for number in fixed)
        for names, combinations in zip(self._constrained, self._combinations, strict=True):
            fits = np.ones(len(combinations), bool)
            for column, name in enumerate(names):
                if name in chosen:
                    fits &= combinations[:, column] == self._number[name, chosen[name]]
            combination = combinations[rng.choice(np.flatnonzero(fits))]
            chosen |= dict(self._names[number] for number in combination)
        return {name: chosen.get(name) or values[rng.integers(len(values))] for name, values in self._classes.items()}

    def draw(self, rng: np.random.Generator) -> Row:
        """A row at random, of all that are possible."""
        return self._filled(rng, np.array([], np.intp))
