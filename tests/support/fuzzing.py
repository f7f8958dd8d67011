"""What the fuzzers of this directory share: cases by turns, a command line, and a run that prints what fails."""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from conv1d_codegen.selftest.driver import Outcome, outcomes


def by_turns(kinds: Sequence[str], seed: int, count: int | None = None) -> Iterator[str]:
    """Cases, as `layer 17`: all kinds by turns, each with a number of its own, for ever or so many."""
    numbers = itertools.count(seed * 1_000_000)
    wanted = numbers if count is None else itertools.islice(numbers, count)
    return (f"{kinds[number % len(kinds)]} {number}" for number in wanted)


def options(text: str) -> argparse.Namespace:
    """The options of the command line; `text` is the docstring of the fuzzer."""
    parser = argparse.ArgumentParser(description=text.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--case")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def results(
    options: argparse.Namespace, cases: Callable[[int], Iterable[str]], command: Sequence[str]
) -> Iterator[Outcome]:
    """What came of the case that is named, or of all that there is time for. Failures are printed as they come."""
    deadline = time.monotonic() + options.seconds
    lines = (
        [options.case]
        if options.case
        else itertools.takewhile(lambda _: time.monotonic() < deadline, cases(options.seed))
    )
    for outcome in outcomes(lines, options.jobs, command):
        if outcome.failure:
            print(f"{outcome.case}: {outcome.failure}", flush=True)
        yield outcome
