"""Plan: the whole schedule of one kernel, as data. `cost_model.py` chooses it, and the passes do what it says.

A plan says which algorithm computes the problem and how its loops are cut. It prints in one line:

    direct lanes=filters 16x2 rows=13,12,4,1 block=104 unroll=4 edges=shared:64 borrow=13 prefetch=output

panels of 2 vectors of 16 filters; register tiles of 13 and 12 output steps by one panel, of 4 for what they leave over,
and single steps where there are no 4; blocks of 104 output steps; the channel loop unrolled by 4; the rest as in
`Plan`, what is as usual left out.

    cook_toom F(4,3) lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4

the algorithm F(4, 3), 4 outputs of 3 taps (see `toom/`); tiles of 6 windows by one panel, and so on; blocks of 96
output steps, 24 windows. `F(12,9) nested=3` is F(3,3) ⊗ F(4,3), 12 outputs of 9 taps by an inner level of 3. With
`fold=32`, 32 steps of one channel are a row of 32 channels (`problem/folding.py`), and windows are of such rows.

Where the lanes are time steps (channels first), a panel is a group of filters: `lanes=time 8x2 rows=6` is 6 filters by
2 vectors of 8 steps. Where a direct kernel has channels in the lanes (few filters), `lanes=channels 16x2 rows=12,4,1`
is 12 steps by 2 filters, each with a vector of 16 sums.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from string import Formatter
from typing import Any, NamedTuple

from ..errors import CompileError
from ..problem import Problem
from ..problem.folding import folded
from ..toom.algorithm import Algorithm
from ..toom.nested import algorithm_of as cook_toom
from ..toom.split import Split

#: What each algorithm can have in the lanes of its vectors.
LANES = {
    "direct": ("filters", "time", "channels"),
    "depthwise": ("channels",),
    "cook_toom": ("filters",),
    "generic": ("filters",),
}
ALGORITHMS = tuple(LANES)
#: How steps that lack taps are computed.
EDGES = ("alone", "shared", "tiles")
#: What a generic kernel takes at run time, unless its plan makes it a constant. Channels and filters are those of a group.
RUN_TIME = ("kernel_size", "stride", "dilation", "groups", "channels", "filters")
#: What is asked for before it is needed.
PREFETCHES = ("weights", "input", "output", "output_by_row", "next_block")
#: Operations times vectors of a tile that are written out as a rule. relu on 28 vectors is; tanh on 12 is not.
_MOST_WRITTEN_OUT = 100
_LARGEST = 1 << 16
_EXAMPLE = "direct lanes=filters 16x2 rows=13,12,4,1 block=104 unroll=4 edges=shared:64 prefetch=output"
#: The words of the text form. One whose fields all are as usual is left out.
_WORDS = (
    "{algorithm}",
    "constants={constants}",
    "F({outputs},{taps})",
    "nested={nested}",
    "fold={fold}",
    "lanes={lanes}",
    "{width}x{vectors}",
    "rows={rows}",
    "block={block}",
    "unroll={unroll}",
    "edges={edges}:{edge_steps}",
    "borrow={borrow}",
    "stream={stream}",
    "sequences={sequences}",
    "{across}",
    "abreast={abreast}",
    "rest={rest}",
    "parts={parts}",
    "inputs={input_width}",
    "{looped}",
    "{turned}",
    "{transposed}",
    "prefetch={prefetch}",
    "epilogue={epilogue}",
)


class _Form(NamedTuple):
    """How a field of one type is written, and what it is read with."""

    pattern: str
    read: Callable[[str], Any]


_FORMS = {
    "str": _Form("[a-z][a-z0-9_]*", str),
    "int": _Form(r"\d{1,5}", int),
    "bool": _Form("{name}", bool),
    "tuple[int, ...]": _Form(r"\d{1,5}(?:,\d{1,5})*", lambda text: tuple(map(int, text.split(",")))),
    "tuple[str, ...]": _Form("[a-z_]+(?:,[a-z_]+)*", lambda text: tuple(text.split(","))),
}


def _check_numbers(owner: str, least: int, **numbers: object) -> None:
    for name, number in numbers.items():
        if type(number) is not int or not least <= number <= _LARGEST:
            raise CompileError(f"{owner}.{name} is an int from {least} to {_LARGEST}. Received: {number!r}.")


def _falls_to_one(heights: tuple[int, ...]) -> bool:
    return bool(heights) and heights[-1] == 1 and list(heights) == sorted(set(heights), reverse=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one problem is computed. Raises CompileError for what is no plan.

    `algorithm`    one of `ALGORITHMS`
    `lanes`        what lies in the lanes of vectors: "filters", "time" or "channels"
    `width`        lanes of a vector
    `vectors`      vectors of a register tile
    `rows`         heights of the register tiles, from tall to a single row (one height with lanes=time)
    `block`        output steps whose input stays in the caches while all filters go over it
    `unroll`       channels, or taps of a depthwise kernel, that are written out one after another
    `outputs`      Cook–Toom only: outputs of a window, the m of F(m, r)
    `taps`         Cook–Toom only: taps of a term, the r of F(m, r)
    `constants`    generic only: which of `RUN_TIME` are constants in the code all the same, in that order
    `nested`       Cook–Toom only: taps of the inner levels of a nested F(m, r), the innermost first; empty: one level
    `fold`         Cook–Toom only: steps of one channel that are the channels of a row, of which windows are; 1: none
    `edges`        how steps that lack taps are computed: "alone", one by one; "shared", in blocks of `edge_steps` that
                   share the weights of each tap; "tiles", in register tiles of `edge_steps` rows, with a condition for
                   what lies beside the input
    `borrow`       steps that each edge has at least, taken from those that have all taps
    `stream`       steps of a block that go over one chunk of the weights before the next, for Cook–Toom all that have
                   windows; 0: each tile goes over all
    `sequences`    sequences of the batch that share one reading of a panel of weights
    `across`       whether a register tile may have rows of several of these sequences, where they stream
    `abreast`      depthwise only: for each height in `rows`, how many vectors a tile of it has; empty: one
    `rest`         Cook–Toom only: rows of the tiles of steps that no window covers, which are few; of folded steps, vectors
    `parts`        parts in which the filters of a Cook–Toom kernel are computed, each with inputs transformed anew; or the
                   channels of a depthwise kernel that is turned
    `input_width`  Cook–Toom only: lanes of the vectors of channels in which inputs are transformed; 0: as `width`
    `looped`       Cook–Toom only: whether the transforms of one window are in loops, instead of written out
    `turned`       in channels_first, whether a block's input is kept with its channels behind its steps, for all filters;
                   of a depthwise kernel the output too
    `transposed`   whether rows and lanes of a tile change places before it is stored
    `prefetch`     what is asked for ahead: "weights", of the next chunk; "input", of later tiles; "output", where this
                   tile goes, at its start; "output_by_row", the same, row by row; "next_block", for Cook–Toom the next
                   block's input and where this one's output goes
    `epilogue`     operations of an activation that are written out for all vectors of a tile; if there are more, its
                   rows are in a loop
    """

    algorithm: str
    lanes: str
    width: int
    vectors: int
    rows: tuple[int, ...]
    block: int
    unroll: int
    outputs: int = 0  # of a window, and taps of a term: F(m, r) of a Cook–Toom plan
    taps: int = 0
    edges: str = "alone"
    edge_steps: int = 0
    borrow: int = 0
    stream: int = 0
    sequences: int = 1
    abreast: tuple[int, ...] = ()
    rest: int = 1
    parts: int = 1
    looped: bool = False
    transposed: bool = False
    prefetch: tuple[str, ...] = ()
    epilogue: int = _MOST_WRITTEN_OUT
    input_width: int = 0
    nested: tuple[int, ...] = ()
    fold: int = 1
    constants: tuple[str, ...] = ()
    across: bool = False
    turned: bool = False

    def __post_init__(self) -> None:
        if self.lanes not in LANES.get(self.algorithm, ()):
            pairs = ", ".join(f"{algorithm} with lanes={' or '.join(lanes)}" for algorithm, lanes in LANES.items())
            raise CompileError(f"A plan is {pairs}. Received: {self}")
        for name in ("rows", "abreast", "prefetch", "nested", "constants"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_numbers("Plan", 1, width=self.width, vectors=self.vectors, block=self.block, unroll=self.unroll)
        _check_numbers("Plan", 1, sequences=self.sequences, parts=self.parts, rest=self.rest, fold=self.fold)
        _check_numbers(
            "Plan",
            0,
            edge_steps=self.edge_steps,
            borrow=self.borrow,
            stream=self.stream,
            input_width=self.input_width,
            epilogue=self.epilogue,
        )
        for name in ("rows", "abreast", "nested"):
            for number in getattr(self, name):
                _check_numbers("Plan", 1, **{name: number})
        if not (len(self.rows) == 1 if self.lanes == "time" else _falls_to_one(self.rows)):
            raise CompileError(
                "The tiles of a plan have fewer rows each than the one before, and the last has 1; with time in the lanes there is one "
                f"height. Received: {self}"
            )
        if self.algorithm == "cook_toom":
            _check_numbers("Plan", 1, outputs=self.outputs, taps=self.taps)
            cook_toom(self.outputs, self.taps, self.nested)
            if self.outputs == 1:
                raise CompileError(
                    f"F(1,{self.taps}) saves nothing: a Cook–Toom plan has windows of 2 outputs or more. Received: {self}"
                )
            if self.block % self.outputs:
                raise CompileError(
                    f"A block of a Cook–Toom plan is a multiple of the {self.outputs} outputs of a window. Received: {self}"
                )
        elif (self.outputs, self.taps) != (0, 0):
            raise CompileError(
                f"F({self.outputs},{self.taps}) is for cook_toom plans. Received one of algorithm={self.algorithm!r}."
            )
        if self.sums_in_lanes and self.rows[0] > self.width:
            raise CompileError(
                f"A direct plan with channels in the lanes has at most as many rows as lanes. Received: {self}"
            )
        for broken, rule in self._rules():
            if broken:
                raise CompileError(f"{rule} Received: {self}")

    def __setstate__(self, state: Sequence[Any]) -> None:
        """From a pickle, which may be of a version that had fewer details: they are as in a plan by hand."""
        for number, field in enumerate(fields(self)):
            object.__setattr__(self, field.name, state[number] if number < len(state) else field.default)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """Whether each rule of the details is broken, and the rule."""
        direct, depthwise, windows = (self.algorithm == name for name in ("direct", "depthwise", "cook_toom"))
        filters, direct_filters = self.lanes == "filters", direct and self.lanes == "filters"
        sums_steps = self.computes_steps and not self.sums_in_lanes
        of_windows = (self.rest, self.input_width, self.looped, self.nested, self.fold) != (1, 0, False, (), 1)
        prefetches = set(self.prefetch)
        yield self.edges not in EDGES, f"The edges of a plan are {', '.join(EDGES)}."
        yield (
            (self.edges == "alone") != (self.edge_steps == 0),
            'Edges of a plan have edge_steps, unless they are "alone".',
        )
        # Of a generic kernel's edges it would take minutes to prove that they stay within their arrays; a depthwise kernel,
        # or one with a few filters only, has few weights to share.
        yield (
            self.edges == "shared" and not sums_steps,
            'Edges of a direct or cook_toom plan can be "shared", but not with lanes=channels.',
        )
        yield self.edges == "tiles" and not depthwise, 'Edges of a depthwise plan can be "tiles".'
        yield self.borrow > 0 and not direct_filters, "A direct plan with lanes=filters can borrow."
        streams = windows or (direct_filters and self.sequences > 1)
        yield (
            self.stream > 0 and not streams,
            "A direct plan of several sequences with lanes=filters can stream, or a cook_toom plan.",
        )
        yield windows and self.stream not in (0, self.block), "A cook_toom plan streams all steps of a block, or none."
        yield self.sequences > 1 and not direct, "A direct plan can have several sequences."
        together = self.stream > 0 and self.sequences > 1
        yield self.across and not together, "The tiles of a plan that streams several sequences can go across them."
        yield bool(self.abreast) and not depthwise, "A depthwise plan can have vectors abreast."
        yield (
            len(self.abreast) not in (0, len(self.rows)),
            "A plan has a number of vectors abreast for each of its rows.",
        )
        yield of_windows and not windows, "A cook_toom plan can have a rest or inputs, or be looped, nested or folded."
        other = self.fold % self.width or self.transposed or self.turned or self.parts > 1 or "next_block" in prefetches
        rule = "A plan folds whole vectors of steps, turns none, has one part and prefetches no block."
        yield self.fold > 1 and bool(other), rule
        yield bool(self.constants) and self.algorithm != "generic", "A generic plan can have constants."
        in_order = tuple(name for name in RUN_TIME if name in self.constants)
        yield self.constants != in_order, f"Constants of a plan are among {', '.join(RUN_TIME)}, once, in this order."
        in_parts = windows or (depthwise and self.turned)
        yield self.parts > 1 and not in_parts, "A cook_toom plan can have parts, or a depthwise one that is turned."
        can = depthwise or ((direct_filters or windows) and self.transposed and self.sequences == 1)
        yield (
            self.turned and not can,
            "A depthwise plan can be turned, or a direct or cook_toom one with lanes=filters that is transposed, of one sequence.",
        )
        yield self.transposed and not filters, "A plan with lanes=filters can be transposed."
        yield not prefetches <= set(PREFETCHES), f"What a plan prefetches is among {', '.join(PREFETCHES)}."
        yield len(prefetches) < len(self.prefetch), "What a plan prefetches is named once."
        can = sums_steps and filters
        yield "weights" in prefetches and not can, "A direct or cook_toom plan with lanes=filters can prefetch weights."
        can = direct_filters and not self.across  # whose rows read steps of several sequences
        yield (
            "input" in prefetches and not can,
            "A direct plan with lanes=filters can prefetch input, unless its tiles go across sequences.",
        )
        yield "input" in prefetches and self.turned, "A plan that is turned has its input at hand, and prefetches none."
        yield {"output", "output_by_row"} <= prefetches, "A plan prefetches output at once, or row by row."
        can = depthwise or direct_filters
        yield (
            "output" in prefetches and not can,
            "A depthwise plan can prefetch output, or a direct one with lanes=filters.",
        )
        yield "output_by_row" in prefetches and not depthwise, "A depthwise plan can prefetch output row by row."
        can = windows and not self.looped
        yield "next_block" in prefetches and not can, "A cook_toom plan that is not looped can prefetch the next block."

    def with_tiles(self, **changes: Any) -> Plan:
        """A plan of the same algorithm and tiles but for `changes`, without details, which were
        those of these tiles.
        """
        tiles = (
            "algorithm",
            "lanes",
            "width",
            "vectors",
            "rows",
            "block",
            "unroll",
            "outputs",
            "taps",
            "nested",
            "fold",
        )
        return Plan(**{**{name: getattr(self, name) for name in tiles}, **changes})

    @property
    def toom(self) -> Algorithm:
        """The algorithm of a Cook–Toom plan's windows."""
        return cook_toom(self.outputs, self.taps, self.nested)

    def split(self, problem: Problem) -> Split:
        """How the convolution of a Cook–Toom plan's windows, of rows of steps where these are folded, is cut."""
        return Split.of(folded(problem, self.fold), self.taps)

    def all_taps(self, problem: Problem) -> int:
        """Taps of an output that lies in a window: with those that last chunks lack, and of all outputs of its row where
        steps are folded.
        """
        return self.fold * (self.split(problem).all_taps - 1) + 1

    @property
    def of_steps(self) -> Plan:
        """The plan of steps that no window covers: this one, or where steps are folded, one with these in the lanes."""
        if self.fold == 1:
            return self
        tiles = self.width, self.rest, (1,), self.block, self.unroll, 0, 0
        return Plan("direct", "time", *tiles, self.edges, self.edge_steps)

    @property
    def computes_steps(self) -> bool:
        """Whether steps are computed one by one from all their taps: all of them, or those that Cook–Toom's windows
        leave over.
        """
        return self.algorithm in ("direct", "cook_toom")

    @property
    def sums_in_lanes(self) -> bool:
        """Whether each lane adds up products of its own, of the same output (`passes/tile/sums.py`)."""
        return self.algorithm == "direct" and self.lanes == "channels"

    @property
    def panel(self) -> int:
        """Filters whose weights lie together; of a depthwise kernel, where all channels do, those of one vector.

        In a generic kernel it is one vector: wherever what is left over starts, it starts a panel.
        """
        if self.lanes == "time":
            return self.rows[0]
        if self.sums_in_lanes:
            return self.vectors
        return self.width if self.algorithm == "generic" else self.width * self.vectors

    def __str__(self) -> str:
        def written(name: str) -> str:
            value = getattr(self, name)
            if isinstance(value, bool):
                return name
            return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

        usual = {field.name for field in fields(self) if getattr(self, field.name) == field.default}
        words = ((word, _names(word)) for word in _WORDS)
        return " ".join(
            word.format(**{n: written(n) for n in names}) for word, names in words if not usual.issuperset(names)
        )

    @classmethod
    def parse(cls, text: str) -> Plan:
        """The inverse of `str`. Raises CompileError for text of another form."""
        forms = {field.name: _FORMS[str(field.type)] for field in fields(cls)}
        match = _TEXT.fullmatch(text)
        if match is None:
            raise CompileError(f"Not a plan's text form: {text!r}. Expected something like `{_EXAMPLE}`.")
        return cls(**{name: forms[name].read(part) for name, part in match.groupdict().items() if part is not None})


def _names(word: str) -> tuple[str, ...]:
    """The fields in a word of the text form."""
    return tuple(name for _, name, _, _ in Formatter().parse(word) if name)


def _pattern() -> str:
    """What matches the text form; words can be left out whose fields have a usual value."""
    by_name = {field.name: field for field in fields(Plan)}
    pattern = ""
    for word in _WORDS:
        names = _names(word)
        groups = {n: f"(?P<{n}>{_FORMS[str(by_name[n].type)].pattern.replace('{name}', n)})" for n in names}
        whole = (" " if pattern else "") + re.sub(r"([()])", r"\\\1", word).format(**groups)
        pattern += whole if any(by_name[n].default is MISSING for n in names) else f"(?:{whole})?"
    return pattern


_TEXT = re.compile(_pattern(), re.ASCII)
