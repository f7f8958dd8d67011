"""How much faster is Cook–Toom of two levels than of one? `python tools/nesting.py [PROBLEM@BATCHxLENGTH ...]`, some 40
seconds for the usual problems.

Each is compiled directly, with the best plan of one level and with the one that `auto` takes for accuracy="standard",
and these are measured in turns, on one core. How many times as fast as directly they are is the median over rounds: on
a machine that others use, these ratios agree to 5 %, where shares of the peak are off by more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from conv1d_codegen import CompileOptions  # noqa: E402
from conv1d_codegen.compiler import compile_problem  # noqa: E402
from conv1d_codegen.machine import timing  # noqa: E402
from conv1d_codegen.machine.host import host  # noqa: E402
from conv1d_codegen.number_types import TYPES  # noqa: E402
from conv1d_codegen.problem import Problem  # noqa: E402
from conv1d_codegen.schedule.cook_toom_model import plans_of_long_inputs  # noqa: E402
from conv1d_codegen.schedule.cost_model import choose  # noqa: E402
from conv1d_codegen.schedule.details import detailed  # noqa: E402
from conv1d_codegen.schedule.plan import Plan  # noqa: E402

_ROUNDS, _SECONDS = 15, 4e-3
_USUAL = [
    f"c{channels}_f{channels}_k{taps}{dilation}_same_relu_f32@1x10000"
    for channels in (32, 64, 128)
    for taps in (9, 12, 15, 16, 20)
    for dilation in ("", "_d4")
]


def call_of(problem: Problem, plan: Plan, batch: int, length: int) -> Callable[[], None]:
    """A call of the kernel of a plan, on normal data."""
    random, dtype = np.random.default_rng(0), TYPES[problem.dtype].numpy
    x = random.standard_normal(problem.input_shape(batch, length)).astype(dtype)
    y = np.empty(problem.output_shape(batch, length), dtype)
    kernel = compile_problem(problem, CompileOptions(plan=plan)).kernel
    bias = np.zeros(problem.filters, dtype) if problem.use_bias else None
    packed = kernel.pack(random.standard_normal(problem.kernel_shape).astype(dtype), bias)
    return lambda: kernel(x, packed, y)


def seconds(calls: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Seconds of each call, in each round."""
    counts = {name: max(1, round(_SECONDS / timing.sample(call, 1))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            times[name].append(timing.sample(call, counts[name]))
    return times


def row(text: str) -> str:
    """What is found for one problem."""
    line, _, size = text.partition("@")
    problem, (batch, length) = Problem.parse(line), map(int, size.split("x"))
    best = plans_of_long_inputs(problem, host(), "standard")
    nested, single = best[0], next(plan for plan in best if not plan.nested)
    plans = {"direct": choose(problem, host(), "direct"), "one level": single, "auto": nested}
    calls = {name: call_of(problem, detailed(problem, host(), plan), batch, length) for name, plan in plans.items()}
    times = seconds(calls)

    def faster(name: str, than: str) -> float:
        return median(a / b for a, b in zip(times[than], times[name], strict=True))

    of_direct = f"{faster('one level', 'direct'):9.2f} x {faster('auto', 'direct'):9.2f} x"
    return f"{text:44} {single.toom!s:7} {nested.toom!s:16} {of_direct} {faster('auto', 'one level'):9.2f} x"


def main() -> int:
    timing.pin()
    print(f"{host()}\n{'':69} {'one level':>11} {'auto':>11} {'gain':>11}")
    for text in sys.argv[1:] or _USUAL:
        print(row(text), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
