"""Operations touch no byte beside their arrays: each lies against a page that can't be read or written. In a child
process, whose last line is the operation that a fault ended.
"""

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, last_line, python
from support.operation_helpers import Called, around, numbers, output_of, shapes_of

from conv1d_codegen.ir import SUM, Activate, Expression, Operand, Ref, Storage
from conv1d_codegen.lower.operations import (
    ChannelPool,
    ConvTranspose,
    Copy,
    EachChannel,
    EachStep,
    GlobalPool,
    GroupNorm,
    Gru,
    LayerNorm,
    Lstm,
    Map,
    Operation,
    Pool,
    Resize,
    RmsNorm,
    Shuffle,
    SimpleRnn,
    Softmax,
    SoftmaxOfSteps,
    Transpose,
)
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Activation
from conv1d_codegen.selftest.guards import SIDES, guard_own_arrays, guarded

ACTIVATIONS = Activation("tanh"), Activation("sigmoid")
IN0 = Ref("in0")
OPERATIONS: tuple[Operation, ...] = (
    LayerNorm("f32", 3, 1e-3, True, True),
    LayerNorm("f16", 37, 1e-3, True, False),
    RmsNorm("f64", 33, 1e-3, True, False),
    GroupNorm("f32", 21, 1e-3, False, True, 3),
    GroupNorm("f32", 4100, 1e-3, True, True, 2),
    Softmax("f32", 19),
    Softmax("bf16", 65, log=True),
    Softmax("f32", 2500),
    Lstm("f32", 3, *ACTIVATIONS, sequences=True),
    Lstm("f16", 35, *ACTIVATIONS, backwards=True),
    Gru("f32", 33, *ACTIVATIONS, sequences=True, bias=True),
    Gru("f64", 7, *ACTIVATIONS, reset_after=False),
    Gru("f32", 5, *ACTIVATIONS, given=True),
    Lstm("f16", 19, *ACTIVATIONS, sequences=True, cell=True, given=True),
    SimpleRnn("f32", 35, *ACTIVATIONS, given=True),
    GroupNorm("f32", 128, 1e-3, True, True, 16),
    Pool("f32", 19, "max", 3, 2, (1, 2), dilation=2, ceil=True),
    Pool("f16", 5, "average", 2, 3, "valid", True, 1, True),
    ChannelPool("f32", 37, "min"),
    GlobalPool("f64", 9, "sum"),
    SoftmaxOfSteps("f32", 21),
    SoftmaxOfSteps("f16", 3, log=True),
    EachChannel("f32", 40, 39, 20, -2),
    Shuffle("f32", 48, 3),
    Transpose("f32", 5, 37),
    Copy("f32"),
    Copy("bf16", into=True),
    EachStep("f32", 19, 3),
    Resize("f32", 7, "nearest", 5, 3, "half_pixel", "round_prefer_floor"),
    Resize("f16", 20, "linear", 5, 3, "align_corners", "floor"),
    ConvTranspose("f32", 4, 34, 5, 6, 4, 2, -3, True, 2, Expression(SUM)),
    Map("f32", 21, Expression(Activate(Activation("log"), Activate(Activation("sin"), IN0)), (Operand(21),), 1)),
)


def main(target: str) -> None:
    guard_own_arrays()
    for operation in OPERATIONS:
        if not TARGETS[target].converts(operation.dtype):
            continue
        rng = np.random.default_rng(0)
        kernel = operation.kernel()
        least = {"N": 1, "T": 1, "B": 3, "A": 2}
        inputs = [b for b in kernel.buffers if b.storage is Storage.ARGUMENT and b.name != "y"]
        own = [b.name for b in kernel.buffers if b.storage is Storage.CONSTANT]
        weights = {name: numbers(rng, operation.dtype, *shapes_of(kernel, least)[name]) for name in own}
        for side in SIDES:
            code = Called(operation, target, red_zones=side == "end")
            for length in around(operation, target):
                sizes = {name: least[name] for name, _ in kernel.sizes} | {"N": 2, "T": length}
                shapes = shapes_of(kernel, sizes)
                if min(shapes["y"]) < 1:
                    continue
                print(f"{operation} @{sizes} {target}, guarded at the {side}", flush=True)
                given = {b.name: numbers(rng, b.dtype, *shapes[b.name]) for b in inputs}
                x = given[inputs[0].name]
                right = code(weights | given, x, sizes=sizes)
                y = guarded(output_of(kernel, x, sizes), side)
                walled = {name: guarded(array, side) for name, array in given.items()}
                found = code(weights | walled, walled.get("x", x), y, sizes)
                assert bits(found) == bits(right)
    print("done")


@pytest.mark.parametrize("target", RUNNABLE)
def test_operations_stay_inside_their_arrays(target: str) -> None:
    code, out, err = python("import test_operation_memory as t, sys; t.main(sys.argv[1])", target, timeout=300)
    assert (code, last_line(out)) == (0, "done"), f"exit {code} at {last_line(out)}\n{err[-2000:]}"
