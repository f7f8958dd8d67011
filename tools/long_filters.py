"""How long may a filter of one channel be before a Fourier transform is faster? `python tools/long_filters.py
[STEPS ...]`, some 20 seconds for the usual 48000 and 4000 steps. Overlap-add is SciPy's, where that is installed.

Filters of 33 taps and more are measured directly (`accuracy="strict"`), as `auto` computes them with
accuracy="standard", with `numpy.convolve` and by overlap-add, in turns, on one core: microseconds, and how many times as
fast as each of the others `auto` is, as medians over rounds.

`--errors` measures instead, for some seconds each, how large the errors of these kernels are: normal weights and inputs,
new ones again and again, beside what the error model says of 10**7 outputs; as shares of the bound of direct kernels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conv1d_codegen import CompileOptions  # noqa: E402
from conv1d_codegen.compiler import compile_problem  # noqa: E402
from conv1d_codegen.ir.packing import aligned_zeros  # noqa: E402
from conv1d_codegen.machine import timing  # noqa: E402
from conv1d_codegen.machine.host import host  # noqa: E402
from conv1d_codegen.problem import Problem  # noqa: E402
from conv1d_codegen.schedule.plan import Plan  # noqa: E402
from conv1d_codegen.schedule.window_forms import error_of, form_of  # noqa: E402
from conv1d_codegen.toom.error import PROMISE  # noqa: E402

_ROUNDS = 21
_SECONDS_OF_ERRORS = 8.0
_TAPS = (33, 49, 65, 129, 257, 513, 1025, 2049, 4097, 8193)
_STEPS = (48000, 4000)


def call_of(
    problem: Problem, accuracy: str, x: np.ndarray, w: np.ndarray, y: np.ndarray
) -> tuple[Callable[[], object], Plan]:
    """A call of the kernel that `auto` takes for an accuracy, and its plan."""
    compilation = compile_problem(problem, CompileOptions(accuracy=accuracy), x.size)
    kernel, inputs = compilation.kernel, x.reshape(1, -1, 1)
    packed = kernel.pack(w.reshape(-1, 1, 1), None)
    return lambda: kernel(inputs, packed, y), compilation.plan


def row(taps: int, steps: int) -> str:
    """What is found for a filter and an input; the padding is "same"."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(size).astype(np.float32) for size in (steps, taps))
    problem = Problem.parse(f"c1_f1_k{taps}_same_linear_f32_nobias")
    y = aligned_zeros((1, steps, 1), x.dtype)  # of both: a kernel takes up to a fifth longer where it lies elsewhere
    directly, _ = call_of(problem, "strict", x, w, y)
    auto, plan = call_of(problem, "standard", x, w, y)
    calls: dict[str, Callable[[], object]] = {"auto": auto, "direct": directly}
    calls["convolve"] = lambda: np.convolve(x, w[::-1], "same")
    if find_spec("scipy") is not None:
        overlap_add = import_module("scipy.signal").oaconvolve
        calls["overlap-add"] = lambda: overlap_add(x, w[::-1], "same")
    times = dict(timing.samples(calls, _ROUNDS))
    own = median(times.pop("auto"))
    others = " ".join(f"{median(some) * 1e6:9.1f} ({median(some) / own:5.2f} x)" for some in times.values())
    name = f"{plan.toom}, {plan.fold} steps a row" if plan.fold > 1 else plan.algorithm
    return f"{taps:5} {steps:7} {own * 1e6:9.1f} {others}  {name}"


def errors(taps: int) -> str:
    """The largest error of many filters, beside the one that is expected."""
    problem, steps = Problem.parse(f"c1_f1_k{taps}_valid_linear_f32_nobias"), _STEPS[0]
    compilation = compile_problem(problem, CompileOptions(accuracy="standard"), steps)
    kernel, plan, largest, outputs = compilation.kernel, compilation.plan, 0.0, 0
    rng, end = np.random.default_rng(0), perf_counter() + _SECONDS_OF_ERRORS
    while perf_counter() < end:
        x = rng.standard_normal(problem.input_shape(1, steps)).astype(np.float32)
        w = rng.standard_normal(problem.kernel_shape).astype(np.float32)
        y = np.empty(problem.output_shape(1, steps), np.float32)
        kernel(x, kernel.pack(w, None), y)
        exact, bound = (
            _convolved(f(x[0, :, 0].astype(float)), f(w[:, 0, 0].astype(float))) for f in (np.array, np.abs)
        )
        largest = max(largest, float((np.abs(y[0, :, 0] - exact) / (PROMISE * 2**-24 * bound)).max()))
        outputs += y.size
    name = f"{plan.toom}, {plan.fold} steps a row" if plan.fold > 1 else plan.algorithm
    expected = error_of(problem, form_of(plan)) if plan.fold > 1 else float("nan")
    return f"{taps:5} {expected:9.2f} {largest:9.2f} of {outputs:9} outputs  {name}"


def _convolved(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A filter of the steps that have all taps, by a Fourier transform in float64."""
    size = 1 << (x.size + w.size).bit_length()
    product = np.fft.rfft(x, size) * np.fft.rfft(w[::-1], size)
    return np.fft.irfft(product, size)[w.size - 1 : x.size]


def main() -> int:
    timing.pin()
    if sys.argv[1:] == ["--errors"]:
        print(f"{host()}\n taps  expected   largest")
        for taps in _TAPS[:-2]:
            print(errors(taps), flush=True)
        return 0
    print(f"{host()}\n taps   steps   auto us {'direct':>19} {'numpy.convolve':>19} {'overlap-add':>19}")
    for steps in map(int, sys.argv[1:] or _STEPS):
        for taps in _TAPS:
            if taps <= steps:
                print(row(taps, steps), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
