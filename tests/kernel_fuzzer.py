"""The kernel fuzzer: random legal plans, random choices and orders of passes, and mutated loops.

Nothing that the verifier accepts may differ between the interpreter and the machine code, and nothing that passes made
from the formula.

A case is a kind and a seed, `plan 17`, `order 17` or `mutant 17`, from which everything is drawn. Kernels run in a
child process with red zones and between guard pages. The short run is `test_kernel_fuzzer.py`; the long one is

    python tests/kernel_fuzzer.py --seconds 3600 --seed 1 --jobs 2
    python tests/kernel_fuzzer.py --case "mutant 17"
"""

import math
import sys
from collections.abc import Callable, Iterator

import numpy as np
from support import fuzzing
from support.helpers import RUNNABLE, empty_output, exact_data, expected, run_interpreted, supports
from support.mutations import mutate
from support.plans import with_details
from support.type_helpers import Array

from conv1d_codegen.emit import emit
from conv1d_codegen.errors import CompileError
from conv1d_codegen.ir import Kernel
from conv1d_codegen.lower import lower
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.target import TARGETS, Target
from conv1d_codegen.passes import PIPELINE, Context
from conv1d_codegen.problem import Activation, Problem
from conv1d_codegen.problem.folding import folds
from conv1d_codegen.runtime.kernel import CompiledKernel
from conv1d_codegen.runtime.native import Native
from conv1d_codegen.schedule.fits import check_fits
from conv1d_codegen.schedule.plan import LANES, RUN_TIME, Plan
from conv1d_codegen.selftest import worker
from conv1d_codegen.selftest.checks import Failed
from conv1d_codegen.selftest.guards import guarded
from conv1d_codegen.verify import InvalidKernel, verify

KINDS = ("plan", "order", "mutant")
COMMAND = (__file__, "--worker")
#: Passes that only make a kernel faster: without one of them it must still be right, as far as what is left fits
#: together.
OPTIONAL = (
    "interchange",
    "stage_operands",
    "unroll_reduction",
    "share_windows",
    "transpose_output",
    "prefetch",
    "collapse_loops",
)
# of the plans: Cook–Toom's kernels are long
_SHARES = {"direct": 0.5, "depthwise": 0.2, "generic": 0.2, "cook_toom": 0.1}
_MOST_PRODUCTS = 6000  # which the interpreter takes some 50 ms for


def draw_problem(rng: np.random.Generator) -> Problem:
    """A small one."""
    while True:
        groups = int(rng.choice([1, 1, 1, 2, 3, 8]))
        channels, filters = (int(rng.choice([1, 1, 2, 3, 4, 8, 9, 16])) for _ in range(2))
        if rng.random() < 0.3:
            groups, channels = int(rng.integers(2, 20)), 1
            filters = int(rng.choice([1, 1, 2, 3]))
        padding = str(rng.choice(["valid", "same", "causal", "explicit"]))
        problem = Problem(
            channels * groups,
            filters * groups,
            int(rng.choice([1, 2, 3, 3, 4, 5, 7, 9])),
            int(rng.choice([1, 1, 1, 2, 3])),
            int(rng.choice([1, 1, 1, 2, 5])),
            groups,
            padding if padding != "explicit" else (int(rng.integers(9)), int(rng.integers(9))),
            Activation(str(rng.choice(["linear", "relu", "hard_tanh"]))),
            str(rng.choice(["f32", "f32", "f64", "f16", "bf16"])),
            bool(rng.random() < 0.4),
            bool(rng.random() < 0.7),
        )
        if rng.random() < 0.1:  # whose steps can be folded
            one = {"channels": 1, "filters": 1, "groups": 1, "stride": 1, "dilation": 1}
            problem = problem.with_(**one, kernel_size=int(rng.choice([5, 17, 33])))
        if problem.flops(1, 9) <= _MOST_PRODUCTS:
            return problem


def draw_plan(rng: np.random.Generator, problem: Problem) -> Plan:
    """Any that fits, however slow."""
    while True:
        algorithm = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        lanes = str(rng.choice(LANES[algorithm]))
        rows = sorted({int(height) for height in rng.integers(1, 14, rng.integers(1, 4))}, reverse=True)
        rows = rows[:1] if lanes == "time" else rows if rows[-1] == 1 else [*rows, 1]
        outputs, taps = (int(rng.integers(2, 5)), int(rng.integers(1, 4))) if algorithm == "cook_toom" else (0, 0)
        nested = (int(rng.integers(2, 4)),) if algorithm == "cook_toom" and rng.random() < 0.3 else ()
        outputs, taps = outputs * math.prod(nested), taps * math.prod(nested)
        block = int(rng.choice([1, 2, 5, 8, 13, 24, 64, 200])) * max(1, outputs)
        width = int(rng.choice([1, 2, 4, 4, 8, 8, 16]))
        known = tuple(name for name in RUN_TIME if algorithm == "generic" and rng.random() < 0.3)
        try:
            plan = Plan(
                algorithm,
                lanes,
                width,
                int(rng.integers(1, 5)),
                tuple(rows),
                block,
                int(rng.integers(1, 9)),
                outputs,
                taps,
                nested=nested,
                fold=int(rng.choice([1, 4, 8, 16])) if algorithm == "cook_toom" and folds(problem) else 1,
                constants=known,
                turned=algorithm == "depthwise" and problem.channels_first,
            )
            check_fits(problem, plan)
        except CompileError:
            continue
        return with_details(plan, problem, lambda choices: choices[int(rng.integers(len(choices)))])


def passes_of(rng: np.random.Generator, kind: str) -> list[tuple[str, Callable[[Kernel, Context], Kernel]]]:
    """The pipeline; or without some passes, and with two neighbours the other way round."""
    passes = [(name, run) for name, run, _ in PIPELINE]
    if kind == "order":
        passes = [item for item in passes if item[0] not in OPTIONAL or rng.random() < 0.7]
        if rng.random() < 0.5:
            at = int(rng.integers(len(passes) - 1))
            passes[at : at + 2] = passes[at + 1], passes[at]
    return passes


def scheduled(rng: np.random.Generator, kind: str, problem: Problem, plan: Plan, target: Target) -> Kernel | None:
    """The loops to be run; None where passes in this order do not fit together, which they say by any exception."""
    kernel, context = lower(problem, plan), Context(problem, plan, target)
    passes = passes_of(rng, kind)
    try:
        for _, apply in passes:
            kernel = apply(kernel, context)
    except Exception:
        if [name for name, _ in passes] == [name for name, _, _ in PIPELINE]:
            raise
        return None
    return kernel


def run(line: str) -> int:
    """One case; the number of outputs that were compared, none where the kernel was refused."""
    kind, seed = line.split()
    rng = np.random.default_rng((KINDS.index(kind), int(seed)))
    problem = draw_problem(rng)
    name = str(rng.choice([name for name in RUNNABLE if supports(name, problem)]))
    plan, target = draw_plan(rng, problem), TARGETS[name]
    what = f"{problem} {name}, {plan}"
    try:
        return run_kernel(rng, kind, problem, plan, target)
    except Failed as failure:
        raise Failed(f"{what}: {failure}") from failure
    except Exception as error:
        raise Failed(f"{what}: {type(error).__name__}: {error}") from error


def run_kernel(rng: np.random.Generator, kind: str, problem: Problem, plan: Plan, target: Target) -> int:
    """A kernel of this kind, verified, interpreted and run."""
    kernel = scheduled(rng, kind, problem, plan, target)
    if kernel is None:
        return 0
    note = ""
    if kind == "mutant":
        kernel, note = next(mutants(kernel, rng))
    try:
        verify(kernel, scheduled=True)
    except InvalidKernel:
        if kind == "plan":
            raise
        return 0
    try:
        return agree(rng, kernel, problem, target, plan, original=kind != "mutant")
    except Exception as error:
        raise Failed(f"{note}: {type(error).__name__}: {error}") from error


def mutants(kernel: Kernel, rng: np.random.Generator) -> Iterator[tuple[Kernel, str]]:
    """Mutants without end; what is no kernel at all is drawn again."""
    while True:
        try:
            yield mutate(kernel, rng)
        except ValueError:
            continue


def agree(
    rng: np.random.Generator, kernel: Kernel, problem: Problem, target: Target, plan: Plan, original: bool
) -> int:
    """Interpreter and machine code, alone and in a team of three, and the formula where passes made the kernel."""
    code = jit.load(emit(kernel, target, kernel.name, str(plan), red_zones=True), kernel.name, target)
    compiled = CompiledKernel(problem, Native(kernel, code, red_zones=True))
    close = 1e-4 if plan.algorithm == "cook_toom" else 0.0
    reach = problem.extent + problem.stride * max(plan.rows[0], 3)
    compared = 0
    for number in range(3):
        batch, length = int(rng.integers(1, 3)), int(rng.integers(0, reach + 12))
        if problem.output_length(length) <= 0 or problem.flops(batch, length) > _MOST_PRODUCTS:
            continue
        x, w, b = exact_data(problem, batch, length, seed=number)
        wanted = run_interpreted(kernel, problem, x, w, b)
        packed = compiled.pack(w, b)
        for side, threads in (("end", 1), ("start", 3)):
            y = guarded(empty_output(problem, batch, length), side)
            compiled(guarded(x, side), packed, y, threads)
            same(y, wanted, close, f"@{batch}x{length}, machine code ({threads} threads) and interpreter")
        if original:
            same(wanted, expected(problem, x, w, b), close, f"@{batch}x{length}, interpreter and formula")
        compared += wanted.size
    return compared


def same(a: Array, b: Array, close: float, what: str) -> None:
    """The same numbers, or as close as Cook–Toom's are; NaN only in both."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = np.abs(b[np.isfinite(b)]).max(initial=1.0)
    equal = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= close * scale)
    if not equal.all():
        at = tuple(int(i) for i in np.argwhere(~equal)[0])
        raise Failed(f"{what}: {int((~equal).sum())} of {a.size} differ; {list(at)} is {a[at]!r} and {b[at]!r}")


def cases(seed: int, count: int | None = None) -> Iterator[str]:
    """All kinds by turns, mutants twice as often."""
    return fuzzing.by_turns((*KINDS, "mutant"), seed, count)


def main() -> int:
    options = fuzzing.options(__doc__)
    if options.worker:
        worker.serve(run)
        return 0
    counts = dict.fromkeys(KINDS, (0, 0))
    failed = 0
    for outcome in fuzzing.results(options, cases, COMMAND):
        kind = outcome.case.split()[0]
        counts[kind] = counts[kind][0] + 1, counts[kind][1] + (outcome.outputs > 0)
        failed += bool(outcome.failure)
    print(
        "; ".join(f"{kind}: {all_} drawn, {run_} run" for kind, (all_, run_) in counts.items()) + f"; {failed} failed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
