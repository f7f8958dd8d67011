"""Plan: the schedule of one kernel, as data. `cost_model.py` chooses it.

A plan says which algorithm computes the problem and how its loops are cut. It prints in one line:

    direct lanes=filters 16x2 rows=13,12,4,1 block=104 unroll=4

panels of 2 vectors of 16 filters; register tiles of 13 and 12 output steps by one panel, of 4 for what they leave over, and single steps
where there are no 4; blocks of 104 output steps; the channel loop unrolled by 4.

    cook_toom F(4,3) lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4

the algorithm F(4, 3), 4 outputs of 3 taps (see `toom/`); tiles of 6 windows by one panel, and so on; blocks of 96 output steps, 24 windows.

Where the lanes are time steps (channels first), a panel is a group of filters: `lanes=time 8x2 rows=6` is 6
filters by 2 vectors of 8 steps. Where a direct kernel has channels in the lanes (few filters), `lanes=channels 16x2 rows=12,4,1` is 12
steps by 2 filters, each with a vector of 16 sums.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import CompileError
from ..problem import Problem
from ..problem.summation import LONGEST_CHAIN
from ..toom.algorithm import algorithm as cook_toom

#: What each algorithm can have in the lanes of its vectors.
LANES = {"direct": ("filters", "time", "channels"), "depthwise": ("channels",), "cook_toom": ("filters",), "generic": ("filters",)}
ALGORITHMS = tuple(LANES)
_LARGEST = 1 << 16
_EXAMPLE = "direct lanes=filters 16x2 rows=13,12,4,1 block=104 unroll=4"
_TEXT = re.compile(
    r"(?P<algorithm>[a-z_]+)(?: F\((?P<outputs>\d{1,2}),(?P<taps>\d{1,2})\))?"
    r" lanes=(?P<lanes>[a-z]+) (?P<width>\d{1,5})x(?P<vectors>\d{1,5})"
    r" rows=(?P<rows>\d{1,5}(?:,\d{1,5})*) block=(?P<block>\d{1,5}) unroll=(?P<unroll>\d{1,5})",
    re.ASCII,
)


def _check_numbers(owner: str, **numbers: object) -> None:
    for name, number in numbers.items():
        if type(number) is not int or not 1 <= number <= _LARGEST:
            raise CompileError(f"{owner}.{name} is an int from 1 to {_LARGEST}. Received: {number!r}.")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one problem is computed. `rows`: the heights of the register tiles, from tall to a single row (one height with lanes=time)."""

    algorithm: str
    lanes: str
    width: int
    vectors: int
    rows: tuple[int, ...]
    block: int
    unroll: int
    outputs: int = 0  # of a window, and taps of a term: F(m, r) of a Cook–Toom plan
    taps: int = 0

    def __post_init__(self) -> None:
        if self.lanes not in LANES.get(self.algorithm, ()):
            pairs = ", ".join(f"{algorithm} with lanes={' or '.join(lanes)}" for algorithm, lanes in LANES.items())
            raise CompileError(f"A plan is {pairs}. Received: {self}")
        object.__setattr__(self, "rows", tuple(self.rows))
        _check_numbers("Plan", width=self.width, vectors=self.vectors, block=self.block, unroll=self.unroll)
        for height in self.rows:
            _check_numbers("Plan", rows=height)
        descending = list(self.rows) == sorted(set(self.rows), reverse=True)
        if not self.rows or not descending or (len(self.rows) > 1 if self.lanes == "time" else self.rows[-1] != 1):
            raise CompileError(
                "The tiles of a plan have fewer rows each than the one before, and the last has 1; with time in the lanes there is one "
                f"height. Received: {self}"
            )
        if self.algorithm == "cook_toom":
            _check_numbers("Plan", outputs=self.outputs, taps=self.taps)
            cook_toom(self.outputs, self.taps)
            if self.outputs == 1:
                raise CompileError(f"F(1,{self.taps}) saves nothing: a Cook–Toom plan has windows of 2 outputs or more. Received: {self}")
            if self.block % self.outputs:
                raise CompileError(f"A block of a Cook–Toom plan is a multiple of the {self.outputs} outputs of a window. Received: {self}")
        elif (self.outputs, self.taps) != (0, 0):
            raise CompileError(f"F({self.outputs},{self.taps}) is for cook_toom plans. Received one of algorithm={self.algorithm!r}.")
        if self.sums_in_lanes and self.rows[0] > self.width:
            raise CompileError(f"A direct plan with channels in the lanes has at most as many rows as lanes. Received: {self}")

    @property
    def computes_steps(self) -> bool:
        """Whether steps are computed one by one from all their taps: all of them, or those that Cook–Toom's windows leave over."""
        return self.algorithm in ("direct", "cook_toom")

    @property
    def sums_in_lanes(self) -> bool:
        """Whether each lane adds up products of its own, of the same output (`passes/tile_sums.py`)."""
        return self.algorithm == "direct" and self.lanes == "channels"

    @property
    def panel(self) -> int:
        """Filters (or channels) whose weights lie together.

        In a generic kernel that is one vector: wherever what is left over starts, it starts a panel.
        """
        if self.lanes == "time":
            return self.rows[0]
        if self.sums_in_lanes:
            return self.vectors
        return self.width if self.algorithm == "generic" else self.width * self.vectors

    def __str__(self) -> str:
        rows = ",".join(map(str, self.rows))
        name = self.algorithm + (f" F({self.outputs},{self.taps})" if self.outputs else "")
        return f"{name} lanes={self.lanes} {self.width}x{self.vectors} rows={rows} block={self.block} unroll={self.unroll}"

    @classmethod
    def parse(cls, text: str) -> Plan:
        """The inverse of `str`. Raises CompileError for text of another form."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise CompileError(f"Not a plan's text form: {text!r}. Expected something like `{_EXAMPLE}`.")
        part = match.groupdict()
        numbers = {name: int(part[name]) for name in ("width", "vectors", "block", "unroll")}
        numbers |= {name: int(part[name] or 0) for name in ("outputs", "taps")}
        return cls(part["algorithm"], part["lanes"], rows=tuple(map(int, part["rows"].split(","))), **numbers)


def check_fits(problem: Problem, plan: Plan) -> None:
    """Raises CompileError where `plan` can't compute `problem`."""
    if plan.algorithm == "depthwise" and (problem.groups != problem.channels or problem.channels_first):
        raise CompileError(
            f"The depthwise algorithm computes channels-last problems with as many groups as channels. Received: {problem}; "
            'use algorithm="direct" or "auto".'
        )
    products = problem.kernel_size * problem.group_channels
    fills = problem.group_channels > 1 and problem.group_channels % plan.width == 0 and products <= LONGEST_CHAIN * plan.width
    if plan.sums_in_lanes and (problem.channels_first or not fills):
        raise CompileError(
            f"A direct plan with channels in the lanes computes channels-last problems with a multiple of its {plan.width} lanes as "
            f"channels of a group, and up to {LONGEST_CHAIN} products a lane. Received: {problem}, with {problem.group_channels} "
            f"channels of a group and {products} products; leave the plan away, or put filters in the lanes."
        )
