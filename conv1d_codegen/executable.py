"""Executable: from loops to machine code, whatever they compute. Nothing is loaded that was not proved."""

from __future__ import annotations

import gc
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from . import knobs
from .emit import emit
from .emit.abi import entry
from .errors import CompileError
from .ir import Kernel
from .knobs import STAGES
from .locks import COMPILING, kept
from .machine.host import runs_here
from .machine.shelter import overlapped, sheltered
from .machine.target import Target
from .passes import REASONS, log
from .runtime import kept_code
from .runtime.kept_code import Image
from .runtime.native import Native
from .verify import verify


class Executable(ABC):
    """The stages of one kernel. Each is made when it is first asked for, and kept."""

    #: Whether strides are constants in the code.
    known_strides = True

    def __init__(self, target: Target, red_zones: bool = False) -> None:
        self.target = target
        self.red_zones = red_zones
        self._image: Image | None = None  # until it is loaded

    @property
    @abstractmethod
    def title(self) -> str:
        """What is computed, in one line."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """All that the code depends on, beside the target and red zones: of two kernels that differ, another one."""

    @property
    @abstractmethod
    def schedule(self) -> str:
        """How, in one line."""

    @abstractmethod
    def _lowered(self) -> Kernel:
        """The formula, as loops."""

    @abstractmethod
    def _scheduled(self, check: bool) -> Iterator[tuple[str, Kernel]]:
        """The kernel after each pass, with the pass's name; with `check`, verified."""

    #: Why each pass stands where it does, by its name.
    reasons: Mapping[str, str] = REASONS

    def scheduling(self) -> Iterator[tuple[str, Kernel]]:
        """The kernel after each pass, with the pass's name: each runs when it is asked for. `passes` are these, kept."""
        return self._scheduled(check=False)

    @kept
    def loop(self) -> Kernel:
        """The formula, as loops."""
        kernel = self._lowered()
        if knobs.verify():
            verify(kernel)
        return kernel

    @kept
    def passes(self) -> list[tuple[str, Kernel]]:
        """The kernel after each pass, with the pass's name."""
        return list(self._scheduled(check=knobs.verify()))

    @property
    def scheduled(self) -> Kernel:
        """The loops that run."""
        return self.passes[-1][1]

    @kept
    def llvm(self) -> str:
        """The loops, printed as LLVM IR."""
        return emit(
            self.scheduled, self.target, title=self.scheduled.name, plan=self.schedule, red_zones=self.red_zones
        )

    @kept
    def native(self) -> Native:
        """The machine code, loaded, and how it is called. Raises InvalidKernel where the loops could not be proved safe,
        CompileError for another machine.
        """
        from .machine import jit

        if not runs_here(self.target):
            raise CompileError(
                f"Code for {self.target} can't run on this machine ({jit.host_machine().cpu}); it can be dumped."
            )
        logged = knobs.log_stages()
        image = self._image or kept_code.read(self._file) or jit.in_llvm(self._begun())
        self._image = None
        code = jit.link(image.code, image.kernel.name)
        for stage in logged:
            print(f"--- {self.title}: {stage}\n{self.dump(stage)}", file=sys.stderr)
        return Native(image.kernel, code, self.red_zones, image.entry)

    def is_to_be_made(self) -> bool:
        """Whether there is no machine code yet, neither here nor kept."""
        if "native" not in vars(self) and self._image is None:
            self._image = kept_code.read(self._file)
        return "native" not in vars(self) and self._image is None

    @property
    def _file(self) -> str | None:
        return kept_code.key(self.target, self.identity, self.red_zones)

    def _begun(self) -> Callable[[], Image]:
        """Python's part of the machine code; what is given does LLVM's, for `native` to find."""
        from .machine import jit

        with _collector_at_rest():
            file, kernel = self._file, self.scheduled
            verify(kernel, scheduled=True)  # nothing unproved runs
            ir, called = self.llvm, entry(kernel, self.red_zones)

        def ended() -> Image:
            code = jit.object_code(ir, self.target, self.known_strides)
            self._image = Image(kernel.with_body(()), called, code)
            kept_code.write(file, self._image)
            return self._image

        return ended

    def dump(self, stage: str, passes: bool = False) -> str:
        """The text of a stage; with `passes`, "scheduled" shows the kernel after each pass that changed it.

        Raises ValueError for a name that is not among `STAGES`.
        """
        from .machine import jit

        if stage not in STAGES:
            raise ValueError(f"There is no stage {stage!r}. Stages: {', '.join(STAGES)}.")
        match stage:
            case "problem":
                return f"{self.title}\n"
            case "plan":
                return f"{self.schedule}\n"
            case "loop":
                return str(self.loop)
            case "scheduled":
                return log(self.loop, self.passes, self.reasons) if passes else str(self.scheduled)
            case "llvm":
                return self.llvm
            case "optimized":
                return jit.optimised(self.llvm, self.target)
        return jit.assembly(self.llvm, self.target, self.known_strides)

    def memory(self) -> int:
        """About how many bytes this takes: its machine code, and its stages, whose objects take several times the
        length of the LLVM IR.
        """
        made = vars(self)
        return (made["native"].size if "native" in made else 0) + (
            _STAGES_PER_CHARACTER * len(made["llvm"]) if "llvm" in made else 0
        )

    def release_stages(self) -> None:
        """Forget the stages before the machine code, which are made again if they are asked for."""
        for name in ("loop", "passes", "llvm"):
            vars(self).pop(name, None)


def make_together(executables: Iterable[Executable]) -> None:
    """Make the machine code of several: while LLVM is at one, the next is lowered, proved and printed. `native` then loads
    it, or raises what was in its way. The caller does not hold COMPILING.

    Python has one lock and llvmlite another, so more threads than two don't help. A residual network's 13 kernels
    take 2.8 s of processor time, and the first call takes 2.0 s (`python tools/first_call.py`, two cores): LLVM, whose
    part is the longer one, works nearly all the time. A second process took as long as a second thread: it imports for
    0.3 s and shares the rest, but no library starts processes that its user has not asked for.
    """
    stopped: list[bool] = []

    def begun() -> Iterator[Callable[[], Image]]:
        for executable in dict.fromkeys(executables):
            if stopped:
                return
            with suppress(CompileError):
                if runs_here(executable.target) and executable.is_to_be_made():
                    yield executable._begun()

    def work() -> None:
        with COMPILING, suppress(RuntimeError):  # no second thread: `native` makes each by itself
            overlapped(begun())

    sheltered(work, lambda: stopped.append(True))


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Python looks for garbage in circles whenever some hundreds of objects are new, and now and then among all of the
    process. Nodes and instructions are new by the ten thousand, and form no circles: it took a tenth of Python's part of a
    kernel, and a sixth beside a million objects of somebody else's. The caller holds COMPILING, so only one is here.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


#: All stages of a program, ÷ characters of its LLVM IR: 2.7 to 4.2 on ordinary layers, by `tracemalloc`.
_STAGES_PER_CHARACTER = 4
