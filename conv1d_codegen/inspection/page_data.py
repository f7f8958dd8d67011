"""What a page about a kernel shows, as plain data: its stages line by line and how they hang together, its tiles, its
points on the roofline, and facts.

`side` makes it of a program; a page has one or two. Everything in it is a string, a number, or a list of them, with the
names that `templates/page/*.js` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from ..compiler import Compilation, OperationProgram
from ..executable import Executable
from ..ir import Kernel
from ..passes import PIPELINE
from ..problem.padding import steps_of_tap
from ..runtime.kernel import sizes_of
from .explanation import Explanation
from .html import html
from .origins import origins
from .page_facts import facts
from .page_roofline import roofline
from .page_tiles import TooManyTilesError, tiles
from .wording import sections

#: Drawn at most; more are smaller than what a screen shows.
MOST_TILES = 2500

Data = dict[str, Any]


def side(
    made: Compilation | OperationProgram,
    explanation: Explanation,
    steps: int | None = None,
    sizes: Callable[[int], Mapping[str, int]] | None = None,
) -> Data:
    """One kernel, with what `explain` says of it for inputs of some size. Its tiles are drawn for `steps` of input, or for
    as many as that size has. `sizes` gives its run-time sizes by name for inputs of a length; unless given, they are those
    of a convolution by itself. An operation has no tiles, and no point.
    """
    program: Executable = made.program if isinstance(made, Compilation) else made
    found = origins(program)
    texts: dict[str, int] = {}
    stages = _stages(program, texts)
    return {
        "title": program.title,
        "schedule": program.schedule,
        "target": f"{program.target.name} ({program.target.cpu})",
        "stages": stages,
        "texts": list(texts),
        "llvm": list(found.llvm),
        "loopOf": _numbers(found.loop_of),
        "assembly": list(found.assembly),
        "llvmOf": _numbers(found.llvm_of),
        "volume": _volume(made, steps or explanation.sizes["T"], sizes) if isinstance(made, Compilation) else None,
        "roofline": roofline(explanation, program.target, program.scheduled.compute),
        "facts": facts(explanation),
        "explained": html(sections(explanation)),
    }


def _numbers(lines: Iterable[int | None]) -> list[int]:
    return [-1 if line is None else line for line in lines]


def _stages(program: Executable, texts: dict[str, int]) -> list[Data]:
    """The loops as they are lowered, and after each pass that changed them. A line is its depth and its text, without the
    indentation, as a number in `texts`; where lines come from, `_changes` says.
    """
    reasons = {name: reason for name, _, reason in PIPELINE}
    first = _lines(program.loop, texts)
    came = [-1] * len(first["lines"])
    stages = [{"name": "lowered", "reason": "the formula, as loops", "idle": [], **first, "came": came}]
    before, idle = program.loop, list[str]()
    for name, kernel in program.passes:
        if kernel == before:
            idle.append(name)
            continue
        lines = _lines(kernel, texts)
        changes = _changes(stages[-1]["lines"], lines["lines"])
        stages.append({"name": name, "reason": reasons.get(name, ""), "idle": idle, **lines, **changes})
        before, idle = kernel, []
    stages[-1]["after"] = idle
    return stages


def _lines(kernel: Kernel, texts: dict[str, int]) -> Data:
    depths, lines = [], []
    for line, _ in kernel.lines():
        text = line.lstrip(" ")
        depths.append((len(line) - len(text)) // 2)
        lines.append(texts.setdefault(text, len(texts)))
    return {"depths": depths, "lines": lines}


def _changes(before: Sequence[int], now: Sequence[int]) -> Data:
    """Where the lines of a stage come from: `came` has for each the line of the stage before that it was, with the same
    text, whatever is around it now, or -1 if it is new; `copied` those of new lines that such a line stands elsewhere for,
    as in an edge that was peeled off, by their numbers; `replaced` ranges of lines, each with the range that took its place.
    """
    came = [-1] * len(now)
    replaced = []
    for kind, a, a_end, b, b_end in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if kind == "equal":
            came[b:b_end] = range(a, a_end)
        elif kind == "replace":
            replaced.append([a, a_end, b, b_end])
    there = {text: line for line, text in reversed(tuple(enumerate(before)))}
    copied = [[line, there[text]] for line, text in enumerate(now) if came[line] < 0 and text in there]
    return {"came": came, "copied": copied, "replaced": replaced}


def _volume(made: Compilation, length: int, sizes: Callable[[int], Mapping[str, int]] | None) -> Data | None:
    """The outputs by steps and filters, in tiles, and for each tap the steps whose input it finds. Of long inputs as many
    steps as there are tiles to draw, by the loops for so many: halved until these are few enough.
    """
    problem, kernel = made.problem, made.program.scheduled

    def usual(steps: int) -> Mapping[str, int]:
        return sizes_of(kernel, problem, 1, steps)

    drawn = length
    while True:
        steps = max(0, problem.output_length(drawn))
        try:
            found = tiles(kernel, (sizes or usual)(drawn), MOST_TILES)
        except TooManyTilesError:
            drawn //= 2
            continue
        break
    if not found:
        return None
    steps = max(steps, *(max(tile.steps) + 1 for tile in found))  # of a network's kernel, which may store more
    left = problem.left_padding(drawn)
    on_input = []
    for tap in range(problem.kernel_size):
        first, last = steps_of_tap(tap, drawn, left, problem.stride, problem.dilation)
        first = min(max(first, 0), steps)
        on_input.append([first, min(max(last, first), steps)])
    return {
        "length": length,
        "drawn": drawn,
        "steps": steps,
        "filters": problem.filters,
        "taps": problem.kernel_size,
        "onInput": on_input,
        "tiles": [[t.runs(), *t.filters, t.idle, list(t.lines)] for t in found],
    }
