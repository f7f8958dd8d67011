"""One case, run: a layer is made, called for each shape in many ways, and what it gives is held against the oracle.

Raises `Failed`, with the shape and what is wrong, or whatever the layer raises and should not.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..compiler import compile_problem
from ..layers import activations
from ..layers.conv1d import Conv1D
from ..number_types import TYPES
from ..runtime import threads
from .case import Case, Shape
from .formulas import activation
from .guards import SIDES, guarded
from .oracle import Wanted, geometry, reads, wanted

Array = np.ndarray[Any, Any]


class Failed(AssertionError):
    """A layer gave something else than it should."""


def halved_plus_one(y: Array) -> Array:
    """The callable that cases of `then=callable` have for an activation."""
    return np.asarray(y / 2 + 1, y.dtype)


def share_all_work() -> None:
    """Let calls use as many threads as they are allowed, however little there is to do. For a process that does nothing
    else.
    """
    threads.worth = lambda flops, iterations, limit: max(1, min(limit, iterations))


def run(case: Case) -> int:
    """Make the layer, and check each call; the number of outputs that were compared with the oracle."""
    tester = _Tester(case)
    return sum(tester.call(number, shape) for number, shape in enumerate(case.shapes))


class _Tester:
    """A case's layer and its weights: small integers, and random numbers."""

    def __init__(self, case: Case) -> None:
        self.case = case
        problem = case.problem
        self.dtype = TYPES[problem.dtype].numpy
        rng = np.random.default_rng((case.seed, 0))
        shape, filters = problem.kernel_shape, problem.filters
        self.integers = [rng.integers(-2, 3, shape).astype(self.dtype), rng.integers(-3, 4, filters).astype(self.dtype)]
        self.reals = [rng.standard_normal(shape).astype(self.dtype), rng.standard_normal(filters).astype(self.dtype)]
        self.layer = self.new(case.threads)

    def new(self, count: int) -> Conv1D:
        """The layer, for so many threads, with integers for weights."""
        case, p = self.case, self.case.problem
        layer = Conv1D(
            p.filters,
            p.kernel_size,
            p.stride,
            p.padding if isinstance(p.padding, str) else "valid",
            "channels_first" if p.channels_first else "channels_last",
            p.dilation,
            p.groups,
            self._activation(),
            p.use_bias,
            dtype=case.policy or TYPES[p.dtype].keras,
            options=case.with_(threads=count).options,
        )
        layer.build((None, p.channels, None) if p.channels_first else (None, None, p.channels))
        self.set(layer, self.integers)
        return layer

    def _activation(self) -> Any:
        case, fused = self.case, self.case.problem.activation
        if case.then == "callable":
            return halved_plus_one
        if case.then:
            axis = -2 if case.problem.channels_first else -1
            return functools.partial(getattr(activations, case.then), axis=axis)
        return activations.identifier_of(fused)

    def set(self, layer: Conv1D, weights: list[Array]) -> None:
        layer.set_weights(weights if self.case.problem.use_bias else weights[:1])

    # One call

    def call(self, number: int, shape: Shape) -> int:
        """Every check of one shape."""
        case, p = self.case, self.case.problem
        steps = geometry(case, shape[-1]).steps
        inner = (p.channels, shape[-1]) if p.channels_first else (shape[-1], p.channels)
        full = (*shape[:-1], *inner)
        rng = np.random.default_rng((case.seed, number + 1))
        integers = rng.integers(-4, 5, full).astype(self.dtype)
        what = f"at {'x'.join(map(str, shape))}"
        refused = steps == 0 and not (shape[-1] == 0 and p.padding in ("same", "causal"))
        if refused or (case.then == "glu" and p.filters % 2):
            self._refused(integers, what)
            return 0
        windows = self._windows(shape[-1])
        y = self._everywhere(integers, what)
        self._inside(
            y, wanted(case, *self._float64(integers, self.integers), True, windows, self.dtype), f"{what}, integers"
        )
        if not y.size:
            return 0
        self._shorter(integers, y, windows, what)
        self._not_a_number(integers, y, windows, what)
        reals = rng.standard_normal(full).astype(self.dtype)
        self.set(self.layer, self.reals)
        real = self.layer(reals)
        self._inside(
            real, wanted(case, *self._float64(reals, self.reals), False, windows, self.dtype), f"{what}, random numbers"
        )
        self._alone(reals, real, f"{what}, random numbers")
        self.set(self.layer, self.integers)
        return 2 * int(y.size)

    def _refused(self, x: Array, what: str) -> None:
        try:
            y = self.layer(x)
        except ValueError:
            return
        raise Failed(f"{what}: should be refused with a ValueError, and gives {y.shape}")

    def _windows(self, length: int) -> bool:
        return compile_problem(self.layer.problem, self.layer.options, length).plan.algorithm == "cook_toom"

    def _float64(self, x: Array, weights: list[Array]) -> tuple[Array, Array, Array | None]:
        """The data in float64, and the inputs as `(N, T, C)`."""
        p = self.case.problem
        three = x.reshape(int(np.prod(x.shape[:-2])), *x.shape[-2:]).astype(np.float64)
        kernel, bias = (weight.astype(np.float64) for weight in weights)
        return three.transpose(0, 2, 1) if p.channels_first else three, kernel, bias if p.use_bias else None

    def _everywhere(self, x: Array, what: str) -> Array:
        """The same bits in fresh memory, between guard pages at either side, from other threads, and from inputs of
        another make.
        """
        y = self.layer(x)
        if y.dtype != self.dtype:
            raise Failed(f"{what}: gives {y.dtype}, not {self.dtype}")
        for side in SIDES:
            out = guarded(np.full(y.shape, np.nan, self.dtype), side)
            self._same(self.layer(guarded(x, side), out=out), y, f"{what}, guarded at the {side}")
        if self.case.threads > 1:
            self._same(self.new(1)(x), y, f"{what}, {self.case.threads} threads and 1")
        if self.case.input != "plain":
            self._same(self.layer(made(x, self.case.input)), y, f"{what}, inputs that are {self.case.input}")
        return y

    def _same(self, a: Array, b: Array, what: str) -> None:
        if a.shape != b.shape or a.tobytes() != b.tobytes():
            different = (
                "shapes"
                if a.shape != b.shape
                else f"bits in {int((_bits(a) != _bits(b)).any(axis=1).sum())} of {a.size} outputs"
            )
            raise Failed(f"{what}: other {different} than in a plain call")

    def _inside(self, y: Array, right: Wanted, what: str) -> None:
        three = y.reshape(right.low.shape) if y.size == right.low.size else y
        if three.shape != right.low.shape:
            raise Failed(f"{what}: shape {y.shape} for {right.low.shape}")
        if right.exact:
            wrong = three != right.low
        else:
            values = three.astype(np.float64)
            wrong = ~((values >= right.low) & (values <= right.high))
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            interval = (
                f"{float(right.low[at])!r}" if right.exact else f"{float(right.low[at])!r} to {float(right.high[at])!r}"
            )
            raise Failed(
                f"{what}: {int(wrong.sum())} of {y.size} outputs are wrong; {list(at)} is {float(three[at])!r}, not {interval}"
            )

    def _alone(self, x: Array, y: Array, what: str) -> None:
        """Each sequence alone gives the bits that it gives among others."""
        count = int(np.prod(x.shape[:-2]))
        inputs, outputs = x.reshape(count, *x.shape[-2:]), y.reshape(count, *y.shape[-2:])
        for n in range(len(inputs) if len(inputs) > 1 else 0):
            self._same(self.layer(inputs[n : n + 1]), outputs[n : n + 1], f"{what}, sequence {n} alone")

    def _shorter(self, x: Array, y: Array, windows: bool, what: str) -> None:
        """Of a shorter input, the outputs that read what is there have the same bits, wherever tiles and blocks end."""
        case, p = self.case, self.case.problem
        length = x.shape[-1 if p.channels_first else -2]
        short = length * 2 // 3
        if windows or case.then or short == 0 or self._windows(short):
            return
        here, there = geometry(case, length), geometry(case, short)
        reach = (p.kernel_size - 1) * p.dilation + 1
        common = len(range(0, min(short + there.left - reach + 1, there.steps * p.stride), p.stride))
        if here.left == there.left and common > 0:
            time = -1 if p.channels_first else -2
            part = self.layer(np.ascontiguousarray(np.take(x, range(short), time)))
            steps = range(common)
            self._same(
                np.take(part, steps, time), np.take(y, steps, time), f"{what}, of which only {short} steps are given"
            )

    def _not_a_number(self, x: Array, y: Array, windows: bool, what: str) -> None:
        """A NaN reaches the outputs that read it, and changes no bit of the others; in a weight that meets only
        padding, none at all.
        """
        case, p = self.case, self.case.problem
        length = x.shape[-1 if p.channels_first else -2]
        if not length:
            return
        at, inside = reads(case, length)
        unread = ~inside.any(axis=0)
        if unread.any():
            kernel = self.integers[0].copy()
            kernel[unread] = np.nan
            self.set(self.layer, [kernel, self.integers[1]])
            self._same(self.layer(x), y, f"{what}, with NaN in weights that meet only padding")
            self.set(self.layer, self.integers)
        if windows or case.then:
            return
        place = case.seed % length
        poisoned = np.moveaxis(x.copy(), -1 if p.channels_first else -2, 0)
        poisoned[place] = np.nan
        result = self.layer(np.ascontiguousarray(np.moveaxis(poisoned, 0, -1 if p.channels_first else -2)))
        reached = ((at == place) & inside).any(axis=1)
        time = -1 if p.channels_first else -2
        self._same(
            np.compress(~reached, result, time),
            np.compress(~reached, y, time),
            f"{what}, outputs that do not read the NaN at step {place}",
        )
        of_nan = float(activation(str(p.activation))(np.array(np.nan)))
        if np.isnan(of_nan) and not np.isnan(np.compress(reached, result, time)).all():
            raise Failed(f"{what}: outputs that read the NaN at step {place} are numbers")


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(array.size, array.itemsize)


def made(x: Array, kind: str) -> Array:
    """The same inputs, in another make."""
    match kind:
        case "readonly":
            copy = x.copy()
            copy.flags.writeable = False
            return copy
        case "strided":
            return np.repeat(x, 2, axis=-1)[..., ::2]
        case "cast":
            return x.astype(np.float32 if x.dtype == np.float64 else np.float64)
        case "swapped":
            return x.astype(x.dtype.newbyteorder()) if x.dtype.kind == "f" else x
    raw = np.zeros(x.nbytes + 1, np.uint8)
    moved = raw[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    return moved
