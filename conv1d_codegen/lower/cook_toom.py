"""Cook–Toom: windows of m outputs, each from n products of transformed inputs and weights instead of m*r: m + r - 1,
or as many as the levels of a nested F(m, r) have (see `toom/`).

    parallel part, n, block, g
      for window of the block, for c:     xt[p, q, window, c] := Σ_u B[p, u] * x[n, step(window, q, u), g, c]
      for f of the part:
        for p, for window:                yt[p, window]       := Σ_{q, c} xt[p, q, window, c] * wt[p, q, c, g, f]
        for window, for a < m:            y[n, t(window, a), g, f] := act(b[g, f] + Σ_p A[a, p] * yt[p, window])
        for t without a window:           the formula

The parts of the filters are outermost: so a core reads the weights of its own part for all blocks, and threads share
these evenly also where blocks are few.

where wt[p, q, ...] = Σ_i G[p, i] * w[tap(q, i), ...] is made once for each change of the weights, and q are the terms
of a `Split`. The middle line is n small matrix products, which the passes tile like those of a direct kernel; the sums
over u and p are straight-line programs.

Windows begin at the first output whose taps all fall on the input, and follow each other as long as there is room for
whole ones. In channels_first, the input of a block is turned first, and its outputs last:

    for c, for i of the block's input: xs[i, c] := x[n, g, c, i]
    for t of the block:                y[n, g, f, t] := act(b[g, f] + ys[t])       where ys[t(window, a)] := Σ_p A[a, p] * yt[p, window]

The outputs only where they follow each other: windows of several sequences take turns.

Where steps are folded (`problem/folding.py`), x and y are seen as rows of steps, whose first one is the first output whose
taps all fall on the input: channel c of row o is step P*o + c, filter f step P*o + f, and the weights of both those of
the diagonal f - c:

        for p, for window:                yt[p, window]       := Σ_{q, c} xt[p, q, window, c] * wt[p, q, g, f - c + P - 1]

What is left, the edges and less than a window's outputs of each sequence, is computed as a direct kernel does. So padding
takes no part in any sum, and a short sequence costs what it costs directly.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import (
    Alloc,
    Axis,
    Bind,
    Block,
    Const,
    Expression,
    Fma,
    For,
    If,
    Kernel,
    Let,
    Level,
    Part,
    Ref,
    Store,
    Value,
    accumulate,
    buffer,
    load,
    loop,
    store,
)
from ..ir.packing import Mixing
from ..machine.target import LINE, PAGE
from ..number_types import TYPES
from ..problem import Problem
from ..problem import padding as pad
from ..problem.folding import folded
from ..schedule.plan import Plan
from ..symbolic.index import Index, Indexable, index, maximum, minimum, var
from ..toom import transforms
from ..toom.program import Program
from .direct import constant_sizes
from .formula import Formula, Sizes, identifier
from .placement import Placement

#: Windows of each block; those that a whole sequence has room for, less than none where it is short; and the first one
#: of a block.
SHARE, ROOM, FIRST_WINDOW = var("share"), var("room"), var("first_window")


def first_output(window: Indexable, problem: Problem, plan: Plan, sizes: Sizes) -> Index:
    """The first output of a window of the block; the others lie as many steps apart as the split has sequences."""
    split = plan.split(problem)
    first, _ = pad.interior(var("T"), sizes.lefts, plan.all_taps(problem), problem.stride, problem.dilation)
    number, between = FIRST_WINDOW + window, split.sequences
    return index(first) + (number // between * ((plan.outputs - 1) * between) + number) * plan.fold


def lower(
    problem: Problem, plan: Plan, epilogue: Expression | None = None, placement: Placement | None = None
) -> Kernel:
    """The loops of `plan`'s F(m, r), in blocks of its size."""
    return _Lowering(problem, plan, epilogue, placement).kernel()


class _Lowering:
    """The sizes and buffers of one kernel, and its statements."""

    def __init__(self, problem: Problem, plan: Plan, epilogue: Expression | None, placement: Placement | None) -> None:
        p = problem
        self.problem, self.plan = p, plan
        self.rows = folded(p, plan.fold)  # what windows compute
        self.toom, self.split = plan.toom, plan.split(p)
        self.sizes, self.named = constant_sizes(p, grouped=p.groups > 1)
        self.formula = Formula(p, self.sizes, epilogue, placement)
        first, last = pad.interior(var("T"), self.sizes.lefts, plan.all_taps(p), p.stride, p.dilation)
        self.interior = index(first), index(last)
        self.group = (var("g"),) if p.groups > 1 else ()
        self.windows = -(-plan.block // (plan.outputs * plan.rows[0])) * plan.rows[0]  # of a block, at most
        self.shared = self.split.shares(plan.outputs)
        self.halo = self.split.halo if self.shared else 0
        compute, n, transforms = p.compute, self.toom.multiplications, self.split.transforms(plan.outputs)
        row = apart(self.rows.group_channels, compute)
        self.xt = buffer("xt", compute, (n, transforms, (self.windows + self.halo) | 1, row), "scratch")
        self.yt = buffer("yt", compute, (n, self.windows | 1), "scratch")
        #: The block's input with its channels behind its steps, and its outputs of a filter, where these are turned.
        self.panel = plan.input_width or plan.width  # of channels that are turned together
        self.xs = buffer("xs", compute, (self._reach(), min(self.panel, p.group_channels)), "scratch")
        self.ys = buffer("ys", compute, (self.windows * plan.outputs,), "scratch")
        self.turns_outputs = plan.turned and self.split.sequences == 1
        groups = (p.groups,) if p.groups > 1 else ()
        if plan.fold > 1:
            own: tuple[Axis, ...] = (Axis.TAP, *((Axis.GROUP,) if groups else ()), Axis.DIAGONAL)
            shape = (n, self.split.terms, *groups, 2 * plan.fold - 1)
        else:
            own = self.formula.w.axes
            shape = (n, self.split.terms, p.group_channels, *groups, p.group_filters)
        self.wt = buffer("wt", compute, shape, "constant", (Axis.POINT, *own))

    def kernel(self) -> Kernel:
        p = self.problem
        parts = self.plan.parts
        f = var("f") if parts == 1 else var("part") * (p.group_filters // parts) + var("f")
        filters = self.rows.group_filters // parts
        first_block = -var("block")  # computes the steps without a window
        own = filters // self.plan.fold
        alone = If((first_block,), (loop("f", 0, own, self._alone(f), axis=Axis.FILTER),))
        outputs = loop("f", 0, filters, (*self._products(f), *self._results(f)), axis=Axis.FILTER)
        body: Block = (alone, *self._block(), *self._transforms(), outputs)
        if p.groups > 1:
            body = (loop("g", 0, p.groups, body, "parallel", axis=Axis.GROUP),)
        body = (loop("block", 0, var("blocks"), body, "parallel", axis=Axis.WINDOW, level=Level.BLOCK),)
        body = (loop("n", 0, var("N"), body, "parallel", axis=Axis.SEQUENCE),)
        if parts > 1:
            body = (loop("part", 0, parts, body, "parallel", axis=Axis.FILTER, level=Level.BLOCK),)
        body = (*self.named, *self._counts(), *body)
        x, w, *bias, y = self.formula.buffers
        matrix = tuple(tuple(map(float, row)) for row in self.toom.weights)
        mixing = Mixing("w", "wt", w.shape, self.wt.shape, matrix, self.split.phases, self.plan.fold)
        return Kernel(
            identifier(f"cook_toom_{p}"),
            self.wt.dtype,
            (("N", 1), ("T", 0)),
            (x, w, self.wt, *bias, y),
            body,
            (mixing,),
        )

    def _counts(self) -> Block:
        """How many windows a sequence has, and how many blocks share them."""
        s, outputs = self.split, self.sizes.outputs
        steps = self.plan.outputs * self.plan.fold * s.sequences
        groups = (minimum(self.interior[1], outputs) - self.interior[0]) // steps
        several = 1 if self.plan.parts > 1 else 2  # as many as two threads can share evenly
        return (
            Let("room", index(groups) * s.sequences),
            Let("windows", index(maximum(ROOM, 0))),
            Let("blocks", index(maximum(pad.ceildiv(var("windows"), self.windows * several) * several, 1))),
        )

    def _block(self) -> Block:
        """Which windows are this block's: an equal share, of whole tiles."""
        tall = self.plan.rows[0]
        share = pad.ceildiv(pad.ceildiv(var("windows"), var("blocks")), tall) * tall
        return (
            Let("share", index(minimum(share, self.windows))),
            Let("first_window", index(minimum(var("block") * SHARE, var("windows")))),
            Let("count", index(maximum(minimum(SHARE, ROOM - FIRST_WINDOW), 0))),
        )

    def _first_output(self, window: Indexable) -> Index:
        return first_output(window, self.problem, self.plan, self.sizes)

    def _reach(self) -> int:
        """Steps of the input from the first to the last that a block reads."""
        s, outputs, windows = self.split, self.plan.outputs, self.windows + self.halo
        last = windows - 1  # of the windows; whole groups of them, and the others, `sequences - 1` at most
        last += (outputs - 1) * (last + s.sequences - 1)
        first_tap = max(s.first_tap(transform) for transform in range(s.transforms(outputs)))
        return last * self.problem.stride + first_tap * self.problem.dilation + (self.toom.reach - 1) * s.spacing + 1

    def _turned(self, first: Indexable, count: int) -> Block:
        """The block's input of some channels, turned: all that whole blocks read, unless there are no windows."""
        p, origin, i, c = self.problem, var("origin"), var("i_in"), var("c")
        reach = index(minimum(var("count"), 1)) * self._reach()
        if self.split.sequences == 1:
            reach = reach - (index(minimum(var("count"), 1)) * self.windows - var("count")) * (
                self.plan.outputs * p.stride
            )
        source = self.formula.x.load(*self.formula.place(var("n"), i, self.group, c + first))
        here = (Store(self.xs, (i - origin, c), source),)
        steps = loop(
            "i_in", origin, minimum(origin + reach, self.sizes.length), here, axis=Axis.STEP, part=Part.INTERIOR
        )
        return (
            Alloc(self.xs),
            loop("c", 0, count, (steps,), note="turned", axis=Axis.CHANNEL),
        )

    def _input(self, step: Index) -> Value:
        """What a window reads of a channel."""
        if self.plan.turned:
            return load(self.xs, step - var("origin"), var("c"))
        step, channel = self._unfolded(step, var("c"))
        return self.formula.x.load(*self.formula.place(var("n"), step, self.group, channel))

    def _unfolded(self, step: Index, number: Index) -> tuple[Index, Index]:
        """The step and the channel, or filter, of number `number` of the row that begins with `step`."""
        return (step + number, index(0)) if self.plan.fold > 1 else (step, number)

    def _transforms(self) -> Block:
        """The transformed inputs: those of a chunk that later chunks share, or those of every term. Where they are
        turned, some channels are, and transformed, before the next.
        """
        channels = self.rows.group_channels
        if not self.plan.turned:
            return (Alloc(self.xt), *self._of_channels(0, channels))
        whole, rest = divmod(channels, self.panel)
        first = var("channels") * self.panel
        panel = (*self._turned(first, self.panel), *self._of_channels(first, self.panel))
        result: Block = (
            Let("origin", self._first_output(0) * self.problem.stride - self.sizes.left),
            Alloc(self.xt),
            loop("channels", 0, whole, panel, axis=Axis.CHANNEL, level=Level.PANEL),
        )
        if not rest:
            return result
        first = index(whole * self.panel)
        last = (*self._turned(first, rest), *self._of_channels(first, rest))
        return (*result[: 3 if whole else 2], *last)

    def _of_channels(self, first_channel: Indexable, channels: int) -> Block:
        """The transforms of some channels."""
        s, note = self.split, f"{self.toom}: inputs"
        count: Indexable = var("count")
        if self.halo:
            count = count + minimum(var("count"), 1) * self.halo
        transforms = s.transforms(self.plan.outputs)

        def of_windows(program: Block) -> For:
            return loop(
                "window", 0, count, (loop("c", 0, channels, program, axis=Axis.CHANNEL),), note=note, axis=Axis.WINDOW
            )

        if not self.plan.looped:
            together = [
                statement
                for transform in range(transforms)
                for statement in self._transform(transform, s.first_tap(transform), first_channel)
            ]
            return (of_windows(tuple(together)),)

        def of_phases(chunk: Indexable, phases: int) -> For:
            transform = chunk * s.phases + var("phase")
            first_tap = chunk * (s.phases * s.taps) + var("phase")
            return loop(
                "phase",
                0,
                phases,
                (of_windows(self._transform(transform, first_tap, first_channel)),),
                axis=Axis.TAP,
                level=Level.CHUNK,
            )

        whole, rest = divmod(transforms, s.phases)
        whole_chunks = of_phases(var("chunk_of_taps"), s.phases)
        nests = (
            loop("chunk_of_taps", 0, whole, (whole_chunks,), axis=Axis.TAP, level=Level.CHUNK),
            of_phases(whole, rest),
        )
        return tuple(nest for nest in nests if not nest.runs_nothing)

    def _transform(self, transform: Indexable, first_tap: Indexable, first_channel: Indexable) -> Block:
        """One transform of a window's inputs of a channel: those of the term that begins with this tap."""
        p, s, fold = self.problem, self.split, self.plan.fold
        first = self._first_output(var("window")) * p.stride - self.sizes.left + first_tap * p.dilation * fold
        reads = [self._input(first + u * s.spacing * fold) for u in range(self.toom.reach)]
        binds, results = _straight_line(transforms.inputs(self.toom), reads, "x")
        return (
            *binds,
            *(
                store(self.xt, (at, transform, var("window"), var("c") + first_channel), result)
                for at, result in enumerate(results)
            ),
        )

    def _products(self, f: Index) -> Block:
        """The sums over terms and channels, for each multiplication."""
        s, acc = self.split, buffer("acc", self.wt.dtype, (), "register")
        at, window, j, c = var("p"), var("window"), var("j"), var("c")
        chunk = j // s.phases
        transformed = (at, j - chunk * s.phases, window + chunk * s.sequences, c) if self.shared else (at, j, window, c)
        terms, lacking = index(s.terms), s.terms - s.whole_terms
        if lacking:  # the last multiplication has no products with chunks that lack taps
            terms = terms - at // (self.toom.multiplications - 1) * lacking
        weights = (at, j, c, *self.group, f)
        if self.plan.fold > 1:
            weights = (at, j, *self.group, f - c + (self.plan.fold - 1))
        term = accumulate(acc, (), load(self.xt, *transformed), load(self.wt, *weights))
        channels = loop("c", 0, self.rows.group_channels, (term,), axis=Axis.CHANNEL)
        sums = loop("j", 0, terms, (channels,), note="terms", axis=Axis.TAP)
        of_window: Block = (Alloc(acc), store(acc, (), Const(0.0)), sums, store(self.yt, (at, window), load(acc)))
        windows = loop("window", 0, var("count"), of_window, axis=Axis.WINDOW)
        return (Alloc(self.yt), loop("p", 0, self.toom.multiplications, (windows,), axis=Axis.POINT))

    def _results(self, f: Index) -> Block:
        """The outputs of each window, and what turns them."""
        sums = [load(self.yt, at, var("window")) for at in range(self.toom.multiplications)]
        binds, results = _straight_line(transforms.results(self.toom), sums, "z")
        if self.turns_outputs:
            outputs = self.plan.outputs
            kept = tuple(store(self.ys, (var("window") * outputs + a,), result) for a, result in enumerate(results))
            begin, i = var("block") * SHARE * outputs, var("i_out")  # of the outputs that lie in windows
            total = load(self.ys, i - begin)
            stored = self.formula.results(total, var("n"), self.interior[0] + i, self.group, f)
            end = begin + var("count") * outputs
            steps = loop("i_out", begin, end, stored, note="turned", axis=Axis.STEP, part=Part.INTERIOR)
            return (Alloc(self.ys), self._over_windows((*binds, *kept)), steps)
        first = self._first_output(var("window"))
        stores = [
            stored
            for a, result in enumerate(results)
            for step, own in [self._unfolded(first + a * self.split.sequences * self.plan.fold, f)]
            for stored in self.formula.results(result, var("n"), step, self.group, own)
        ]
        return (self._over_windows((*binds, *stores)),)

    def _over_windows(self, program: Block) -> For:
        return loop("window", 0, var("count"), program, note=f"{self.toom}: outputs", axis=Axis.WINDOW)

    def _alone(self, f: Index) -> Block:
        """The steps that lie before the first window and after the last."""
        lead, outputs = self.interior[0], self.sizes.outputs
        before = self.formula.output(var("n"), var("t_left"), self.group, f)
        after = self.formula.output(var("n"), var("t"), self.group, f)
        return (
            loop(
                "t_left",
                0,
                minimum(lead, outputs),
                before,
                note="the first taps fall before the input",
                axis=Axis.STEP,
                part=Part.BEFORE,
            ),
            loop("t", lead + var("windows") * (self.plan.outputs * self.plan.fold), outputs, after, axis=Axis.STEP),
        )


def apart(channels: int, compute: str) -> int:
    """Channels of a window's row in scratch memory, with some that are not used where rows would lie a power of two
    apart.

    What is written at once, the n numbers of a channel, and of several terms, lies an odd number of rows apart. With 48
    rows of 256 bytes, 24 such numbers fall into one set of L1, and c64_f64_k11_d5@1x11008 reaches 156 % of the peak
    with F(5,4) instead of 190 (avx512).
    """
    line, bytes_ = LINE // TYPES[compute].bytes, channels * TYPES[compute].bytes
    return channels + line if bytes_ % (PAGE // 2) == 0 else channels


def _straight_line(way: Program, inputs: Sequence[Value], stem: str) -> tuple[Block, list[Value]]:
    """The statements of a program, and its results."""
    binds: list[Bind] = []

    def bind(number: Value) -> None:
        binds.append(Bind(f"{stem}{len(binds)}", number))

    def operand(number: int) -> Ref:
        return Ref(f"{stem}{number}")

    for number in inputs:
        bind(number)
    for step in way.steps:
        if step.a is None:
            bind(Const(float(step.factor)) * operand(step.b))
        elif abs(step.factor) == 1:
            bind(operand(step.a) + operand(step.b) if step.factor == 1 else operand(step.a) - operand(step.b))
        else:
            bind(Fma(Const(float(step.factor)), operand(step.b), operand(step.a)))
    return tuple(binds), [Const(0.0) if number is None else operand(number) for number in way.results]
