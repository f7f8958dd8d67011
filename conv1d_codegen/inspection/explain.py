"""From a compilation to its explanation: everything is worked out here, for any target, and measured where asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

from ..compiler import Compilation, OperationProgram
from ..emit.abi import entry
from ..emit.scratch import bytes_of, bytes_provided
from ..executable import Executable
from ..ir import Access, Alloc, Buffer, Kernel, Storage
from ..ir.rewrite import walk
from ..machine import jit
from ..machine.microarchitectures import microarchitecture, peak
from ..machine.target import Target
from ..number_types import TYPES
from ..problem import Problem
from ..runtime.kernel import sizes_of
from ..schedule.alternatives import LONG, Alternative, alternatives
from ..schedule.plan import Plan
from ..schedule.window_forms import error_of, form_of
from .assembly import Loop, inner_loop, mix
from .census import Census, census
from .explanation import Explanation
from .facts import InnerLoop, Prediction, Size, Work
from .measure import measured
from .object_code import sizes as section_sizes
from .padding import peel
from .plan_words import words
from .registers import registers
from .throughput import bound, bound_of
from .windows import windows


def explain(
    compilation: Compilation,
    batch: int = 1,
    length: int | None = None,
    accuracy: str = "strict",
    measure: bool = False,
) -> Explanation:
    """What one convolution's kernel computes, how and why, for inputs of `batch` sequences of `length` steps (LONG, unless
    given), by a plan that was chosen for an `accuracy`. With `measure`, it is called and timed too.

    Raises ValueError for sizes without an output, CompileError for measuring a kernel of another machine.
    """
    problem = compilation.problem
    if batch < 1:
        raise ValueError(f"There is nothing to explain of a batch of {batch}: it must be 1 or more.")
    steps = LONG if length is None else length
    sizes = sizes_of(compilation.program.scheduled, problem, batch, steps)
    found = explain_kernel(compilation, sizes, accuracy, length)
    if not measure:
        return found
    others = _to_measure(found.alternatives[1:])
    return replace(found, measurement=measured(compilation, problem, batch, steps, others))


def _to_measure(others: Sequence[Alternative]) -> list[Plan]:
    """Of each algorithm the plan of the fewest cycles, by the model's count."""
    best: dict[str, Alternative] = {}
    for each in others:
        known = best.setdefault(each.plan.algorithm, each)
        if known.cycles is not None and each.cycles is not None and each.cycles < known.cycles:
            best[each.plan.algorithm] = each
    return [each.plan for each in best.values()]


def explain_kernel(
    made: Compilation | OperationProgram,
    sizes: Mapping[str, int],
    accuracy: str = "strict",
    length: int | None = None,
    others: int = 0,
) -> Explanation:
    """The same of any kernel, one of a network too, whose run-time sizes are given by name. `others`: bytes of weights
    that other kernels read between two calls.
    """
    program: Executable = made.program if isinstance(made, Compilation) else made
    problem, plan = (made.problem, made.plan) if isinstance(made, Compilation) else (None, None)
    kernel, target = program.scheduled, program.target
    counted = census(kernel, sizes)
    width = target.lanes(kernel.compute)
    loop, listing = _inner(program.dump("asm"))
    inner = _inner_loop(loop, listing, target) if loop is not None else None
    lanes, work = width if plan is None else plan.width, _work(made, kernel, sizes)
    return Explanation(
        title=program.title,
        target=str(target),
        sizes=dict(sizes),
        plan=program.schedule,
        words=tuple(words(plan)) if plan is not None else (),
        alternatives=(
            tuple(alternatives(problem, target, plan, accuracy, length, others))
            if problem is not None and plan is not None and _sums(made) == 1
            else ()
        ),
        work=work,
        census=counted,
        axis="channels" if plan is None else plan.lanes,
        lanes=lanes,
        lanes_in_use=counted.lanes_in_use(lanes),
        peel=None if problem is None else peel(problem, sizes["T"]),
        inner=inner,
        registers=None if loop is None else registers(loop, target, _tile(plan)),
        size=_size(program, kernel, sizes),
        error=_error(problem, plan),
        windows=None if problem is None or plan is None else windows(problem, plan),
        prediction=None
        if inner is None
        else _prediction(work.flops / peak(target, kernel.compute), counted, inner, target),
    )


def _sums(made: Compilation | OperationProgram) -> int:
    """Convolutions that a kernel adds up or computes beside each other: of several, one plan is all that there is."""
    epilogue = made.program.epilogue if isinstance(made, Compilation) else None
    return 1 if epilogue is None else max(1, epilogue.convolutions)


def _inner(assembly: str) -> tuple[Loop | None, str]:
    """The innermost loop, and its text."""
    loop = inner_loop(assembly)
    if loop is None:
        return None, ""
    return loop, "\n".join(assembly.splitlines()[loop.first : loop.last + 1])


def _inner_loop(loop: Loop, listing: str, target: Target) -> InnerLoop:
    model = microarchitecture(target)
    arithmetic = [each for each in loop.instructions if each.kind in ("fma", "arithmetic")]
    return InnerLoop(
        loop=loop,
        listing=listing,
        mix=mix(loop.instructions),
        folded_loads=sum(each.reads_memory for each in arithmetic),
        folded_broadcasts=sum(each.broadcasts for each in arithmetic),
        products=loop.products,
        model=model.name,
        bound=bound(loop, model),
    )


def _tile(plan: Plan | None) -> tuple[int, int]:
    """Rows and vectors of the tallest tile."""
    return (0, 0) if plan is None else (plan.rows[0], plan.abreast[0] if plan.abreast else plan.vectors)


def _work(made: Compilation | OperationProgram, kernel: Kernel, sizes: Mapping[str, int]) -> Work:
    def bytes_where(test: Callable[[Buffer], bool]) -> int:
        found = (buffer for buffer in kernel.buffers if test(buffer))
        return sum(max(0, buffer.size.evaluate(sizes)) * TYPES[buffer.dtype].bytes for buffer in found)

    flops, weights = 0, bytes_where(lambda buffer: buffer.storage is Storage.CONSTANT)
    if isinstance(made, Compilation):  # weights as the formula has them, before they are padded or transformed
        problem, several = made.problem, _sums(made)
        flops = several * problem.flops(sizes["N"], sizes["T"])
        numbers = several * prod(problem.kernel_shape) + problem.use_bias * problem.filters
        weights = numbers * TYPES[problem.compute].bytes
    return Work(
        flops=flops,
        input_bytes=bytes_where(lambda b: b.storage is Storage.ARGUMENT and b.access is not Access.WRITE),
        weight_bytes=weights,
        output_bytes=bytes_where(lambda b: b.storage is Storage.ARGUMENT and b.is_written),
    )


def _size(program: Executable, kernel: Kernel, sizes: Mapping[str, int]) -> Size:
    image = jit.in_llvm(lambda: jit.object_code(program.llvm, program.target, program.known_strides))
    code, constants = section_sizes(image)
    local = [s.buffer for s in walk(kernel.body) if isinstance(s, Alloc) and s.buffer.storage is Storage.SCRATCH]
    packed = [buffer for buffer in kernel.buffers if buffer.storage is Storage.CONSTANT]
    return Size(
        code=code,
        constants=constants,
        weights=sum(buffer.size.evaluate(sizes) * TYPES[buffer.dtype].bytes for buffer in packed),
        scratch=entry(kernel).scratch_bytes,
        stack=sum(bytes_of(buffer) for buffer in local if not bytes_provided(buffer)),
        l1=program.target.l1_bytes,
        l2=program.target.l2_bytes,
    )


def _error(problem: Problem | None, plan: Plan | None) -> str:
    """How far results may be from the exact ones, in words."""
    if problem is None or plan is None:
        return "that of the operation's arithmetic, each step of which rounds once"
    u = TYPES[problem.compute].significand
    text = f"8 u (Σ|x||w| + |b|) with u = 2^-{u}, before the activation, on data of both signs"
    if plan.algorithm == "cook_toom":
        text = f"{error_of(problem, form_of(plan)):.2f} of direct's, which is {text}"
    if problem.dtype != problem.compute:
        text += f"; half an ulp of {TYPES[problem.dtype].keras} on top, as results are rounded to it"
    return text


def _prediction(least: float, counted: Census, inner: InnerLoop, target: Target) -> Prediction:
    model, wide = microarchitecture(target), target.vector_bytes
    times = 2 if model.cracks and wide == 64 else 1
    others = {
        ("arithmetic", wide): times * counted.arithmetic,
        ("load", wide): times * (counted.loads - counted.own_loads),
        ("store", wide): times * counted.stores,
    }
    return Prediction(
        products=counted.products * inner.bound.cycles / inner.products if inner.products else 0.0,
        others=bound_of(others, model).cycles,
        least=least,
    )
