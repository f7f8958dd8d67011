"""The compiler, on one screen: a problem → a plan → loops → better loops → LLVM IR → machine code.

compile_problem(problem, options) → Compilation      each of its stages can be shown; its kernel can be called
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from functools import cached_property

from . import knobs
from . import plan as planning
from .emit import emit
from .errors import CompileError
from .ir import Kernel
from .kernel import CompiledKernel
from .lower import lower
from .options import CompileOptions
from .passes import Context, stages
from .plan import Plan
from .problem import Problem
from .target import Target, resolve, runs_here
from .verify import verify

STAGES = ("problem", "plan", "loop", "scheduled", "llvm", "optimized", "asm")


class Compilation:
    """One problem on its way to machine code. Each stage is made when it is first asked for, and kept."""

    def __init__(self, problem: Problem, plan: Plan, target: Target) -> None:
        self.problem = problem
        self.plan = plan
        self.target = target
        self._lock = threading.RLock()

    @cached_property
    def loop(self) -> Kernel:
        """The formula, as loops."""
        kernel = lower(self.problem, self.plan.algorithm)
        if knobs.verify():
            verify(kernel)
        return kernel

    @cached_property
    def passes(self) -> list[tuple[str, Kernel]]:
        """The kernel after each pass, with the pass's name."""
        return list(stages(self.loop, Context(self.problem, self.plan, self.target), check=knobs.verify()))

    @property
    def scheduled(self) -> Kernel:
        """The loops that run."""
        return self.passes[-1][1]

    @cached_property
    def llvm(self) -> str:
        """The loops, printed as LLVM IR."""
        return emit(self.scheduled, self.target, title=self.scheduled.name, plan=str(self.plan))

    @cached_property
    def kernel(self) -> CompiledKernel:
        """The machine code, loaded and callable. Raises CompileError if it is for another machine."""
        from . import jit

        if not runs_here(self.target):
            raise CompileError(f"Code for {self.target} can't run on this machine ({jit.host_machine().cpu}); it can be dumped.")
        code = jit.load(self.llvm, self.scheduled.name, self.target)
        self._log()
        return CompiledKernel(self.problem, self.scheduled, code)

    def dump(self, stage: str, passes: bool = False) -> str:
        """The text of a stage; with `passes`, "scheduled" shows the kernel after each pass that changed it.

        Raises ValueError for a name that is not among `STAGES`.
        """
        from . import jit

        if stage not in STAGES:
            raise ValueError(f"There is no stage {stage!r}. Stages: {', '.join(STAGES)}.")
        match stage:
            case "problem":
                return f"{self.problem}\n"
            case "plan":
                return f"{self.plan}\n"
            case "loop":
                return str(self.loop)
            case "scheduled":
                return self._every_pass() if passes else str(self.scheduled)
            case "llvm":
                return self.llvm
            case "optimized":
                return jit.optimised(self.llvm, self.target)
        return jit.assembly(self.llvm, self.target)

    def _every_pass(self) -> str:
        text, before = "", self.loop
        for name, kernel in self.passes:
            text += f"# after {name}" + (" (unchanged)\n\n" if kernel == before else f"\n{kernel}\n")
            before = kernel
        return text

    def _log(self) -> None:
        wanted = knobs.log_stages()
        for stage in STAGES if wanted == ("all",) else wanted:
            print(f"--- {self.problem}: {stage}\n{self.dump(stage)}", file=sys.stderr)


_MOST_KEPT = 256  # a kernel takes some tens of KiB; shapes may be driven by users
_kept: OrderedDict[tuple[Problem, Plan, Target], Compilation] = OrderedDict()
_lock = threading.RLock()


def compile_problem(problem: Problem, options: CompileOptions | None = None) -> Compilation:
    """Choose a plan and make the compilation, or give the one that was made before for the same problem, plan and target.

    Raises CompileError for an algorithm, plan or target that does not fit.
    """
    options = options or CompileOptions()
    target = resolve(options.target or knobs.target())
    plan = options.plan or planning.choose(problem, target, options.algorithm)
    key = (problem, plan, target)
    with _lock:
        if key not in _kept:
            _kept[key] = Compilation(problem, plan, target)
            if len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]
