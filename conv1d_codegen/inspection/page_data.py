"""What a page about a kernel shows, as plain data: its stages line by line and how they hang together, its tiles, its
point on the roofline, and facts.

`side` makes it of a program; a page has one or two. Everything in it is a string, a number, or a list of them, with the
names that `templates/page/*.js` reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from ..compiler import Compilation, OperationProgram
from ..emit.abi import entry
from ..executable import Executable
from ..ir import Kernel
from ..machine.host import runs_here
from ..passes import PIPELINE
from ..problem import Problem
from ..problem.padding import steps_of_tap
from ..runtime.kernel import sizes_of
from ..schedule.plan import Plan
from .measure import measured
from .origins import Origins, is_instruction, origins
from .page_roofline import roofline
from .page_tiles import TooManyTilesError, tiles
from .units import seconds

#: Steps of the input where no case says how many: enough for blocks, tails and edges to show.
USUAL_LENGTH = 250
#: Drawn at most; more are smaller than what a screen shows.
MOST_TILES = 2500

Data = dict[str, Any]


def side(
    made: Compilation | OperationProgram,
    batch: int = 1,
    length: int | None = None,
    sizes: Callable[[int], Mapping[str, int]] | None = None,
    measure: bool = False,
) -> Data:
    """One kernel, for inputs of `batch` sequences of `length` steps. `sizes` gives its run-time sizes by name for inputs of
    a length; unless given, they are those of a convolution by itself. An operation has no tiles, and no point. With `measure`, a
    convolution is timed too, if it runs on this machine.
    """
    length = USUAL_LENGTH if length is None else length
    program: Executable = made.program if isinstance(made, Compilation) else made
    found = origins(program)
    texts: dict[str, int] = {}
    stages = _stages(program, texts)
    of_problem = _of_problem(made, found, batch, length, sizes, measure) if isinstance(made, Compilation) else {}
    return {
        "title": program.title,
        "schedule": program.schedule,
        "target": str(program.target),
        "stages": stages,
        "texts": list(texts),
        "llvm": list(found.llvm),
        "loopOf": _numbers(found.loop_of),
        "assembly": list(found.assembly),
        "llvmOf": _numbers(found.llvm_of),
        "volume": of_problem.get("volume"),
        "roofline": of_problem.get("roofline"),
        "facts": [*of_problem.get("facts", []), *_code(program, found)],
    }


def _of_problem(
    made: Compilation,
    found: Origins,
    batch: int,
    length: int,
    sizes: Callable[[int], Mapping[str, int]] | None,
    measure: bool,
) -> Data:
    """What there is where it is known which convolution is computed."""
    problem, kernel = made.problem, made.program.scheduled

    def usual(steps: int) -> Mapping[str, int]:
        return sizes_of(kernel, problem, batch, steps)

    of = sizes or usual
    moved = bytes_moved(problem, batch, length)
    timed = measured(made, problem, batch, length) if measure and runs_here(made.target) else None
    return {
        "volume": _volume(kernel, problem, made.plan, length, of),
        "roofline": roofline(made.program, "\n".join(found.assembly), problem, of(length), moved, timed),
        "facts": [
            *_work(problem, batch, length),
            *([["measured, on one thread", seconds(timed.seconds)]] if timed is not None else []),
        ],
    }


def _numbers(lines: Iterable[int | None]) -> list[int]:
    return [-1 if line is None else line for line in lines]


def _stages(program: Executable, texts: dict[str, int]) -> list[Data]:
    """The loops as they are lowered, and after each pass that changed them. A line is its depth and its text, without the
    indentation, as a number in `texts`; `came` has the line of the stage before that it was, or -1 if it is new.
    """
    reasons = {name: reason for name, _, reason in PIPELINE}
    stages = [{"name": "lowered", "reason": "the formula, as loops", "idle": [], **_lines(program.loop, texts)}]
    before, idle = program.loop, list[str]()
    for name, kernel in program.passes:
        if kernel == before:
            idle.append(name)
            continue
        lines = _lines(kernel, texts)
        came = _came(stages[-1]["lines"], lines["lines"])
        stages.append({"name": name, "reason": reasons.get(name, ""), "idle": idle, **lines, "came": came})
        before, idle = kernel, []
    stages[-1]["after"] = idle
    return stages


def _lines(kernel: Kernel, texts: dict[str, int]) -> Data:
    depths, lines = [], []
    for line, _ in kernel.lines():
        text = line.lstrip(" ")
        depths.append((len(line) - len(text)) // 2)
        lines.append(texts.setdefault(text, len(texts)))
    return {"depths": depths, "lines": lines, "came": [-1] * len(lines)}


def _came(before: Sequence[int], now: Sequence[int]) -> list[int]:
    """For each line of a stage the line of the one before that it was: the same text, whatever is around it now."""
    came = [-1] * len(now)
    for block in SequenceMatcher(None, before, now, autojunk=False).get_matching_blocks():
        came[block.b : block.b + block.size] = range(block.a, block.a + block.size)
    return came


def _volume(
    kernel: Kernel, problem: Problem, plan: Plan, length: int, sizes: Callable[[int], Mapping[str, int]]
) -> Data | None:
    """The outputs by steps and filters, in tiles, and for each tap the steps whose input it finds. Of long inputs as many
    steps as there are tiles to draw, by the loops for so many: halved until these are few enough.
    """
    drawn = length
    while True:
        steps = max(0, problem.output_length(drawn))
        try:
            found = tiles(kernel, sizes(drawn), MOST_TILES)
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
        "inTime": plan.lanes == "time",
        "tiles": [[t.runs(), *t.filters, t.idle, list(t.lines)] for t in found],
    }


def _work(problem: Problem, batch: int, length: int) -> list[list[str]]:
    flops, moved = problem.flops(batch, length), bytes_moved(problem, batch, length)
    return [
        ["input", f"{batch} × {length} steps of {problem.channels} channels"],
        ["output", f"{batch} × {max(0, problem.output_length(length))} steps of {problem.filters} filters"],
        ["arithmetic", _scaled(flops, "FLOP")],
        ["arrays", _scaled(moved, "B")],
        ["intensity", f"{flops / moved:.3g} FLOP/B" if moved else "no bytes"],
    ]


def bytes_moved(problem: Problem, batch: int, length: int) -> int:
    """Bytes of the input, the weights and the output: what any kernel reads and writes at least once."""
    shapes = problem.input_shape(batch, length), problem.output_shape(batch, length), problem.kernel_shape
    return problem.itemsize * (sum(map(math.prod, shapes)) + problem.filters * problem.use_bias)


def _scaled(number: int, unit: str) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {prefix}{unit}"
    return f"{number} {unit}"


def _code(program: Executable, found: Origins) -> list[list[str]]:
    instructions = sum(map(is_instruction, found.assembly))
    scratch = entry(program.scheduled, program.red_zones).scratch_bytes
    return [
        ["loops", f"{len(found.loops)} lines"],
        ["LLVM IR", f"{len(found.llvm)} lines"],
        ["machine code", f"{instructions} instructions"],
        ["scratch of the caller's", _scaled(scratch, "B")],
    ]
