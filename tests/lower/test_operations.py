"""What a network computes beside convolutions: maps, pools, moves; interpreted after each pass, proved, and as code."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.natives import call
from support.type_helpers import Array

from conv1d_codegen.compiler import compile_operation
from conv1d_codegen.ir import Activate, Binary, Expression, Kernel, Operand, Ref, Select
from conv1d_codegen.lower.operations import (
    ChannelPool,
    Concat,
    EachChannel,
    GlobalPool,
    Map,
    Operation,
    Pad,
    Pool,
    Repeat,
    Shuffle,
    SoftmaxOfSteps,
)
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import ops, reference
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.passes.operations import stages
from conv1d_codegen.problem import Activation
from conv1d_codegen.problem.padding import Padding
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.verify import verify

IN0, IN1 = Ref("in0"), Ref("in1")
SWISH = IN0 * Activate(Activation("sigmoid"), IN0)
NORM = (IN0 - Ref("channel0")) * Ref("channel1")
NAN_MAX = Select("eq", IN0, IN0, Binary("max", IN0, IN1), IN0)


@dataclass(frozen=True)
class Case:
    """An operation; the channels of its inputs; and what it makes of them, in NumPy."""

    operation: Operation
    channels: tuple[int, ...]
    formula: Callable[..., Array]
    least: int = 1  # steps of input
    weights: int = 0
    one_step: tuple[int, ...] = ()  # inputs of one step

    def __str__(self) -> str:
        return str(self.operation)


def network_op(op: ops.Op) -> Callable[..., Array]:
    return lambda *inputs: reference.compute(op, list(inputs), {})


def sigmoid(x: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-x))
    return result


def cases(dtype: str) -> list[Case]:
    some = [
        Case(Map(dtype, 5, Expression(SWISH, (Operand(5),))), (5,), lambda x: x * sigmoid(x)),
        Case(Map(dtype, 33, Expression(NORM, (Operand(33),), 2)), (33,), lambda x, a, b: (x - a) * b, weights=2),
        Case(
            Map(dtype, 9, Expression(IN0 * IN1, (Operand(20, 11), Operand(1)))), (20, 1), lambda x, y: x[..., 11:] * y
        ),
        Case(
            Map(dtype, 17, Expression(IN0 - IN1, (Operand(17), Operand(17, steps=False)))),
            (17, 17),
            np.subtract,
            one_step=(1,),
        ),
        Case(Map(dtype, 4, Expression(NAN_MAX, (Operand(4), Operand(4)))), (4, 4), np.maximum),
        Case(Concat(dtype, (3, 16, 5)), (3, 16, 5), lambda *x: np.concatenate(x, -1)),
        Case(Repeat(dtype, 18, 3), (18,), lambda x: np.repeat(x, 3, 1)),
        Case(EachChannel(dtype, 40, 39, 20, -2), (40,), lambda x: x[..., 39:0:-2]),
        Case(EachChannel(dtype, 5, 1, 2, 3), (5,), lambda x: x[..., 1::3]),
        Case(Shuffle(dtype, 48, 3), (48,), network_op(ops.Shuffle(3))),
        Case(Shuffle(dtype, 6, 2), (6,), network_op(ops.Shuffle(2))),
        Case(SoftmaxOfSteps(dtype, 1), (1,), network_op(ops.Softmax(steps=True))),
        Case(SoftmaxOfSteps(dtype, 21), (21,), network_op(ops.Softmax(steps=True))),
        Case(SoftmaxOfSteps(dtype, 33, log=True), (33,), network_op(ops.Softmax(log=True, steps=True))),
    ]
    for channels, kind in ((1, "max"), (20, "min"), (37, "average"), (64, "sum")):
        some.append(Case(ChannelPool(dtype, channels, kind), (channels,), network_op(ops.ChannelPool(kind))))
    for mode in ops.PAD_MODES:
        some.append(Case(Pad(dtype, 7, 2, 3, mode), (7,), network_op(ops.Pad(2, 3, mode)), least=4))
    pools: tuple[tuple[int, int, int, Padding], ...] = (
        *((16, 2, 2, "valid"), (3, 3, 2, "same"), (40, 5, 1, "same"), (8, 4, 3, (1, 2)), (1, 12, 5, "valid")),
        *((70, 3, 1, (0, 0)), (5, 3, 4, "same"), (6, 2, 5, "same")),
    )
    for channels, size, stride, padding in pools:
        for kind in ops.POOLS:
            for counted in (False, True) if kind == "average" else (False,):
                own = Pool(dtype, channels, kind, size, stride, padding, counted)
                op = ops.Pool(kind, size, stride, padding, counted)
                some.append(Case(own, (channels,), network_op(op), least=size))
    further: tuple[tuple[int, int, Padding, int, bool], ...] = (
        *((3, 2, "valid", 2, False), (3, 2, "valid", 1, True), (2, 3, "valid", 3, True), (2, 5, "valid", 1, True)),
        *((3, 2, (1, 2), 2, True), (4, 3, (2, 0), 1, True), (3, 2, "same", 2, True), (3, 1, "causal", 4, False)),
        *((2, 4, (1, 1), 1, True), (2, 1, (1, 0), 2, False)),
    )
    for size, stride, padding, dilation, ceil in further:
        for kind in ops.POOLS:
            for counted in (False, True) if kind == "average" else (False,):
                parts = kind, size, stride, padding, counted, dilation, ceil
                own, least = Pool(dtype, 19, *parts), (size - 1) * dilation + 1
                some.append(Case(own, (19,), network_op(ops.Pool(*parts)), least=least))
    for channels, kind in ((1, "max"), (20, "average"), (100, "max"), (3, "average"), (18, "min"), (5, "sum")):
        some.append(Case(GlobalPool(dtype, channels, kind), (channels,), network_op(ops.GlobalPool(kind, keep=True))))
    return some


def data(case: Case, batch: int, steps: int) -> tuple[dict[str, Array], Array]:
    """Integers, as arrays by name, and the output."""
    rng = np.random.default_rng(steps)
    dtype = TYPES[case.operation.dtype].numpy
    inputs = [
        rng.integers(-8, 9, (batch, 1 if k in case.one_step else steps, count)).astype(dtype)
        for k, count in enumerate(case.channels)
    ]
    weights = [rng.integers(-3, 4, case.channels[0]).astype(dtype) for _ in range(case.weights)]
    right = case.formula(*(array.astype(np.float64) for array in (*inputs, *weights)))
    names = [f"in{k}" for k in range(len(inputs))] if isinstance(case.operation, Map | Concat) else ["x"]
    given = dict(zip(names, inputs, strict=True)) | {f"channel{k}": w for k, w in enumerate(weights)}
    return given | {"y": np.full(right.shape, np.nan, dtype)}, right


def sizes_of(operation: Operation, batch: int, steps: int) -> dict[str, int]:
    if isinstance(operation, Map) and operation.flat:
        return {"N": 1, "T": batch * steps * operation.channels}
    return {"N": batch, "T": steps}


def flat(operation: Operation, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays as the kernel has them: those of a flat map are rows."""
    if isinstance(operation, Map) and operation.flat:
        return {name: array.reshape(-1) for name, array in arrays.items()}
    return arrays


def assert_alike(case: Case, y: Array, right: Array, what: str) -> None:
    close = {"f16": 2e-3, "f64": 1e-13}.get(case.operation.dtype, 1e-6)
    np.testing.assert_allclose(y.astype(np.float64), right, rtol=close, atol=close, err_msg=f"{case} {what}")


@pytest.mark.parametrize("case", cases("f32"), ids=str)
def test_each_pass_keeps_it(case: Case) -> None:
    operation = case.operation
    kernel: Kernel = operation.kernel()
    verify(kernel)
    for steps in (case.least, case.least + 6):
        for name, each in [("lowered", kernel), *stages(operation, kernel, TARGETS["avx2"], check=True)]:
            arrays, right = data(case, 2, steps)
            interpret(each, flat(operation, arrays), sizes_of(operation, 2, steps))
            assert_alike(case, arrays["y"], right, f"@2x{steps} {name}")


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_as_code(dtype: str, target: str) -> None:
    """Every operation, around vectors, blocks and chunks of sums, alone and in a team."""
    if not TARGETS[target].converts(dtype):
        pytest.skip(f"{target} has no {dtype}")
    for case in cases(dtype):
        native = compile_operation(case.operation, target).native
        long = (600, 5000) if dtype == "f32" else (300,)
        for steps in (case.least, case.least + 1, 13, 64, *long):
            for team in (1, 3):
                arrays, right = data(case, 2, max(steps, case.least))
                run = partial(call, native, target=target, team=team)
                run(arrays, sizes_of(case.operation, 2, max(steps, case.least)))
                assert_alike(case, arrays["y"], right, f"@2x{steps} {target} team {team}")


@pytest.mark.parametrize("kind", ops.POOLS)
def test_a_nan_in_a_window_shows_and_no_other_does(kind: str) -> None:
    native = compile_operation(Pool("f32", 4, kind, 3, 1, "same")).native
    x = np.ones((1, 50, 4), np.float32)
    x[0, 20, 1] = x[0, 0, 2] = np.nan
    y = np.zeros_like(x)
    call(native, {"x": x, "y": y}, {"N": 1, "T": 50}, "host")
    assert {*zip(*np.nonzero(np.isnan(y[0])), strict=True)} == {(19, 1), (20, 1), (21, 1), (0, 2), (1, 2)}
