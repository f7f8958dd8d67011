"""A kernel's time beside the limits of the core that it runs on: they take turns in one process, on one thread."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median

import numpy as np

from ..compiler import Compilation, compile_problem
from ..machine.peak import FmaPeak
from ..number_types import TYPES
from ..options import CompileOptions
from ..problem import Problem
from ..runtime.kernel import CompiledKernel
from ..schedule.plan import Plan
from .facts import Measurement
from .microarchitectures import peak

_SAMPLE = 1e-3  # seconds that one sample takes at least: a thousand times what reading the clock takes
_ROUNDS = 15
_COPIED = 32 << 20  # bytes of each array of a copy: more than the caches of a core
#: Seconds after which no more rounds begin, of which there are three at least.
_MOST_SECONDS = 3.0


def measured(
    compilation: Compilation, problem: Problem, batch: int, length: int, others: Iterable[Plan] = ()
) -> Measurement:
    """Time one call for inputs of this size, of random numbers, on one thread, and the same by `others`. Raises
    CompileError for a kernel of another machine.
    """
    dtype, rng = TYPES[problem.dtype].numpy, np.random.default_rng(1)
    kernels = {compilation.plan: compilation.kernel}
    for plan in others:
        kernels[plan] = compile_problem(problem, CompileOptions(plan=plan, target=compilation.target)).kernel
    x = rng.standard_normal(problem.input_shape(batch, length), np.float32).astype(dtype)
    weights = rng.standard_normal(problem.kernel_shape, np.float32).astype(dtype)
    bias = np.zeros(problem.filters, dtype) if problem.use_bias else None
    y = np.empty(problem.output_shape(batch, length), dtype)

    def call_of(kernel: CompiledKernel) -> Callable[[], object]:
        launch, packed = kernel.launch(x.shape), kernel.pack(weights, bias)
        return lambda: kernel.run(launch, x, packed, y, 1)

    multiply = FmaPeak(compilation.target, problem.compute)
    source = np.ones(_COPIED // 4, np.float32)
    copied = np.zeros_like(source)
    copying: Callable[[], object] = partial(np.copyto, copied, source)
    multiplying, copied_in, own, *of_others = _in_turns([multiply, copying, *map(call_of, kernels.values())])
    flops = multiply.flops / multiplying
    return Measurement(
        seconds=own,
        peak=flops,
        bandwidth=2 * _COPIED / copied_in,
        clock=flops / peak(compilation.target, problem.compute),
        share=problem.flops(batch, length) / own / flops,
        others=dict(zip(list(kernels)[1:], of_others, strict=True)),
    )


def _in_turns(calls: list[Callable[[], object]]) -> list[float]:
    """The median seconds of one call of each."""
    counts, times = [1] * len(calls), [[0.0] for _ in calls]
    collecting = gc.isenabled()
    gc.disable()
    try:
        for each, call in enumerate(calls):
            call()
            while _sample(call, counts[each]) * counts[each] < _SAMPLE:
                counts[each] *= 2
        begin, times = time.perf_counter(), [[] for _ in calls]
        for done in range(_ROUNDS):
            if done >= 3 and time.perf_counter() - begin > _MOST_SECONDS:
                break
            for each, call in enumerate(calls):
                call()  # what the others left in the caches does not count
                times[each].append(_sample(call, counts[each]))
    finally:
        if collecting:
            gc.enable()
    return [median(taken) for taken in times]


def _sample(call: Callable[[], object], count: int) -> float:
    """Seconds of each of `count` calls in a row, of this process's own time."""
    begin = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - begin) / count
