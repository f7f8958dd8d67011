"""The compiler: a problem → a plan → loops → better loops → LLVM IR → machine code.

compile_problem(problem, options) → Compilation      each of its stages can be shown; its kernel can be called
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from . import knobs
from .emit import emit
from .errors import CompileError, UnprovedWarning
from .ir import Kernel
from .knobs import STAGES
from .locks import COMPILING, kept
from .lower import lower, representative
from .machine.host import resolve, runs_here
from .machine.target import TARGETS, Target
from .options import CompileOptions
from .passes import Context, log, stages
from .problem import Problem
from .runtime.kernel import CompiledKernel
from .runtime.kernel_cache import KernelCache
from .schedule import tuned_plans
from .schedule.cook_toom_model import allows, describe
from .schedule.cost_model import choose, simpler_plans
from .schedule.plan import Plan, check_fits
from .verify import InvalidKernel, verify

if TYPE_CHECKING:
    from .machine.jit import Code


class Program:
    """The stages from loops to machine code. Each is made when it is first asked for, and kept.

    A specialised program serves one problem. A generic one serves all that differ only in what it takes at run time.
    """

    def __init__(self, problem: Problem, plan: Plan, target: Target, red_zones: bool = False) -> None:
        self.problem = problem
        self.plan = plan
        self.target = target
        self.red_zones = red_zones

    @kept
    def loop(self) -> Kernel:
        """The formula, as loops."""
        kernel = lower(self.problem, self.plan)
        if knobs.verify():
            verify(kernel)
        return kernel

    @kept
    def passes(self) -> list[tuple[str, Kernel]]:
        """The kernel after each pass, with the pass's name."""
        return list(stages(self.loop, Context(self.problem, self.plan, self.target), check=knobs.verify()))

    @property
    def scheduled(self) -> Kernel:
        """The loops that run."""
        return self.passes[-1][1]

    @property
    def _known_strides(self) -> bool:
        """Whether strides are constants in the code: in a generic kernel, they are run-time sizes."""
        return self.plan.algorithm != "generic"

    @kept
    def llvm(self) -> str:
        """The loops, printed as LLVM IR."""
        return emit(
            self.scheduled, self.target, title=self.scheduled.name, plan=str(self.plan), red_zones=self.red_zones
        )

    @kept
    def code(self) -> Code:
        """The machine code, loaded. Raises InvalidKernel where the loops could not be proved safe, CompileError for
        another machine.
        """
        from .machine import jit

        if not runs_here(self.target):
            raise CompileError(
                f"Code for {self.target} can't run on this machine ({jit.host_machine().cpu}); it can be dumped."
            )
        logged = knobs.log_stages()
        verify(self.scheduled, scheduled=True)  # nothing unproved runs
        code = jit.load(self.llvm, self.scheduled.name, self.target, self._known_strides)
        for stage in logged:
            print(f"--- {self.problem}: {stage}\n{self.dump(stage)}", file=sys.stderr)
        return code

    def dump(self, stage: str, passes: bool = False) -> str:
        """The text of a stage; with `passes`, "scheduled" shows the kernel after each pass that changed it.

        Raises ValueError for a name that is not among `STAGES`.
        """
        from .machine import jit

        if stage not in STAGES:
            raise ValueError(f"There is no stage {stage!r}. Stages: {', '.join(STAGES)}.")
        match stage:
            case "problem":
                return f"{self.problem}\n"
            case "plan":
                windows = describe(self.problem, self.plan) if self.plan.algorithm == "cook_toom" else ""
                return f"{self.plan}\n{windows}"
            case "loop":
                return str(self.loop)
            case "scheduled":
                return log(self.loop, self.passes) if passes else str(self.scheduled)
            case "llvm":
                return self.llvm
            case "optimized":
                return jit.optimised(self.llvm, self.target)
        return jit.assembly(self.llvm, self.target, self._known_strides)

    def memory(self) -> int:
        """About how many bytes this takes: its machine code, and its stages, whose objects take several times the
        length of the LLVM IR.
        """
        made = vars(self)
        return (made["code"].size if "code" in made else 0) + (
            _STAGES_PER_CHARACTER * len(made["llvm"]) if "llvm" in made else 0
        )

    def release_stages(self) -> None:
        """Forget the stages before the machine code, which are made again if they are asked for."""
        for name in ("loop", "passes", "llvm"):
            vars(self).pop(name, None)


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
    def target(self) -> Target:
        """The machine."""
        return self.program.target

    @kept
    def kernel(self) -> CompiledKernel:
        """The program, loaded and callable for this problem. Raises CompileError if it is for another machine.

        A program that can't be proved safe does not run: with an UnprovedWarning, the next one takes its place. Raises
        InvalidKernel where there is none.
        """
        while True:
            try:
                self.program.code  # noqa: B018  made when it is first asked for
                break
            except InvalidKernel as error:
                other = next(self._otherwise, None)
                if other is None:
                    raise
                warnings.warn(
                    f"The kernel of {self.problem} by the plan `{self.plan}` for {self.target} was not proved safe ({error}). It does not "
                    f"run; `{other.plan}` takes its place, and computes the same. Please report this line.",
                    UnprovedWarning,
                    stacklevel=2,
                )
                self.program = other
        kernel = CompiledKernel(self.problem, self.program.scheduled, self.program.code, self.program.red_zones)
        if self.plan.algorithm != "generic":  # whose loops serve other problems too
            self.program.release_stages()
        return kernel

    def dump(self, stage: str, passes: bool = False) -> str:
        """The text of a stage; arguments and errors as of `Program.dump`."""
        if stage == "problem":
            return f"{self.problem}\n"
        with COMPILING:
            return self.program.dump(stage, passes)

    def memory(self) -> int:
        """About how many bytes this takes. Compilations that share a program count it each."""
        return _BYTES_BESIDE + self.program.memory()


#: All stages of a program, ÷ characters of its LLVM IR: 2.7 to 4.2 on ordinary layers, by `tracemalloc`.
_STAGES_PER_CHARACTER = 4
#: Of a compiled kernel beside its code and stages, LLVM's and Python's objects: a process grows by 134 KiB a layer,
#: over 100 layers with 10 KiB of code each (`GROWTH` in tests/runtime/test_kernel_cache.py).
_BYTES_BESIDE = 120 << 10

KEPT: KernelCache[Compilation] = KernelCache(most_bytes=64 << 20)
_programs: WeakValueDictionary[tuple[Problem, Plan, Target, bool], Program] = WeakValueDictionary()


def compile_problem(problem: Problem, options: CompileOptions | None = None, length: int | None = None) -> Compilation:
    """Choose a plan and make the compilation, or give the one that was made before for the same problem, plan and
    target.

    The plan is the options', or else the one that `tune` found for the problem, or else the cost model's for inputs of
    `length` steps, or for long ones. Any of them computes inputs of all lengths. Raises CompileError for an algorithm,
    plan or target that does not fit.
    """
    options = options or CompileOptions()
    with COMPILING:
        target = resolve(options.target or knobs.target(TARGETS))
        plan = options.plan
        if plan is None and options.algorithm == "auto":
            found = tuned_plans.recall(problem, target)
            plan = found if found is not None and allows(problem, found, options.accuracy) else None
        plan = plan or choose(problem, target, options.algorithm, options.accuracy, length)
        check_fits(problem, plan)
        red_zones = knobs.red_zones()
        return KEPT.get(
            (problem, plan, target, red_zones),
            lambda: Compilation(problem, *_programs_of(problem, plan, target, red_zones, options.plan is None)),
        )


def _programs_of(
    problem: Problem, plan: Plan, target: Target, red_zones: bool, others: bool
) -> tuple[Program, Iterable[Program]]:
    """The program of a plan, and those of plans that may take its place, made when they are asked for."""
    plans = simpler_plans(problem, target, plan) if others else ()

    def program(plan: Plan) -> Program:
        return _program(representative(problem, plan.algorithm), plan, target, red_zones)

    return program(plan), map(program, plans)


def _program(problem: Problem, plan: Plan, target: Target, red_zones: bool) -> Program:
    """The program of a problem, or the one that other compilations share."""
    program = _programs.get((problem, plan, target, red_zones))
    if program is None:
        program = _programs[problem, plan, target, red_zones] = Program(problem, plan, target, red_zones)
    return program
