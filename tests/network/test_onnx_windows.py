"""Convolutions and pools of ONNX, in pairs of features, against ONNX's own reference where it is right."""

import itertools
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator
from support.onnx_models import Array, Run, agrees, model_of, numbers, single

X = {"x": numbers(0, 2, 4, 11)}, {"x": numbers(1, 3, 4, 8)}
PADDINGS: list[dict[str, Any]] = [
    {},
    {"pads": [2, 1]},
    {"auto_pad": "SAME_UPPER"},
    {"auto_pad": "SAME_LOWER"},
    {"auto_pad": "VALID"},
]


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize(("stride", "dilation", "group"), list(itertools.product([1, 2], [1, 2], [1, 2, 4])))
def test_conv(padding: dict[str, Any], stride: int, dilation: int, group: int) -> None:
    kernel, bias = numbers(2, 8, 4 // group, 3), numbers(3, 8)
    given = {"strides": [stride], "dilations": [dilation], "group": group, **padding}
    if padding.get("auto_pad") == "SAME_LOWER" and stride > 1:
        with pytest.raises(ValueError, match="for an input of no known length"):
            Run(single("Conv", kernel, bias, **given))
        agrees(single("Conv", kernel, bias, shape=("N", 4, 11), **given), X[0])
    else:
        assert agrees(single("Conv", kernel, bias, **given), *X).ops == ["conv"]


@pytest.mark.parametrize("given", [{}, *PADDINGS[1:], {"output_padding": [1]}, {"output_shape": [25]}], ids=str)
@pytest.mark.parametrize(("dilation", "group"), list(itertools.product([1, 2], [1, 2])))
def test_conv_transpose(given: dict[str, Any], dilation: int, group: int) -> None:
    """Of several groups, against the groups one by one, as the reference takes the wrong kernels then."""
    kernel, bias = numbers(2, 4, 6 // group, 4), numbers(3, 6)
    known = "output_shape" in given
    if known and dilation > 1:
        pytest.skip("the reference takes no output_shape with dilations")
    given = {"strides": [2], "dilations": [dilation]} | given
    shape: tuple[int | str, ...] = ("N", 4 // group, 11 if known else "T")
    feeds = X[:1] if known else X
    if group == 1:
        assert agrees(single("ConvTranspose", kernel, bias, shape=shape, **given), *feeds).ops == ["conv_transpose"]
        return
    whole = Run(single("ConvTranspose", kernel, bias, shape=("N", 4, *shape[2:]), group=2, **given))
    parts = [
        single("ConvTranspose", kernel[2 * g : 2 * g + 2], bias[3 * g : 3 * g + 3], shape=shape, **given)
        for g in (0, 1)
    ]
    for feed in feeds:
        wanted: list[Any] = [
            ReferenceEvaluator(m).run(None, {"x": feed["x"][:, 2 * g : 2 * g + 2]}) for g, m in enumerate(parts)
        ]
        right = np.concatenate([y[0] for y in wanted], 1)
        np.testing.assert_allclose(whole(feed)[0], right, 1e-5, 1e-5)


def pooled(
    x: Array, kind: str, size: int, stride: int, dilation: int, ceil: int, counted: int, given: dict[str, Any]
) -> Array:
    """A pool by the formulas of the standard, for which ONNX's reference has other lengths, or no answer."""
    length, extent = x.shape[2], (size - 1) * dilation + 1
    auto, (before, after) = given.get("auto_pad"), given.get("pads", [0, 0])
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        steps = -(-length // stride)
        total = max(0, (steps - 1) * stride + extent - length)
        before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        after = total - before
    elif auto == "VALID" or not ceil:
        steps = (length + before + after - extent) // stride + 1
    else:
        steps = -(-(length + before + after - extent) // stride) + 1
        steps -= (steps - 1) * stride >= length + before
    y = np.empty((*x.shape[:2], steps), x.dtype)
    for t in range(steps):
        places = [t * stride + j * dilation - before for j in range(size)]
        here = [p for p in places if 0 <= p < length]
        count = len([p for p in places if -before <= p < length + after]) if counted else len(here)
        y[:, :, t] = x[:, :, here].max(2) if kind == "MaxPool" else x[:, :, here].sum(2) / count
    return y


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize(("stride", "dilation", "ceil"), list(itertools.product([1, 2, 3], [1, 2], [0, 1])))
def test_pools(op_type: str, padding: dict[str, Any], stride: int, dilation: int, ceil: int) -> None:
    given = {"kernel_shape": [3], "strides": [stride], "dilations": [dilation], "ceil_mode": ceil, **padding}
    for counted in [0, 1] if op_type == "AveragePool" else [0]:
        known = padding.get("auto_pad") in ("SAME_LOWER", "SAME_UPPER"[: 10 * counted]) and stride > 1
        more: dict[str, Any] = {"count_include_pad": 1} if counted else {}
        run = Run(single(op_type, shape=("N", 4, 11 if known else "T"), **given, **more))
        assert run.ops == ["pool"]
        for feed in X[:1] if known else X:
            wanted = pooled(feed["x"], op_type, 3, stride, dilation, ceil, counted, padding)
            np.testing.assert_allclose(run(feed)[0], wanted, 1e-5, 1e-6)


def test_global_pools() -> None:
    assert agrees(single("GlobalAveragePool"), *X).ops == ["global_pool"]
    run = Run(single("GlobalMaxPool"))
    np.testing.assert_array_equal(run(X[0])[0], X[0]["x"].max(2, keepdims=True))


@pytest.mark.parametrize("activation", ["none", "silu"])
def test_causal_convolutions_with_a_state(activation: str) -> None:
    """Two calls, the second with the state of the first, are one; and it is a convolution with zeros before."""
    kernel, bias = numbers(2, 4, 1, 3), numbers(3, 4)
    node = helper.make_node("CausalConvWithState", ["x", "k", "b", "past"], ["y", "present"], activation=activation)
    shapes: dict[str, Any] = {"x": ("N", 4, "T"), "past": ("N", 4, 2)}
    run = Run(model_of([node], shapes, ["y", "present"], {"k": kernel, "b": bias}))
    x = X[0]["x"]
    first, state = run({"x": x[:, :, :1], "past": np.zeros((2, 4, 2), "f4")})
    second, end = run({"x": x[:, :, 1:], "past": state})
    plain = Run(single("CausalConvWithState", kernel, bias, outputs=["y", "present"], activation=activation))
    whole, last = plain(X[0])
    np.testing.assert_allclose(np.concatenate([first, second], 2), whole, 1e-5, 1e-6)
    np.testing.assert_array_equal(end, x[:, :, -2:])
    np.testing.assert_array_equal(last, end)
    made: Any = ReferenceEvaluator(single("Conv", kernel, bias, group=4, pads=[2, 0])).run(None, X[0])
    padded = made[0]
    np.testing.assert_allclose(whole, padded / (1 + np.exp(-padded)) if activation == "silu" else padded, 1e-4, 1e-5)
