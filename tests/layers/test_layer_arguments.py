"""What the layer takes and refuses, and with which words: the constructor, build."""

import re
from typing import Any

import numpy as np
import pytest
from support.layer_helpers import made

from conv1d_codegen import CompileOptions, Conv1D, Convolution1D

SIZE = "The `{}` argument must be a tuple of 1 integers. Received {}={}"

CONSTRUCTOR = [
    ({"filters": 0}, "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=0."),
    ({"filters": -1}, "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=-1."),
    (
        {"filters": None},
        "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=None.",
    ),
    (
        {"filters": 4.0},
        "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=4.0.",
    ),
    ({"filters": "4"}, "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=4."),
    (
        {"filters": True},
        "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=True.",
    ),
    (
        {"kernel_size": 0},
        SIZE.format("kernel_size", "kernel_size", "0, including values {0} that do not satisfy `value > 0`"),
    ),
    ({"kernel_size": (1, 2)}, SIZE.format("kernel_size", "kernel_size", "(1, 2)")),
    ({"kernel_size": 3.0}, SIZE.format("kernel_size", "kernel_size", "3.0")),
    ({"kernel_size": None}, SIZE.format("kernel_size", "kernel_size", "None")),
    ({"kernel_size": "3"}, SIZE.format("kernel_size", "kernel_size", "3")),
    ({"kernel_size": True}, SIZE.format("kernel_size", "kernel_size", "True")),
    ({"kernel_size": {3}, "strides": ()}, SIZE.format("strides", "strides", "()")),
    (
        {"kernel_size": ("a",)},
        SIZE.format("kernel_size", "kernel_size", "('a',), including element a of type <class 'str'>"),
    ),
    (
        {"kernel_size": (3.7,)},
        SIZE.format("kernel_size", "kernel_size", "(3.7,), including element 3.7 of type <class 'float'>"),
    ),
    ({"strides": 0}, SIZE.format("strides", "strides", "0, including values {0} that do not satisfy `value > 0`")),
    ({"strides": -1}, SIZE.format("strides", "strides", "-1, including values {-1} that do not satisfy `value > 0`")),
    (
        {"dilation_rate": 0},
        SIZE.format("dilation_rate", "dilation_rate", "0, including values {0} that do not satisfy `value > 0`"),
    ),
    (
        {"strides": 2, "dilation_rate": 2},
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=(2,) and dilation_rate=(2,)",
    ),
    (
        {"padding": "full"},
        "The `padding` argument must be a list/tuple or one of {'valid', 'same', 'causal'}. Received: full",
    ),
    ({"padding": [1, 1]}, "`padding` must be either `'valid'` or `'same'`. Received [1, 1]."),
    (
        {"data_format": "NWC"},
        "The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: data_format=nwc",
    ),
    ({"groups": 0}, "The number of groups must be a positive integer. Received: groups=0."),
    ({"groups": -1}, "The number of groups must be a positive integer. Received: groups=-1."),
    ({"groups": None}, "The number of groups must be a positive integer. Received: groups=None."),
    ({"groups": 2.0}, "The number of groups must be a positive integer. Received: groups=2.0."),
    (
        {"groups": 2, "filters": 5},
        "The number of filters must be evenly divisible by the number of groups. Received: groups=2, filters=5.",
    ),
    ({"activation": "foo"}, "Could not interpret activation function identifier: foo"),
    ({"activation": 5}, "Could not interpret activation function identifier: 5"),
    ({"kernel_initializer": "foo"}, "Could not interpret initializer identifier: foo"),
    ({"bias_initializer": "foo"}, "Could not interpret initializer identifier: foo"),
    ({"kernel_regularizer": "foo"}, "Could not interpret regularizer identifier: foo"),
    ({"bias_regularizer": "foo"}, "Could not interpret regularizer identifier: foo"),
    ({"activity_regularizer": "foo"}, "Could not interpret regularizer identifier: foo"),
    ({"kernel_constraint": "foo"}, "Could not interpret constraint identifier: foo"),
    ({"bias_constraint": "foo"}, "Could not interpret constraint identifier: foo"),
    ({"bogus": 1}, "Unrecognized keyword arguments passed to Conv1D: {'bogus': 1}"),
    ({"lora_rank": 4}, "Unrecognized keyword arguments passed to Conv1D: {'lora_rank': 4}"),
    ({"trainable": 1}, "Expected `trainable` to be a boolean. Received: trainable=1 (of type <class 'int'>)"),
    (
        {"name": 5},
        "Argument `name` must be a string and cannot contain character `/`. Received: name=5 (of type <class 'int'>)",
    ),
    (
        {"name": "a/b"},
        "Argument `name` must be a string and cannot contain character `/`. Received: name=a/b (of type <class 'str'>)",
    ),
    (
        {"dtype": "foo"},
        "Cannot convert 'foo' to a mixed precision DTypePolicy. Valid policies include 'mixed_float16', 'mixed_bfloat16', "
        "and the name of any float dtype such as 'float32'.",
    ),
    ({"dtype": np.int32}, "Cannot convert 'int32' to a mixed precision DTypePolicy."),
    (
        {"dtype": "int8"},
        "Cannot convert `policy` into a valid pair (`mode`, `source_name`) to instantiate `QuantizedDTypePolicy`. Received: policy=int8",
    ),
    (
        {"dtype": 5},
        "Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. Received: dtype=5",
    ),
    (
        {"dtype": {}},
        "Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. Received: dtype={}",
    ),
    ({"dtype": {"config": {"name": 3}}}, "Cannot interpret `dtype` argument."),
    ({"dtype": {"config": None}}, "Cannot interpret `dtype` argument."),
    (
        {"input_shape": (10, -1)},
        "Cannot convert '(10, -1)' to a shape. Found invalid dimension '-1' of type '<class 'int'>'.",
    ),
    (
        {"options": {"algorithm": "winograd"}},
        "CompileOptions.algorithm must be one of auto, direct, depthwise, cook_toom, generic. Received: 'winograd'.",
    ),
    ({"options": {"num_threads": 0}}, "CompileOptions.num_threads takes integers of 1 or more. Received: 0."),
    (
        {"options": {"explicit_padding": (1, -1)}},
        "CompileOptions.explicit_padding takes integers of 0 or more. Received: -1.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), CONSTRUCTOR, ids=[str(arguments) for arguments, _ in CONSTRUCTOR])
def test_constructor_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        made(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"padding": None}, AttributeError, "'NoneType' object has no attribute 'lower'"),
        ({"padding": 1}, AttributeError, "'int' object has no attribute 'lower'"),
        ({"input_shape": 5}, TypeError, "`input_shape` must be a tuple of integers and None. Received: input_shape=5"),
        (
            {"options": 5},
            TypeError,
            "`options` must be a CompileOptions, a dict of its fields, or None. Received: options=5",
        ),
        ({"options": {"num_threads": 1.5}}, TypeError, "CompileOptions.num_threads takes integers. Received: 1.5"),
        (
            {"options": {"explicit_padding": 3}},
            TypeError,
            "CompileOptions.explicit_padding must be a pair .* Received: 3",
        ),
        (
            {"options": {"strided_dilation": 1}},
            TypeError,
            "CompileOptions.strided_dilation must be True or False. Received: 1",
        ),
        ({"options": {"plan": "fast"}}, TypeError, "CompileOptions.plan must be a Plan or None. Received: 'fast'"),
        (
            {"options": {"target": 3}},
            TypeError,
            "CompileOptions.target must be a Target, the name of one, or None. Received: 3",
        ),
        ({"options": {"speed": 3}}, TypeError, "unexpected keyword argument 'speed'"),
    ],
)
def test_other_errors(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        made(**arguments)


def test_errors_come_in_the_order_of_keras() -> None:
    wrong: dict[str, Any] = {
        "kernel_size": 0,
        "strides": 0,
        "padding": "full",
        "data_format": "x",
        "activation": "foo",
        "groups": 0,
        "filters": 0,
    }
    fixes = {
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "data_format": None,
        "activation": None,
        "filters": 4,
        "groups": 1,
    }
    for name, word in zip(
        fixes, ("kernel_size", "strides", "padding", "data_format", "activation", "filters", "groups"), strict=True
    ):
        with pytest.raises(ValueError, match=word):
            Conv1D(**wrong, dilation_rate=2)
        wrong[name] = fixes[name]
    with pytest.raises(ValueError, match="strides > 1"):
        Conv1D(**wrong, dilation_rate=2)


def test_standard_forms() -> None:
    given: tuple[Any, ...] = (np.int64(6), [np.int32(3)], (2,), "SAME", None, np.uint8(1), np.int8(2))
    said: dict[str, Any] = {"use_bias": "no"}
    layer = Conv1D(*given, **said)
    assert (layer.filters, layer.kernel_size, layer.strides, layer.padding) == (6, (3,), (2,), "same")
    assert (layer.data_format, layer.dilation_rate, layer.groups) == ("channels_last", (1,), 2)
    assert layer.get_config()["use_bias"] == "no"
    assert type(layer.filters) is int
    assert type(layer.kernel_size[0]) is int
    assert Convolution1D is Conv1D
    assert Conv1D(4, 3, dtype=np.float64).dtype == Conv1D(4, 3, dtype=np.dtype("float64")).dtype == "float64"
    assert Conv1D(4, 3, lora_rank=None, dynamic=False, autocast=True).trainable


def test_shape_arguments() -> None:
    assert made(input_shape=(10, 128)).batch_input_shape == (None, 10, 128)
    assert made(input_shape=[10, 128], batch_size=4).batch_input_shape == (4, 10, 128)
    assert made(batch_input_shape=(4, None, 128)).batch_input_shape == (4, None, 128)
    assert made(input_dim=7).batch_input_shape == (None, None, 7)
    assert made().batch_input_shape is None


def test_options() -> None:
    assert made(options=CompileOptions(strided_dilation=True), strides=2, dilation_rate=2).strides == (2,)
    numpys: Any = np.int64(3)
    pair: Any = [np.int64(1), 2]
    options = CompileOptions(num_threads=numpys, explicit_padding=pair)
    assert options.num_threads == 3
    assert options.explicit_padding == (1, 2)
    assert made(options={"algorithm": "generic"}).options == CompileOptions("generic")
    assert hash(options) == hash(CompileOptions(num_threads=3, explicit_padding=(1, 2)))
    with pytest.raises(AttributeError):
        options.algorithm = "direct"  # type: ignore[misc]


BUILD: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    ({}, (8, 4), "expected min_ndim=3, found ndim=2. Full shape received: (8, 4)"),
    (
        {"groups": 3, "filters": 6},
        (2, 8, 4),
        "The number of input channels must be evenly divisible by the number of groups. "
        "Received groups=3, but the input has 4 channels (full input shape is (2, 8, 4)).",
    ),
    (
        {},
        (None, 8, None),
        "The channel dimension of the inputs should be defined. The input_shape received is (None, 8, None), where axis -1",
    ),
    ({"data_format": "channels_first"}, (None, None, 8), "where axis -2 (0-based) is the channel dimension"),
    (
        {"kernel_size": 9, "filters": 6},
        (2, 8, 4),
        "Computed output size would be zero or negative. Received `inputs shape=(2, 8, 4)`, `kernel shape=(9, 4, 6)`, "
        "`dilation_rate=[1]`, `strides=(1,)`, `padding=valid`.",
    ),
    (
        {"dilation_rate": 4},
        (None, 8, 4),
        "Computed output size would be zero or negative. Received `inputs shape=(None, 8, 4)`",
    ),
    ({}, (2, 8, 0), "The channel dimension of the inputs must be positive. The input_shape received is (2, 8, 0)."),
    (
        {},
        (2, 8, 4.0),
        "Cannot convert '(2, 8, 4.0)' to a shape. Found invalid dimension '4.0' of type '<class 'float'>'.",
    ),
    (
        {"dilation_rate": 2**62, "padding": "same"},
        (2, 8, 4),
        "Sizes are limited to 2**46 bytes. Received: kernel_size=3",
    ),
    ({"strides": 2**63, "padding": "same"}, (2, 8, 4), "Sizes are limited to 2**46 bytes. Received: kernel_size=3"),
    ({"filters": 2**61}, (2, 8, 4), "which no address space holds"),
]


@pytest.mark.parametrize(
    ("arguments", "shape", "message"), BUILD, ids=[f"{arguments} {shape}" for arguments, shape, _ in BUILD]
)
def test_build_errors(arguments: dict[str, Any], shape: tuple[Any, ...], message: str) -> None:
    layer = made(**arguments, name="c")
    with pytest.raises(ValueError, match=re.escape(message)):
        layer.build(shape)
    assert not layer.built
    assert layer.weights == []


def test_build_takes_no_other_things_for_a_shape() -> None:
    no_shapes: tuple[Any, ...] = (None, 5, "abc")
    for wrong in no_shapes:
        with pytest.raises(TypeError, match="must be a tuple of integers and None"):
            made().build(wrong)


def test_compute_output_shape_errors() -> None:
    for arguments, shape, message in BUILD[:2] + BUILD[4:6]:
        with pytest.raises(ValueError, match=re.escape(message)):
            made(**arguments).compute_output_shape(shape)


def test_before_build() -> None:
    layer = made(name="c")
    for name in ("kernel", "bias"):
        with pytest.raises(AttributeError, match=f"You must build the layer before accessing `{name}`."):
            getattr(layer, name)
        with pytest.raises(AttributeError, match=f"You must build the layer before accessing `{name}`."):
            setattr(layer, name, np.zeros(3))
    with pytest.raises(
        ValueError,
        match=r"You tried to call `count_params` on layer 'c', but the layer isn't built. You can build it manually",
    ):
        layer.count_params()
    with pytest.raises(
        ValueError, match=r"on layer 'c' with a weight list of length 1, but the layer was expecting 0 weights."
    ):
        layer.set_weights([np.zeros(3)])
    with pytest.raises(ValueError, match="Layer 'c' isn't built"):
        layer.dump("problem")
    assert layer.weights == layer.get_weights() == layer.losses == []
