"""The emitter: a scheduled kernel → instructions → LLVM IR text, printed by the templates.

It walks the loops once. Unrolled loops are written out, lanes loops become vectors, index expressions become addresses.
All that is decided here; what is printed is a flat list of instructions whose fields are strings and integers.

A register is a value of its own for each constant index, and a phi where a loop changes it. Scratch is an `alloca`, or
memory of the caller's: see `scratch.py`.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CompileError
from ..ir import (
    Access,
    Accumulate,
    Alloc,
    Bind,
    Block,
    Call,
    For,
    If,
    Kernel,
    Let,
    Level,
    Nest,
    Prefetch,
    Statement,
    Store,
)
from ..machine.target import Target
from ..symbolic.index import var
from .abi import CALL, RUN, entry, nests, parallel_loops
from .builder import Builder, Instruction
from .integers import Integers
from .memory import Lanes, Memory
from .numbers import Numbers
from .red_zones import RedZones

if TYPE_CHECKING:
    import jinja2


def emit(kernel: Kernel, target: Target, title: str, plan: str, red_zones: bool = False) -> str:
    """LLVM IR for a scheduled kernel. `title` and `plan` are comments, of our own making;
    `red_zones`: see `red_zones.py`.
    """
    return _rendered(kernel, target, title, plan, red_zones, _written(kernel, target, red_zones))


def emit_with_origins(
    kernel: Kernel, target: Target, title: str, plan: str, red_zones: bool = False
) -> tuple[str, list[Statement | None]]:
    """What `emit` gives, and for each of its lines the statement that it comes from: none for the frame that the template
    prints. Statements are told apart by identity, so each of a kernel's has to be an object of its own.
    """
    functions = _written(kernel, target, red_zones)
    text = _rendered(kernel, target, title, plan, red_zones, functions)
    origins: list[Statement | None] = [None] * text.count("\n")
    at = 0
    for function in functions:
        for before, instructions in (("entry:", function.arrays), ("start:", function.instructions)):
            printed = _printed(instructions, set())
            at = text.index(f"\n{before}{printed}\n", at) + 1
            line = text.count("\n", 0, at) + 1
            for instruction in instructions:
                lines = _printed([instruction], set()).count("\n")
                origins[line : line + lines] = [instruction["origin"]] * lines
                line += lines
    return text, origins


def _written(kernel: Kernel, target: Target, red_zones: bool) -> list[Builder]:
    """The functions of a kernel, one for each nest."""
    writers = []
    for nest in nests(kernel):
        writers.append(_Writer(kernel, target, red_zones))
        writers[-1].write((*(s for s in kernel.body if isinstance(s, Let)), nest))
    return [writer.builder for writer in writers]


def _rendered(kernel: Kernel, target: Target, title: str, plan: str, red_zones: bool, functions: list[Builder]) -> str:
    called = entry(kernel, red_zones)
    template, declarations = templates().get_template("kernel.ll.j2"), set[str]()
    printed = [
        {
            "arrays": _printed(function.arrays, declarations),
            "instructions": _printed(function.instructions, declarations),
        }
        for function in functions
    ]
    return template.render(
        title=title,
        plan=plan,
        target=str(target),
        name=kernel.name,
        slots=called.slots,
        call=CALL,
        run=RUN,
        scratch_bytes=called.scratch_bytes,
        declarations=sorted(declarations),
        nests=printed,
        vector_bits=target.vector_bytes * 8,
    )


def _printed(instructions: list[Instruction], declarations: set[str]) -> str:
    """The lines of instructions, and what they call. Jinja reads the forms; filled in by Python, one takes 1 µs, as a
    macro 10.
    """
    forms = vars(templates().get_template("instructions.ll.j2").module)
    for instruction in instructions:
        declaration = forms.get(f"{instruction['kind']}_declaration")
        if declaration is not None:
            declarations.add(declaration.format_map(instruction))
    return "".join([forms[instruction["kind"]].format_map(instruction) for instruction in instructions])


def template_folder() -> Path:
    """Where the templates lie: in an installed package inside it; in a checkout, at its top."""
    package = Path(__file__).resolve().parent.parent
    return next(f for f in (package / "templates", package.parent / "templates") if f.is_dir())


@cache
def templates() -> jinja2.Environment:
    """The templates. Jinja is imported here, as networks know this room before they compile anything; the caller holds
    COMPILING.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )


class _Writer:
    """Walks the statements of a kernel."""

    def __init__(self, kernel: Kernel, target: Target, red_zones: bool) -> None:
        self.builder = Builder()
        self._target = target
        self._integers = Integers(self.builder)
        self._red_zones = RedZones(self.builder) if red_zones else None
        self._memory = Memory(self.builder, self._integers, target, self._red_zones)
        self._numbers = Numbers(self.builder, self._memory, target, kernel.compute)
        for name in (*(name for name, _ in kernel.sizes), "begin", "end"):
            self._integers.variable(name, f"%{name}", 0)

    def write(self, body: Block, lanes: Lanes | None = None) -> None:
        provided = self._memory.provided
        guarded = self._red_zones.alive() if self._red_zones else 0
        around = self.builder.origin
        for statement in body:
            self.builder.origin = statement
            self._statement(statement, lanes)
        self.builder.origin = around
        self._memory.provided = provided  # what the block allocated ends with it
        if self._red_zones is not None:
            self._red_zones.check_down_to(guarded)

    def _statement(self, statement: Statement, lanes: Lanes | None) -> None:
        match statement:
            case For():
                self._loop(statement)
            case If():
                self._conditional(statement, lanes)
            case Nest():
                self.write(statement.body, lanes)
            case Call():
                self._call(statement)
            case Let(name, number):
                resolved = self._integers.resolve(number)
                if resolved.constant is None:
                    self._integers.variable(name, self._integers.ssa(resolved), self._integers.depth_of(resolved))
                else:
                    self._integers.number(name, resolved.constant)
            case Bind(name, value):
                self._numbers.bind(name, value, lanes)
            case Alloc(buffer):
                self._memory.allocate(buffer)
            case Store(buffer, place, value):
                self._numbers.store(buffer, place, value, lanes)
            case Accumulate(buffer, place, a, b):
                self._numbers.accumulate(buffer, place, a, b, lanes)
            case Prefetch(buffer, place, level):
                self._memory.prefetch(buffer, place, level)

    def _loop(self, loop: For) -> None:
        match loop.kind:
            case "parallel":
                self._parallel(loop)
            case "unrolled":
                for number in range(loop.lo.constant or 0, loop.hi.constant or 0):
                    self._integers.number(loop.var, number)
                    self.write(loop.body)
            case "lanes":
                self.write(loop.body, Lanes(loop.var, loop.width, self._integers.resolve(loop.hi)))
            case _:
                self._serial(loop)

    def _serial(self, loop: For) -> None:
        lo, hi = self._integers.resolve(loop.lo), self._integers.resolve(loop.hi)
        certain = ((hi - lo).constant or 0) > 0
        changing = self._memory.changed_by(loop.body)
        entered = self.builder.loop(loop.var, self._integers.ssa(lo), self._integers.ssa(hi), certain, changing)
        with nullcontext() if certain else self._memory.maybe(), entered as variable:
            self._integers.variable(loop.var, variable, self.builder.depth)
            self.write(loop.body)

    def _call(self, statement: Call) -> None:
        """An instruction on whole vectors; the one that it changes is a register."""
        instruction = statement.instruction
        if instruction.feature not in self._target.required:
            raise CompileError(
                f"{self._target} has no {instruction.name}: it needs a processor with {instruction.feature}."
            )
        values: dict[str, str] = {}
        places = []
        for parameter, (buffer, at) in zip(instruction.parameters, statement.arguments, strict=True):
            vector = Lanes(Level.LANE.value, parameter.shape[0].constant or 0, parameter.shape[0])
            places.append((parameter, buffer, (*at[:-1], at[-1] + var(vector.variable)), vector))
            values[parameter.name], _ = self._memory.load(buffer, places[-1][2], vector)
        result = self.builder.define("call", instruction.name, **values)
        for parameter, buffer, place, vector in places:
            if parameter.access is Access.UPDATE:
                self._memory.store(buffer, place, vector, result)

    def _conditional(self, statement: If, lanes: Lanes | None) -> None:
        """The body, with branches around it for what is not known as the code is printed."""
        conditions = [self._integers.resolve(condition) for condition in statement.conditions]
        if any(condition.constant is not None and condition.constant < 0 for condition in conditions):
            return
        open_ = [self._integers.holds(condition) for condition in conditions if condition.constant is None]
        if not open_:
            self.write(statement.body, lanes)
            return
        holds = reduce(lambda a, b: self.builder.define("both", "both", a=a, b=b), open_)
        with self._memory.maybe(), self.builder.branch(holds, self._memory.changed_by(statement.body)):
            self.write(statement.body, lanes)

    def _parallel(self, outermost: For) -> None:
        """One loop over a range of the iterations of all parallel loops, numbered with the
        innermost running fastest.
        """
        loops, body = parallel_loops(outermost)
        with self.builder.loop("iteration", "%begin", "%end", certain=False) as iteration:
            rest = iteration
            for loop in reversed(loops[1:]):
                extent = self._integers.ssa(self._integers.resolve(loop.hi))
                within = self.builder.define(loop.var, "remainder", a=rest, b=extent)
                rest = self.builder.define("rest", "quotient", a=rest, b=extent)
                self._integers.variable(loop.var, within, self.builder.depth)
            self._integers.variable(outermost.var, rest, self.builder.depth)
            self.write(body)
