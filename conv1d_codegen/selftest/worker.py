"""The child process that runs cases: a line in, a line out. Whatever kills it, its parent knows which case it was at.

A warning counts as a failure, as does anything that is raised.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable

from . import checks, guards
from .case import Case


def answer(line: str, run: Callable[[str], int]) -> str:
    """What came of one case, as JSON: the number of outputs that `run` compared, the seconds, and
    what failed, or nothing.
    """
    started = time.perf_counter()
    try:
        outputs, failure = run(line), ""
    except checks.Failed as error:
        outputs, failure = 0, str(error)
    except Exception as error:  # anything that is raised and should not be is what is looked for
        outputs, failure = 0, f"{type(error).__name__}: {error}"
    return json.dumps([outputs, round(time.perf_counter() - started, 4), failure])


def serve(run: Callable[[str], int]) -> None:
    """Answer until there is no more to ask."""
    warnings.simplefilter("error")
    guards.guard_own_arrays()
    checks.share_all_work()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a case prints is no answer
    for line in sys.stdin:
        print(answer(line.rstrip("\n"), run), file=answers, flush=True)


if __name__ == "__main__":
    serve(lambda line: checks.run(Case.parse(line)))
