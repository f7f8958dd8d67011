"""The processors that this process may use, and how many of them it should use if nobody says otherwise.

On Linux the system tells: a process may be pinned to some processors, its group may have a quota of processor time
(`cpu.max` of cgroups v2, `cpu.cfs_quota_us` of v1), and two processors may be threads of one core, which share its units
for multiplication. Elsewhere all that `os.cpu_count()` counts are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from ..locks import at_fork

_GROUPS = Path("/sys/fs/cgroup")
_OF_PROCESS = Path("/proc/self/cgroup")
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@cache
def usable() -> int:
    """How many processors this process may use: those it is pinned to, or all of the machine. Counted once, and again in
    a forked child.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def sensible() -> int:
    """How many of them are worth using: one of each core, and no more than the quota pays for, rounded down; at least
    one. Counted once, and again in a forked child.
    """
    cores = usable()
    if hasattr(os, "sched_getaffinity"):
        cores = len({_siblings(processor) for processor in os.sched_getaffinity(0)})
    return max(1, min([cores, *(int(quota) for quota in _quotas())]))


def _siblings(processor: int) -> str:
    """The processors of one core, as the system lists them; the processor itself where it doesn't."""
    return _text(Path(_TOPOLOGY.format(processor))) or str(processor)


def _quotas() -> Iterator[float]:
    """Processors' worth of time that the groups of this process may take, each group and those that it lies in."""
    for line in _text(_OF_PROCESS).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        inside = PurePosixPath(path.lstrip("/"))
        for group in (inside, *inside.parents) if inside.parts else (inside,):
            folder = _GROUPS / (controllers and "cpu") / group
            if controllers:
                limit = [_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
            else:
                limit = _text(folder / "cpu.max").split()
            if len(limit) == 2 and all(number.isdecimal() for number in limit) and int(limit[1]):
                yield int(limit[0]) / int(limit[1])


def _text(file: Path) -> str:
    try:
        # Not as text: the first file in ASCII imports that encoding, and a fork meanwhile leaves the import's lock taken.
        return file.read_bytes().decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def _in_child() -> None:
    usable.cache_clear()
    sensible.cache_clear()


at_fork(after_in_child=_in_child)
