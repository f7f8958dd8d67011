"""Problem: the text form, and what is refused."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.helpers import PROBLEMS

from conv1d_codegen.number_types import TYPES
from conv1d_codegen.problem import Activation, Problem, parse_case

SIZES = st.integers(1, 300)
PADDINGS = st.sampled_from(["valid", "same", "causal"]) | st.tuples(st.integers(0, 99), st.integers(0, 99))
FLOATS = st.floats(allow_nan=False, allow_infinity=True)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
ACTIVATIONS = st.builds(
    lambda name, parameters: Activation(name, tuple(sorted(parameters.items()))),
    NAMES,
    st.dictionaries(NAMES, FLOATS, max_size=3),
)


@st.composite
def any_problem(draw: st.DrawFn) -> Problem:
    groups = draw(st.integers(1, 5))
    return Problem(
        channels=groups * draw(SIZES),
        filters=groups * draw(SIZES),
        kernel_size=draw(SIZES),
        stride=draw(SIZES),
        dilation=draw(SIZES),
        groups=groups,
        padding=draw(PADDINGS),
        activation=draw(ACTIVATIONS),
        dtype=draw(st.sampled_from(list(TYPES))),
        channels_first=draw(st.booleans()),
        use_bias=draw(st.booleans()),
    )


@given(any_problem())
def test_text_form_round_trips(problem: Problem) -> None:
    assert Problem.parse(str(problem)) == problem
    assert "\n" not in str(problem)


@given(any_problem(), any_problem())
def test_different_problems_have_different_texts(a: Problem, b: Problem) -> None:
    assert (str(a) == str(b)) == (a == b)


@pytest.mark.parametrize("text", PROBLEMS)
def test_text_is_canonical(text: str) -> None:
    assert str(Problem.parse(text)) == text


def test_the_text_of_each_field() -> None:
    full = Problem(8, 12, 3, 2, 5, 4, (6, 7), Activation("elu", (("alpha", 0.5),)), "f16", True, False)
    assert str(full) == "c8_f12_k3_s2_d5_g4_pad6x7_elu(alpha=0.5)_f16_first_nobias"
    assert str(Problem(1, 2, 3)) == "c1_f2_k3_valid_linear_f32"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c64",
        "c64_f128_k3",
        "c64_f128_k3_valid_relu",
        "c64_f128_k3_reflect_relu_f32",
        "c64_f128_k3_valid_relu_f8",
        "c64_f128_k3_valid_relu_f32_last",
        "c64_f128_k3_valid_relu_f32_nobias_first",
        "c64_f128_d2_k3_valid_relu_f32",
        "c64_f128_k3_valid_relu(_f32",
        "c64_f128_k3_valid_relu(a=b)_f32",
        "c64_f128_k3_valid_relu(=1)_f32",
        "c64_f128_k3_pad1_relu_f32",
        "c-1_f128_k3_valid_relu_f32",
        " c64_f128_k3_valid_relu_f32",
        "c64_f128_k3_valid_relu_f32\n",
        "c0_f1_k3_valid_relu_f32",
        "c3_f4_k3_g2_valid_relu_f32",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Problem.parse(text)


@pytest.mark.parametrize("name", ["channels", "filters", "kernel_size", "stride", "dilation", "groups"])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_sizes_are_positive_ints(name: str, value: object) -> None:
    sizes: dict[str, Any] = {"channels": 4, "filters": 4, "kernel_size": 3, "stride": 1, "dilation": 1, "groups": 1}
    with pytest.raises(ValueError, match=rf"Problem\.{name} must be an int.*{name}="):
        Problem(**{**sizes, name: value})


def test_a_string_that_claims_to_be_an_int_is_refused() -> None:
    class Sly(int):
        def __str__(self) -> str:
            return "3 }\ndefine void @evil() {"

    with pytest.raises(ValueError, match="must be an int"):
        Problem(Sly(3), 1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": 3}, "channels must be divisible by groups.*channels=4, groups=3"),
        ({"groups": 2, "filters": 5}, "filters must be divisible by groups.*filters=5, groups=2"),
        ({"dtype": "float32"}, "dtype must be one of"),
        ({"padding": "reflect"}, "padding must be"),
        ({"padding": (1,)}, "padding must be"),
        ({"padding": (1, -1)}, "padding must be"),
        ({"padding": (1, True)}, "padding must be"),
        ({"padding": [1, 1]}, "padding must be"),
        ({"filters": 2**40, "kernel_size": 2**30}, "no address space"),
    ],
)
def test_what_is_no_convolution(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Problem(**{"channels": 4, "filters": 4, "kernel_size": 3, **changes})


@pytest.mark.parametrize("name", ["", "Relu", "3x", "re lu", "relu\n", "ré", '"'])
def test_activation_names_can_be_printed(name: str) -> None:
    with pytest.raises(ValueError, match="activation's name"):
        Activation(name)


@given(any_problem(), st.integers(0, 10**6), st.integers(0, 10**9))
def test_cases(problem: Problem, batch: int, length: int) -> None:
    assert parse_case(f"{problem}@{batch}x{length}") == (problem, batch, length)


@pytest.mark.parametrize(
    "text", ["c1_f1_k1_valid_linear_f32", "c1_f1_k1_valid_linear_f32@3", "c1_f1_k1_valid_linear_f32@3x", "@1x1"]
)
def test_cases_need_their_sizes(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_case(text)


@given(any_problem(), st.integers(0, 9), st.integers(0, 999))
def test_shapes(problem: Problem, batch: int, length: int) -> None:
    assume(problem.groups > 0)
    steps = problem.output_shape(batch, length)[2 if problem.channels_first else 1]
    assert sorted(problem.input_shape(batch, length)) == sorted((batch, length, problem.channels))
    assert steps == max(0, problem.output_length(length))
    assert problem.group_channels * problem.groups == problem.channels == problem.kernel_shape[1] * problem.groups
    assert problem.kernel_shape[2] == problem.filters == problem.group_filters * problem.groups
    assert (
        problem.flops(batch, length)
        == 2 * batch * steps * problem.kernel_size * problem.group_channels * problem.filters
    )
