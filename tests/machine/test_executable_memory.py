"""Where a process may not make memory executable, a kernel is refused with a text that says by what; nothing crashes.

Each of the two ways that a test can forbid it is used in a child process, before anything is compiled and after:
memory-deny-write-execute (Linux 6.3), and a seccomp filter of the calls that systemd's MemoryDenyWriteExecute refuses.
"""

import ctypes
import errno
import platform
import struct
import sys
from itertools import count
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from support.helpers import python

from conv1d_codegen import Conv1D
from conv1d_codegen.errors import CompileError

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's ways to forbid it")
_PROT_WRITE, _PROT_EXEC = 2, 4
_FILTERS = count(7)  # of layers that were not compiled before


def deny_write_execute() -> bool:
    """PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN; whether the system has it."""
    return bool(ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0)


def filter_calls() -> bool:
    """A seccomp filter: EPERM for mmap with write and exec, and for mprotect with exec; whether the system takes it.
    For x86-64.
    """
    load, equal, mask, ret = 0x20, 0x15, 0x54, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_ALU|AND|K, BPF_RET|K
    program = []
    for number, protection in ((9, _PROT_WRITE | _PROT_EXEC), (10, _PROT_EXEC)):  # mmap, mprotect
        program += [
            (load, 0, 0, 0),  # the number of the call
            (equal, 0, 4, number),
            (load, 0, 0, 32),  # its third argument
            (mask, 0, 0, protection),
            (equal, 0, 1, protection),
            (ret, 0, 0, 0x00050000 | errno.EPERM),
        ]
    program.append((ret, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    whole = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    return platform.machine() == "x86_64" and libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, whole, 0, 0) == 0


FORBID = """
import sys
import numpy as np
from conv1d_codegen import Conv1D
from conv1d_codegen.errors import CompileError
import test_executable_memory as t

x = np.arange(8, dtype="float32").reshape(1, 4, 2)
before, layer = Conv1D(2, 2, kernel_initializer="ones"), Conv1D(3, 2, kernel_initializer="ones", activation="relu")
if sys.argv[2] == "after":
    right = before(x)
if not getattr(t, sys.argv[1])():
    print("not here")
    sys.exit()
for attempt in range(2):
    try:
        layer(x)
    except CompileError as error:
        print(error)
    assert layer.dump("asm")
if sys.argv[2] == "after":
    assert (before(x) == right).all()
"""


@linux
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("way", "text"),
    [
        ("deny_write_execute", "prctl(PR_SET_MDWE) is in force"),
        ("filter_calls", "a seccomp filter is in force: in systemd, set MemoryDeny"),
    ],
)
def test_a_process_that_may_not(way: str, text: str, when: str) -> None:
    """What was compiled before goes on; what comes after is refused, each time that it is asked for."""
    code, out, err = python(FORBID, way, when)
    assert code == 0, f"{way} {when}: {err[-2000:]}"
    if out == "not here\n":
        pytest.skip(f"this system has no {way}")
    first, second = out.splitlines()
    assert first == second
    assert first.startswith("This system forbids a process to make memory executable (")
    assert text in first
    assert "Kernels can still be dumped" in first


def refused(monkeypatch: pytest.MonkeyPatch, number: int) -> str:
    def check() -> None:
        raise OSError(number, "as the test says")

    monkeypatch.setattr(llvm, "check_jit_execution", check)
    filters = next(_FILTERS)
    layer = Conv1D(filters, 2, kernel_initializer="ones", activation="softsign")
    with pytest.raises(CompileError) as raised:
        layer(np.ones((1, 4, 3), np.float32))
    monkeypatch.undo()
    # nothing of it stays
    np.testing.assert_array_equal(layer(np.ones((1, 4, 3), np.float32)), np.full((1, 3, filters), 6 / 7, np.float32))
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "enforce", "text"),
    [
        ("Name:\tpython\nSeccomp:\t2\n", "", "so no kernel can run: a seccomp filter is in force"),
        ("Name:\tpython\nSeccomp:\t0\n", "1", "so no kernel can run: SELinux is enforcing: allow `execmem`"),
        ("Seccomp:\t0\n", "0\n", "so no kernel can run: what forbids it is not known: most often SELinux, systemd"),
        ("", "", "so no kernel can run: what forbids it is not known"),
        (None, None, "so no kernel can run: what forbids it is not known"),
    ],
)
def test_what_forbids_it_is_named(
    monkeypatch: pytest.MonkeyPatch, status: str | None, enforce: str | None, text: str
) -> None:
    files = {"/proc/self/status": status, "/sys/fs/selinux/enforce": enforce}

    def read_text(path: Path, **_: str) -> str:
        content = files[str(path)]
        if content is None:
            raise FileNotFoundError(path)
        return content

    monkeypatch.setattr(Path, "read_text", read_text)
    assert text in refused(monkeypatch, errno.EACCES)


def test_memory_that_is_short_is_not_called_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Cannot allocate memory. Free memory, drop layers" in refused(monkeypatch, errno.ENOMEM)
