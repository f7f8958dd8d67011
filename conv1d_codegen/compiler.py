"""The compiler: a problem → a plan → loops → better loops → LLVM IR → machine code.

compile_problem(problem, options) → Compilation      each of its stages can be shown; its kernel can be called
compile_operation(operation) → OperationProgram       the same of what else a network computes, without a plan
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from weakref import WeakValueDictionary

from . import knobs
from .errors import CompileError, UnprovedWarning
from .executable import Executable
from .ir import Expression, Kernel
from .locks import COMPILING, kept
from .lower import Placement, lower, representative
from .lower.operations import Operation, Pack
from .machine.host import resolve
from .machine.target import TARGETS, Target
from .options import CompileOptions
from .passes import Context, operations, stages
from .problem import Problem
from .runtime.kernel import Array, CompiledKernel, PackedWeights
from .runtime.kernel_cache import KernelCache
from .runtime.native import Native
from .runtime.packer import Packer
from .schedule import tuned_plans
from .schedule.cost_model import choose, simpler_plans
from .schedule.fits import check_fits
from .schedule.plan import Plan
from .schedule.window_forms import allows, describe
from .verify import InvalidKernel


class Program(Executable):
    """The stages of a convolution.

    A specialised program serves one problem. A generic one serves all that differ only in what it takes at run time.
    With an `epilogue`, its outputs are what that makes of the problem's and of further inputs. With a `placement`, its
    arrays are parts of others.
    """

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        target: Target,
        red_zones: bool = False,
        epilogue: Expression | None = None,
        placement: Placement | None = None,
    ) -> None:
        super().__init__(target, red_zones)
        self.problem = problem
        self.plan = plan
        self.epilogue = epilogue
        self.placement = placement
        self.known_strides = plan.algorithm != "generic"  # whose strides are run-time sizes

    @property
    def identity(self) -> str:
        return repr((self.problem, self.plan, self.epilogue, self.placement))

    @property
    def title(self) -> str:
        then = "" if self.epilogue is None else f", then {self.epilogue}"
        return f"{self.problem}{then}{'' if self.placement is None else f', in {self.placement}'}"

    @property
    def schedule(self) -> str:
        return str(self.plan)

    def _lowered(self) -> Kernel:
        return lower(self.problem, self.plan, self.epilogue, self.placement)

    def _scheduled(self, check: bool) -> Iterator[tuple[str, Kernel]]:
        return stages(self.loop, Context(self.problem, self.plan, self.target), check)

    def dump(self, stage: str, passes: bool = False) -> str:
        windows = describe(self.problem, self.plan) if (stage, self.plan.algorithm) == ("plan", "cook_toom") else ""
        return super().dump(stage, passes) + windows


class OperationProgram(Executable):
    """The stages of an operation, which has no plan."""

    reasons = operations.REASONS

    def __init__(self, operation: Operation, target: Target, red_zones: bool = False) -> None:
        super().__init__(target, red_zones)
        self.operation = operation

    @property
    def identity(self) -> str:
        return repr(self.operation)

    @property
    def title(self) -> str:
        return str(self.operation)

    @property
    def schedule(self) -> str:
        return f"channels in vectors of {self.target.vector_bytes} bytes"

    def _lowered(self) -> Kernel:
        return self.operation.kernel()

    def _scheduled(self, check: bool) -> Iterator[tuple[str, Kernel]]:
        return operations.stages(self.operation, self.loop, self.target, check)


class Compilation:
    """One problem, and the program that computes it: the first of those given that is proved safe."""

    def __init__(self, problem: Problem, program: Program, otherwise: Iterable[Program] = ()) -> None:
        self.problem = problem
        self.program = program
        self._otherwise = iter(otherwise)

    @property
    def plan(self) -> Plan:
        """The schedule."""
        return self.program.plan

    @property
    def schedule(self) -> str:
        """The same, in one line."""
        return self.program.schedule

    @property
    def target(self) -> Target:
        """The machine."""
        return self.program.target

    @kept
    def native(self) -> Native:
        """The program, loaded. Raises CompileError if it is for another machine.

        A program that can't be proved safe does not run: with an UnprovedWarning, the next one takes its place. Raises
        InvalidKernel where there is none.
        """
        while True:
            try:
                native = self.program.native
                break
            except InvalidKernel as error:
                other = next(self._otherwise, None)
                if other is None:
                    raise
                warnings.warn(
                    f"The kernel of {self.program.title} by the plan `{self.plan}` for {self.target} was not proved safe "
                    f"({error}). It does not run; `{other.plan}` takes its place, and computes the same. Please report this line.",
                    UnprovedWarning,
                    stacklevel=2,
                )
                self.program = other
        if self.plan.algorithm != "generic":  # whose loops serve other problems too
            self.program.release_stages()
        return native

    @kept
    def kernel(self) -> CompiledKernel:
        """The program as a callable for this problem; errors as of `native`. Raises CompileError for one that takes more
        than an input, weights and an output: a call of it is a network's.
        """
        if self.program.epilogue is not None or self.program.placement is not None:
            raise CompileError(
                f"{self.program.title} takes other arrays than a problem has. Call its `native` code, as a network does."
            )
        return CompiledKernel(self.problem, self.native)

    def pack(self, kernel: Array, bias: Array | None, again: bool = False) -> PackedWeights:
        """What `kernel.pack` gives. Where weights come `again`, by machine code, which is made once."""
        packer = self.packer if again or "packer" in vars(self) else None
        return (packer or self.kernel.pack)(kernel, bias)

    @kept
    def packer(self) -> Packer | None:
        """What lays out weights by machine code. None for a generic kernel, whose weights have any size, and with an
        UnprovedWarning where the code can't be proved safe: NumPy serves these.
        """
        kernel = self.native.kernel
        if self.plan.algorithm == "generic":
            return None
        operation = Pack(self.problem.dtype, kernel.compute, kernel.packings)
        program = compile_operation(operation, self.target)
        try:
            return Packer(self.problem, kernel, program.native)
        except InvalidKernel as error:
            warnings.warn(
                f"The code for `{operation}` on {self.target} was not proved safe ({error}). It does not run; NumPy takes its "
                "place, and gives the same. Please report this line.",
                UnprovedWarning,
                stacklevel=2,
            )
            return None

    def dump(self, stage: str, passes: bool = False) -> str:
        """The text of a stage; arguments and errors as of `Program.dump`."""
        if stage == "problem":
            return f"{self.problem}\n"
        with COMPILING:
            return self.program.dump(stage, passes)

    def memory(self) -> int:
        """About how many bytes this takes. Compilations that share a program count it each."""
        return _BYTES_BESIDE + self.program.memory()


#: Of a compiled kernel beside its code and stages, LLVM's and Python's objects: a process grows by 134 KiB a layer,
#: over 100 layers with 10 KiB of code each (`GROWTH` in tests/runtime/test_kernel_cache.py).
_BYTES_BESIDE = 120 << 10

KEPT: KernelCache[Compilation] = KernelCache(most_bytes=64 << 20)
KEPT_OPERATIONS: KernelCache[OperationProgram] = KernelCache(most_bytes=16 << 20)
_programs: WeakValueDictionary[tuple[object, ...], Program] = WeakValueDictionary()


def compile_problem(
    problem: Problem,
    options: CompileOptions | None = None,
    length: int | None = None,
    epilogue: Expression | None = None,
    placement: Placement | None = None,
    others: int = 0,
) -> Compilation:
    """Choose a plan and make the compilation, or give the one that was made before for the same problem, plan and
    target.

    The plan is the options', or else the one that `tune` found for the problem, or else the cost model's for inputs of
    `length` steps, or for long ones. Any of them computes inputs of all lengths. An `epilogue` makes the outputs from the
    problem's; with a `placement`, arrays are parts of others. Between two calls, a network's other kernels read `others`
    bytes of weights. Raises CompileError for an algorithm, plan or target that
    does not fit.
    """
    options = options or CompileOptions()
    with COMPILING:
        target = resolve(options.target or knobs.target(TARGETS))
        plan = options.plan
        several = epilogue is not None and epilogue.convolutions > 1
        if plan is None and options.algorithm == "auto" and not several:
            found = tuned_plans.recall(problem, target)
            plan = found if found is not None and allows(problem, found, options.accuracy) else None
        plan = plan or choose(problem, target, options.algorithm, options.accuracy, length, others, epilogue)
        check_fits(problem, plan)
        red_zones = knobs.red_zones()
        return KEPT.get(
            (problem, plan, target, red_zones, epilogue, placement),
            lambda: Compilation(
                problem, *_programs_of(problem, plan, target, red_zones, epilogue, placement, options.plan is None)
            ),
        )


def compile_operation(operation: Operation, target: Target | str | None = None) -> OperationProgram:
    """The program of an operation for a target, or for this machine; the one that was made before, where it is kept. Raises
    CompileError for no target.
    """
    with COMPILING:
        resolved, red_zones = resolve(target or knobs.target(TARGETS)), knobs.red_zones()
        return KEPT_OPERATIONS.get(
            (operation, resolved, red_zones), lambda: OperationProgram(operation, resolved, red_zones)
        )


def _programs_of(
    problem: Problem,
    plan: Plan,
    target: Target,
    red_zones: bool,
    epilogue: Expression | None,
    placement: Placement | None,
    others: bool,
) -> tuple[Program, Iterable[Program]]:
    """The program of a plan, and those of plans that may take its place, made when they are asked for."""
    simpler = simpler_plans(problem, target, plan, epilogue) if others else ()
    plain = epilogue is None and placement is None
    plans = (other for other in simpler if plain or other.algorithm != "generic")  # which has neither

    def program(plan: Plan) -> Program:
        return _program(representative(problem, plan), plan, target, red_zones, epilogue, placement)

    return program(plan), map(program, plans)


def _program(
    problem: Problem,
    plan: Plan,
    target: Target,
    red_zones: bool,
    epilogue: Expression | None,
    placement: Placement | None,
) -> Program:
    """The program of a problem, or the one that other compilations share."""
    key = problem, plan, target, red_zones, epilogue, placement
    program = _programs.get(key)
    if program is None:
        program = _programs[key] = Program(*key)
    return program
