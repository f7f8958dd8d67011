"""`python -m bench`, from the top of the repository: the run, or the command that the first argument names."""

from __future__ import annotations

import sys
from importlib import import_module

#: Commands beside the run, and the module of each, which has `main(argv)`.
COMMANDS = {
    "networks": "network_run",
    "compare": "compare",
    "compile": "compile_time",
    "calls": "calls",
    "plans": "plans",
    "accuracy": "accuracy",
    "random": "random_problems",
    "lengths": "lengths",
}


def main(argv: list[str]) -> int:
    """Runs a command; loads its module only, as some need what others don't. Gives the exit code."""
    if argv and argv[0] in COMMANDS:
        code: int = import_module(f"bench.{COMMANDS[argv[0]]}").main(argv[1:])
        return code
    from bench import run

    return run.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
