"""LLVM, through llvmlite: IR text → optimised IR → assembly or machine code in memory. The only importer of llvmlite.

What is done here because of how llvmlite 0.50 and LLVM 22 behave, and can be dropped once they change:

- a wrong input aborts the process, as the library has its assertions on: everything is parsed and verified first, and
  CPU names are ours;
- a pass manager can run only once, and is never freed by itself: a fresh one each time, disposed of by hand;
- a library that was linked is unmapped when its tracker is collected, but 6 KiB of its names stay as long as the LLJIT
  does: each links 32;
- `LLJIT.lookup` unmaps what it found when its result is collected: addresses are taken from `link`;
- a fork while another thread is inside LLVM would deadlock the child: it is all done under the lock that forks respect,
  and code that the garbage collector finds, which must not wait for a lock, is unloaded by whoever has that lock next;
- an exception from outside, as of Ctrl-C, leaves llvmlite's own lock locked, or a module alive that its context has
  freed: it is all done where no handler of a signal runs (`shelter.py`);
- reducing induction variables takes longer than all else in long kernels, for nothing where strides are constants: it is
  left out there;
- generated code must not call anything: an object that wants a symbol from outside is refused.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import count
from typing import Any, TypeVar

import llvmlite
import llvmlite.binding as llvm

from ..errors import CompileError
from ..locks import COMPILING
from . import executable_memory
from .shelter import sheltered
from .target import Target

_SERIAL = count()
LONG = 5800  # lines of LLVM IR, but for metadata: see `_strength_reduction`
_LINKED = 32  # libraries of one LLJIT, which takes 0.5 ms and 120 KiB, and goes with the last of them
_unloading: list[Any] = []  # keeps code mapped that nobody uses any more, until somebody has the lock and clears it

T = TypeVar("T")


def in_llvm(work: Callable[[], T]) -> T:
    """What `work()` gives, which calls LLVM."""
    with COMPILING:  # on this thread: what `work` calls must not take it
        return sheltered(work)


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine in LLVM's words."""

    architecture: str
    triple: str
    cpu: str
    features: dict[str, bool]
    flat_features: str


@cache
def host_machine() -> Machine:
    """The machine at hand."""
    return in_llvm(_host)


@cache
def _host() -> Machine:
    triple, cpu, features = llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    known = {str(name): bool(on) for name, on in features.items()}
    if triple.split("-")[0] == "aarch64":
        known["neon"] = True  # part of the base architecture; not always listed
    return Machine(triple.split("-")[0], triple, cpu, known, features.flatten())


def version() -> str:
    """Of LLVM."""
    return ".".join(map(str, llvm.llvm_version_info))


def library() -> str:
    """The version of llvmlite, which may mend LLVM without another version of that."""
    return str(llvmlite.__version__)


@cache
def _initialise(all_targets: bool) -> None:
    if all_targets:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()


@cache
def target_machine(target: Target, level: int = 3) -> Any:
    """LLVM's machine that makes code for a target; with level 0 in a hurry."""
    native = target.triple.split("-")[0] == _host().architecture
    _initialise(all_targets=not native)
    # The host's own triple (its operating system, its object format) where the code is to run here.
    triple = _host().triple if native else target.triple
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="pic", codemodel="small"
    )


@contextmanager
def _refusal() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise CompileError(f"LLVM refuses the generated IR, which is a fault of the compiler: {error}") from error


@contextmanager
def _parsed(ir: str, machine: Any) -> Iterator[Any]:
    with llvm.create_context() as context:
        with _refusal():
            module = llvm.parse_assembly(ir, context=context)
        try:
            module.triple, module.data_layout = machine.triple, str(machine.target_data)
            with _refusal():
                module.verify()
            yield module
        finally:
            module.close()


def optimise(module: Any, machine: Any) -> None:
    """The one pass that the emitted code gains from: scratch whose places are all constants becomes registers.

    What a loop does not change is computed before it already, and nothing twice; addressing modes and induction
    variables are found when machine code is made. LLVM's O2 takes 30 to 310 ms for code that is no faster: over the 59
    cases of the bench, kernels without it take 0.99 of the time in the geometric mean and 1.03 at most, where two
    copies of the same code differ by up to 1.04.
    """
    manager = llvm.create_new_module_pass_manager()
    manager.add_sroa_pass()
    try:
        manager.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2)))
    finally:
        if hasattr(llvm.newpassmanagers.NewPassManager, "_dispose"):
            llvm.newpassmanagers.NewPassManager._dispose(manager)
            manager.detach()


@contextmanager
def _strength_reduction(ir: str, known_strides: bool) -> Iterator[None]:
    """Leaves LLVM's reduction of induction variables out while machine code is made of IR that is long.

    It takes half of the time of what takes longest: c600_f600_k3_d4_pad8x0_tanh_first, of 8400 lines, 440 ms with it
    and 180 without; c42_f357_k385_g21_same_f16, of 5900, 450 and 120. Addresses are emitted as what loops do not change
    and constants anyway. Of 118 kernels of the bench, in both layouts, 14 are long, and take 0.92 to 1.02 of the time
    without it; but c32_f32_k3_pad1x1_first, of 5761 lines, takes 1.03, and generic kernels, without `known_strides`, up
    to twice as long (avx512).

    It is a switch of the whole process. llvmlite lets one thread into LLVM at a time, and what others compile meanwhile
    is as right.
    """
    long = known_strides and ir.count("\n") - ir.count("\n!") > LONG  # metadata are no code
    if long:
        llvm.set_option("conv1d_codegen", "-disable-lsr=true")
    try:
        yield
    finally:
        if long:
            llvm.set_option("conv1d_codegen", "-disable-lsr=false")


def optimised(ir: str, target: Target) -> str:
    """LLVM IR after LLVM's passes."""
    return in_llvm(lambda: _optimised(ir, target))


def _optimised(ir: str, target: Target) -> str:
    machine = target_machine(target)
    with _parsed(ir, machine) as module:
        optimise(module, machine)
        return str(module)


def assembly(ir: str, target: Target, known_strides: bool = True) -> str:
    """The assembly of optimised code, as `load` makes it. Cross targets too."""
    return in_llvm(lambda: _assembly(ir, target, known_strides))


def _assembly(ir: str, target: Target, known_strides: bool) -> str:
    machine = target_machine(target)
    with _parsed(ir, machine) as module:
        optimise(module, machine)
        with _strength_reduction(ir, known_strides):
            return str(machine.emit_assembly(module))


class Code:
    """Machine code in memory, alive as long as this object is."""

    __slots__ = ("_linker", "_tracker", "address", "size")

    def __init__(self, linker: Any, tracker: Any, address: int, size: int) -> None:
        self._linker = linker
        self._tracker = tracker
        self.address = address
        self.size = size  # bytes of the object file

    # at the end, modules have lost their names
    def __del__(self, waiting: list[Any] = _unloading, lock: Any = COMPILING) -> None:
        waiting.append((self._linker, self._tracker))  # a tuple lets go of its last element first
        del self._linker, self._tracker
        if lock.acquire(blocking=False):
            waiting.clear()
            lock.release()


def load(ir: str, symbol: str, target: Target, known_strides: bool = True) -> Code:
    """Compile for this machine and load. Raises CompileError where that can't be.

    `known_strides`: whether the strides of the arrays are constants in the code.
    """
    return link(in_llvm(lambda: object_code(ir, target, known_strides)), symbol)


def link(image: bytes, symbol: str, imports: Mapping[str, int] | None = None) -> Code:
    """Load an object file that `object_code` gave: LLVM believes whatever is in it. `imports`: the addresses of what it
    may call. Raises CompileError where the system allows no new code.
    """
    return in_llvm(lambda: _link(image, symbol, imports or {}))


def object_code(ir: str, target: Target, known_strides: bool = True, level: int = 3) -> bytes:
    """The object file of IR; arguments and errors as of `load`, `level` as of `target_machine`. It is called `in_llvm`, or
    on another thread than the one that holds COMPILING meanwhile.
    """
    machine = target_machine(target, level)
    with _parsed(ir, machine) as module:
        optimise(module, machine)
        with _strength_reduction(ir, known_strides):
            image: bytes = machine.emit_object(module)
    return image


def _link(image: bytes, symbol: str, imports: Mapping[str, int]) -> Code:
    _require_executable_memory()
    _refuse_undefined_symbols(image, symbol, imports)
    _unloading.clear()
    library = llvm.JITLibraryBuilder().add_object_img(image).export_symbol(symbol)
    for name, address in imports.items():
        library.import_symbol(name, address)
    serial = next(_SERIAL)
    linker = _jit(serial // _LINKED)
    tracker = library.link(linker, f"conv1d_codegen.{serial}")
    return Code(linker, tracker, tracker[symbol], len(image))


def _require_executable_memory() -> None:
    """Tried before each kernel (4 µs): a process may give the right up at any time, and LLVM ends the process where it
    is refused.
    """
    try:
        llvm.check_jit_execution()
    except OSError as error:
        raise CompileError(executable_memory.refusal(error)) from error


@lru_cache(1)  # the one that is not full
def _jit(generation: int) -> Any:
    _initialise(all_targets=False)
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3, reloc="pic", codemodel="small")
    return llvm.create_lljit_compiler(machine, use_jit_link=platform.system() != "Windows", suppress_errors=True)


def _refuse_undefined_symbols(image: bytes, symbol: str, imports: Collection[str]) -> None:
    undefined = [name for name in _undefined_symbols(image) if name not in imports]
    if undefined:
        raise CompileError(
            f"{symbol} would call {', '.join(undefined)}, which generated code must not: a fault of the compiler."
        )


def _undefined_symbols(image: bytes) -> list[str]:
    """The symbols an ELF object wants from outside (System V ABI, Object Files, Symbol Table). Other formats: not
    looked at.
    """
    if image[:5] != b"\x7fELF\x02":
        return []
    (sections_at,) = struct.unpack_from("<Q", image, 0x28)
    entry_size, entries = struct.unpack_from("<HH", image, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, sections_at + i * entry_size) for i in range(entries)]
    names: list[str] = []
    for _, kind, _, _, offset, size, link, _, _, width in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        strings = sections[link][4]
        for at in range(offset + width, offset + size, width):
            name, _, _, section = struct.unpack_from("<IBBH", image, at)
            if section == 0:
                end = image.index(b"\0", strings + name)
                names.append(image[strings + name : end].decode())
    return names
