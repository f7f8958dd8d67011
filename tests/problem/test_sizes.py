"""Sizes that no array can have, or that 64 bits can't count, are refused before anything is made or touched."""

from typing import Any

import numpy as np
import pytest
from support.helpers import compiled, python

from conv1d_codegen import Conv1D
from conv1d_codegen.knobs import STAGES
from conv1d_codegen.problem import Problem

ONE = np.ones((1, 3, 2), np.float32)

#: A layer's arguments whose constants, times the numbers of a plan, would not fit in 64 bits. The first one used to end
#: the process: an index wrapped, and the kernel divided by what was left of it.
TOO_LARGE = (
    {"strides": 2**62, "options": {"explicit_padding": (2**62, 2**62)}},
    {"strides": 2**62},
    {"strides": 2**45},
    {"kernel_size": 2**42, "padding": "same", "filters": 2, "groups": 2},
    {"kernel_size": 2, "dilation_rate": 2**60, "padding": "causal"},
    {"strides": 2**24, "dilation_rate": 2**24, "options": {"strided_dilation": True}},
    {"options": {"explicit_padding": (2**44, 0)}},
    {"options": {"explicit_padding": (0, 2**63)}},
)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("arguments", TOO_LARGE, ids=str)
def test_constants_that_could_wrap(arguments: dict[str, Any], layout: str) -> None:
    layer = Conv1D(**{"filters": 4, "kernel_size": 1, "data_format": layout, **arguments})
    x = np.ones((1, 3, 2) if layout == "channels_last" else (1, 2, 3), np.float32)
    for use in (layer, lambda x: layer.build(x.shape), lambda x: layer.compute_output_shape(x.shape)):
        with pytest.raises(
            ValueError,
            match=r"Sizes are limited to 2\*\*46 bytes. Received: kernel_size=\d+, strides=\d+.*steps, of \d+ bytes",
        ):
            use(x)
    assert not layer.built


@pytest.mark.parametrize("layout", ["", "_first"])
@pytest.mark.parametrize(
    "text",
    [
        "c2_f4_k1_s549755813888_pad549755813888x549755813888_linear_f32",
        "c1_f1_k2_d4398046511000_same_linear_f64",
        "c2_f3_k3_s1048575_d1048576_causal_tanh_f32",
        "c4_f4_k2_s137438953472_g4_causal_linear_f32",
        "c65536_f1_k1_s67108864_valid_linear_f32",
    ],
)
def test_constants_at_the_limit_fit_in_what_is_printed(text: str, layout: str) -> None:
    """No number of the generated code is as large as 2**63, whatever the algorithm; and where a call is small, it is
    right.
    """
    problem = Problem.parse(text + layout)
    for algorithm in ("auto", "generic"):
        compilation = compiled(problem, algorithm=algorithm)
        words = compilation.dump("llvm").replace(",", " ").split()
        numbers = [int(word) for word in words if word.lstrip("-").isdecimal()]
        assert max(map(abs, numbers)) < 2**63, f"{problem} {algorithm}"
        assert all(compilation.dump(stage) for stage in STAGES if stage != "problem")
        x = np.ones(problem.input_shape(1, 5), np.float32 if problem.dtype == "f32" else np.float64)
        steps = problem.output_length(5)
        assert 1 <= steps <= 9
        w, b = np.ones(problem.kernel_shape, x.dtype), np.ones(problem.filters, x.dtype)
        y = np.full(problem.output_shape(1, 5), np.nan, x.dtype)
        compilation.kernel(x, compilation.kernel.pack(w, b), y)
        left = problem.left_padding(5)
        for t in range(steps):
            taps = sum(0 <= t * problem.stride + j * problem.dilation - left < 5 for j in range(problem.kernel_size))
            wanted = 1.0 + taps * problem.group_channels
            wanted = np.tanh(wanted) if problem.activation.name == "tanh" else wanted
            row = y[0, :, t] if problem.channels_first else y[0, t]
            np.testing.assert_allclose(row, wanted, rtol=1e-6, err_msg=f"{problem} {algorithm} {t=}")


def test_outputs_that_no_array_can_hold() -> None:
    """Of an input that takes no memory, or hardly any: empty, or one number seen as many."""
    layer = Conv1D(2**20, 1)
    empty = np.empty((0, 2**41, 1), np.float32)
    counted = r"An output of shape \(0, 2199023255552, 1048576\) of c1_f1048576_k1_valid_linear_f32 would take 9223372036854775808 bytes"
    with pytest.raises(ValueError, match=counted):
        layer(empty)
    assert layer(np.empty((0, 2**40, 1), np.float32)).shape == (0, 2**40, 2**20)
    with pytest.raises(ValueError, match="An output of shape"):
        layer.compute_output_shape((2**30, 2**30, 1))
    with pytest.raises(ValueError, match="An output of shape"):
        layer.compute_output_shape((None, 2**41, 1))
    assert layer.compute_output_shape((2**20, 2**20, 1)) == (2**20, 2**20, 2**20)
    assert layer.compute_output_shape((None, 2**40, 1)) == (None, 2**40, 2**20)
    with pytest.raises(ValueError, match="An output of shape"):
        Conv1D(2**20, 1, data_format="channels_first").compute_output_shape((2**30, 1, 2**30))


def test_inputs_that_no_array_can_have() -> None:
    for shape in ((2**70, 2, 1), (2, 2**63, 1), (None, 2**61, 1)):
        layer = Conv1D(1, 1, strides=2**20)
        for use in (layer.build, layer.compute_output_shape):
            with pytest.raises(
                ValueError, match=r"An input of shape .* would take \d+ bytes, and an array has at most 2\*\*63 - 1"
            ):
                use(shape)
        assert not layer.built


HUGE = """
import resource
import numpy as np
from numpy.lib.stride_tricks import as_strided
from conv1d_codegen import Conv1D

resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
one = np.float32(1)
views = [
    np.broadcast_to(one, (2**20, 2**20, 1)),
    np.broadcast_to(one, (2**30, 2**29, 2)),
    np.broadcast_to(one, (1, 2**59, 2)),
    as_strided(np.ones((1, 4, 2), np.float32), (2**40, 4, 2), (0, 8, 4)),
    as_strided(np.ones((1, 4, 2), np.float32), (2, 2**40, 2), (0, 0, 4)),
    np.broadcast_to(np.float64(1), (2**20, 2**20, 2)),
]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for x in views:
    for layer in (Conv1D(2**20, 1), Conv1D(1, 4, strides=9), Conv1D(3, 2, padding="same", data_format="channels_first")):
        try:
            layer(x)
        except (MemoryError, ValueError) as error:
            assert str(error), repr(error)
        else:
            raise AssertionError(x.shape)
for filters, channels in ((2**20, 2**22), (2**22, 2**20), (2**30, 2**14)):
    layer = Conv1D(filters, 1)
    try:
        layer.build((1, 1, channels))
    except (MemoryError, ValueError) as error:
        assert str(error), repr(error)
    assert not layer.built and layer.weights == []
layer = Conv1D(4, 1, options={"explicit_padding": (2**38, 2**38)})
try:
    layer(np.ones((1, 3, 2), np.float32))
except MemoryError as error:
    assert "Unable to allocate 8.00 TiB for an array with shape (1, 549755813891, 4)" in str(error), error
assert layer(np.ones((0, 3, 2), np.float32)).shape == (0, 2**39 + 3, 4)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_huge_views_are_refused_before_memory_is_touched() -> None:
    code, out, err = python(HUGE)
    assert code == 0, err
    assert int(out) < 256, f"{out} MiB were touched"
