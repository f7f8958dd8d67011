"""Axes of ONNX models, as exporters turn, merge and split them: what of it becomes an operation, and what disappears."""

from typing import Any

import numpy as np
import pytest
from onnx import helper
from support.onnx_models import Run, agrees, model_of, numbers, single

n = helper.make_node
X = {"x": numbers(0, 2, 4, 12)}, {"x": numbers(1, 3, 4, 9)}
KERNEL, MATRIX = numbers(2, 5, 4, 3), numbers(3, 4, 5)
SHAPE = ("N", 4, "T")


def read(
    nodes: list[Any], *feeds: dict[str, Any], shape: Any = SHAPE, outputs: Any = ("y",), **constants: Any
) -> list[str]:
    """The operations of a model of one input, after a look at what it computes."""
    return agrees(model_of(nodes, {"x": shape}, outputs, constants), *(feeds or X)).ops


def test_transposes_around_layers() -> None:
    """As in models of channels last: of ONNX's input `(N, T, C)` and around every layer."""
    feeds = [{"x": x["x"].transpose(0, 2, 1)} for x in X]
    nodes = [
        n("Transpose", ["x"], ["a"], perm=[0, 2, 1]),
        n("Conv", ["a", "k"], ["b"], pads=[1, 1]),
        n("Transpose", ["b"], ["c"], perm=[0, 2, 1]),
        n("Relu", ["c"], ["d"]),
        n("MatMul", ["d", "m"], ["e"]),
        n("Transpose", ["e"], ["y"], perm=[0, 2, 1]),
    ]
    assert read(nodes, *feeds, shape=("N", "T", 4), k=KERNEL, m=numbers(4, 5, 6)) == ["conv", "activate", "conv"]
    known = [{"x": feeds[0]["x"]}]  # by the sizes alone it could have channels first
    assert read(nodes, *known, shape=("N", 12, 4), k=KERNEL, m=numbers(4, 5, 6)) == ["conv", "activate", "conv"]


@pytest.mark.parametrize("axis", [2, 3])
def test_one_dimension_as_two(axis: int) -> None:
    """Unsqueeze, a 2-D convolution, norm and pool, and Squeeze."""
    two, ones = ([2, 1], [1, 0, 1, 0]) if axis == 3 else ([1, 2], [0, 1, 0, 1])
    nodes = [
        n("Unsqueeze", ["x", "axis"], ["a"]),
        n("Conv", ["a", "k"], ["b"], pads=ones, strides=two),
        n("BatchNormalization", ["b", "s", "s", "s", "v"], ["c"]),
        n("MaxPool", ["c"], ["d"], kernel_shape=two, pads=ones, strides=two),
        n("Squeeze", ["d", "axis"], ["y"]),
    ]
    weights = {"k": np.expand_dims(KERNEL, axis), "s": numbers(4, 5), "v": abs(numbers(5, 5)) + 0.5}
    assert read(nodes, axis=np.array([axis]), **weights) == ["conv", "batch_norm", "pool"]


def test_kernels_wider_than_an_axis_of_length_1() -> None:
    """Only one tap of them is on it."""
    kernel = numbers(6, 5, 4, 3, 3)
    for pads, dilations in (([1, 1, 1, 1], [1, 1]), ([1, 2, 1, 2], [1, 2]), ([1, 0, 1, 2], [1, 1])):
        conv = n("Conv", ["a", "k"], ["b"], pads=pads, dilations=dilations)
        nodes = [n("Unsqueeze", ["x", "axis"], ["a"]), conv, n("Squeeze", ["b", "axis"], ["y"])]
        assert read(nodes, axis=np.array([3]), k=kernel) == ["conv"]
    refused = [n("Unsqueeze", ["x", "axis"], ["a"]), n("Conv", ["a", "k"], ["y"], pads=[1, 2, 1, 2])]
    with pytest.raises(ValueError, match="two axes of steps"):
        Run(model_of(refused, {"x": SHAPE}, constants={"axis": np.array([3]), "k": kernel}))


@pytest.mark.parametrize("shape", [("N", "T"), (2, 30), ("N", 1, "T"), ("N", "T", 1)])
def test_waveforms(shape: tuple[int | str, ...]) -> None:
    """An input without channels has one."""
    kernel = numbers(4, 3, 1, 5)
    x = numbers(0, *(30 if s == "T" else 2 if s == "N" else int(s) for s in shape))
    to_channels = n("Unsqueeze", ["x", "one"], ["a"])
    if len(shape) == 3:
        last = shape[2] == 1
        to_channels = n("Transpose", ["x"], ["a"], perm=[0, 2, 1]) if last else n("Reshape", ["x", "wanted"], ["a"])
    nodes = [to_channels, n("Conv", ["a", "k"], ["y"], strides=[2])]
    wanted = np.array([0, 1, -1])
    assert read(nodes, {"x": x}, shape=shape, one=np.array([1]), wanted=wanted, k=kernel) == ["conv"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_rows_that_are_channels(turned: bool, channels: int) -> None:
    """As electrodes are: a kernel along the steps of each, one of all of them, and pools and norms between."""

    def wide(a: Any, b: Any) -> list[Any]:
        return [b, a] if turned else [a, b]

    first, second = numbers(4, 3, channels, 1, 5), numbers(5, 6, 1, 6, 1)
    weights = {"f": first, "s": second, "b": numbers(6, 3), "g": numbers(7, 3), "v": abs(numbers(8, 3)) + 0.5}
    if turned:
        weights |= {name: weights[name].swapaxes(2, 3).copy() for name in "fs"}
    pads, kernel, strides = [*wide(0, 2), *wide(0, 2)], wide(1, 2), wide(1, 2)
    nodes = [
        n("Conv", ["x", "f", "b"], ["a"], pads=pads),
        n("BatchNormalization", ["a", "g", "b", "g", "v"], ["c"]),
        n("MaxPool", ["c"], ["p"], kernel_shape=kernel, strides=strides),
        n("Mul", ["p", "scale"], ["m"]),
        n("Elu", ["m"], ["e"]),
        n("Conv", ["e", "s"], ["d"], group=3),
        n("ReduceMean", ["d", "axes"], ["y"], keepdims=0),
    ]
    weights |= {"scale": numbers(9, 3, 1, 1), "axes": np.array([2, 3])}
    shape = ("N", channels, *wide(6, "T"))
    x = {"x": numbers(0, 2, channels, *wide(6, 20))}
    ops = read(nodes, x, shape=shape, **weights)
    assert [op for op in ops if op != "shuffle"] == [
        "conv", "batch_norm", "pool", "batch_norm", "activate", "conv", "global_pool"
    ]  # fmt: skip
    known = read(nodes, x, shape=("N", channels, *wide(6, 20)), **weights)
    assert known == ops
    with pytest.raises(ValueError, match="two axes of steps"):
        Run(model_of([n("Conv", ["x", "f"], ["y"])], {"x": shape}, constants={"f": numbers(4, 3, channels, 3, 3)}))


def test_vectors_and_flat_sequences() -> None:
    matrix = numbers(4, 48, 6)
    flat = [n("Flatten", ["x"], ["a"]), n("Gemm", ["a", "m"], ["y"])]
    first = read(flat, X[0], shape=("N", 4, 12), m=matrix)
    assert first in (["transpose", "reshape", "conv"], ["reshape", "conv"])
    last = [n("Transpose", ["x"], ["t"], perm=[0, 2, 1]), n("Reshape", ["t", "s"], ["a"]), n("Gemm", ["a", "m"], ["y"])]
    assert read(last, X[0], shape=("N", 4, 12), m=matrix, s=np.array([-1, 48])) == ["reshape", "conv"]
    with pytest.raises(ValueError, match="of known length"):
        Run(model_of(flat, {"x": SHAPE}, constants={"m": matrix}))
    back = [n("Gemm", ["x", "m"], ["a"]), n("Reshape", ["a", "s"], ["b"]), n("Conv", ["b", "k"], ["y"])]
    ops = read(back, {"x": numbers(0, 2, 6)}, shape=("N", 6), m=matrix.T.copy(), s=np.array([0, 4, 12]), k=KERNEL)
    assert ops.count("conv") == 2


def test_dense_layers_over_batch_and_steps() -> None:
    """Which some write as one axis, around a product of matrices."""
    nodes = [
        n("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        n("Shape", ["t"], ["s"]),
        n("Slice", ["s", "zero", "two"], ["outer"]),
        n("Concat", ["outer", "five"], ["back"], axis=0),
        n("Reshape", ["t", "rows"], ["r"]),
        n("Gemm", ["r", "m", "b"], ["g"]),
        n("Reshape", ["g", "back"], ["y"]),
    ]
    given = {"zero": np.array([0]), "two": np.array([2]), "five": np.array([5]), "rows": np.array([-1, 4])}
    assert read(nodes, m=MATRIX, b=numbers(4, 5), **given) == ["conv"]


def test_group_norm_as_instance_norm() -> None:
    nodes = [
        n("Shape", ["x"], ["s"]),
        n("Reshape", ["x", "grouped"], ["g"]),
        n("InstanceNormalization", ["g", "ones", "zeros"], ["i"]),
        n("Reshape", ["i", "s"], ["b"]),
        n("Mul", ["b", "w"], ["m"]),
        n("Add", ["m", "w"], ["y"]),
    ]
    given = {"grouped": np.array([0, 2, -1]), "ones": np.ones(2, "f4"), "zeros": np.zeros(2, "f4")}
    assert read(nodes, w=numbers(4, 4, 1), **given) == ["group_norm", "batch_norm", "batch_norm"]


def test_shuffled_channels() -> None:
    nodes = [
        n("Shape", ["x"], ["s"]),
        n("Reshape", ["x", "split"], ["a"]),
        n("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3]),
        n("Reshape", ["b", "s"], ["c"]),
        n("Conv", ["c", "k"], ["y"]),
    ]
    assert read(nodes, split=np.array([0, 2, 2, -1]), k=KERNEL) == ["shuffle", "conv"]
    assert read([*nodes[:3], n("Reshape", ["b", "s"], ["y"])], split=np.array([0, 2, 2, -1])) == ["shuffle"]


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_recurrent_layers_with_channels_first(direction: str) -> None:
    """Their first states filled with zeros in a shape that the graph computes, and their directions merged."""
    count = 2 if direction == "bidirectional" else 1
    w, r, bias = numbers(4, count, 12, 4), numbers(5, count, 12, 3), numbers(6, count, 24)
    nodes = [
        n("Shape", ["x"], ["s"]),
        n("Gather", ["s", "zero"], ["batch"], axis=0),
        n("Concat", ["count", "batch", "three"], ["state"], axis=0),
        n("ConstantOfShape", ["state"], ["h"]),
        n("Expand", ["nothing", "state"], ["c0"]),
        n("Slice", ["c0", "zero", "count", "zero"], ["c"]),
        n("Transpose", ["x"], ["t"], perm=[2, 0, 1]),
        n("LSTM", ["t", "w", "r", "b", "", "h", "c"], ["l"], hidden_size=3, direction=direction),
        n("Transpose", ["l"], ["m"], perm=[0, 2, 1, 3]),
        n("Reshape", ["m", "merged"], ["q"]),
        n("Transpose", ["q"], ["y"], perm=[1, 0, 2]),
    ]
    given = {
        "zero": np.array([0]),
        "count": np.array([count]),
        "three": np.array([3]),
        "nothing": np.zeros((1, 1, 1), "f4"),
    }
    model = model_of(
        nodes, {"x": SHAPE}, constants={"w": w, "r": r, "b": bias, "merged": np.array([0, 0, -1]), **given}
    )
    if count == 1:
        assert agrees(model, *X).ops == ["lstm"]
    else:  # which the reference does not compute
        run = Run(model)
        assert run.ops == ["lstm", "lstm", "concat"]
        assert run(X[0])[0].shape == (2, 12, 6)


def test_shapes_that_the_graph_computes() -> None:
    """Halves and doubles of a length, sums, and what is known in the end."""
    nodes = [
        n("Shape", ["x"], ["s"]),
        n("Gather", ["s", "two"], ["t"], axis=0),
        n("Mul", ["t", "two"], ["twice"]),
        n("Unsqueeze", ["twice", "axis"], ["last"]),
        n("Slice", ["s", "axis", "last0"], ["first"]),
        n("Concat", ["first", "last"], ["size"], axis=0),
        n("Resize", ["x", "", "", "size"], ["r"], mode="nearest"),
        n("Div", ["twice", "two"], ["half"]),
        n("Unsqueeze", ["half", "axis"], ["end"]),
        n("Slice", ["r", "axis", "end", "last0"], ["c"]),
        n("Add", ["x", "c"], ["y"]),
    ]
    ops = read(nodes, two=np.array(2), axis=np.array([0]), last0=np.array([2]))
    assert ops == ["repeat", "trim", "combine"]


def test_a_length_of_another_tensor() -> None:
    """What went down and up again is cut to what it was: whichever of the two is longer."""
    nodes = [
        n("MaxPool", ["x"], ["p"], kernel_shape=[2], strides=[2]),
        n("ConvTranspose", ["p", "k"], ["u"], strides=[2]),
        n("Shape", ["x"], ["s"], start=2),
        n("Slice", ["u", "zero", "s", "axis"], ["a"]),
        n("Shape", ["a"], ["t"], start=-1),
        n("Slice", ["x", "zero", "t", "axis"], ["b"]),
        n("Concat", ["a", "b"], ["y"], axis=1),
    ]
    for length in (2, 3):
        kernel = numbers(4, 4, 3, length)
        assert read(nodes, zero=np.array([0]), axis=np.array([2]), k=kernel)[-3:] == ["trim", "trim", "concat"]


def test_outputs_that_nothing_reads() -> None:
    split = n("Split", ["x"], ["y", "", "z"], axis=1, num_outputs=4)
    split.output.append("w")
    assert read([split], outputs=["y", "z"]) == ["channel_slice", "channel_slice"]
    with pytest.raises(ValueError, match="Unheard"):
        Run(model_of([n("Unheard", ["x"], ["y"])], {"x": SHAPE}))
    assert Run(model_of([n("Unheard", ["x"], ["z"]), n("Relu", ["x"], ["y"])], {"x": SHAPE})).ops == ["activate"]


def test_inputs_of_several_axes() -> None:
    """States `(2, N, C)` beside a sequence, a batch of fixed size, and what is no sequence."""
    nodes = [n("Gather", ["s", "one"], ["g"], axis=0), n("Add", ["x", "g"], ["y"])]
    model = model_of(nodes, {"x": ("N", 3), "s": (2, "N", 3)}, constants={"one": np.array(1)})
    agrees(model, {"x": numbers(0, 4, 3), "s": numbers(1, 2, 4, 3)})
    fixed = Run(single("Relu", shape=(1, 4, "T")))
    assert fixed.network(numbers(0, 5, 6, 4)).shape == (5, 6, 4)
    for shape in [("N", "C", "T"), ("N", 3, 5, 7, 2), ()]:
        with pytest.raises(ValueError, match="is no batch of steps and channels"):
            Run(single("Relu", shape=shape))
    with pytest.raises(ValueError, match="read in no way together"):
        Run(model_of([n("Add", ["x", "z"], ["y"])], {"x": (2, 4, "T"), "z": (3, 4, "T")}))


PATTERNS = {
    "silu": [n("Sigmoid", ["x"], ["a"]), n("Mul", ["a", "x"], ["y"])],
    "hard_silu": [n("HardSigmoid", ["x"], ["a"], alpha=1 / 6), n("Mul", ["x", "a"], ["y"])],
    "mish": [n("Softplus", ["x"], ["a"]), n("Tanh", ["a"], ["b"]), n("Mul", ["x", "b"], ["y"])],
    "gelu": [
        n("Div", ["x", "root"], ["a"]),
        n("Erf", ["a"], ["b"]),
        n("Add", ["b", "one"], ["c"]),
        n("Mul", ["x", "c"], ["d"]),
        n("Mul", ["d", "half"], ["y"]),
    ],
    "gelu by halves": [
        n("Mul", ["x", "half"], ["h"]),
        n("Mul", ["x", "other"], ["a"]),
        n("Erf", ["a"], ["b"]),
        n("Add", ["one", "b"], ["c"]),
        n("Mul", ["h", "c"], ["y"]),
    ],
    "gelu of a half": [
        n("Div", ["x", "root"], ["a"]),
        n("Erf", ["a"], ["b"]),
        n("Add", ["b", "one"], ["c"]),
        n("Mul", ["c", "half"], ["d"]),
        n("Mul", ["x", "d"], ["y"]),
    ],
    "layer_norm(epsilon=1e-05, scale=False, center=False)": [
        n("ReduceMean", ["x", "channels"], ["m"]),
        n("Sub", ["x", "m"], ["c"]),
        n("Pow", ["c", "two"], ["q"]),
        n("ReduceMean", ["q", "channels"], ["v"]),
        n("Add", ["v", "small"], ["w"]),
        n("Sqrt", ["w"], ["d"]),
        n("Div", ["c", "d"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name: str) -> None:
    """Nodes that are one operation together."""
    scalars = {"root": 2**0.5, "other": 0.5**0.5, "one": 1, "half": 0.5, "two": 2, "small": 1e-5}
    constants: dict[str, Any] = {key: np.array(value, "f4") for key, value in scalars.items()}
    run = agrees(model_of(PATTERNS[name], {"x": SHAPE}, constants={**constants, "channels": np.array([1])}), *X)
    assert f" = {name.partition(' ')[0] if 'norm' not in name else name} (x)" in str(run.network.graph)
    assert len(run.ops) == 1


def test_no_pattern() -> None:
    """Of other numbers, of another tensor, or of other axes."""
    half = {"half": np.array(0.4, "f4"), "one": np.array(1, "f4"), "root": np.array(2**0.5, "f4")}
    assert len(read(PATTERNS["gelu"], **half)) > 1
    other = [n("Relu", ["x"], ["r"]), n("Sigmoid", ["r"], ["a"]), n("Mul", ["a", "x"], ["y"])]
    assert read(other) == ["activate", "activate", "combine"]
    turned = [n("Sigmoid", ["x"], ["a"]), n("Transpose", ["a"], ["b"], perm=[0, 2, 1]), n("Mul", ["b", "x"], ["y"])]
    assert read(turned, {"x": numbers(0, 2, 4, 4)}, shape=("N", 4, 4)) == ["activate", "transpose", "combine"]


def test_one_weight_used_twice_is_one() -> None:
    nodes = [n("Conv", ["x", "k"], ["a"], pads=[1, 1]), n("Conv", ["a", "k"], ["y"], pads=[1, 1])]
    run = agrees(model_of(nodes, {"x": SHAPE}, constants={"k": numbers(4, 4, 4, 3)}), *X)
    assert len(run.network.weights) == 1
