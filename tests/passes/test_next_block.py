"""What a block of Cook–Toom asks for: each line of the next block's input and of its own output, once, a few at a time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.helpers import empty_output, exact_data, sizes_of
from support.toom_helpers import toom_plan
from support.type_helpers import known

from conv1d_codegen import CompileOptions
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.ir import Buffer, Prefetch
from conv1d_codegen.ir.packing import laid_out
from conv1d_codegen.lower import lower
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.passes import Context, stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference.interpreter import Machine, Step
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.schedule.registers import weights_are_large
from conv1d_codegen.symbolic.index import Index
from conv1d_codegen.verify import verify

_NUMBERS = 16  # of a line


class Noting(Machine):
    """Notes where requests fall, and how many follow each other with no number stored between."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__(np.dtype(np.float32), sizes)
        self.requests: dict[str, Counter[int]] = {"x": Counter(), "y": Counter()}
        self.bursts = [0]

    def _prefetch(self, request: Prefetch) -> Step:
        run, offset = super()._prefetch(request), self.integer(request.buffer.offset(request.index))

        def noted() -> None:
            self.requests[request.buffer.name][offset() // _NUMBERS] += 1
            self.bursts[-1] += 1
            run()

        return noted

    def _store(self, buffer: Buffer, place: tuple[Index, ...], number: Callable[[], Any]) -> Step:
        run = super()._store(buffer, place, number)

        def noted() -> None:
            if self.bursts[-1]:
                self.bursts.append(0)
            run()

        return noted


def noted(text: str, plan: Plan, length: int) -> Noting:
    """What a kernel asks for, run on one sequence."""
    problem = Problem.parse(text)
    *_, (_, kernel) = stages(lower(problem, plan), Context(problem, plan, TARGETS["avx512"]), check=True)
    x, w, b = exact_data(problem, 1, length)
    sizes = sizes_of(kernel, problem, 1, length)
    machine = Noting(sizes)
    sources = {"x": x, "w": w, "b": known(b), "y": empty_output(problem, 1, length)}
    arrays = laid_out(kernel.packings, sources, machine.dtype, sizes)
    machine.arrays |= {array.name: arrays[array.name] for array in kernel.buffers}
    machine.block(kernel.body)()
    return machine


@pytest.mark.parametrize("windows", [2, 6, 8])
def test_each_line_is_asked_for_once_and_a_tile_asks_for_few(windows: int) -> None:
    """Of two blocks of F(4,3), tiles of two windows; channels and filters in two lines, and so two panels."""
    plan = toom_plan(4, 3, width=16, rows=(2, 1), windows=windows, prefetch=("next_block",))
    length = 2 + 4 * 2 * windows
    machine = noted("c32_f32_k3_valid_linear_f32", plan, length)
    outputs = length - 2
    assert machine.requests["y"] == Counter(range(2 * outputs))
    own = Counter(range(2 * outputs // 2, 2 * outputs))  # of the second block, which asks for its last window again
    assert set(machine.requests["x"]) == set(own)
    last = set(range(2 * (outputs - 4), 2 * outputs))
    assert all(count == 1 for line, count in machine.requests["x"].items() if line not in last)
    assert max(machine.bursts) == 8  # a line of the input for a window's four steps, and one of the output


def test_tiles_that_are_many_for_the_points_ask_for_several_windows() -> None:
    plan = toom_plan(2, 2, width=16, rows=(6, 1), windows=12, prefetch=("next_block",))
    machine = noted("c16_f16_k2_valid_linear_f32", plan, 1 + 2 * 2 * 12)
    assert machine.requests["y"] == Counter(range(2 * 2 * 12))
    assert max(machine.bursts) == 8  # two windows of two steps


def test_with_many_points_a_tile_asks_for_a_part_of_the_lines() -> None:
    """Six points and tiles of two windows: each third tile asks for a line of a window's four steps, and their outputs."""
    plan = toom_plan(4, 3, width=16, rows=(2, 1), windows=4, prefetch=("next_block",))
    machine = noted("c32_f16_k3_valid_linear_f32", plan, 2 + 4 * 2 * 4)
    assert machine.requests["y"] == Counter(range(4 * 2 * 4))
    assert max(machine.bursts) == 4 * (1 + 1)


def test_a_chunk_asks_for_a_part_of_what_its_tile_does() -> None:
    """Of 20 lines for each of four steps, in ten chunks of each third tile, one line each; and the outputs in the first."""
    plan = toom_plan(4, 3, width=16, rows=(2, 1), windows=4, prefetch=("next_block",))
    machine = noted("c320_f16_k3_valid_linear_f32", plan, 2 + 4 * 2 * 4)
    assert machine.requests["y"] == Counter(range(4 * 2 * 4))
    assert max(machine.bursts) == 4 * (1 + 1)
    assert machine.bursts.count(4) > 10 * machine.bursts.count(8)


def test_where_weights_are_gone_through_outside_tiles_a_point_asks() -> None:
    """Of the many points of a nested algorithm, each sixth asks for a line of a window's nine steps, and for half of the outputs."""
    plan = toom_plan(9, 12, nested=(3,), width=16, rows=(2, 1), windows=4, stream=36, prefetch=("next_block",))
    machine = noted("c80_f16_k11_valid_linear_f32", plan, 11 + 9 * 2 * 4)
    assert machine.requests["y"] == Counter(range(9 * 2 * 4))
    assert max(machine.bursts) == 9 + 5


def test_a_vector_that_is_not_full_is_asked_for_too() -> None:
    """Of 17 filters, whose lines lie across steps."""
    plan = toom_plan(4, 3, width=16, vectors=2, rows=(2, 1), windows=6, prefetch=("next_block",))
    machine = noted("c16_f17_k3_valid_linear_f32", plan, 2 + 4 * 2 * 6)
    assert set(machine.requests["y"]) == {17 * step // 16 for step in range(48)} | {
        (17 * step + 16) // 16 for step in range(48)
    }
    assert machine.requests["y"].total() == 2 * 48


@pytest.mark.parametrize("target", ["avx512", "avx2", "neon"])
@pytest.mark.parametrize(
    "text",
    [
        "c600_f600_k3_d4_causal_relu_f32",
        "c64_f64_k9_same_relu_f32",
        "c64_f64_k9_d4_same_relu_f32",
        "c32_f32_k9_d4_same_relu_f32",
        "c128_f128_k3_same_relu_f32",
    ],
)
def test_requests_of_the_cost_models_plans_are_proved(text: str, target: str) -> None:
    """Of many channels and panels, of many steps of a window, and of sequences between each other. Large weights leave
    a block's data no room in L2, so the cost model asks for none beside them; who plans by hand may.
    """
    problem = Problem.parse(text)
    plan = compile_problem(problem, CompileOptions(accuracy="standard", target=target), 10_000).plan
    assert "next_block" in plan.prefetch or weights_are_large(problem, TARGETS[target])
    asking = replace(plan, prefetch=tuple({*plan.prefetch, "next_block"}))
    compilation = compile_problem(problem, CompileOptions(plan=asking, target=target))
    assert "prefetch" in compilation.dump("scheduled")
    verify(compilation.program.scheduled, scheduled=True)


@pytest.mark.parametrize("target", ["avx512", "avx2", "neon"])
def test_lines_of_channels_whose_beginning_depends_on_the_length_are_not_asked_for(target: str) -> None:
    """With a stride, "same" pads as many steps as the length leaves; such requests were not proved, and direct took the
    place of what was asked for.
    """
    problem = Problem.parse("c148_f120_k3_s2_same_relu_f32_first")
    compilation = compile_problem(problem, CompileOptions("cook_toom", "standard", target=target))
    assert (compilation.plan.algorithm, compilation.plan.turned) == ("cook_toom", True)
    assert "next_block" not in compilation.plan.prefetch
    verify(compilation.program.scheduled, scheduled=True)
