"""Executable: from loops to machine code, whatever they compute. Nothing is loaded that was not proved."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

from . import knobs
from .emit import emit
from .emit.abi import entry
from .errors import CompileError
from .ir import Kernel
from .knobs import STAGES
from .locks import kept
from .machine.host import runs_here
from .machine.target import Target
from .passes import log
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

    @property
    @abstractmethod
    def loop(self) -> Kernel:
        """The formula, as loops."""

    @property
    @abstractmethod
    def passes(self) -> list[tuple[str, Kernel]]:
        """The kernel after each pass, with the pass's name."""

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
        name = kept_code.key(self.target, self.identity, self.red_zones)
        image = kept_code.read(name)
        if image is None:
            image = self._image()
            kept_code.write(name, image)
        code = jit.link(image.code, image.kernel.name)
        for stage in logged:
            print(f"--- {self.title}: {stage}\n{self.dump(stage)}", file=sys.stderr)
        return Native(image.kernel, code, self.red_zones, image.entry)

    def _image(self) -> Image:
        from .machine import jit

        kernel = self.scheduled
        verify(kernel, scheduled=True)  # nothing unproved runs
        code = jit.object_code(self.llvm, self.target, self.known_strides)
        return Image(kernel.with_body(()), entry(kernel, self.red_zones), code)

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
                return log(self.loop, self.passes) if passes else str(self.scheduled)
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


#: All stages of a program, ÷ characters of its LLVM IR: 2.7 to 4.2 on ordinary layers, by `tracemalloc`.
_STAGES_PER_CHARACTER = 4
