"""Finding a better plan by measurement.

trials.py       `tune`, and the trials that it makes
candidates.py   the plans beside a plan
"""

from .trials import Trial, Workbench, compare, keep, search, tune

__all__ = [
    "Trial",
    "Workbench",
    "compare",
    "keep",
    "search",
    "tune",
]
