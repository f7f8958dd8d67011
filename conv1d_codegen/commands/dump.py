"""`conv1d-codegen dump`: a kernel at any stage of its compilation."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from ..knobs import STAGES
from ..number_types import TYPES
from .arguments import EXAMPLE, add_choice, case_of, options_of


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to those of a parser."""
    dump = commands.add_parser(
        "dump",
        help="show a kernel at any stage of its compilation",
        description="Shows what the compiler makes of one convolution, from the formula to the assembly.",
        epilog=f"Example: conv1d-codegen dump {EXAMPLE} --stage loop --stage asm --target neon",
    )
    dump.add_argument(
        "descriptor",
        metavar="DESCRIPTOR",
        help=f"the problem's text form, such as {EXAMPLE}: channels, filters and taps; stride (s), dilation (d), groups (g) where above "
        f"1; padding (valid, same, causal or pad2x1); activation; dtype ({', '.join(TYPES)}); `first` and `nobias` where they hold; with "
        "`@BATCHxLENGTH` behind it the kernel for inputs of that length, else for long ones",
    )
    dump.add_argument(
        "--stage",
        action="append",
        choices=[*STAGES, "all"],
        help="which stage (default: scheduled); may be given several times",
    )
    dump.add_argument(
        "--passes",
        action="store_true",
        help="stage `scheduled`: the loops after each pass that changed them, and a table of all passes with their times; on a "
        "terminal, what each changed",
    )
    dump.add_argument(
        "--diff",
        action=argparse.BooleanOptionalAction,
        help="of --passes: only the lines that a pass changed, or all loops (default: whether it goes to a terminal)",
    )
    dump.add_argument(
        "--stop-after", metavar="PASS", help="stage `scheduled`: the loops after this pass, and none behind it"
    )
    dump.add_argument(
        "--run-interpreted",
        action="store_true",
        help="run the interpreter after each pass, on random data of a size that does not take long, or of @BATCHxLENGTH",
    )
    add_choice(dump)
    dump.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    dump.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the stages, and give the exit code: 1 where the interpreter finds a stage wrong. Raises ValueError,
    CompileError and OSError for what is wrong.
    """
    from ..compiler import compile_problem
    from ..inspection import command

    stages: list[str] = arguments.stage or ["scheduled"]
    if "all" in stages:
        stages = list(STAGES)
    of_passes = {"--passes": arguments.passes, "--stop-after": arguments.stop_after, "--diff": arguments.diff}
    given = [name for name, value in {**of_passes, "--run-interpreted": arguments.run_interpreted}.items() if value]
    if given and "scheduled" not in stages:
        raise ValueError(
            f"{given[0]} is about how the stage `scheduled` came about: add --stage scheduled, or leave {given[0]} out."
        )
    problem, sizes = case_of(arguments.descriptor)
    compilation = compile_problem(problem, options_of(arguments), None if sizes is None else sizes[1])
    with contextlib.ExitStack() as stack:
        output = arguments.output
        file = sys.stdout if output is None else stack.enter_context(output.open("w", encoding="utf-8"))
        for number, stage in enumerate(stages):
            if len(stages) > 1:
                file.write(f"{chr(10) if number else ''}--- {stage}\n")
            if stage == "scheduled" and given:
                passes = arguments.passes or arguments.diff
                command.dump_passes(compilation.program, file, passes, arguments.diff, arguments.stop_after)
            else:
                file.write(compilation.dump(stage))
    if not arguments.run_interpreted:
        return 0
    return command.run_interpreted(compilation, sizes, arguments.stop_after)
