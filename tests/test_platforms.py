"""What Linux alone has is asked for and done without. Other systems have not been tried: here their functions are taken away."""

from pathlib import Path

from support.helpers import python

WITHOUT = """
import os, sys
for name in {names!r}:
    if hasattr(os, name):
        delattr(os, name)
for module in {modules!r}:
    sys.modules[module] = None
import numpy as np
from pathlib import Path
import conv1d_codegen
import conv1d_codegen.__main__, conv1d_codegen.selftest.run
layer = conv1d_codegen.Conv1D(8, 3, activation="relu")
x = np.ones((2, 20, 4), np.float32)
layer(x)
conv1d_codegen.set_num_threads(2)
layer(x)
from conv1d_codegen.schedule import tuned_plans
from conv1d_codegen.machine.host import host
from conv1d_codegen.compiler import compile_problem
plan = compile_problem(layer.problem).plan
try:
    tuned_plans.remember(layer.problem, host(), plan, Path("."), {{}})
    print("remembered")
except OSError as error:
    print(error)
print("works")
"""
MACOS = ("sched_getaffinity",)
WINDOWS = (
    *("O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY", "O_NONBLOCK", "geteuid", "getuid", "sched_getaffinity"),
    *("register_at_fork", "fork", "sysconf", "statvfs", "getpgid", "killpg", "confstr"),
)


def test_without_what_macos_lacks(tmp_path: Path) -> None:
    code, out, err = python(f"import os; os.chdir({str(tmp_path)!r})" + WITHOUT.format(names=MACOS, modules=()))
    assert (code, out.split()[-1]) == (0, "works"), err


def test_without_what_windows_lacks() -> None:
    code, out, err = python(WITHOUT.format(names=WINDOWS, modules=("fcntl", "resource", "pwd", "grp", "termios")))
    assert (code, out.split()[-1]) == (0, "works"), err
    assert "is not used: this system can't open files within a directory that is open" in out
