"""The facts of a kernel in words and tables: what an explanation says, however it is shown."""

from __future__ import annotations

from collections.abc import Iterator

from ..schedule.alternatives import Alternative
from .document import Block, Listing, Paragraph, Section, Table
from .facts import Facts, InnerLoop, Registers, Size
from .padding import Peel
from .units import bytes_of, count, percent, seconds
from .windows import Windows

#: Of the plans that were compared, those that are shown; the others have reasons of the same kinds.
_MOST_PLANS = 12
_BAR = 20  # characters of the longest bar
_LONGEST_LISTING = 60  # lines; of a longer loop its beginning and its end are shown
_KINDS = {
    "fma": "multiply-adds",
    "arithmetic": "other arithmetic",
    "divide": "divisions and roots",
    "load": "loads",
    "broadcast": "broadcasts from memory",
    "store": "stores",
    "shuffle": "shuffles and extensions",
    "move": "moves between registers",
    "integer": "addresses and counting",
    "branch": "branches",
    "prefetch": "prefetches",
    "other": "others",
}


#: What the innermost loop reads as vectors, and what as one number for all lanes, by what lies in the lanes.
_OPERANDS = {
    "filters": ("weights, as vectors", "inputs, one for all lanes"),
    "time": ("inputs, as vectors", "weights, one for all lanes"),
    "channels": ("inputs and weights, as vectors", "one number for all lanes"),
}


def sections(facts: Facts) -> list[Section]:
    """All that is known, part by part; parts that a kernel has not are left out."""
    found = [
        Section(facts.title, tuple(_work(facts))),
        Section("The plan", tuple(_plan(facts))),
    ]
    if len(facts.alternatives) > 1:
        found.append(Section("What was compared", tuple(_alternatives(facts))))
    if facts.peel is not None:
        found.append(Section("Padding and edges", tuple(_peel(facts.peel))))
    if facts.windows is not None:
        found.append(Section("Cook–Toom windows", tuple(_windows(facts.windows))))
    if facts.inner is not None and facts.registers is not None:
        found.append(Section("Registers of the inner loop", tuple(_registers(facts.registers, facts))))
        found.append(Section("The inner loop", tuple(_inner(facts.inner))))
    found.append(Section("Size and accuracy", (_size(facts),)))
    if facts.prediction is not None:
        found.append(Section("Speed", tuple(_speed(facts))))
    return found


def _work(facts: Facts) -> Iterator[Block]:
    sizes = ", ".join(f"{name} = {size}" for name, size in facts.sizes.items())
    yield Paragraph(f"for {facts.target}, with {sizes}")
    work, census = facts.work, facts.census
    moved = work.input_bytes + work.weight_bytes + work.output_bytes
    parts = f"input {bytes_of(work.input_bytes)}, weights {bytes_of(work.weight_bytes)}, output {bytes_of(work.output_bytes)}"
    rows = [("memory", bytes_of(moved), parts)]
    if work.flops:
        rows = [
            ("arithmetic", count(work.flops, "FLOP"), "multiplications and additions of the formula"),
            *rows,
            ("intensity", f"{work.intensity:.1f} FLOP a byte", "if each byte moves once"),
        ]
    if census.products:
        rows.append(("products", f"{count(census.products)} vectors", _products(facts)))
    rows += [
        ("loads", count(census.loads), "of vectors and of single numbers, as the loops say"),
        ("stores", count(census.stores), ""),
    ]
    if census.arithmetic:
        rows.append(
            (
                "other arithmetic",
                f"{count(census.arithmetic)} vectors",
                "bias, activation, transforms, adding up chunks",
            )
        )
    yield Table(("", "", ""), tuple(rows), frozenset({1}))


def _products(facts: Facts) -> str:
    said = f"{percent(facts.lanes_in_use)} of their {facts.lanes} lanes are in use"
    if not facts.work.flops or facts.windows is not None:
        return said
    share = 2 * facts.census.numbers / facts.work.flops
    if share > 1.0005:
        return f"{said}; {percent(share - 1)} of them are computed twice, in tiles that overlap"
    return (
        f"{said}; {percent(1 - share)} of the formula's fall on padding, and are left out" if share < 0.9995 else said
    )


def _plan(facts: Facts) -> Iterator[Block]:
    yield Listing(facts.plan)
    if facts.words:
        yield Table(("", ""), facts.words)


def _alternatives(facts: Facts) -> Iterator[Block]:
    taken, *others = facts.alternatives
    measured = facts.measurement
    times = {} if measured is None else {taken.plan: measured.seconds, **measured.others}
    yield Paragraph(
        "Cycles of one sequence on one core, as the cost model counts them: they rank plans, and say nothing of a clock."
    )
    shown = [each for each in others if each.plan.algorithm != "cook_toom"]
    windows = [each for each in others if each.plan.algorithm == "cook_toom"]
    left = windows[max(_MOST_PLANS - len(shown), 3) :]
    rows = [
        (
            _tiles(each),
            "" if each.cycles is None else count(each.cycles),
            "" if each.cycles is None or not taken.cycles else f"{each.cycles / taken.cycles:.2f}",
            *([seconds(times[each.plan]) if each.plan in times else ""] if times else []),
            each.objection or "taken",
        )
        for each in (taken, *windows[: max(_MOST_PLANS - len(shown), 3)], *shown)
    ]
    head = ("plan", "cycles", "×", *(("measured",) if times else ()), "why not")
    yield Table(head, tuple(rows), frozenset(range(1, len(head) - 1)), 0)
    if times:
        yield Paragraph("Measured is the whole call, on one thread: of each algorithm the plan of the fewest cycles.")
    if left:
        yield Paragraph(f"Left out here: {len(left)} more of windows.")


def _tiles(each: Alternative) -> str:
    """The plan up to its tiles, without its block and details."""
    return str(each.plan).partition(" block=")[0]


def _peel(peel: Peel) -> Iterator[Block]:
    rows = [
        ("zeros", f"{peel.left} before the input, {peel.right} behind it: no product reads them"),
        (
            "output steps",
            f"{peel.interior} have all taps; {peel.before} before them and {peel.after} behind them lack some",
        ),
    ]
    if peel.unread:
        rows.append(("input", f"the last {peel.unread} steps are read by no output"))
    yield Table(("", ""), tuple(rows))
    drawn = "● a tap on the input, ○ a tap beside it, which is left out"
    scale = "" if peel.scale == 1 else f"; a character is {peel.scale} steps"
    yield Listing("\n".join((*peel.drawing, f"{'':<10}{drawn}{scale}")))


def _windows(of: Windows) -> Iterator[Block]:
    yield Paragraph(
        f"{of.algorithm}: {of.outputs} outputs of one filter and channel take {of.products} products instead of "
        f"{of.directly}, {of.saving:.2f} times fewer. What surrounds them is {of.transforms} transform"
        f"{'s' if of.transforms != 1 else ''} of inputs for each window and channel, and one of results for each window and "
        "filter; weights are transformed once, when they are packed."
    )
    yield Paragraph(
        f"The taps are {of.terms} term{'s' if of.terms != 1 else ''} of up to {of.algorithm.taps} taps"
        + (f", in {of.phases} phases as there is a stride" if of.phases > 1 else "")
        + (
            f"; {of.sequences} sequences of outputs lie between each other, as there is a dilation"
            if of.sequences > 1
            else ""
        )
        + "."
    )
    yield Paragraph(
        f"The largest error to be expected of ten million outputs is {of.error:.2f} of direct's bound; in the worst case "
        f"errors grow by {of.amplification:.3g}. Of the variance at the window's worst output, this comes from"
    )
    largest = max(of.sources.values())
    yield Table(
        ("", "", ""),
        tuple((name, percent(share), _bar(share / largest)) for name, share in of.sources.items()),
        frozenset({1}),
    )
    yield Listing(of.algorithm.describe().rstrip())


def _registers(of: Registers, facts: Facts) -> Iterator[Block]:
    used = len({*of.sums, *of.loaded, *of.broadcast, *of.both, *of.others})
    yield Paragraph(
        f"{used} of {of.total} vector registers are named. "
        + (
            f"{of.spills} instructions of the loop move vectors to or from the stack."
            if of.spills
            else "Nothing moves to or from the stack in the loop."
        )
    )
    vectors, numbers = _OPERANDS[facts.axis]
    if facts.windows is not None:
        vectors, numbers = f"transformed {vectors}", f"transformed {numbers}"
    rows = [
        ("sums", str(len(of.sums)), " ".join(of.sums)),
        (vectors, str(len(of.loaded)), " ".join(of.loaded)),
        (numbers, str(len(of.broadcast)), " ".join(of.broadcast)),
        ("one and the other, in turns", str(len(of.both)), " ".join(of.both)),
        ("others", str(len(of.others)), " ".join(of.others)),
    ]
    yield Table(("", "", ""), tuple(row for row in rows if row[1] != "0"), frozenset({1}))
    if of.rows:
        yield Paragraph("The tile's sums, a row each in the order in which they are first added to:")
        per_row = len(of.sums) // of.rows
        tile = (of.sums[n * per_row : (n + 1) * per_row] for n in range(of.rows))
        each = "window" if facts.windows is not None else "filter" if facts.axis == "time" else "step"
        named = (
            f"{each} {number:<3}  {'  '.join(f'{name:<5}' for name in names)}" for number, names in enumerate(tile)
        )
        yield Listing("\n".join(map(str.rstrip, named)))


def _inner(of: InnerLoop) -> Iterator[Block]:
    instructions = len(of.loop.instructions)
    yield Paragraph(
        f"{instructions} instructions at {of.loop.label}, {of.loop.depth} loops deep"
        + (f", around {of.loop.inner} more that multiply nothing, which are not counted" if of.loop.inner else "")
        + "."
    )
    rows = [(_KINDS[kind], str(number), percent(number / instructions), "") for kind, number in of.mix.items()]
    if of.folded_loads:
        folded = f"{of.folded_broadcasts} of them of one number for all lanes" if of.folded_broadcasts else ""
        rows.append(("loads within arithmetic", str(of.folded_loads), "", folded))
    yield Table(("instructions", "", "", ""), tuple(rows), frozenset({1, 2}))
    yield Paragraph(f"Least cycles of a round, on a {of.model}:")
    yield Table(("takes", "operations", "cycles", ""), tuple(_bounds(of)), frozenset({1, 2}), 0)
    yield Paragraph(_verdict(of))
    yield Listing(_shortened(of.listing), "gas")


def _bounds(of: InnerLoop) -> Iterator[tuple[str, str, str, str]]:
    bound = of.bound
    rows = [
        (
            f"port{'s' if len(each.ports) > 1 else ''} {' '.join(each.ports)}: {', '.join(_KINDS[k] for k in each.kinds)}",
            each.operations,
            each.cycles,
        )
        for each in bound.pressures
    ]
    rows.append(("the front end: micro-operations", bound.operations, bound.issue_cycles))
    chain = max(of.loop.accumulators.values(), default=0)
    if chain:
        rows.append(("one sum: multiply-adds in a chain", chain, bound.latency_cycles))
    for name, number, cycles in sorted(rows, key=lambda row: -row[2]):
        yield name, str(number), f"{cycles:.1f}", _bar(cycles / bound.cycles if bound.cycles else 0)


def _verdict(of: InnerLoop) -> str:
    bound = of.bound
    what = {
        "ports": f"the ports that {_tightest(of)} need",
        "issue": "the front end, which issues no more instructions in a cycle",
        "latency": "the chain of additions into one sum: there are too few sums to hide it",
    }[bound.by]
    said = f"It is bound by {what}: {bound.cycles:.1f} cycles a round."
    if not bound.fma_cycles:
        return said
    if of.efficiency > 0.9995:
        return f"{said} Multiply-adds keep their ports busy all the time: no loop has more of them in a cycle."
    return f"{said} Multiply-adds alone would take {bound.fma_cycles:.1f}, {percent(of.efficiency)} of that."


def _tightest(of: InnerLoop) -> str:
    return " and ".join(_KINDS[kind] for kind in of.bound.pressures[0].kinds)


def _shortened(listing: str) -> str:
    lines = listing.splitlines()
    if len(lines) <= _LONGEST_LISTING:
        return listing
    first, last = _LONGEST_LISTING * 3 // 4, _LONGEST_LISTING // 4
    return "\n".join((*lines[:first], f"\t... {len(lines) - first - last} lines more ...", *lines[-last:]))


def _size(facts: Facts) -> Table:
    size = facts.size
    return Table(
        ("", "", ""),
        (
            ("machine code", bytes_of(size.code), f"and {bytes_of(size.constants)} of constants"),
            ("packed weights", bytes_of(size.weights), f"padded to whole panels: {_where(size.weights, size)}"),
            (
                "scratch",
                bytes_of(size.scratch),
                f"of each thread, that the caller provides{f': {_where(size.scratch, size)}' if size.scratch else ''}",
            ),
            ("stack", bytes_of(size.stack), "small scratch arrays, of all parts together"),
            ("largest error", "", facts.error),
        ),
        frozenset({1}),
    )


def _where(number: int, size: Size) -> str:
    """Which cache of a core so many bytes fit in."""
    if number <= size.l1:
        return f"within L1 of {bytes_of(size.l1)}"
    if number <= size.l2:
        return f"more than L1 of {bytes_of(size.l1)}, within L2 of {bytes_of(size.l2)}"
    return f"more than L2 of {bytes_of(size.l2)}: each reading comes from beyond it"


def _speed(facts: Facts) -> Iterator[Block]:
    predicted, measured = facts.prediction, facts.measurement
    assert predicted is not None
    rows = [
        (
            "predicted",
            f"{count(predicted.cycles)} cycles",
            percent(predicted.share) if predicted.least else "",
            f"{count(predicted.products)} of products at the inner loop's pace, {count(predicted.others)} of loads, stores and "
            "arithmetic around them; what data take on their way is not counted",
        )
    ]
    if measured is not None:
        rows.append(
            (
                "measured",
                seconds(measured.seconds),
                percent(measured.share),
                f"{count(measured.seconds * measured.clock)} cycles of a clock of {count(measured.clock, 'Hz')}, which the peak of "
                f"{count(measured.peak, 'FLOP/s')} would take",
            )
        )
    yield Table(("", "one call", "of the peak", ""), tuple(rows), frozenset({1, 2}))
    if measured is not None:
        ratio = measured.seconds * measured.clock / predicted.cycles
        yield Paragraph(f"It takes {ratio:.2f} times as long as predicted. {_roof(facts)}")


def _roof(facts: Facts) -> str:
    """What of memory and arithmetic bounds it, if each byte comes from memory once."""
    measured, work = facts.measurement, facts.work
    assert measured is not None
    balance = measured.peak / measured.bandwidth
    which = "arithmetic" if work.intensity > balance else "memory"
    return (
        f"A copy beyond the caches moves {bytes_of(measured.bandwidth)}/s, so {balance:.1f} FLOP a byte are where memory and "
        f"arithmetic take as long: with {work.intensity:.1f} this call is bound by {which}, if its data come from there."
    )


def _bar(share: float) -> str:
    return "█" * max(1, round(_BAR * share)) if share > 0 else ""
