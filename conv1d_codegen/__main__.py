"""The command line: `conv1d-codegen dump | explain | explore | tune | bench | targets | selftest | demo`, or
`python -m conv1d_codegen …`.

What is wrong with the arguments is said in one line on standard error, with exit code 2.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from .commands import bench, demo, dump, explain, explore, selftest, targets, tune
from .errors import CompileError
from .parser import Parser
from .version import __version__

_PROGRAM = "conv1d-codegen"
#: In the order of `--help`.
_COMMANDS = (dump, explain, explore, tune, bench, targets, selftest, demo)


def _parser() -> Parser:
    parser = Parser(prog=_PROGRAM, description="Compiles Conv1D layers to native code and shows every step of how.")
    parser.add_argument("--version", action="version", version=f"conv1d_codegen {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. Raises SystemExit for arguments that argparse
    refuses, and after --help.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    bench = words[:1] == ["bench"]
    arguments = _parser().parse_args(words[:1] if bench else words, argparse.Namespace(behind=words[1:]))
    try:
        code: int = arguments.run(arguments)
    except (ValueError, CompileError, ImportError, OSError) as error:
        print(f"{_PROGRAM} {arguments.command}: {error}", file=sys.stderr)
        return 2
    return code


def command_line() -> NoReturn:
    """Run the command of this process, and end it with the exit code."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when `| head` has read enough
    sys.exit(main())


if __name__ == "__main__":
    command_line()
