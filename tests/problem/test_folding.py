"""Steps that are channels of rows: the same numbers, and which problems they are for."""

import numpy as np
import pytest

from conv1d_codegen import reference
from conv1d_codegen.problem import Problem
from conv1d_codegen.problem.folding import folded, folded_taps, folds, weights_of_tap


@pytest.mark.quick
@pytest.mark.parametrize("steps", [2, 3, 4, 8])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 9, 17])
def test_rows_are_convolved_as_steps_are(taps: int, steps: int) -> None:
    problem = Problem.parse(f"c1_f1_k{taps}_valid_linear_f64")
    rows = folded(problem, steps)
    rng = np.random.default_rng(taps)
    x, w, b = (rng.integers(1, 10, size).astype(np.float64) for size in (steps * 12, taps, 1))
    of_rows = np.zeros(rows.kernel_shape)
    for q, c, f in np.ndindex(*of_rows.shape):
        if 0 <= (tap := steps * q + c - f) < taps:
            of_rows[q, c, f] = w[tap]
    assert of_rows[-1].any(), "no tap too many"
    wanted = reference.conv1d(x.reshape(1, -1, 1), w.reshape(-1, 1, 1), b, problem)
    actual = reference.conv1d(x.reshape(1, 12, steps), of_rows, np.repeat(b, steps), rows)
    steps_of_rows = actual.size
    np.testing.assert_array_equal(actual.reshape(-1), wanted.reshape(-1)[:steps_of_rows])
    assert wanted.size - steps_of_rows < 2 * steps


@pytest.mark.quick
def test_sizes_of_rows() -> None:
    problem = Problem.parse("c1_f1_k1025_same_relu_f32_first")
    assert str(folded(problem, 16)) == "c16_f16_k65_valid_relu_f32"
    assert folded(problem, 1) is problem
    assert folded_taps(17, 16) == folded_taps(2, 16) == 2
    assert folded_taps(18, 16) == 3
    assert str(folded(Problem.parse("c3_f3_k9_g3_causal_linear_f32_first"), 4)) == "c12_f12_k3_g3_valid_linear_f32"
    assert weights_of_tap(problem, 16) == 31
    assert weights_of_tap(Problem.parse("c8_f6_k3_g2_valid_linear_f32"), 1) == 12


@pytest.mark.quick
@pytest.mark.parametrize(
    "text",
    [
        "c2_f1_k9_same_linear_f32",
        "c1_f2_k9_same_linear_f32",
        "c1_f1_k9_s2_same_linear_f32",
        "c1_f1_k9_d2_same_linear_f32",
        "c2_f2_k9_g2_same_linear_f32",
    ],
)
def test_problems_whose_steps_do_not_fold(text: str) -> None:
    problem = Problem.parse(text)
    assert not folds(problem)
    with pytest.raises(ValueError, match=f"one channel and one filter of each group.*Received: {text}"):
        folded(problem, 8)
