"""Long kernels, wide strides and many channels, and sizes around those from which the compiler does something else.

A reduction is cut into chunks of 256 products (`problem/summation.py`), which meet edges, tiles and layouts in every
way; nothing that the compiler does may take longer, nor its code be longer, because a number is larger.
"""

import pytest
from support.helpers import RUNNABLE, assert_exact, exact_data, expected, run_compiled, supports

from conv1d_codegen.compiler import Program
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Problem
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.verify import verify

#: With the algorithm that had no kernel for it, or a wrong one.
FOUND = (
    ("c2_f2_k257_g2_same_linear_f32", "depthwise"),
    ("c8_f8_k512_g8_causal_linear_f32", "depthwise"),
    ("c17_f17_k300_s2_g17_pad150x299_relu_f32", "depthwise"),
    ("c1_f1_k257_same_linear_f32_first", "direct"),
    ("c3_f16_k101_same_linear_f32_first", "direct"),
    ("c2_f16_k129_pad64x64_relu_f64_first", "direct"),
    ("c4_f16_k97_g2_same_linear_f32", "direct"),
    # channels in the lanes, and weights that several sequences share
    ("c256_f96_k97_g32_causal_linear_f32_nobias", "direct"),
)

#: Taps and channels that make one chunk of products, and two of them, and a tap more and less.
AROUND = [
    (products // channels + more, channels) for channels in (1, 2, 3) for products in (256, 512) for more in (-1, 0, 1)
]


def lengths_of(problem: Problem) -> tuple[int, ...]:
    """Shorter than the kernel, as long, and with steps that lack nothing."""
    return (1, problem.extent - 1, problem.extent, problem.extent + 90 * problem.stride)


def assert_computes(problem: Problem, target: str, name: str) -> None:
    for length in lengths_of(problem):
        data = exact_data(problem, 1, length)
        assert_exact(
            problem,
            run_compiled(problem, *data, target, name),
            expected(problem, *data),
            f"@1x{length} {name} {target}",
        )


@pytest.mark.parametrize(("text", "name"), FOUND)
def test_what_did_not_compile(text: str, name: str) -> None:
    problem = Problem.parse(text)
    for target in filter(lambda target: supports(target, problem), RUNNABLE):
        assert_computes(problem, target, name)


@pytest.mark.parametrize(("text", "name"), [FOUND[0], FOUND[3]])
def test_what_did_not_compile_stays_within_its_arrays(text: str, name: str) -> None:
    problem, target = Problem.parse(text), TARGETS["avx2"]
    verify(Program(problem, choose(problem, target, name), target).scheduled, scheduled=True)


@pytest.mark.parametrize(("kernel_size", "channels"), [*AROUND, (5000, 1)])
def test_sizes_around_a_chunk(kernel_size: int, channels: int) -> None:
    """Paddings, algorithms, filters and targets by turns: all of them would take minutes."""
    for layout in ("_first", ""):
        number = kernel_size + channels + len(layout)
        padding = ("same", "causal", f"pad{kernel_size // 2}x3", "valid")[number % 4]
        depthwise = not layout and number % 2 == 1
        sizes = f"c4_f4_k{kernel_size}_g4" if depthwise else f"c{channels}_f{(1, 3, 16)[number % 3]}_k{kernel_size}"
        problem = Problem.parse(f"{sizes}_{padding}_linear_f32{layout}")
        assert_computes(problem, RUNNABLE[number % len(RUNNABLE)], "depthwise" if depthwise else "direct")


@pytest.mark.parametrize("number", [1 << 31, 1 << 39])
@pytest.mark.parametrize("name", ["stride", "dilation"])
def test_wide_strides_and_dilations(number: int, name: str) -> None:
    """They took as long as one can count so far."""
    problem = Problem.parse("c4_f4_k3_same_linear_f32").with_(**{name: number})
    for how in ("auto", "direct", "cook_toom"):
        target = TARGETS[RUNNABLE[0]]
        assert Program(problem, choose(problem, target, how), target).llvm
    data = exact_data(problem, 2, 7)
    assert_exact(problem, run_compiled(problem, *data), expected(problem, *data), "@2x7")


@pytest.mark.parametrize("name", ["direct", "depthwise", "cook_toom"])
@pytest.mark.parametrize("stride", [1, 7])
def test_code_is_no_longer_for_longer_kernels(name: str, stride: int) -> None:
    target = TARGETS["avx2"]

    def lines(kernel_size: int) -> int:
        problem = Problem.parse(f"c4_f4_k{kernel_size}_g4_same_relu_f32").with_(stride=stride)
        return Program(problem, choose(problem, target, name), target).llvm.count("\n")

    assert lines(20_000) < 1.2 * lines(601)
