"""`python -m bench`, from the top of the repository: the run, or the command that the first argument names."""

from __future__ import annotations

import sys
from importlib import import_module

#: Commands beside the run, and the module of each, which has `main(argv)`.
COMMANDS = {
    "networks": "bench.network_run",
    "compare": "conv1d_codegen.benchmark.compare",
    "constants": "bench.constants",
    "compile": "bench.compile_time",
    "calls": "bench.calls",
    "scale": "bench.scale",
    "plans": "bench.plans",
    "accuracy": "bench.accuracy",
    "random": "bench.random_problems",
    "lengths": "bench.lengths",
}


def main(argv: list[str]) -> int:
    """Runs a command; loads its module only, as some need what others don't. Gives the exit code: 2 for a command that is none."""
    if argv and argv[0] in COMMANDS:
        code: int = import_module(COMMANDS[argv[0]]).main(argv[1:])
        return code
    if argv and not argv[0].startswith("-"):
        print(
            f"python -m bench: there is no command {argv[0]!r}; there are {', '.join(COMMANDS)}. "
            "`conv1d-codegen bench` times convolutions and networks of your own.",
            file=sys.stderr,
        )
        return 2
    from bench import run

    return run.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
