"""How long may a filter of one channel be before a Fourier transform is faster? `python tools/long_filters.py
[STEPS ...]`, some 20 seconds for the usual 48000 and 4000 steps. Overlap-add is SciPy's, where that is installed.

Filters of 33 taps and more are measured directly (`accuracy="strict"`), as `auto` computes them with
accuracy="standard", with `numpy.convolve` and by overlap-add, in turns, on one core: microseconds, and how many times as
fast as each of the others `auto` is, as medians over rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conv1d_codegen import CompileOptions  # noqa: E402
from conv1d_codegen.compiler import compile_problem  # noqa: E402
from conv1d_codegen.machine import timing  # noqa: E402
from conv1d_codegen.machine.host import host  # noqa: E402
from conv1d_codegen.problem import Problem  # noqa: E402
from conv1d_codegen.schedule.plan import Plan  # noqa: E402

_ROUNDS, _SECONDS = 11, 5e-3
_TAPS = (33, 65, 129, 257, 513, 1025, 2049, 4097, 8193)
_STEPS = (48000, 4000)


def call_of(problem: Problem, accuracy: str, x: np.ndarray, w: np.ndarray) -> tuple[Callable[[], object], Plan]:
    """A call of the kernel that `auto` takes for an accuracy, and its plan."""
    length = x.size
    compilation = compile_problem(problem, CompileOptions(accuracy=accuracy), length)
    kernel, y = compilation.kernel, np.empty((1, length, 1), np.float32)
    packed = kernel.pack(w.reshape(-1, 1, 1), None)
    return lambda: kernel(x.reshape(1, length, 1), packed, y), compilation.plan


def row(taps: int, steps: int) -> str:
    """What is found for a filter and an input; the padding is "same"."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(size).astype(np.float32) for size in (steps, taps))
    problem = Problem.parse(f"c1_f1_k{taps}_same_linear_f32_nobias")
    directly, _ = call_of(problem, "strict", x, w)
    auto, plan = call_of(problem, "standard", x, w)
    calls: dict[str, Callable[[], object]] = {"auto": auto, "direct": directly}
    calls["convolve"] = lambda: np.convolve(x, w[::-1], "same")
    if find_spec("scipy") is not None:
        overlap_add = import_module("scipy.signal").oaconvolve
        calls["overlap-add"] = lambda: overlap_add(x, w[::-1], "same")
    counts = {name: max(1, round(_SECONDS / timing.sample(call, 1))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            times[name].append(timing.sample(call, counts[name]))
    own = median(times.pop("auto"))
    others = " ".join(f"{median(some) * 1e6:9.1f} ({median(some) / own:5.2f} x)" for some in times.values())
    name = f"{plan.toom}, {plan.fold} steps a row" if plan.fold > 1 else plan.algorithm
    return f"{taps:5} {steps:7} {own * 1e6:9.1f} {others}  {name}"


def main() -> int:
    timing.pin()
    print(f"{host()}\n taps   steps   auto us {'direct':>19} {'numpy.convolve':>19} {'overlap-add':>19}")
    for steps in map(int, sys.argv[1:] or _STEPS):
        for taps in _TAPS:
            if taps <= steps:
                print(row(taps, steps), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
