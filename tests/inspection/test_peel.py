"""Which steps lack taps, and that the drawing is to scale: counted tap by tap."""

import pytest
from support.helpers import PROBLEMS

from conv1d_codegen.inspection.padding import peel
from conv1d_codegen.problem import Problem

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("text", PROBLEMS)
def test_the_peel_is_that_of_the_formula(text: str) -> None:
    problem = Problem.parse(text)
    for length in (1, 2, 5, 29, 67):
        steps, left = problem.output_length(length), problem.left_padding(length)
        if steps < 1:
            continue
        places = [
            [t * problem.stride + j * problem.dilation - left for j in range(problem.kernel_size)] for t in range(steps)
        ]
        lacks_first = [row[0] < 0 for row in places]
        lacks_last = [row[-1] >= length for row in places]
        found = peel(problem, length)
        assert found.left == left
        assert found.before + found.interior + found.after == steps
        assert found.interior == sum(not a and not b for a, b in zip(lacks_first, lacks_last, strict=True))
        assert found.before == sum(lacks_first)
        reads = {at for row in places for at in row}
        assert found.right == max(0, max(reads) + 1 - length)
        assert found.unread == max(0, length - max(reads) - 1)


def test_a_short_sequence_is_drawn_whole() -> None:
    found = peel(Problem.parse("c4_f4_k3_d2_causal_relu_f32"), 8)
    assert [line.rstrip() for line in found.drawing] == [
        "input     ░░░░████████",
        "t=0       ○ ○ ●         lacks taps",
        "t=4           ● ● ●     has all",
        "t=7              ● ● ●  has all",
    ]


def test_a_long_one_is_drawn_at_both_ends_to_one_scale() -> None:
    found = peel(Problem.parse("c4_f4_k3_d64_causal_relu_f32"), 3000)
    assert found.scale == 8
    assert found.drawing[0].startswith("input     " + 16 * "░" + "█")
    assert "⋯" in found.drawing[0]
    assert found.drawing[1].split() == ["t=0", "○", "○", "●", "⋯", "lacks", "taps"]
    assert all(len(line) < 110 for line in found.drawing)


def test_no_output_has_no_peel() -> None:
    with pytest.raises(ValueError, match="no output"):
        peel(Problem.parse("c4_f4_k9_valid_relu_f32"), 8)
