"""Facts: what is known of one kernel, as numbers and words, apart from how it is shown.

Cycles are those of one core, by the models of `throughput.py` (of loops) and `schedule/alternatives.py` (of
plans); bytes and FLOP those of one call. A part that a kernel has not, as windows without Cook–Toom, is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..schedule.alternatives import Alternative
from ..schedule.plan import Plan
from .assembly import Loop
from .census import Census
from .padding import Peel
from .throughput import Bound
from .windows import Windows


@dataclass(frozen=True, slots=True)
class Work:
    """What is computed by the formula, padding counted as if it were data: multiplications and additions of convolutions,
    none where there is none, and the bytes that must be read and written once.
    """

    flops: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int

    @property
    def intensity(self) -> float:
        """FLOP a byte."""
        return self.flops / max(1, self.input_bytes + self.weight_bytes + self.output_bytes)


@dataclass(frozen=True, slots=True)
class Registers:
    """Which vector registers the innermost loop uses, by what it keeps there; those that it never names are free."""

    total: int
    sums: tuple[str, ...]
    loaded: tuple[str, ...]  # vectors, read anew in each round
    broadcast: tuple[str, ...]  # one number, for all lanes
    both: tuple[str, ...]  # the one and the other, in turns
    others: tuple[str, ...]
    rows: int  # of the tile whose sums these are; 0: they are no such tile
    spills: int  # instructions of the loop that move vectors to or from the stack


@dataclass(frozen=True, slots=True)
class InnerLoop:
    """The innermost loop: its instructions, and the least cycles of a round by a model of a microarchitecture."""

    loop: Loop
    listing: str
    mix: dict[str, int]
    folded_loads: int  # loads within arithmetic instructions,
    folded_broadcasts: int  # and those of one number among them
    products: int  # vectors of products
    model: str
    bound: Bound

    @property
    def efficiency(self) -> float:
        """The share of a round's least cycles that its multiply-adds take alone."""
        return self.bound.fma_cycles / self.bound.cycles if self.bound.cycles else 0.0


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of machine code, of its constants, of packed weights, and of scratch memory: that of each thread which a
    caller provides, and what is on the stack. `l1` and `l2` are those of a core, as the target's row has them.
    """

    code: int
    constants: int
    weights: int
    scratch: int
    stack: int
    l1: int
    l2: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """Cycles of one call by what the loops do, if all data were near: of the products, at the innermost loop's pace; of all
    else, loads, stores and arithmetic, at that of the tightest ports; and `least`, of the formula's products at the pace of
    nothing but multiply-adds.
    """

    products: float
    others: float
    least: float

    @property
    def cycles(self) -> float:
        return self.products + self.others

    @property
    def share(self) -> float:
        """Of the formula's arithmetic at the peak; above 1 where an algorithm has fewer products."""
        return self.least / self.cycles if self.cycles else 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds of one call on one thread, and this core's limits: FLOP a second of a loop of multiply-adds, bytes a second
    of a copy between arrays larger than the caches; the cycles a second that the first would take. `others` are the seconds
    of the same call by some of the plans that were compared.
    """

    seconds: float
    peak: float
    bandwidth: float
    clock: float
    share: float  # of the formula's arithmetic at the peak
    others: dict[Plan, float]


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    title: str
    target: str
    sizes: dict[str, int]
    plan: str
    words: tuple[tuple[str, str], ...]  # each word of the plan, and what it says
    alternatives: tuple[Alternative, ...]  # the taken one first; none for what has no plan
    work: Work
    census: Census
    axis: str  # what lies in the lanes of vectors: one of `LANES` of `schedule/plan.py`
    lanes: int
    lanes_in_use: float
    peel: Peel | None
    inner: InnerLoop | None
    registers: Registers | None
    size: Size
    error: str
    windows: Windows | None
    prediction: Prediction | None
    measurement: Measurement | None = None
