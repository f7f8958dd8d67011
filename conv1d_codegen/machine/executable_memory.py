"""What to say where a system does not let a process make memory executable, which compiled kernels need.

Linux refuses it for one of three reasons, each of which it tells: memory-deny-write-execute, which a process sets for
itself and its children (prctl(2)); a filter of system calls (seccomp(2)), as systemd and containers install; SELinux,
for domains without `execmem`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_PR_GET_MDWE = 66


def refusal(error: OSError) -> str:
    """The text of the error: what was refused, by what as far as is known, and what to do. `error` is what the attempt
    gave.
    """
    if error.errno not in (errno.EACCES, errno.EPERM):
        return (
            f"No executable memory is to be had for a kernel: {os.strerror(error.errno or 0)}. Free memory, drop layers that are not used, "
            "or raise the limits (ulimit -v; sysctl vm.max_map_count)."
        )
    reasons = (
        "; ".join(_reasons())
        or "what forbids it is not known: most often SELinux, systemd or a container's seccomp profile"
    )
    return (
        f"This system forbids a process to make memory executable ({os.strerror(error.errno)}), so no kernel can run: {reasons}. "
        "Kernels can still be dumped, and `conv1d_codegen.reference.conv1d` computes the same in NumPy, slowly."
    )


def _reasons() -> list[str]:
    """What forbids it, and how it is allowed."""
    found = []
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None and prctl(_PR_GET_MDWE, 0, 0, 0, 0) > 0:
        found.append(
            "prctl(PR_SET_MDWE) is in force, which a process can't undo: start it without (in systemd, MemoryDenyWriteExecute=no)"
        )
    if "\nSeccomp:\t2" in _text("/proc/self/status"):
        found.append(
            "a seccomp filter is in force: in systemd, set MemoryDenyWriteExecute=no; in a container, take a profile that allows it"
        )
    if _text("/sys/fs/selinux/enforce").strip() == "1":
        found.append("SELinux is enforcing: allow `execmem` to this domain")
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
