"""Finding a better plan by measurement.

search.py       `tune`
candidates.py   the plans beside a plan
"""

from .search import Trial, Workbench, compare, keep, search, tune

__all__ = [
    "Trial",
    "Workbench",
    "compare",
    "keep",
    "search",
    "tune",
]
