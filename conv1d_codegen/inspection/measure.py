"""A kernel's time beside the limits of the core that it runs on: they take turns in one process, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from statistics import median

import numpy as np

from ..compiler import Compilation, compile_problem
from ..machine import timing
from ..machine.microarchitectures import peak
from ..machine.peak import FmaPeak
from ..number_types import TYPES
from ..options import CompileOptions
from ..problem import Problem
from ..runtime.kernel import CompiledKernel
from ..schedule.plan import Plan
from .facts import Measurement

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
    calls: list[Callable[[], object]] = [multiply, partial(np.copyto, copied, source), *map(call_of, kernels.values())]
    samples = timing.samples({str(at): call for at, call in enumerate(calls)}, _ROUNDS, most_seconds=_MOST_SECONDS)
    multiplying, copied_in, own, *of_others = map(median, samples.values())
    flops = multiply.flops / multiplying
    return Measurement(
        seconds=own,
        peak=flops,
        bandwidth=2 * _COPIED / copied_in,
        clock=flops / peak(compilation.target, problem.compute),
        share=problem.flops(batch, length) / own / flops,
        others=dict(zip(list(kernels)[1:], of_others, strict=True)),
    )
