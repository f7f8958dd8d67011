"""What the tests of Cook–Toom share: plans, which outputs lie in windows, and a machine that computes in rational
numbers.

There nothing is rounded. So a kernel, after any pass and with any F(m, r), gives exactly the formula's numbers; what is
not yet written is NaN, as in the interpreter.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from support.helpers import empty_output, expected, sizes_of
from support.type_helpers import Array, Data

from conv1d_codegen import reference
from conv1d_codegen.ir import Accumulate, Activate, Buffer, Const, Fma, Kernel, Load, Statement, Store, Value
from conv1d_codegen.ir.packing import Mixing, Packing
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.problem import Problem
from conv1d_codegen.problem.folding import folds
from conv1d_codegen.reference.interpreter import Machine, Step
from conv1d_codegen.schedule.cost_model import choose
from conv1d_codegen.schedule.plan import Plan
from conv1d_codegen.schedule.window_forms import error_of, form_of
from conv1d_codegen.toom.split import Split


def toom_plan(
    outputs: int,
    taps: int,
    width: int = 4,
    vectors: int = 1,
    rows: tuple[int, ...] = (2, 1),
    windows: int = 3,
    unroll: int = 2,
    **details: Any,
) -> Plan:
    """F(outputs, taps), with so many windows in a block."""
    return Plan("cook_toom", "filters", width, vectors, rows, windows * outputs, unroll, outputs, taps, **details)


def plan_of(toom: tuple[int, ...], **rest: Any) -> Plan:
    """The plan for outputs, taps and what inner levels there are."""
    outputs, taps, *nested = toom
    return toom_plan(outputs, taps, nested=tuple(nested), **rest)


def plan_for(problem: Problem, toom: tuple[int, ...], **rest: Any) -> Plan:
    """The same, with as many steps folded as a vector has lanes where the problem can have that."""
    return plan_of(toom, fold=4 if folds(problem) else 1, **rest)


class Windows(NamedTuple):
    """Where a sequence's windows lie, by the words at the top of `lower/cook_toom.py`."""

    first: list[int]  # output of each window
    outputs: int  # of a window,
    between: int  # and the steps from one of them to the next

    @property
    def inside(self) -> set[int]:
        """The outputs that lie in a window."""
        return {t + a * self.between for t in self.first for a in range(self.outputs)}


def windows_of(problem: Problem, plan: Plan, length: int) -> Windows:
    """They begin at the first output whose taps all fall on the input at every length, and follow each other as long as
    there is room.
    """
    split = plan.split(problem)
    (least, most), steps = problem.left_paddings(), max(0, problem.output_length(length))
    span = (split.all_taps - 1) * plan.fold * problem.dilation
    inside = [t for t in range(steps) if most <= t * problem.stride < length + least - span]
    between = split.sequences
    outputs = plan.outputs * plan.fold  # of folded steps, there are no sequences
    whole = len(inside) // (outputs * between)
    first = [
        inside[0] + number * outputs * between + sequence for number in range(whole) for sequence in range(between)
    ]
    return Windows(first, outputs, between)


class _Rational(Machine):
    """The interpreter's machine, with Python's integers and fractions as numbers."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__(np.dtype(object), sizes)
        self.counted: Counter[str] = Counter()  # "read x", "written y" and so on: how many numbers

    def step(self, statement: Statement) -> Step:
        run = super().step(statement)
        if not isinstance(statement, Store | Accumulate):
            return run
        written = f"written {statement.buffer.name}"

        def counted() -> None:
            self.counted[written] += 1
            run()

        return counted

    def number(self, value: Value) -> Callable[[], Any]:
        below = [self.number(operand) for operand in value.operands]
        match value:
            case Const(constant):
                number = Fraction(constant)
                return lambda: number
            case Load(buffer, place):
                return self._read(buffer, self.place(buffer, place))
            case Fma():
                a, b, c = below
                return lambda: a() * b() + c()
            case Activate(activation):
                assert activation.name in ("linear", "relu")
                (a,) = below
                return a if activation.name == "linear" else lambda: max(a(), Fraction(0))
        return super().number(value)

    def _read(self, buffer: Buffer, at: Callable[[], tuple[int, ...]]) -> Callable[[], Any]:
        def number() -> Any:
            self.counted[f"read {buffer.name}"] += 1
            return self.arrays[buffer.name][at()]

        return number


def mixed(mixing: Mixing, weights: Array, plan: Plan) -> Array:
    """The transformed weights, by the fractions that the numbers of the mixing stand for."""
    exact = {float(c): c for row in plan.toom.weights for c in row}
    matrix = np.array([[exact[number] for number in row] for row in mixing.matrix], object)
    taps = mixing.by_tap(weights.reshape(len(weights), -1))
    of_terms = []
    for term in range(mixing.terms):
        first, count = mixing.first_tap(term).evaluate({}), mixing.count(term)
        of_terms.append(matrix[:, :count] @ taps[first :: mixing.phases][:count])
    return np.stack(of_terms, axis=1).reshape([size.constant for size in mixing.shape])


def _packed(packing: Packing, array: Array, sizes: dict[str, int]) -> Array:
    """What a packing does, done to the numbers' places."""
    places = packing(np.arange(1, array.size + 1), np.dtype(np.int64), sizes)
    packed: Array = np.array([0, *array.reshape(-1)], object)[places]
    return packed


def run_exactly(
    kernel: Kernel, problem: Problem, plan: Plan, x: Array, w: Array, b: Array | None
) -> tuple[Array, Counter[str]]:
    """What a kernel computes in rational numbers, for arrays of integers; and how many numbers it read and wrote, by
    buffer.
    """
    batch, length = x.shape[0], x.shape[2 if problem.channels_first else 1]
    sizes = sizes_of(kernel, problem, batch, length)
    arrays = {
        name: array.astype(np.int64).astype(object)
        for name, array in (("x", x), ("w", w), ("b", b))
        if array is not None
    }
    arrays["y"] = empty_output(problem, batch, length).astype(object)
    for packing in kernel.packings:
        source = arrays[packing.source]
        arrays[packing.target] = (
            mixed(packing, source, plan) if isinstance(packing, Mixing) else _packed(packing, source, sizes)
        )
    machine = _Rational(sizes)
    for buffer in kernel.buffers:
        machine.arrays[buffer.name] = arrays[buffer.name].reshape([size.evaluate(sizes) for size in buffer.shape])
    machine.block(kernel.body)()
    return machine.arrays["y"].reshape(arrays["y"].shape), machine.counted


def assert_rational(problem: Problem, plan: Plan, kernel: Kernel, data: Data, note: str = "") -> None:
    """A kernel gives the formula's numbers, exactly."""
    x, w, b = data
    wanted = expected(problem.with_(dtype="f64"), x, w, b)
    actual, _ = run_exactly(kernel, problem, plan, x, w, b)
    case = f"{problem}@{x.shape[0]}x{x.shape[2 if problem.channels_first else 1]} {note}, plan {plan}"
    wrong = np.argwhere(actual != wanted)
    assert not len(wrong), (
        f"{case}: {len(wrong)} numbers, at {wrong[0]} {actual[tuple(wrong[0])]} instead of {wanted[tuple(wrong[0])]}"
    )


def least_length(problem: Problem, plan: Plan) -> int:
    """The shortest input of which some outputs lie in windows."""
    return next(length for length in range(1 << 12) if windows_of(problem, plan, length).first)


def reads_of(problem: Problem, plan: Plan, length: int) -> list[set[int]]:
    """For each window, the steps of the input that it reads."""
    split, windows = plan.split(problem), windows_of(problem, plan, length)
    inputs = [
        (split.first_tap(term) * problem.dilation + u * split.spacing) * plan.fold + step
        for term in range(split.terms)
        for u in range(plan.toom.reach)
        for step in range(plan.fold)
    ]
    left = problem.left_padding(length)
    return [{t * problem.stride - left + step for step in inputs} for t in windows.first]


def like_auto(problem: Problem, target: str, outputs: int, taps: int, *nested: int) -> Plan:
    """The cost model's tile, for F(outputs, taps) and blocks of as many windows. If that is nested, all windows of a
    block go over one chunk of the weights before the next.
    """
    plan = choose(problem, resolve(target), "cook_toom")
    block, streams = plan.block // plan.outputs * outputs, nested and Split.of(problem, taps).sequences == 1
    return replace(plan, outputs=outputs, taps=taps, nested=nested, block=block, stream=block if streams else 0)


def like_direct(plan: Plan) -> Plan:
    """The direct plan with the same tile."""
    return replace(plan, algorithm="direct", outputs=0, taps=0, nested=(), fold=1, stream=0)


def predicted_share(problem: Problem, plan: Plan) -> float:
    """The largest error of the error model, as a share of direct's bound."""
    return error_of(problem, form_of(plan))


def steps_first(problem: Problem, array: Array, sequence: int = 0) -> Array:
    """One sequence as `(steps, channels)`, a view."""
    of_sequence: Array = array[sequence]
    return of_sequence.T if problem.channels_first else of_sequence


def share_of_bound(problem: Problem, y: Array, x: Array, w: Array, b: Array | None) -> Array:
    """The error of each output as a share of the bound; steps before filters."""
    error = np.abs(y.astype(np.float64) - reference.conv1d(x, w, b, problem))
    # it is 0 beside the input
    share = error / np.maximum(reference.error_bound(x, w, b, problem), np.finfo(np.float64).tiny)
    return np.moveaxis(share, 2, 1) if problem.channels_first else share


@st.composite
def any_case(draw: st.DrawFn) -> tuple[Problem, Plan, int, int]:
    """A problem, a plan for it, a batch and a length."""
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    problem = Problem(
        channels=groups * draw(st.integers(1, 4)),
        filters=groups * draw(st.integers(1, 6)),
        kernel_size=draw(st.integers(1, 8)),
        stride=draw(st.sampled_from([1, 1, 1, 2, 3, 4])),
        dilation=draw(st.sampled_from([1, 1, 1, 2, 3, 4])),
        groups=groups,
        padding=draw(st.sampled_from(["valid", "same", "causal"]) | st.tuples(st.integers(0, 9), st.integers(0, 9))),
        channels_first=draw(st.booleans()),
        use_bias=draw(st.booleans()),
    )
    fold = draw(st.sampled_from([1, 1, 1, 4, 8]))
    if fold > 1:
        one = {"channels": groups, "filters": groups, "stride": 1, "dilation": 1}
        first = groups > 1 or problem.channels_first
        problem = problem.with_(**one, channels_first=first, kernel_size=draw(st.integers(1, 3 * fold)))
    turned = problem.channels_first and fold == 1 and draw(st.booleans())
    nested = draw(st.sampled_from([(), (), (2,), (3,)]))
    step, windows = math.prod(nested), draw(st.integers(1, 6))
    outputs = step * draw(st.integers(1 if nested else 2, 3 if nested else 6))
    plan = toom_plan(
        outputs,
        step * draw(st.integers(1, 3 if nested else 5)),
        width=draw(st.sampled_from([width for width in (1, 2, 4, 8) if fold == 1 or fold % width == 0])),
        vectors=draw(st.integers(1, 3)),
        rows=(*sorted(draw(st.sets(st.integers(2, 5), max_size=2)), reverse=True), 1),
        windows=windows,
        unroll=draw(st.integers(1, 5)),
        nested=nested,
        fold=fold,
        rest=draw(st.integers(1, 3)),
        stream=draw(st.sampled_from([0, windows * outputs])),
        transposed=turned,
        turned=turned,
        prefetch=("next_block",) if turned and draw(st.booleans()) else (),
    )
    return problem, plan, draw(st.integers(1, 3)), draw(st.integers(0, 40 * fold))
