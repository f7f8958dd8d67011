"""Which output steps lack taps, and a drawing of both ends of a sequence, to scale.

input    ░░░░████████████ ⋯ ████████████          ░ zeros that no product reads, █ steps of the input
t=0      ○   ○   ●                                the taps of one output step: ● on the input, ○ beside it
"""

from __future__ import annotations

from dataclasses import dataclass

from ..problem import Problem
from ..problem.padding import taps_on_input

#: Characters of each end of a sequence, and of all of one that is drawn whole.
_END, _WHOLE = 30, 66
#: The same of what lies beside the input, at most.
_MARGIN = 16


@dataclass(frozen=True, slots=True)
class Peel:
    """Output steps that lack their first taps, have all of them, and lack their last ones; those that lack both, in a
    sequence shorter than the kernel, are among the first. With the zeros at both ends, and the drawing.
    """

    left: int
    right: int
    before: int
    interior: int
    after: int
    unread: int  # steps of the input that no output reads
    scale: int  # steps of a character
    drawing: tuple[str, ...]


def peel(problem: Problem, length: int) -> Peel:
    """The peel of an input of `length` steps. Raises ValueError where there is no output."""
    steps, left = problem.output_length(length), problem.left_padding(length)
    if steps < 1:
        raise ValueError(f"{problem} has no output for {length} steps: its kernel looks at {problem.extent}.")

    def taps(t: int) -> tuple[int, int]:
        first, last = taps_on_input(t, length, left, problem.kernel_size, problem.stride, problem.dilation)
        return int(first), int(last)

    # Steps that have all taps lie beside each other: look for their ends from both sides.
    before = next((t for t in range(steps) if taps(t)[0] == 0), steps)
    after = next((n for n in range(steps - before) if taps(steps - 1 - n)[1] == problem.kernel_size), steps - before)
    reach = (steps - 1) * problem.stride + problem.extent - left
    right = max(reach - length, 0)
    margin = max(min(left, reach), right)
    scale = max(1, -(-margin // _MARGIN))
    drawing = _drawn(problem, length, left, right, scale, [0, before, steps - after - 1, steps - 1], before, after)
    return Peel(left, right, before, steps - before - after, after, max(length - reach, 0), scale, tuple(drawing))


def _drawn(
    problem: Problem, length: int, left: int, right: int, scale: int, shown: list[int], before: int, after: int
) -> list[str]:
    """A line of the input, and one for each of the steps that are shown."""
    first, last = -(-left // scale), -(-(length + right) // scale)
    columns = list(range(-first, last))
    whole = len(columns) <= _WHOLE
    ends = (columns, []) if whole else (columns[: _END + min(first, _MARGIN)], columns[-_END - _MARGIN // 2 :])

    def line(name: str, marks: dict[int, str]) -> str:
        def part(of: list[int]) -> str:
            return "".join(marks.get(column, " ") for column in of)

        return f"{name:<10}{part(ends[0])}{'' if whole else ' ⋯ '}{part(ends[1])}"

    bar = {column: "█" if 0 <= column * scale < length else "░" for column in columns}
    lines = [line("input", bar)]
    steps = problem.output_length(length)
    for t in dict.fromkeys(t for t in shown if 0 <= t < steps):
        marks: dict[int, str] = {}
        for tap in range(problem.kernel_size):
            at = t * problem.stride + tap * problem.dilation - left
            column = at // scale
            marks[column] = "●" if 0 <= at < length else marks.get(column, "○")
        what = "lacks taps" if t < before or t >= steps - after else "has all"
        seen = {*ends[0], *ends[1]}
        if seen.intersection(marks):
            lines.append(f"{line(f't={t}', marks)}  {what}")
    return lines
