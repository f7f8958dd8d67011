"""The verifier accepts what the compiler makes, and refuses kernels that are wrong in one thing."""

import pytest
from support.bad_code import BAD_AS_CODE
from support.bad_kernels import BAD
from support.helpers import PROBLEMS, algorithms, compiled, lowered
from support.small_kernels import GOOD, N, T

from conv1d_codegen.ir import Kernel, buffer
from conv1d_codegen.problem import Problem
from conv1d_codegen.symbolic.index import index
from conv1d_codegen.verify import InvalidKernel, verify


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    verify(GOOD[name])
    verify(GOOD[name], scheduled=True)


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    wrong, message = BAD[name]
    for scheduled in (False, True):
        with pytest.raises(InvalidKernel, match=message):
            verify(wrong, scheduled)


@pytest.mark.parametrize("name", BAD_AS_CODE)
def test_what_only_code_can_not_be(name: str) -> None:
    wrong, message = BAD_AS_CODE[name]
    verify(wrong)
    with pytest.raises(InvalidKernel, match=message):
        verify(wrong, scheduled=True)


@pytest.mark.parametrize("text", PROBLEMS)
def test_the_formula_as_lowered(text: str) -> None:
    problem = Problem.parse(text)
    for algorithm in algorithms(problem):
        verify(lowered(problem, algorithm))


def test_a_compiled_kernel_that_is_moved_by_one_is_refused() -> None:
    scheduled = compiled(Problem.parse("c8_f16_k3_valid_linear_f32"), "avx2").program.scheduled
    verify(scheduled, scheduled=True)
    text = str(scheduled)
    short = next(buffer for buffer in scheduled.buffers if buffer.name == "x")
    wrong = Kernel(
        scheduled.name,
        scheduled.compute,
        scheduled.sizes,
        tuple(buffer("x", "f32", (N, T - 1, 8), "input") if b == short else b for b in scheduled.buffers),
        scheduled.body,
    )
    assert str(scheduled) == text
    with pytest.raises(InvalidKernel):
        verify(wrong, scheduled=True)
    assert index(0) == 0
