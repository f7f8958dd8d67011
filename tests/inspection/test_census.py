"""What is counted of a kernel's loops is what the interpreter does."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.pass_helpers import SMALL, planned

from conv1d_codegen.inspection.census import census
from conv1d_codegen.ir import Accumulate, For, Kernel, Prefetch, Statement, Storage, Store
from conv1d_codegen.ir.packing import laid_out
from conv1d_codegen.lower import lower
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.passes import stages
from conv1d_codegen.problem import Problem
from conv1d_codegen.reference.interpreter import Machine
from conv1d_codegen.runtime.kernel import sizes_of


class Noting(Machine):
    """An interpreter that counts what it does, for the first lane of vectors and for all."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.counts: Counter[str] = Counter()

    def step(self, statement: Statement) -> Callable[[], None]:
        inner = super().step(statement)
        match statement:
            case Accumulate():
                return self._noted(inner, "products", "numbers")
            case Store(buffer) if buffer.storage is not Storage.REGISTER:
                return self._noted(inner, "stores", "numbers stored")
            case Prefetch():
                return self._noted(inner, "prefetches", "")
        return inner

    def _loop(self, loop: For) -> Callable[[], None]:
        inner = super()._loop(loop)

        def run() -> None:
            inner()
            self.integers.pop(loop.var, None)  # what comes after vectors is in no lane

        return run

    def _noted(self, inner: Callable[[], None], once: str, always: str) -> Callable[[], None]:
        def run() -> None:
            self.counts[always] += 1
            self.counts[once] += self.integers.get("l", 0) == 0
            inner()

        return run


def noted(kernel: Kernel, problem: Problem, sizes: dict[str, int]) -> Counter[str]:
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.standard_normal(problem.input_shape(sizes["N"], sizes["T"])),
        "w": rng.standard_normal(problem.kernel_shape),
        "b": rng.standard_normal(problem.filters),
        "y": np.zeros(problem.output_shape(sizes["N"], sizes["T"])),
    }
    machine = Noting(TYPES[kernel.compute].numpy, dict(sizes))
    for buffer in kernel.buffers:
        sources = laid_out(kernel.packings, arrays, machine.dtype, sizes)
        machine.arrays[buffer.name] = sources[buffer.name].reshape([size.evaluate(sizes) for size in buffer.shape])
    machine.block(kernel.body)()
    return machine.counts


@pytest.mark.parametrize("target", ["sse2", "avx512"])
@pytest.mark.parametrize("text", SMALL[::3])
@pytest.mark.parametrize("algorithm", ["auto", "cook_toom", "generic"])
def test_the_census_counts_what_the_interpreter_does(text: str, algorithm: str, target: str) -> None:
    if algorithm == "cook_toom" and Problem.parse(text).kernel_size == 1:
        pytest.skip("one tap has no windows")
    problem, context = planned(text, target, algorithm)
    for name, kernel in stages(lower(problem, context.plan), context):
        if name not in ("block_time", "tile", "collapse_loops"):
            continue
        for length in (1, 29):
            if problem.output_length(length) < 1:
                continue
            sizes = sizes_of(kernel, problem, 2, length)
            found, expected = census(kernel, sizes), noted(kernel, problem, sizes)
            assert found.products == expected["products"], name
            assert found.numbers == expected["numbers"], name
            assert found.stores == expected["stores"], name
            assert found.prefetches == expected["prefetches"], name


@pytest.mark.quick
def test_products_are_those_of_the_formula() -> None:
    problem, context = planned("c64_f64_k3_valid_linear_f32", "avx512", "direct")
    *_, (_, kernel) = stages(lower(problem, context.plan), context)
    found = census(kernel, sizes_of(kernel, problem, 3, 5000))
    assert found.numbers == problem.flops(3, 5000) // 2
    assert found.lanes_in_use(16) == 1.0
    assert found.products == found.numbers // 16
