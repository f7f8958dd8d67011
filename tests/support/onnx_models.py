"""ONNX models in tests: made of single nodes, read as networks, and run with arrays whose axes are those of ONNX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from conv1d_codegen.network import Network
from conv1d_codegen.network.readers.onnx_file import Budget
from conv1d_codegen.network.readers.onnx_model import Model
from conv1d_codegen.network.readers.onnx_values import Tensor
from conv1d_codegen.network.reference import run

Array = NDArray[Any]
FOLDER = Path(__file__).parent


def model_of(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str] = ("y",),
    constants: Mapping[str, Array] | None = None,
    opset: int = 22,
    dtype: int = TensorProto.FLOAT,
) -> Any:
    """A model of nodes."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


class Run:
    """A model as a network, called with ONNX's axes; by the reference of networks, or by `kernels`; with a `fallback` nodes
    that are not read run in ONNX Runtime.
    """

    def __init__(
        self, model: Any, inputs: Mapping[str, Any] | None = None, kernels: bool = False, fallback: bool = False
    ) -> None:
        data = model.SerializeToString()
        parsed = onnx.ModelProto.FromString(data)
        self._reader = Model(parsed, FOLDER, Budget(len(data)), inputs or {}, fallback).best()
        self._kernels = kernels or fallback
        self.network = Network.of(*self._reader.result())

    @property
    def ops(self) -> list[str]:
        """The operations, in order."""
        return [node.op.word() for node in self.network.graph.nodes]

    def __call__(self, feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs for inputs by name."""
        given = {x.node: _to_ours(x, feeds[name]) for name, x in self._reader.reading.tensors.items()}
        if self._kernels:
            made = self.network(given)
            outputs = made if isinstance(made, list) else [made]
        else:
            graph = self.network.graph
            with np.errstate(all="ignore"):
                tensors = run(graph, self.network.weights, given)
            outputs = [tensors[name] for name in graph.outputs]
        return [_from_ours(x, y) for x, y in zip(self._reader.outputs, outputs, strict=True)]


def _to_ours(x: Tensor, array: Array) -> Array:
    letters = [axis[0] if axis else None for axis in x.axes]
    order = [letters.index(f) for f in ("N", "T", 0, 1) if f in letters]
    moved = array.transpose(*order, *(i for i, f in enumerate(letters) if f is None))
    steps = moved.shape[order.index(letters.index("T"))] if "T" in letters else 1
    return np.ascontiguousarray(moved.reshape(-1 if "N" in letters else 1, steps, x.shape.channels))


def _from_ours(x: Tensor, y: Array) -> Array:
    batch, steps = len(y), y.shape[1] if y.ndim == 3 else 1
    sizes: dict[str | int, int] = {"N": batch, "T": steps, **dict(enumerate(x.parts))}
    keys = list(sizes)
    used = [f for axis in x.axes for f in axis]
    rest = [f for f in keys if f not in used]
    assert all(sizes[f] == 1 for f in rest), f"{x} lacks an axis"
    moved = y.reshape(tuple(sizes.values())).transpose([keys.index(f) for f in used + rest])
    return moved.reshape([int(np.prod([sizes[f] for f in axis], dtype=int)) for axis in x.axes])


def agrees(
    model: Any,
    *feeds: Mapping[str, Array],
    tolerance: float = 2e-5,
    inputs: Mapping[str, Any] | None = None,
    kernels: bool = False,
    fallback: bool = False,
) -> Run:
    """Checks that a model computes what ONNX's reference does, for each of several inputs; gives it as it was read."""
    given = inputs or {}
    read = Run(model, given, kernels, fallback)
    reference = ReferenceEvaluator(model)
    for feed in feeds:
        constants = {name: np.asarray(value) for name, value in given.items() if not isinstance(value, tuple)}
        with np.errstate(all="ignore"):
            wanted = reference.run(None, {**feed, **constants})
        for y, right in zip(read(feed), wanted, strict=True):
            assert y.shape == right.shape, f"{y.shape} instead of {right.shape}, by\n{read.network.graph}"
            assert y.dtype == right.dtype
            np.testing.assert_allclose(
                y.astype(float), right.astype(float), tolerance, tolerance, err_msg=str(read.network.graph)
            )
    return read


def numbers(seed: int, *shape: int, dtype: str = "float32") -> Array:
    """Random numbers of both signs."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def single(
    op_type: str,
    *constants: ArrayLike | None,
    shape: Sequence[int | str] = ("N", 4, "T"),
    opset: int = 22,
    outputs: Sequence[str] = ("y",),
    **attributes: Any,
) -> Any:
    """A model of one node, whose first input is that of the model, and whose others are constants."""
    names = ["x", *("" if value is None else f"c{number}" for number, value in enumerate(constants))]
    node = helper.make_node(op_type, names, list(outputs), **attributes)
    given = {f"c{number}": np.asarray(value) for number, value in enumerate(constants) if value is not None}
    return model_of([node], {"x": shape}, outputs, given, opset)


def rich() -> Any:
    """A model with arithmetic of shapes, a condition, and operators of most kinds."""
    n = helper.make_node
    then, other = (
        helper.make_graph([n(op, ["a"], ["b"])], op, [], [helper.make_tensor_value_info("b", 1, None)])
        for op in ("Tanh", "Relu")
    )
    nodes = [
        n("Conv", ["x", "k", "kb"], ["h"], pads=[1, 1], dilations=[1]),
        n("Sigmoid", ["h"], ["s"]),
        n("Mul", ["h", "s"], ["a"]),
        n("Equal", ["one", "one"], ["c"]),
        n("If", ["c"], ["i"], then_branch=then, else_branch=other),
        n("Shape", ["i"], ["shape"]),
        n("Gather", ["shape", "one"], ["channels"], axis=0),
        n("Unsqueeze", ["channels", "axes"], ["wide"]),
        n("Concat", ["zeros", "wide"], ["back"], axis=0),
        n("Transpose", ["i"], ["t"], perm=[0, 2, 1]),
        n("MatMul", ["t", "m"], ["d"]),
        n("Reshape", ["d", "back"], ["r"]),
        n("Transpose", ["r"], ["q"], perm=[1, 0, 2]),
        n("GRU", ["q", "w", "u", "", ""], ["g"], hidden_size=3),
        n("Squeeze", ["g", "axes"], ["e"]),
        n("ReduceMean", ["e", "axes0"], ["y"], keepdims=0),
    ]
    constants = {
        "k": numbers(0, 4, 2, 3),
        "kb": numbers(1, 4),
        "one": np.array(1),
        "axes": np.array([0]) + 0,
        "axes0": np.array([0]),
        "zeros": np.array([0, 0]),
        "m": numbers(2, 4, 4),
        "w": numbers(3, 1, 9, 4),
        "u": numbers(4, 1, 9, 3),
    }
    constants["axes"] = np.array([0])
    nodes[14] = n("Squeeze", ["g", "axes1"], ["e"])
    constants["axes1"] = np.array([1])
    return model_of(nodes, {"x": ("N", 2, "T")}, constants=constants, opset=18)


def written(path: Path, model: Any) -> Path:
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path
