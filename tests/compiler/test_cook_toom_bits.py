"""Cook–Toom gives the same bits for any batch, place in it, alignment, schedule and number of threads; and what the
length changes.

Of one F(m, r), an output has the bits of its window, which begins a whole number of windows behind the first output
whose taps all fall on the input; or, where it has none, those of a direct kernel. A longer sequence has the same
windows and more, if its left padding is the same. So its outputs have the bits of a shorter one's, where all their taps
fall on both, but for some behind the shorter one's last window: less than a window's, of each of the sequences that a
dilation makes, and one for each tap that the last terms lack. And a sequence without its first steps has the same bits
if whole windows are missing.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, compiled, in_threads, real_data
from support.kernel_helpers import assert_bits_at_every_alignment, call
from support.teams import RUNTIMES, run_of, use
from support.toom_helpers import least_length, plan_of, steps_first, windows_of
from support.type_helpers import Array

from conv1d_codegen.emit import scratch as layout
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime.kernel import CompiledKernel, PackedWeights
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.toom.split import Split

CASES: list[tuple[str, tuple[int, ...]]] = [
    ("c16_f33_k3_same_linear_f32", (4, 3)),
    ("c9_f9_k5_causal_linear_f32", (4, 3)),
    ("c8_f16_k7_d2_same_linear_f32", (3, 3)),
    ("c7_f16_k5_s2_valid_linear_f32", (3, 2)),
    ("c6_f8_k4_s3_d2_pad4x2_linear_f32_first", (2, 2)),
    ("c8_f12_k3_g4_same_linear_f32", (6, 3)),
    ("c16_f20_k3_causal_linear_f64", (2, 3)),
    ("c16_f17_k3_same_linear_bf16", (4, 3)),
    ("c40_f9_k4_causal_linear_f32", (6, 4, 2)),
    ("c8_f16_k11_d2_same_linear_f32", (9, 12, 3)),
    ("c35_f17_k9_s2_same_linear_f32_first", (4, 6, 2)),
]  # fmt: skip
cases = pytest.mark.parametrize(("text", "toom"), CASES, ids=[f"{text} {toom}" for text, toom in CASES])


def prepared(
    text: str, toom: tuple[int, ...], target: str = RUNNABLE[-1], streams: bool = False, **rest: Any
) -> tuple[Problem, Plan, CompiledKernel]:
    problem, plan = Problem.parse(text), plan_of(toom, **rest)
    if streams:
        plan = replace(plan, stream=plan.block)
    return problem, plan, compiled(problem, target, "cook_toom", plan).kernel


SCHEDULES: tuple[dict[str, Any], ...] = (
    {"windows": 1, "rows": (1,)},
    {"width": 8, "vectors": 2, "rows": (5, 4, 2, 1), "windows": 24, "unroll": 4},
    {"width": 1, "rows": (3, 1), "windows": 7, "unroll": 1, "streams": True},
)


@pytest.mark.parametrize(("text", "toom"), CASES[::2])
def test_for_every_schedule_and_machine(text: str, toom: tuple[int, ...]) -> None:
    """Of machines with fused multiply-adds; those without have bits of their own."""
    x, w, b = real_data(Problem.parse(text), 2, 131)
    for fused in (True, False):
        found = {}
        targets = [target for target in RUNNABLE if TARGETS[target].fma == fused]
        for number, schedule in enumerate(SCHEDULES):
            target = targets[number % len(targets)] if targets else None
            if target is not None:
                _, plan, kernel = prepared(text, toom, target, **schedule)
                found[target, str(plan)] = bits(call(kernel, kernel.pack(w, b), x))
        for key, result in found.items():
            first = next(iter(found))
            assert result == found[first], f"{text}@2x131: {key} and {first} differ"


@cases
def test_for_every_batch_place_alignment_and_call(text: str, toom: tuple[int, ...]) -> None:
    problem, plan, kernel = prepared(text, toom)
    x, w, b = real_data(problem, 5, 61)
    packed = kernel.pack(w, b)
    together = call(kernel, packed, x)
    for n in range(5):
        assert bits(call(kernel, packed, x[n : n + 1])) == bits(together[n]), (
            f"{problem}@5x61, plan {plan}: sequence {n} alone"
        )
    assert bits(call(kernel, kernel.pack(w.copy(), b), x[::-1].copy())) == bits(together[::-1])
    assert_bits_at_every_alignment(kernel, packed, x, bits(together))


def outputs_of(problem: Problem, kernel: CompiledKernel, packed: PackedWeights, x: Array) -> Array:
    return steps_first(problem, call(kernel, packed, np.ascontiguousarray(x)))


def cut(problem: Problem, x: Array, first: int, last: int) -> Array:
    """The steps from `first` on, before `last`."""
    return x[:, :, first:last] if problem.channels_first else x[:, first:last]


@cases
def test_for_every_length_in_windows_of_both(text: str, toom: tuple[int, ...]) -> None:
    problem, plan, kernel = prepared(text, toom)
    least = least_length(problem, plan)
    longest = least + 40
    lacking = (Split.of(problem, plan.taps).all_taps - problem.kernel_size) * problem.dilation // problem.stride
    most = plan.outputs * windows_of(problem, plan, least).between + lacking + 1
    x, w, b = real_data(problem, 1, longest)
    packed = kernel.pack(w, b)
    whole, inside = outputs_of(problem, kernel, packed, x), windows_of(problem, plan, longest).inside
    differ = set()
    for length in range(least, longest):
        if problem.left_padding(length) != problem.left_padding(longest):
            continue
        y, shorter = outputs_of(problem, kernel, packed, cut(problem, x, 0, length)), windows_of(problem, plan, length)
        full = [
            t for t in range(len(y)) if t * problem.stride - problem.left_padding(length) + problem.extent <= length
        ]
        same = [t for t in full if (t in shorter.inside) == (t in inside)]
        case = f"{problem}@1x{length} and {longest}, plan {plan}"
        assert bits(y[same]) == bits(whole[same]), case
        others = sorted(set(full) - set(same))
        assert all(full[-1] - most < t > max(shorter.inside) for t in others), case
        differ |= {t for t in others if bits(y[t]) != bits(whole[t])}
    assert differ or problem.dtype == "bf16", "as the bits depend on the length, near the end"


@cases
def test_a_sequence_moved_by_whole_windows(text: str, toom: tuple[int, ...]) -> None:
    problem, plan, _ = prepared(text, toom)
    problem = problem.with_(padding="valid")
    kernel = compiled(problem, RUNNABLE[-1], "cook_toom", plan).kernel
    between = windows_of(problem, plan, 4 * least_length(problem, plan)).between
    length = least_length(problem, plan) + 3 * plan.outputs * between * problem.stride + 5
    x, w, b = real_data(problem, 1, length)
    packed = kernel.pack(w, b)
    whole, inside = outputs_of(problem, kernel, packed, x), windows_of(problem, plan, length).inside
    for number, moved in enumerate((0, 1, 2, 3)):
        first = moved * plan.outputs * between
        y = outputs_of(problem, kernel, packed, cut(problem, x, first * problem.stride, length))
        both = [t for t in windows_of(problem, plan, length - first * problem.stride).inside if t + first in inside]
        assert both
        assert bits(y[both]) == bits(whole[[t + first for t in both]]), (
            f"{problem}@1x{length}, plan {plan}: moved by {number} windows"
        )
    y = outputs_of(problem, kernel, packed, cut(problem, x, problem.stride, length))
    assert bits(y) != bits(whole[1 : 1 + len(y)]) or problem.dtype == "bf16", "one step is no window"


# --- threads ----------------------------------------------------------------------------------------------------------


def several(text: str = "c64_f64_k3_same_linear_f32", batch: int = 3, length: int = 700) -> Callable[[int], bytes]:
    """A kernel with large scratch, and a function that calls it with a number of threads."""
    problem, _, kernel = prepared(text, (4, 3), width=16, rows=(6, 5, 1), windows=24)
    assert kernel.scratch_bytes > layout._SMALL
    x, w, b = real_data(problem, batch, length)
    packed = kernel.pack(w, b)
    return lambda threads: bits(call(kernel, packed, x, threads))


@pytest.mark.parametrize("runtime", RUNTIMES)
@cases
def test_for_every_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, runtime: str, text: str, toom: tuple[int, ...]
) -> None:
    problem, plan, kernel = prepared(text, toom)
    x, w, b = real_data(problem, 2, 131)
    packed = kernel.pack(w, b)
    alone = bits(call(kernel, packed, x))
    use(monkeypatch, run_of(runtime))
    for threads in (2, 3, 7):
        assert bits(call(kernel, packed, x, threads)) == alone, (
            f"{problem}@2x131, plan {plan}: {threads} threads of {runtime}"
        )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_team_with_large_scratch(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    run = several()
    alone = run(1)
    use(monkeypatch, run_of(runtime))
    for threads in (2, 2, 3, 2):
        assert run(threads) == alone


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_many_python_threads_with_large_scratch(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    use(monkeypatch, run_of(runtime))
    runs = [several(length=length) for length in (300, 700)]
    alone = [run(1) for run in runs]
    wrong, everyone = [], threading.Barrier(4)

    def work(seed: int) -> None:
        everyone.wait()
        for number in range(10):
            which = (number + seed) % 2
            if runs[which](1 + (number // 2) % 2) != alone[which]:
                wrong.append((seed, number))

    in_threads(4, work)
    assert not wrong
