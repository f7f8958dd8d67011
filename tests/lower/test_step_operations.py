"""Operations of other numbers of steps than the input's, whose sizes a call says: copies, steps that lie apart, resizing,
a transposition, transposed convolutions as one kernel. Proved and interpreted after each pass, and as code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pytest
from support.helpers import RUNNABLE
from support.natives import call
from support.operation_helpers import staged
from support.transposed import CASES as TRANSPOSED
from support.transposed import by_definition, exact_data
from support.type_helpers import Array

from conv1d_codegen.compiler import compile_operation
from conv1d_codegen.lower.operations import Copy, EachStep, Operation, Resize, Transpose
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.network import ops, reference
from conv1d_codegen.network.ops.moves import COORDINATES, ROUNDINGS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.reference.interpreter import interpret


@dataclass(frozen=True)
class Case:
    """An operation, its arrays but for the output, its sizes, and what the output is: NaN where nothing is
    written.
    """

    operation: Operation
    arrays: Mapping[str, Array]
    sizes: Mapping[str, int]
    right: Array
    exact: bool = field(default=True)

    @cached_property
    def name(self) -> str:
        return f"{self.operation} {dict(self.sizes)}"

    def output(self) -> Array:
        return np.full(self.right.shape, np.nan, self.arrays["x"].dtype)

    def check(self, y: Array, what: str) -> None:
        close = 0.0 if self.exact else {"f16": 2e-3, "f64": 1e-14}.get(self.operation.dtype, 1e-6)
        np.testing.assert_allclose(y, self.right, rtol=close, atol=close, err_msg=f"{self.name} {what}")


def data(dtype: str, *shape: int) -> Array:
    rng = np.random.default_rng(shape)
    return np.asarray(rng.integers(-9, 10, shape).astype(TYPES[dtype].numpy))


def copies(dtype: str) -> list[Case]:
    made = []
    for count, before, after in ((1, 0, 0), (1, 3, 0), (37, 5, 7), (16384, 0, 1), (40000, 2, 0)):
        x = data(dtype, 2, before + count + after)
        sizes = {"N": 2, "T": count, "B": before, "A": after}
        made.append(Case(Copy(dtype), {"x": x}, sizes, x[:, before : before + count]))
        inside = np.full(x.shape, np.nan, x.dtype)
        inside[:, before : before + count] = part = data(dtype, 2, count)
        made.append(Case(Copy(dtype, into=True), {"x": part}, sizes, inside))
    return made


def steps(dtype: str) -> list[Case]:
    made = []
    for channels, step, count, before, after in ((5, 2, 1, 0, 0), (1, 3, 9, 2, 1), (33, 4, 300, 0, 3)):
        x = data(dtype, 2, before + (count - 1) * step + 1 + after, channels)
        sizes = {"N": 2, "T": count, "B": before, "A": after}
        right = x[:, before : before + (count - 1) * step + 1 : step]
        made.append(Case(EachStep(dtype, channels, step), {"x": x}, sizes, right))
    return made


def transpositions(dtype: str) -> list[Case]:
    sizes = ((1, 1), (5, 37), (64, 3), (33, 40))
    made = [(Transpose(dtype, channels, count), data(dtype, 2, count, channels)) for channels, count in sizes]
    return [Case(operation, {"x": x}, {"N": 2, "T": x.shape[1]}, x.swapaxes(1, 2)) for operation, x in made]


def resized(operation: Resize, length: int) -> Case:
    x = data(operation.dtype, 2, length, operation.channels)
    op = ops.Resize(operation.mode, operation.up, operation.down, operation.coordinates, operation.rounding)
    right = reference.compute(op, [x.astype(np.float64)], {})
    tables = {"fractions": operation.fractions(length)} if operation.on_line else {}
    return Case(operation, {"x": x, **tables}, {"N": 2, "T": length}, right, exact=not operation.on_line)


def resizes(dtype: str) -> list[Case]:
    made = []
    for coordinates in COORDINATES:
        for up, down in ((2, 1), (3, 2), (2, 5), (10, 3), (1, 1)):
            for rounding in ROUNDINGS:
                made.append(Resize(dtype, 7, "nearest", up, down, coordinates, rounding))
            made.append(Resize(dtype, 7, "linear", up, down, coordinates, "floor"))
    lengths = (1, 2, 9, 30)
    return [resized(each, length) for each in made for length in lengths if length * each.up >= each.down]


def transposed(dtype: str) -> list[Case]:
    made = []
    for whole in TRANSPOSED:
        if whole.dtype != dtype:
            continue
        for length in (1, 2, 5, 40):
            if whole.output_length(length) > 0:
                given = exact_data(whole, 2, length)
                laid = whole.laid_out({name: array for name, array in given.items() if name != "x"}, True)
                arrays = {"x": given["x"], **laid}
                made.append(Case(whole.direct(None), arrays, {"N": 2, "T": length}, by_definition(whole, given)))
    return made


def cases(dtype: str) -> list[Case]:
    return [*copies(dtype), *steps(dtype), *transpositions(dtype), *resizes(dtype), *transposed(dtype)]


@pytest.mark.parametrize("target", ["sse2", "avx512"])
def test_each_pass_keeps_it(target: str) -> None:
    proved: dict[Operation, list[tuple[str, object]]] = {}
    for case in cases("f32"):
        if case.right.shape[1] > 40 or (isinstance(case.operation, Resize) and case.sizes["T"] > 2):
            continue
        if case.operation not in proved:
            proved[case.operation] = list(staged(case.operation, target))
        for name, kernel in proved[case.operation]:
            y = case.output()
            interpret(kernel, {**case.arrays, "y": y}, case.sizes)  # type: ignore[arg-type]
            case.check(y, name)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_as_code(dtype: str, target: str) -> None:
    if not TARGETS[target].converts(dtype):
        pytest.skip(f"{target} has no {dtype}")
    some = cases(dtype) if dtype == "f32" else cases(dtype)[::7]
    for case in some:
        native = compile_operation(case.operation, target).native
        for team in (1, 3):
            y = case.output()
            call(native, {**case.arrays, "y": y}, case.sizes, target, team)
            case.check(y, f"{target} team {team}")


def test_fractions_of_a_line_are_exact() -> None:
    """Where steps fall on each other, nothing of a neighbour is in them: not even of an infinite one."""
    operation = Resize("f32", 1, "linear", 10, 3, "align_ends", "floor")
    x = np.array([[[1.0], [np.inf], [2.0]]], np.float32)
    case = resized(operation, 3)
    y = case.output()[:1]
    arrays = {"x": x, "fractions": case.arrays["fractions"], "y": y}
    call(compile_operation(operation).native, arrays, {"N": 1, "T": 3}, "host")
    assert (y[0, 0], y[0, -1]) == (1, 2)
