"""Operations touch no byte beside their arrays: each lies against a page that can't be read or written. In a child
process, whose last line is the operation that a fault ended.
"""

import numpy as np
import pytest
from support.helpers import RUNNABLE, bits, last_line, python
from support.operation_helpers import Called, around, numbers, output_of

from conv1d_codegen.ir import Storage
from conv1d_codegen.lower.operations import GroupNorm, Gru, LayerNorm, Lstm, Operation, RmsNorm, Softmax, Turn
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.problem import Activation
from conv1d_codegen.selftest.guards import SIDES, guard_own_arrays, guarded

ACTIVATIONS = Activation("tanh"), Activation("sigmoid")
OPERATIONS: tuple[Operation, ...] = (
    LayerNorm("f32", 3, 1e-3, True, True),
    LayerNorm("f16", 37, 1e-3, True, False),
    RmsNorm("f64", 33, 1e-3, True, False),
    GroupNorm("f32", 21, 1e-3, False, True, 3),
    GroupNorm("f32", 4100, 1e-3, True, True, 2),
    Softmax("f32", 19),
    Turn("f32", 11, first=True),
    Turn("bf16", 3, first=True),
    Softmax("bf16", 65, log=True),
    Softmax("f32", 2500),
    Lstm("f32", 3, *ACTIVATIONS, sequences=True),
    Lstm("f16", 35, *ACTIVATIONS, backwards=True),
    Gru("f32", 33, *ACTIVATIONS, sequences=True, bias=True),
    Gru("f64", 7, *ACTIVATIONS, reset_after=False),
)


def main(target: str) -> None:
    guard_own_arrays()
    for operation in OPERATIONS:
        if not TARGETS[target].converts(operation.dtype):
            continue
        rng = np.random.default_rng(0)
        kernel = operation.kernel()
        shapes = {b.name: [size.constant or 0 for size in b.shape] for b in kernel.buffers}
        own = [b.name for b in kernel.buffers if b.storage is Storage.CONSTANT]
        weights = {name: numbers(rng, operation.dtype, *shapes[name]) for name in own}
        for side in SIDES:
            code = Called(operation, target, red_zones=side == "end")
            for length in around(operation, target):
                print(f"{operation} @2x{length} {target}, guarded at the {side}", flush=True)
                x = numbers(rng, operation.dtype, 2, length, shapes["x"][-1])
                right = code(weights, x)
                assert bits(code(weights, guarded(x, side), guarded(output_of(kernel, x), side))) == bits(right)
    print("done")


@pytest.mark.parametrize("target", RUNNABLE)
def test_operations_stay_inside_their_arrays(target: str) -> None:
    code, out, err = python("import test_operation_memory as t, sys; t.main(sys.argv[1])", target, timeout=300)
    assert (code, last_line(out)) == (0, "done"), f"exit {code} at {last_line(out)}\n{err[-2000:]}"
