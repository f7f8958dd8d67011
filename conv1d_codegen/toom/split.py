"""Split: how a convolution of any kernel size, stride and dilation becomes sums of small ones that F(m, r) computes.

F(m, r) wants outputs and taps that move through the input in equal steps. With stride s and dilation d they do where both are counted in
steps of `spacing = lcm(s, d)` of the input:

    every (spacing / s)-th output      the outputs are `sequences` that lie between each other: dilation
    every (spacing / d)-th tap         the taps are `phases` whose results are added: stride

The taps of a phase are cut into `chunks` of r taps, whose results are added too: k = 11 is 4 + 4 + 3. They are added before the last of the
three transforms, so that there is one for all of them. Taps that are missing to a whole chunk are zero.

A *window* is one use of F(m, r): m outputs of one sequence, from n inputs. A *term* is one chunk of one phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from ..problem import Problem
from .algorithm import Algorithm


@dataclass(frozen=True, slots=True)
class Split:
    """The numbers of sequences, phases and chunks, and where each tap belongs."""

    sequences: int
    phases: int
    chunks: int
    taps: int  # of a chunk
    spacing: int  # steps of the input between neighbours in a window

    @classmethod
    def of(cls, problem: Problem, taps: int) -> Split:
        """The split of `problem` into chunks of `taps` taps."""
        spacing = lcm(problem.stride, problem.dilation)
        phases = spacing // problem.dilation
        longest = -(-problem.kernel_size // phases)
        return cls(spacing // problem.stride, phases, -(-longest // taps), taps, spacing)

    @property
    def terms(self) -> int:
        """Products of transformed inputs and weights that are added up for each multiplication, of one channel."""
        return self.phases * self.chunks

    @property
    def all_taps(self) -> int:
        """The kernel size with the taps that are zero."""
        return self.terms * self.taps

    def first_tap(self, term: int) -> int:
        """The tap with which a term begins; the others follow in steps of `phases`."""
        phase, chunk = divmod(term, self.chunks)
        return phase + self.phases * self.taps * chunk

    def weights(self, algorithm: Algorithm, kernel_size: int) -> tuple[tuple[float, ...], ...]:
        """The matrix that makes transformed weights of weights: a row for each multiplication and term, a column for each tap."""
        rows = []
        for of_multiplication in algorithm.weights:
            for term in range(self.terms):
                row = [0.0] * kernel_size
                for i, factor in enumerate(of_multiplication):
                    tap = self.first_tap(term) + self.phases * i
                    if tap < kernel_size:
                        row[tap] = float(factor)
                rows.append(tuple(row))
        return tuple(rows)
