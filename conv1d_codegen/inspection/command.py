"""What the command line prints of a kernel's passes."""

from __future__ import annotations

from typing import TextIO

from ..compiler import Compilation
from ..executable import Executable
from ..passes import log
from .interpreted import checks, usual_length
from .pass_log import show_diffs, steps, summary
from .terminal import show
from .windows import windows

_SEQUENCES = 2  # that are interpreted, where no size is given


def dump_passes(program: Executable, file: TextIO, passes: bool, diff: bool | None, stop_after: str | None) -> None:
    """The loops that the passes leave, up to the one that is named; with `passes`, also how they came about: the loops
    after each pass or, with `diff`, the lines that it changed; None is with a terminal. Raises ValueError for a name that
    is no pass's.
    """
    found = steps(program, stop_after)
    if not passes:
        file.write(str(found[-1].after))
        return
    if file.isatty() if diff is None else diff:
        show_diffs(found, file)
    else:
        file.write(log(program.loop, [(step.name, step.after) for step in found], program.reasons))
    file.write("\n")
    show([summary(found)], file)


def run_interpreted(compilation: Compilation, sizes: tuple[int, int] | None, stop_after: str | None) -> int:
    """Run the interpreter at each stage, for a batch and a length or for ones that do not take long, and print what it
    gives; 1 where that is wrong.
    """
    problem, program = compilation.problem, compilation.program
    batch, length = sizes or (_SEQUENCES, usual_length(problem))
    found, of_windows = steps(program, stop_after), windows(problem, compilation.plan)
    error = 1.0 if of_windows is None else of_windows.error
    print(f"interpreted: {batch} sequences of {length} steps, beside the formula in float64")
    wrong = 0
    for check in checks(problem, program.loop, found, batch, length, error):
        said = f"{check.share:.3f} of the error that may be" if check.right else f"WRONG: {check.share:.3g} times that"
        print(f"  {check.stage:18} {check.outputs} outputs, {said}", flush=True)
        wrong += not check.right
    return 1 if wrong else 0
