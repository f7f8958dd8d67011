"""Plan: the schedule of one kernel, as data; and the cost model that chooses it.

A plan says which algorithm computes the problem and how its loops are cut. It prints in one line:

    direct lanes=filters 16x2 tiles=12x1,4x2,1x4 block=256 unroll=4

vectors of 16 filters, panels of 2 vectors; register tiles of 12 time steps by 1 panel, with tiles of 4 steps by 2 panels and 1 step by
4 panels for what is left over; blocks of 256 output steps; the channel loop unrolled by 4.

Where the lanes are time steps (channels first), a panel is a group of filters: `lanes=time 8x2 tiles=6x1` is 6
filters by 2 vectors of 8 steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import CompileError
from .problem import Problem
from .target import Target

#: What each algorithm can have in the lanes of its vectors.
LANES = {"direct": ("filters", "time"), "depthwise": ("channels", "time"), "generic": ("filters",)}
ALGORITHMS = tuple(LANES)
_ITEM = {"f32": 4, "f64": 8}  # bytes
_CHAINS = 8  # independent accumulators that two fused multiply-add pipes with a latency of 4 cycles need
_DEPTHWISE_BLOCK = 256  # steps: many rows of tiles, and still blocks for several threads in a short sequence


_LARGEST = 1 << 16


def _check_numbers(owner: str, **numbers: object) -> None:
    for name, number in numbers.items():
        if type(number) is not int or not 1 <= number <= _LARGEST:
            raise CompileError(f"{owner}.{name} is an int from 1 to {_LARGEST}. Received: {number!r}.")


@dataclass(frozen=True, slots=True)
class Tile:
    """A register tile: `rows` output steps by `panels` panels (with lanes=time: `rows` filters, one panel)."""

    rows: int
    panels: int = 1

    def __post_init__(self) -> None:
        _check_numbers("Tile", rows=self.rows, panels=self.panels)

    def __str__(self) -> str:
        return f"{self.rows}x{self.panels}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one problem is computed. `tiles` go from tall to short and end with one of a single row."""

    algorithm: str
    lanes: str
    width: int
    vectors: int
    tiles: tuple[Tile, ...]
    block: int
    unroll: int

    def __post_init__(self) -> None:
        if self.lanes not in LANES.get(self.algorithm, ()):
            pairs = ", ".join(f"{algorithm} with lanes={' or '.join(lanes)}" for algorithm, lanes in LANES.items())
            raise CompileError(f"A plan is {pairs}. Received: {self}")
        object.__setattr__(self, "tiles", tuple(self.tiles))
        for tile in self.tiles:
            if not isinstance(tile, Tile):
                raise CompileError(f"Plan.tiles holds Tile(rows, panels). Received: {tile!r}.")
        _check_numbers("Plan", width=self.width, vectors=self.vectors, block=self.block, unroll=self.unroll)
        rows = [tile.rows for tile in self.tiles]
        if not rows or rows != sorted(set(rows), reverse=True) or (self.lanes != "time" and rows[-1] != 1):
            raise CompileError(
                f"Each tile of a plan has fewer rows than the one before, and the last, unless the lanes are time, has 1. Received: {self}"
            )

    @property
    def panel(self) -> int:
        """Filters (or channels) whose weights lie together.

        In a generic kernel that is one vector: wherever what is left over starts, it starts a panel.
        """
        if self.lanes == "time":
            return self.tiles[0].rows
        return self.width if self.algorithm == "generic" else self.width * self.vectors

    def __str__(self) -> str:
        tiles = ",".join(map(str, self.tiles))
        return f"{self.algorithm} lanes={self.lanes} {self.width}x{self.vectors} tiles={tiles} block={self.block} unroll={self.unroll}"


def check_fits(problem: Problem, algorithm: str) -> None:
    """Raises CompileError where `algorithm` can't compute `problem`."""
    if algorithm == "depthwise" and (problem.groups != problem.channels or problem.channels_first):
        raise CompileError(
            f"The depthwise algorithm computes channels-last problems with as many groups as channels. Received: {problem}; "
            'use algorithm="direct" or "auto".'
        )


def choose(problem: Problem, target: Target, algorithm: str = "auto") -> Plan:
    """The plan that the cost model picks. Raises CompileError where `algorithm` can't compute `problem`."""
    if problem.dtype == "f16" and not target.half:
        raise CompileError(f"{target} has no instruction that converts float16, so {problem} has no kernel there; float32 has one.")
    depthwise = problem.groups == problem.channels and problem.groups > 1 and not problem.channels_first
    if algorithm == "auto":
        algorithm = "depthwise" if depthwise else "direct"
    if algorithm == "depthwise":
        check_fits(problem, algorithm)
        return _depthwise(problem, target)
    if algorithm == "direct":
        return _direct_time(problem, target) if problem.channels_first and problem.stride == 1 else _direct_filters(problem, target)
    if algorithm == "generic":
        return _generic(problem, target)
    raise CompileError(f"No algorithm is named {algorithm!r}. Known: auto, {', '.join(ALGORITHMS)}.")


def _compute(problem: Problem) -> str:
    return "f64" if problem.dtype == "f64" else "f32"


def _most_rows(target: Target, vectors: int) -> int:
    """Most rows of a tile `vectors` wide that LLVM keeps in registers.

    A step needs the tile, the vectors it multiplies and one more number. Loads are scheduled early, which needs registers to spare, more so
    when the loop is unrolled. Found by counting spills in the inner loop, unrolled by 4: of 16 registers 6x2 spills nothing and 4x3 four
    accumulators; of 32, 13x2 and 8x3 nothing, 14x2 and 9x3 eight.
    """
    spare = 1 if target.registers <= 16 else 3
    return max(1, (target.registers - spare - 1 - vectors) // vectors)


def _vectors(count: int, width: int, most: int) -> int:
    """Vectors a panel, at most `most`: as few panels as can be, all of about the same width (10 = 5 + 5, not 6 + 4)."""
    vectors = -(-count // width)
    panels = -(-vectors // most)
    return -(-vectors // panels)


def _tails(rows: int, panel_count: int, vectors: int, most_vectors: int) -> tuple[Tile, ...]:
    """The main tile, and shorter, wider ones for what is left over, so that even one row keeps the pipes busy."""
    tiles = [Tile(rows)]
    height = rows
    while height > 1:
        height = height // 2 if height > 4 else 1
        wanted = max(1, min(most_vectors // (height * vectors), panel_count))
        panels = max(p for p in range(1, wanted + 1) if panel_count % p == 0)
        tiles.append(Tile(height, panels))
    return tuple(tiles)


def _block(problem: Problem, target: Target, rows: int, item: int) -> int:
    """Output steps whose input fits in half of L2, a multiple of the tile's rows."""
    steps = (target.l2_bytes // 2) // (problem.stride * problem.channels * item)
    return max(rows, min(steps, 4096) // rows * rows)


def _width(count: int, lanes: int) -> int:
    """Lanes for `count` numbers: a full vector, or the shorter one that is enough."""
    width = lanes
    while width > 1 and width // 2 >= count:
        width //= 2
    return width


def _direct_filters(problem: Problem, target: Target) -> Plan:
    compute = _compute(problem)
    width = _width(problem.group_filters, target.lanes(compute))
    vectors = _vectors(problem.group_filters, width, 2)
    rows = min(_most_rows(target, vectors), 13)
    panels = problem.group_filters // (width * vectors)
    tiles = _tails(rows, max(1, panels), vectors, rows * vectors)
    return Plan("direct", "filters", width, vectors, tiles, _block(problem, target, rows, _ITEM[compute]), unroll=4)


def _direct_time(problem: Problem, target: Target) -> Plan:
    """Filters in the rows, all tiles about as high; the fewer rows, the more vectors of steps, so that the pipes have chains to work on."""
    compute = _compute(problem)
    width = target.lanes(compute)
    most_rows = 6 if target.registers <= 16 else 8
    rows = -(-problem.group_filters // -(-problem.group_filters // most_rows))
    vectors = next(v for v in range(_CHAINS, 0, -1) if v == 1 or rows <= _most_rows(target, v))
    return Plan("direct", "time", width, vectors, (Tile(rows),), _block(problem, target, width * vectors, _ITEM[compute]), unroll=4)


def _depthwise(problem: Problem, target: Target) -> Plan:
    """Tiles of steps by one vector; of more vectors where few steps are left over, so that the pipes have chains to work on.

    With few taps memory is what takes time, and each row of a tile is a stream of its own. c512_f512_k3_d16_g512@1x3199, whose rows read
    nothing in common: 600 us with 4 rows, 610 to 800 with 8, as arrays lie; c1536_f1536_k4_g1536@1x2048: 1.02 ms with 8, 1.02 to 1.36 with
    16. With many taps it is loads: c256_f256_k31_g256@1x250 takes 28 us with 8 rows and 25 with 16. (avx512)
    """
    width, taps = _width(problem.channels, target.lanes(_compute(problem))), problem.kernel_size
    many = target.registers >= 32
    rows = 16 if many and taps >= 8 else 8 if problem.dilation < 8 else 4
    vectors = problem.channels // width
    tiles = tuple(Tile(height, _side_by_side(height, vectors)) for height in (16, 8, 4, 1) if height in (rows, 4, 1))
    most = 8 if many else 5
    # A loop of at least two rounds, as LLVM would join the windows of two groups in a row, and spill; with many taps left over after it,
    # as the output is asked for while these are summed up.
    unroll = taps if taps <= most else max(range(min(most, taps // 2), 1, -1), key=lambda count: taps % count)
    return Plan("depthwise", "channels", width, 1, tiles, _DEPTHWISE_BLOCK, unroll)


def _side_by_side(rows: int, vectors: int) -> int:
    """How many of `vectors` vectors a tile of few rows takes at once: enough for the pipes, without computing many channels twice."""

    def cycles(panels: int) -> int:
        return -(-vectors // panels) * max(rows * panels, _CHAINS)

    return min(range(1, max(1, min(vectors, _CHAINS)) + 1), key=cycles)


def _generic(problem: Problem, target: Target) -> Plan:
    width = target.lanes(_compute(problem))
    rows = min(_most_rows(target, 2), 8)
    # Unrolled by 4, LLVM loads the numbers of all steps first and spills them: 100 GFLOP/s instead of 158 (c64_f64_k3@1x5000, avx512).
    return Plan("generic", "filters", width, 2, (Tile(rows), Tile(1)), 256, unroll=2)
