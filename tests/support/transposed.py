"""Transposed convolutions: data in which sums are exact, what they give by the definition, and kernels interpreted."""

from collections.abc import Iterator, Mapping

import numpy as np
from support.type_helpers import Array

from conv1d_codegen import knobs
from conv1d_codegen.compiler import OperationProgram, Program, compile_operation, compile_problem
from conv1d_codegen.ir import Expression
from conv1d_codegen.lower.transposed import Part, Transposed
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import TARGETS
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.options import CompileOptions
from conv1d_codegen.reference.interpreter import interpret
from conv1d_codegen.runtime import driver
from conv1d_codegen.runtime.driver import FIRST_ARRAY, Place, Step, Table, number
from conv1d_codegen.selftest.guards import SIDES, guarded

#: channels, filters, taps, stride, dilation, left, right: phases without taps, of one tap and of several; a dilation and
#: a stride that share a factor; steps cropped away and added, few and more than the taps reach; full and partial vectors
CASES = (
    Transposed(3, 5, 6, 4, 1, 1, 1),
    Transposed(3, 16, 2, 5, 1, 0, -3),
    Transposed(16, 8, 16, 8, 1, 4, 4, dtype="f64"),
    Transposed(3, 2, 5, 2, 1, 7, -2, use_bias=False),
    Transposed(1, 1, 3, 2, 1, 0, 0),
    Transposed(4, 7, 5, 3, 2, 1, -1),
    Transposed(8, 4, 3, 4, 2, 1, -1, dtype="f64"),
    Transposed(5, 9, 4, 1, 3, 4, 4),
    Transposed(2, 2, 1, 4, 1, 3, -9),
    Transposed(4, 3, 3, 2, 1, 6, -9, dtype="f64", use_bias=False),
    Transposed(33, 17, 3, 2, 1, 1, 0),
    Transposed(6, 1, 17, 9, 1, 0, 0),
    Transposed(4, 6, 5, 3, 1, 1, -1, groups=2),
    Transposed(20, 20, 4, 2, 1, 1, 1, groups=20),
)


def exact_data(whole: Transposed, batch: int, length: int) -> dict[str, Array]:
    """Small integers: `x`, `w` and, if there is one, `b`."""
    rng = np.random.default_rng(length)
    dtype = TYPES[whole.dtype].numpy
    shapes = {
        "x": (batch, length, whole.channels),
        "w": (whole.kernel_size, whole.filters, whole.channels // whole.groups),
        **({"b": (whole.filters,)} if whole.use_bias else {}),
    }
    return {name: rng.integers(-3, 4, shape).astype(dtype) for name, shape in shapes.items()}


def by_definition(whole: Transposed, data: Mapping[str, Array]) -> Array:
    """Each input step adds to the output steps of its taps; in float64."""
    x, w = data["x"].astype(np.float64), data["w"].astype(np.float64)
    batch, length, _ = x.shape
    y = np.zeros((batch, whole.output_length(length), whole.filters))
    for t in range(length):
        for j in range(whole.kernel_size):
            u = t * whole.stride + j * whole.dilation - whole.left
            if 0 <= u < y.shape[1]:
                of_groups = zip(np.split(x[:, t], whole.groups, 1), np.split(w[j], whole.groups), strict=True)
                y[:, u] += np.concatenate([part @ own.T for part, own in of_groups], 1)
    return y + data["b"] if "b" in data else y


def programs(
    whole: Transposed, length: int, target: str | None, epilogue: Expression | None = None, algorithm: str = "auto"
) -> Iterator[tuple[Part, Program | OperationProgram, int]]:
    """The parts that have steps, each with its program, and the run-time size `T` of that."""
    for part in whole.parts():
        if part.rows(length) <= 0:
            continue
        if part.has_products(length):
            size = part.problem_length(length)
            made = compile_problem(
                part.problem,
                CompileOptions(target=target, algorithm=algorithm),
                size,
                part.epilogue(epilogue),
                part.placement,
            )
            yield part, made.program, size
        else:
            yield part, compile_operation(part.bare(epilogue), target), part.rows(length)


def interpreted(whole: Transposed, data: Mapping[str, Array], stage: str) -> Array:
    """The output of the loops as they are lowered, `stage` "loop", or as they would run, "scheduled"."""
    batch, length, _ = data["x"].shape
    y = np.full((batch, whole.output_length(length), whole.filters), np.nan, data["x"].dtype)
    for part, program, size in programs(whole, length, "avx2"):
        weights = part.laid_out({n: a for n, a in data.items() if n != "x"}, part.has_products(length))
        arrays = {**weights, "x": data["x"], "y": y}
        interpret(getattr(program, stage), arrays, {"N": batch, "T": size})
    return y


def run(
    whole: Transposed,
    data: dict[str, Array],
    epilogue: Expression | None = None,
    further: dict[str, Array] | None = None,
    algorithm: str = "auto",
) -> Array:
    """The output of the machine code, for the target that is set. `further` are an epilogue's inputs and weights.

    Every array lies against a page that nothing may touch.
    """
    batch, length, _ = data["x"].shape
    side = SIDES[length % 2]
    y = guarded(np.full((batch, whole.output_length(length), whole.filters), np.nan, data["x"].dtype), side)
    given = {**{name: guarded(array, side) for name, array in (data | (further or {})).items()}, "y": y}
    weights = {name: array for name, array in given.items() if array.ndim == 1 or name == "w"}
    arrays = [array for name, array in given.items() if name not in weights]
    places = {name: Place(FIRST_ARRAY + k, 0) for k, name in enumerate(name for name in given if name not in weights)}
    steps, kept = [], []
    for part, program, size in programs(whole, length, None, epilogue, algorithm):
        native, sizes = program.native, {"N": batch, "T": size}
        kept.append(packed := native.pack(part.laid_out(weights, part.has_products(length)), sizes))
        slots = [
            places[b.name] if b.name in places else number(packed[b.name].ctypes.data) for b in native.kernel.buffers
        ]
        slots += [number(sizes[name]) for name, _ in native.kernel.sizes]
        steps.append(Step(native, tuple(slots), native.entry.iterations[0].evaluate(sizes)))
    table = Table(steps, 1)
    room = np.zeros(table.scratch_bytes + 64, np.uint8)
    scratch = room.ctypes.data + -room.ctypes.data % 64
    table.run(
        driver.driver(resolve(knobs.target(TARGETS))),
        scratch,
        scratch,
        [a.ctypes.data for a in arrays],
        (room, arrays, kept),
    )
    return y
