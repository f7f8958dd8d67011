"""How machine code is called: the slots of a call, which `kernel.ll.j2` prints and `runtime/kernel.py` packs.

A kernel is one function of one argument, a pointer to a block of 8-byte slots: the arrays, the memory that nests share,
the run-time sizes, the number of the nest where there are several, and then what every call has (`CALL`). It runs one
nest: the parallel iterations of one of its outermost loops. Nests run one after another, each when the one before has
ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Alloc, Block, Buffer, For, Kernel, Let, Storage
from ..symbolic.index import Index, index
from .scratch import scratch_bytes


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot: its name, LLVM's type for it, and what LLVM may rely on."""

    name: str
    type: str
    attributes: str = ""


#: Slots of every call, after a kernel's own: the iterations of the nest, memory for large arrays, and what a team of
#: threads shares.
CALL = (Slot("iterations", "i64"), Slot("scratch", "ptr"), Slot("shares", "i64"), Slot("counters", "ptr"))
#: Shares of a run, which one thread of a team takes first: one that starts late or is held up leaves some to the others.
#: At the end the others wait for the last share: two threads take onednn/wavenet/wavenet:conv1d_1x1_3, of 32 iterations,
#: in 1268 us with 4, 1210 with 8, 1122 with 16; conformer/pw256_L250, of 24, in 184, 194 and 168. What a share costs doesn't
#: show: onednn/1d/conv1d:2 takes 48 us with 4 and with 16, and empty shares of small calls cost nothing either (Xeon with
#: AVX-512 and AMX).
#: A thread has mostly the same neighbours from call to call, and from kernel to kernel of a network, so that its part of
#: weights, inputs and outputs is in its caches. With runs two threads take 0.83 of the time of encodec/in, 0.90 of
#: convtasnet/encoder, 0.96 of wav2vec2/1s_conv5, 0.90 of the network wavenet-8; the rest is as fast, in the mean (AVX-512,
#: Xeon 6/167).
RUN = 16
#: Counters of a team, before those of its runs: the calls that have begun, and one that is the caller's.
FIRST_RUN = 2
_CODES = {"ptr": "P", "i64": "q"}  # of Python's struct


@dataclass(frozen=True, slots=True)
class Entry:
    """A kernel's function."""

    slots: tuple[Slot, ...]  # its own, before those of the call
    scratch_bytes: int  # of each thread
    shared: tuple[Buffer, ...]  # memory that the caller provides for a whole call: its slots follow those of the arrays
    iterations: tuple[Index, ...]  # of each nest, in the run-time sizes

    @property
    def format(self) -> str:
        """The block, as Python's `struct` has it."""
        return "".join(_CODES[slot.type] for slot in (*self.slots, *CALL))


def entry(kernel: Kernel, red_zones: bool = False) -> Entry:
    """How a kernel is called."""
    shared = tuple(s.buffer for s in kernel.body if isinstance(s, Alloc))
    slots = [Slot(b.name, "ptr", _attributes(b)) for b in (*kernel.buffers, *shared)]
    slots += [Slot(name, "i64") for name, _ in kernel.sizes]
    slots += [Slot("nest", "i64")] if len(nests(kernel)) > 1 else []
    return Entry(
        tuple(slots),
        scratch_bytes(kernel, red_zones),
        shared,
        tuple(_iterations(kernel, nest) for nest in nests(kernel)),
    )


def nests(kernel: Kernel) -> tuple[For, ...]:
    """The outermost parallel loops."""
    return tuple(s for s in kernel.body if isinstance(s, For) and s.kind == "parallel")


def parallel_loops(outermost: For) -> tuple[list[For], Block]:
    """The parallel loops of a nest, outermost first, and the body of the last."""
    loops = [outermost]
    while inner := [s for s in loops[-1].body if isinstance(s, For) and s.kind == "parallel"]:
        loops += inner
    return loops, loops[-1].body


def _iterations(kernel: Kernel, nest: For) -> Index:
    total = index(1)
    for loop in parallel_loops(nest)[0]:
        total = total * loop.hi
    for named in reversed([s for s in kernel.body if isinstance(s, Let)]):
        total = total.substitute({named.name: named.value})
    return total


def _attributes(buffer: Buffer) -> str:
    """What LLVM may rely on of an array that the caller passes."""
    readonly = "" if buffer.is_written else "readonly "
    aligned = "align 64 " if buffer.storage in (Storage.CONSTANT, Storage.SHARED) else ""
    return f"noalias {readonly}{aligned}"
