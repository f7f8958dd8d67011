"""From a row of classes to a case: every class has values, of which one is drawn. Sizes stay small, so that a case
takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import CompileError
from ..machine.host import resolve
from ..machine.target import PAGE
from ..problem import LARGEST_SPAN, Activation, Problem
from ..problem.summation import LONGEST_CHAIN
from ..schedule.cost_model import choose
from ..schedule.plan import Plan
from .case import AFTERWARDS, POLICIES, Case, Shape

_CALLS = 3  # of a layer, each with a shape of its own
_PRODUCTS = 4_000_000  # of one call, at most
_GATHERED = 500_000  # numbers that the taps of one call read, at most
_NUMBERS = 60_000  # in the input or the output of one call, at most
_WEIGHTS = 200_000  # of a layer with many taps, at most
_LONGEST, _WIDEST = 20_000, 2**31
_RARELY = 0.03
_MODELLED = 10_000  # strides and dilations for which the cost model is asked where tiles end


class _Draw:
    """Random numbers of the kinds that are needed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, least: int, most: int) -> int:
        """Small numbers as often as large ones."""
        return min(most, int(least * ((most + 1) / least) ** self.rng.random())) if most > least else least

    def one_of(self, *values: int) -> int:
        return int(values[self.rng.integers(len(values))])

    def rarely(self) -> bool:
        return bool(self.rng.random() < _RARELY)


def sample(row: Mapping[str, str], others: Callable[[], Mapping[str, str]], rng: np.random.Generator) -> Case:
    """A case of these classes, whose first call has the row's batch and length, and the others those of `others()`."""
    draw = _Draw(rng)
    dtype = POLICIES.get(row["dtype"], row["dtype"])
    after = row["activation"] in AFTERWARDS
    problem = _problem(row, dtype, "linear" if after else row["activation"], draw)
    case = Case(
        problem,
        ((1, 1),),
        target=row["target"],
        algorithm=row["algorithm"],
        accuracy=row["accuracy"],
        threads=int(row["threads"]),
        then=row["activation"] if after else "",
        policy=row["dtype"] if row["dtype"] in POLICIES else "",
        input=row["input"],
        seed=int(rng.integers(1 << 31)),
    )
    plan = _plan(case)
    lengths = (row, *(others() for _ in range(_CALLS - 1)))
    return case.with_(
        shapes=tuple(_shape(case, plan, int(row["rank"]), each["batch"], each["length"], draw) for each in lengths)
    )


def _problem(row: Mapping[str, str], dtype: str, activation: str, draw: _Draw) -> Problem:
    lanes = resolve(row["target"]).lanes("f64" if dtype == "f64" else "f32")
    depthwise = row["groups"] in ("depthwise", "multiplied")
    width, filters = (_width(row[name], lanes, draw) for name in ("channels", "filters"))
    groups = width if depthwise else draw.between(2, 5) if row["groups"] == "some" else 1
    channels = 1 if depthwise else width
    if not depthwise and groups > 1 and width > LONGEST_CHAIN:
        groups = 2
    taps = _taps(row["taps"], channels, channels * filters * groups, draw)
    stride, dilation = _steps(row, taps, draw)
    # steps that indices can count, with as much again for the padding
    room = LARGEST_SPAN // (64 * groups * max(channels, filters))
    dilation = max(1, min(dilation, room // taps))
    stride = max(1, min(stride, room // dilation))
    reach = (taps - 1) * dilation + 1
    problem = Problem(
        channels * groups,
        filters * groups,
        taps,
        stride,
        dilation,
        groups,
        "valid",
        Activation.parse(activation),
        dtype,
        channels_first=row["layout"] == "first",
        use_bias=row["bias"] == "yes",
    )
    most = int(stride / _size(problem, 0)) // 4  # zeros on a side, so that their outputs are few enough
    return problem.with_(padding=_padding(row["padding"], min(reach, max(most, 4)), draw))


def _width(name: str, lanes: int, draw: _Draw) -> int:
    """Channels or filters of a group."""
    match name:
        case "1":
            return 1
        case "few":
            return draw.one_of(2, 3, 4, 5)
        case "lanes-1" | "lanes" | "lanes+1":
            return max(2, lanes + {"lanes-1": -1, "lanes": 0, "lanes+1": 1}[name])
        case "two and some":
            return 2 * lanes + draw.between(1, lanes)
        case "many":
            return draw.one_of(3, 4, 5, 6) * lanes + draw.one_of(0, 0, 1, 3)
    return LONGEST_CHAIN + draw.one_of(-1, 0, 1, 2, 5, 64)


def _taps(name: str, channels: int, weights: int, draw: _Draw) -> int:
    match name:
        case "1" | "2" | "3":
            return int(name)
        case "few":
            return draw.between(4, 9)
        case "many":
            return draw.between(10, 48)
        case "a chunk":  # as many products as are added up in one chain, or twice as many, or one tap more or less
            return max(1, draw.one_of(1, 1, 2, 3) * LONGEST_CHAIN // channels + draw.one_of(-1, 0, 0, 1))
    most = _LONGEST if draw.rarely() and weights == 1 else 1500
    return max(LONGEST_CHAIN + 1, min(draw.between(LONGEST_CHAIN + 1, most), _WEIGHTS // weights))


def _steps(row: Mapping[str, str], taps: int, draw: _Draw) -> tuple[int, int]:
    """Stride and dilation."""
    match row["dilation"]:
        case "few":
            dilation = draw.between(3, 9)
        case "wide":
            dilation = draw.between(10, 70) if taps < 50 else draw.between(10, 20)
            dilation = draw.one_of(_WIDEST, 10**6) if draw.rarely() and taps < 10 else dilation
        case name:
            dilation = int(name)
    match row["stride"]:
        case "few":
            stride = draw.between(3, 9)
        case "wider than the kernel":
            reach = (taps - 1) * dilation + 1
            stride = reach + draw.between(1, 40)
            stride = draw.one_of(_WIDEST, 2**40, 10**5) if draw.rarely() else stride
        case name:
            stride = int(name)
    return stride, dilation


def _padding(name: str, reach: int, draw: _Draw) -> str | tuple[int, int]:
    match name:
        case "explicit":
            return draw.between(1, reach) - 1, draw.between(1, reach) - 1
        case "one side":
            return draw.one_of(0, draw.between(1, reach)), 0
        case "wider than the kernel":
            return draw.one_of(0, reach + draw.between(1, 20)), reach + draw.between(1, 20)
    return name


def _plan(case: Case) -> Plan | None:
    """Where the tiles and blocks of a case's kernel end; None where the cost model does not say, or would take long."""
    problem = case.problem
    if max(problem.stride, problem.dilation) > _MODELLED:
        return None
    try:
        return choose(problem, resolve(case.target), case.algorithm, case.accuracy)
    except CompileError:
        return None


def _shape(case: Case, plan: Plan | None, rank: int, batch: str, length: str, draw: _Draw) -> Shape:
    """Batch axes and a length, of classes, as far as the most that a call may be allows."""
    steps = _length(case, plan, length, draw)
    while steps > 8 and _size(case.problem, steps) > 1:
        steps = steps * 3 // 4
    most = max(1, int(1 / max(_size(case.problem, steps), 1e-9)))
    number = min(most, draw.one_of(3, 4, 5) if batch == "several" else int(batch))
    axes = []
    for _ in range(rank - 3):
        axes.append(min(draw.one_of(1, 2, 3), max(1, most // max(1, number))))
        most //= axes[-1]
    return (*axes, number, steps)


def _size(problem: Problem, steps: int) -> float:
    """How large a call of one sequence is, 1 being as large as a call may be."""
    zeros = sum(problem.padding) if isinstance(problem.padding, tuple) else 0
    outputs = (steps + zeros) // problem.stride + 1
    per_filter = problem.kernel_size * problem.channels // problem.groups
    gathered, products = outputs * problem.kernel_size * problem.channels, outputs * per_filter * problem.filters
    numbers = max(steps * problem.channels, outputs * problem.filters)
    return max(gathered / _GATHERED, products / _PRODUCTS, numbers / _NUMBERS)


def _length(case: Case, plan: Plan | None, name: str, draw: _Draw) -> int:
    """Steps of the input: around the kernel's reach, or so many that outputs end around a tile's or a block's end."""
    problem = case.problem
    reach = (problem.kernel_size - 1) * problem.dilation + 1
    reach = reach if reach < 100_000 else draw.between(1, 100)
    near = draw.one_of(-1, 0, 0, 1)
    rows, width, block = (plan.rows, plan.width * plan.vectors, plan.block) if plan else ((6, 1), 16, 104)
    match name:
        case "0" | "1":
            return int(name)
        case "short":
            return draw.between(1, max(1, reach - 1))
        case "extent-1" | "extent" | "extent+1":
            return max(0, reach + {"extent-1": -1, "extent": 0, "extent+1": 1}[name])
        case "tile":
            outputs = (
                draw.one_of(1, 2, 3) * draw.one_of(*rows) * draw.one_of(1, max(1, plan.outputs if plan else 1)) + near
            )
        case "lanes":
            outputs = draw.one_of(1, 2, 3) * width + near
        case "block":
            outputs = block + near
        case "blocks":
            outputs = 2 * block + draw.between(1, block)
        case "page":
            size = {"f64": 8, "f32": 4}.get(problem.dtype, 2) * (1 if problem.channels_first else problem.channels)
            return max(1, PAGE // size * draw.one_of(1, 1, 2) + near)
        case _:
            return draw.between(1, 150)
    steps = max(1, min(outputs, 5000))
    stride = min(problem.stride, 5000)
    # The outputs that lack no tap, or all that there are.
    return (steps - 1) * stride + draw.one_of(reach, 1, stride)
