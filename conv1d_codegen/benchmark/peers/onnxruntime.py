"""ONNX Runtime: a graph of Conv and Relu, which its optimiser makes one node, or an exported network, with input and
output bound beforehand.

The buffers are ONNX Runtime's own: bound to NumPy's, which are aligned to 16 bytes only, `encodec/in` takes 30 %
longer.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ...network.graph import Graph, Weights
from ...problem import Problem
from ..peers import Array, Prepared, sides
from ..translations import onnx_export, output_shape


def prepare(problem: Problem, x: Array, weights: Array, bias: Array, threads: int) -> Prepared:
    """A session of `threads` threads, this one among them."""
    return _session(_model(problem, x.shape, weights, bias), x, _shape(problem, x.shape), threads)


def prepare_network(graph: Graph, weights: Weights, x: Array, threads: int) -> Prepared:
    """The same, of the exported network."""
    model = onnx_export.exported(graph, weights, len(x), x.shape[2])
    return _session(model, x, output_shape(graph, len(x), x.shape[2]), threads)


def _session(model: onnx.ModelProto, x: Array, shape: tuple[int, ...], threads: int) -> Prepared:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32)
    inputs = onnxruntime.OrtValue.ortvalue_from_shape_and_type(x.shape, np.float32)
    inputs.update_inplace(x)
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, inputs)
    binding.bind_ortvalue_output(session.get_outputs()[0].name, outputs)
    return Prepared(lambda: session.run_with_iobinding(binding), outputs.numpy)


def _shape(problem: Problem, shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (shape[0], problem.filters, problem.output_length(shape[2]))


def _model(problem: Problem, shape: tuple[int, ...], weights: Array, bias: Array) -> onnx.ModelProto:
    conv = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["sums"],
        kernel_shape=[problem.kernel_size],
        strides=[problem.stride],
        dilations=[problem.dilation],
        pads=sides(problem),
        group=problem.groups,
    )
    graph = helper.make_graph(
        [conv, helper.make_node("Relu", ["sums"], ["y"])],
        "conv1d",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, _shape(problem, shape))],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    # An operator set and a file format that ONNX Runtime has known for long; nothing newer is used.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
