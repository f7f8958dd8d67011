"""What each word of a plan's line says."""

from __future__ import annotations

from collections.abc import Iterator

from ..schedule.plan import Plan

_ALGORITHMS = {
    "direct": "every product of the formula",
    "depthwise": "every product of the formula, each channel with a filter of its own",
    "cook_toom": "windows of several outputs, from fewer products (Cook–Toom, Winograd)",
    "generic": "every product of the formula, with all sizes known at run time only",
}
_PREFETCHES = {
    "weights": "weights of the next chunk",
    "input": "input of later tiles",
    "output": "where a tile goes, at its start",
    "output_by_row": "where a tile goes, row by row",
    "next_block": "the next block's input and where this one's output goes",
}


def words(plan: Plan) -> Iterator[tuple[str, str]]:
    """The words of `str(plan)`, in its order, and what they say."""
    rows, each = plan.rows, "windows" if plan.algorithm == "cook_toom" else "output steps"
    of_rows = f"rows of {plan.fold} " if plan.fold > 1 else ""
    said = {
        plan.algorithm: _ALGORITHMS[plan.algorithm],
        f"constants={_listed(plan.constants)}": "known when it is compiled all the same: "
        + ", ".join(plan.constants).replace("_", " "),
        f"F({plan.outputs},{plan.taps})": f"windows of {plan.outputs} outputs of {plan.taps} taps",
        f"nested={_listed(plan.nested)}": f"{plan.toom}: windows within windows" if plan.nested else "",
        f"fold={plan.fold}": f"{plan.fold} steps of the one channel are a row of as many channels, and filters",
        f"lanes={plan.lanes}": f"{_lanes(plan.lanes)} lie in the lanes of vectors",
        f"{plan.width}x{plan.vectors}": f"vectors of {plan.width} numbers, {plan.vectors} beside each other: a panel",
        f"rows={_listed(rows)}": (
            f"register tiles of {rows[0]} filters" if plan.lanes == "time" else f"register tiles of {_or(rows)} {each}"
        )
        + f" by a panel: {rows[0] * plan.vectors} vectors of sums in the tallest",
        f"block={plan.block}": f"{plan.block} {of_rows}output steps, whose input stays near while all filters go over it",
        f"unroll={plan.unroll}": f"{plan.unroll} terms of a sum are written out, one after another",
        f"edges={plan.edges}:{plan.edge_steps}": (
            f"steps that lack taps go in blocks of {plan.edge_steps} that share each tap's weights"
            if plan.edges == "shared"
            else f"steps that lack taps go in tiles of {plan.edge_steps}, with conditions"
        ),
        f"borrow={plan.borrow}": f"each edge has {plan.borrow} steps at least, from those that have all taps",
        f"stream={plan.stream}": f"{plan.stream} {of_rows}steps go over a chunk of the weights before the next one",
        f"sequences={plan.sequences}": f"up to {plan.sequences} sequences share one reading of a panel's weights",
        "across": "a register tile may have rows of several of these sequences",
        f"abreast={_listed(plan.abreast)}": f"vectors of channels at once, for each height: {_listed(plan.abreast)}",
        f"rest={plan.rest}": f"steps that no window covers go in tiles of {plan.rest}"
        + (" vectors" if plan.fold > 1 else ""),
        f"parts={plan.parts}": (
            f"channels in {plan.parts} parts"
            if plan.algorithm == "depthwise"
            else f"filters in {plan.parts} parts, each with inputs transformed anew"
        ),
        f"inputs={plan.input_width}": f"inputs are transformed in vectors of {plan.input_width} channels",
        "looped": "the transforms of one window are in loops",
        "turned": "a block's input is kept with its channels behind its steps, for all filters"
        + (", and its output too" if plan.algorithm == "depthwise" else ""),
        "transposed": "rows and lanes of a tile change places before it is stored",
        f"prefetch={_listed(plan.prefetch)}": "asked for ahead: "
        + "; ".join(_PREFETCHES[name] for name in plan.prefetch),
        f"epilogue={plan.epilogue}": f"activations of up to {plan.epilogue} operations are written out for a tile",
    }
    for word in str(plan).split():
        yield word, said[word]


def _lanes(axis: str) -> str:
    return {"filters": "filters", "time": "output steps", "channels": "channels"}[axis]


def _listed(numbers: tuple[object, ...]) -> str:
    return ",".join(map(str, numbers))


def _or(numbers: tuple[int, ...]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last
