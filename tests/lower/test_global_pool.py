"""The average of all steps: how many there are is counted right in float32 too."""

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.operation_helpers import Called, interpreted, staged

from conv1d_codegen.lower.operations import GlobalPool


@pytest.mark.parametrize("length", [1, 255, 256, 257, 600])
def test_the_count_is_the_length(length: int) -> None:
    x = np.ones((2, length, 3), np.float32)
    for name, kernel in staged(GlobalPool("f32", 3, "average"), "sse2"):
        assert (interpreted(kernel, {}, x) == 1).all(), name


def test_more_steps_than_float32_counts_one_by_one() -> None:
    x = np.ones((1, (1 << 24) + (1 << 20), 1), np.float32)
    assert Called(GlobalPool("f32", 1, "average"), RUNNABLE[-1])({}, x) == 1
