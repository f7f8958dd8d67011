"""Names of test cases."""

import re


def label(parameter: object) -> str:
    """A parameter's text without memory addresses, so that a test has the same name in every run
    and in every process.
    """
    return re.sub(r" at 0x[0-9a-f]+", "", str(parameter))
