"""The arguments that several commands take: which cases, how often, for which machine."""

from __future__ import annotations

import argparse
import sys

from ..machine.host import runs_here
from ..machine.target import TARGETS
from ..schedule.window_forms import ACCURACIES


def add_filter(parser: argparse.ArgumentParser, which: str = "cases") -> None:
    """`--filter`: the text that `shapes.load` takes."""
    parser.add_argument(
        "--filter", default="", metavar="TEXT", help=f"only {which} whose name, class or problem contains it"
    )


def add_accuracy(parser: argparse.ArgumentParser) -> None:
    """`--accuracy`: how large an error the compiled layers may have."""
    parser.add_argument(
        "--accuracy", choices=ACCURACIES, default=ACCURACIES[0], help="of the compiled layers (default: %(default)s)"
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    """`--layout`: one of the two data formats."""
    parser.add_argument(
        "--layout", choices=("channels_last", "channels_first"), default="channels_last", help="default: %(default)s"
    )


def add_target(parser: argparse.ArgumentParser) -> None:
    """`--target`: a row of the target table whose code runs here."""
    parser.add_argument(
        "--target",
        type=_target,
        metavar="NAME",
        help=f"compile for one of {', '.join(TARGETS)} (default: this machine)",
    )


def _target(name: str) -> str:
    if name not in TARGETS:
        raise argparse.ArgumentTypeError(f"one of {', '.join(TARGETS)} is needed, not {name!r}")
    if not runs_here(TARGETS[name]):
        raise argparse.ArgumentTypeError(f"code for {name} does not run on this machine")
    return name


def count(text: str) -> int:
    """A number of 1 or more, as the `type` of an argument."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"1 or more is needed, not {text!r}")
    return int(text)


def no_case(text: str) -> int:
    """Says that no case contains the text of `--filter`. Gives the exit code, 2."""
    print(f"No case has {text!r} in its name, class or problem. Without --filter all are taken.", file=sys.stderr)
    return 2
