"""The memory of a process: what is executable, what malloc has given out, what the system says."""

import ctypes
import gc


def executable(address: int) -> bool:
    """Whether an address lies in executable memory."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            span, flags = line.split(maxsplit=2)[:2]
            first, last = (int(number, 16) for number in span.split("-"))
            if first <= address < last:
                return flags[2] == "x"
    return False


class Mallinfo2(ctypes.Structure):
    """What malloc says of itself: mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def allocated() -> float:
    """KiB that malloc has given out. What the process has is another matter: what malloc keeps for later comes and goes
    by 2 MiB.
    """
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo2
    gc.collect()
    found = mallinfo2()
    return float(found.uordblks + found.hblkhd) / 1024


def taken() -> tuple[int, int]:
    """KiB of memory that the process has for itself, and the number of its mappings."""
    with open("/proc/self/status", encoding="ascii") as file:
        memory = next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        return memory, sum(1 for _ in file)
