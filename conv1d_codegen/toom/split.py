"""Split: how a convolution of any kernel size, stride and dilation becomes sums of small ones that F(m, r) computes.

F(m, r) wants outputs and taps that move through the input in equal steps. With stride s and dilation d they do where
both are counted in steps of `spacing = lcm(s, d)` of the input:

    every (spacing / s)-th output      the outputs are `sequences` that lie between each other: dilation
    every (spacing / d)-th tap         the taps are `phases` whose results are added: stride

The taps of a phase are cut into chunks of r taps, whose results are added too: k = 11 is 4 + 4 + 3. They are added
before the last of the three transforms, so that there is one for all of them. A last chunk may have fewer taps, and
then its weights are zero at infinity: one multiplication less.

A *window* is one use of F(m, r): m outputs of one sequence, from n inputs. A *term* is one chunk of one phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from ..problem import Problem

#: Windows beside a block's own whose inputs are transformed for it, at most: of a block of 24 or more.
_MOST_HALO = 12
#: Of blocks that are turned: a block's input, of 48 to a few hundred steps, should stay in L1, 16 channels at a time.
_MOST_SPACING, _LONGEST_TO_TURN = 8, 512


@dataclass(frozen=True, slots=True)
class Split:
    """The numbers of sequences, phases and terms, and where each tap belongs. The terms are chunk after chunk, each
    with all its phases.
    """

    kernel_size: int
    taps: int  # of a chunk
    sequences: int
    phases: int
    spacing: int  # steps of the input between neighbours in a window

    @classmethod
    def of(cls, problem: Problem, taps: int) -> Split:
        """The split of `problem` into chunks of `taps` taps."""
        spacing = lcm(problem.stride, problem.dilation)
        return cls(problem.kernel_size, taps, spacing // problem.stride, spacing // problem.dilation, spacing)

    @property
    def chunks(self) -> int:
        """Chunks of the longest phase."""
        return -(-self.longest // self.taps)

    @property
    def longest(self) -> int:
        """Taps of the longest phase."""
        return -(-self.kernel_size // self.phases)

    @property
    def terms(self) -> int:
        """Products of transformed inputs and weights that are added up for each multiplication, of one channel."""
        return self._whole_chunks + min(self.phases, self._taps_of_last_chunk)

    @property
    def whole_terms(self) -> int:
        """The terms, the first ones, that have all their taps: those of the last multiplication, at infinity."""
        return self._whole_chunks + max(0, min(self.phases, self._taps_of_last_chunk - self.phases * (self.taps - 1)))

    def products(self, multiplications: int) -> int:
        """Products of a window, of one channel and filter, by an algorithm of so many multiplications."""
        return multiplications * self.terms - (self.terms - self.whole_terms if self.taps > 1 else 0)

    @property
    def all_taps(self) -> int:
        """The kernel size with the taps that last chunks lack; of all phases where there are several chunks, as those
        may share inputs.
        """
        if self.chunks > 1:
            return self.chunks * self.phases * self.taps
        return self.first_tap(self.terms - 1) + self.phases * (self.taps - 1) + 1

    def first_tap(self, term: int) -> int:
        """The tap with which a term begins; the others follow in steps of `phases`."""
        chunk, phase = divmod(term, self.phases)
        return phase + self.phases * self.taps * chunk

    def turns(self, problem: Problem) -> bool:
        """Whether blocks of windows are turned in channels_first: where those of a block lie side by side, and read few
        other steps.
        """
        near = self.sequences == 1 and self.spacing <= _MOST_SPACING and problem.extent <= _LONGEST_TO_TURN
        return problem.channels_first and near

    def shares(self, outputs: int) -> bool:
        """Whether windows of so many outputs share the transformed inputs of their chunks.

        Where a chunk has as many taps as a window has outputs, its inputs are those of the first chunk some windows
        later.
        """
        return self.taps == outputs and self.chunks > 1 and self.halo <= _MOST_HALO

    @property
    def halo(self) -> int:
        """How many windows later the inputs of the last chunk are those of the first one, if they are shared."""
        return (self.chunks - 1) * self.sequences

    def transforms(self, outputs: int) -> int:
        """How many transforms of inputs a window of so many outputs takes."""
        return self.phases if self.shares(outputs) else self.terms

    @property
    def _whole_chunks(self) -> int:
        """The terms of all chunks but the last: these have all their taps, in all phases."""
        return self.phases * (self.chunks - 1)

    @property
    def _taps_of_last_chunk(self) -> int:
        """The taps of all its terms; of these, earlier phases have as many as later ones, or one more."""
        return self.kernel_size - self._whole_chunks * self.taps
