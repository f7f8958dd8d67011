"""The child process that runs cases: a line in, a line out. Whatever kills it, its parent knows which case it was at.

It says `ok OUTPUTS SECONDS` or `failed TEXT`; a warning counts as a failure.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

from . import checks, guards
from .case import Case


def answer(line: str) -> str:
    """What came of one case, as JSON: `[outputs, seconds, failure]`."""
    started = time.perf_counter()
    try:
        outputs, failure = checks.run(Case.parse(line)), ""
    except checks.Failed as error:
        outputs, failure = 0, str(error)
    except Exception as error:  # anything that a layer raises and should not is what is looked for
        outputs, failure = 0, f"{type(error).__name__}: {error}"
    return json.dumps([outputs, round(time.perf_counter() - started, 4), failure])


def main() -> None:
    """Answer until there is no more to ask."""
    warnings.simplefilter("error")
    guards.guard_own_arrays()
    checks.share_all_work()
    for line in sys.stdin:
        print(answer(line), flush=True)


if __name__ == "__main__":
    main()
