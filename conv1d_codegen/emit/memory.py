"""Loads and stores: scalars, vectors, parts of vectors, and vectors whose numbers lie apart.

A vector is contiguous where the lane moves the address by one element. A part of one (`active` lanes of
`width`) never touches the bytes of the other lanes, except in packed buffers, whose panels are padded to whole vectors.

A register read with the lane in its first index, and not in its last, is a column of vectors that lie in rows: see
`transposition.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..ir import Accumulate, Alloc, Block, Buffer, Call, Storage, Store
from ..ir.rewrite import walk
from ..machine.target import Target
from ..number_types import TYPES
from ..symbolic.index import Index, index
from .builder import Builder, Register
from .integers import Integers
from .red_zones import RedZones
from .scratch import bytes_provided
from .transposition import network
from .types import BYTES, fields, vector
from .types import lanes as listed

_BLOCK_BYTES = 16  # of a vector, within which the cheapest shuffles stay


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes loop around: its variable, its width, and how many lanes are in use."""

    variable: str
    width: int
    active: Index

    @property
    def partial(self) -> bool:
        return self.active != self.width


class Memory:
    """Accesses to buffers, in the type that the buffer stores."""

    def __init__(self, builder: Builder, integers: Integers, target: Target, red_zones: RedZones | None = None) -> None:
        self._builder = builder
        self._integers = integers
        self._target = target
        self._registers: dict[str, dict[tuple[int, ...], Register]] = {}  # by the name of the buffer
        self._scratch: dict[str, str] = {}
        self._red_zones = red_zones
        self.provided = 0  # bytes of the caller's memory that arrays alive here have
        self._offsets: dict[tuple[str, tuple[Index, ...], str | None], tuple[Index, Index]] = {}
        self._moved: dict[tuple[str, Index], str] = {}

    def allocate(self, buffer: Buffer) -> None:
        """Start the life of a register tile or of scratch."""
        if buffer.storage is Storage.REGISTER:
            self._registers[buffer.name] = {}
        elif buffer.storage is Storage.SHARED:
            pass  # the caller's
        elif self._red_zones is not None:
            size = bytes_provided(buffer, red_zones=True)
            self._scratch[buffer.name] = self._red_zones.allocate(buffer, self.provided if size else None)
            self.provided += size
        else:
            size = bytes_provided(buffer)
            if size:
                self._scratch[buffer.name] = self._builder.array(
                    "address", buffer.name, type="i8", base="%scratch", offset=self.provided
                )
                self.provided += size
            else:
                type_ = f"[{buffer.size} x {TYPES[buffer.dtype].llvm}]"
                self._scratch[buffer.name] = self._builder.array("alloca", buffer.name, type=type_, align=64)

    def changed_by(self, body: Block) -> list[Register]:
        """The registers that statements write and that were allocated before them."""
        statements = list(walk(body))
        own = {s.buffer.name for s in statements if isinstance(s, Alloc)}
        written = [s.buffer for s in statements if isinstance(s, Store | Accumulate)]
        written += [buffer for s in statements if isinstance(s, Call) for buffer, _ in s.arguments]
        changed = dict.fromkeys(buffer for buffer in written if buffer.name not in own)
        registers = (self._registers[buffer.name] for buffer in changed if buffer.storage is Storage.REGISTER)
        return [register for some in registers for register in some.values()]

    @contextmanager
    def maybe(self) -> Iterator[None]:
        """Around code that may not run: a register that it writes first holds nothing afterwards."""
        before = {name: set(registers) for name, registers in self._registers.items()}
        yield
        for name, keys in before.items():
            self._registers[name] = {key: register for key, register in self._registers[name].items() if key in keys}

    def load(self, buffer: Buffer, place: tuple[Index, ...], lanes: Lanes | None) -> tuple[str, int]:
        """The value, and how many lanes it has (0: a scalar, the same for every lane)."""
        scalar = TYPES[buffer.dtype].llvm
        if buffer.storage is Storage.REGISTER:
            if lanes is not None and len(place) > 1 and lanes.variable in place[0].variables():
                return self._column(buffer, place, lanes), lanes.width
            key, width = self._register(place, lanes)
            return self._registers[buffer.name][key].value, width
        first, apart = self._offset(buffer, place, lanes.variable if lanes else None)
        stride = self._integers.resolve(apart)
        if lanes is None or stride == 0:
            return self._read(buffer, scalar, 0, first), 0
        if stride == 1 and (not lanes.partial or buffer.storage is Storage.CONSTANT):
            return self._read(buffer, scalar, lanes.width, first), lanes.width
        at = self._address(buffer, scalar, first)
        if stride != 1:
            return self._gather(scalar, at, stride, lanes), lanes.width
        active = lanes.active.constant
        if active is not None and (active == 1 or not self._target.masked):
            return self._resize(self._load(scalar, active, at, BYTES[scalar]), scalar, active, lanes.width), lanes.width
        return self._masked_load(scalar, at, lanes), lanes.width

    def store(self, buffer: Buffer, place: tuple[Index, ...], lanes: Lanes | None, value: str) -> None:
        """Store a scalar, or inside a lanes loop a vector."""
        scalar = TYPES[buffer.dtype].llvm
        if buffer.storage is Storage.REGISTER:
            key, width = self._register(place, lanes)
            self._set(buffer.name, key, vector(scalar, width), value)
            return
        first, apart = self._offset(buffer, place, lanes.variable if lanes else None)
        stride = self._integers.resolve(apart)
        at = self._address(buffer, scalar, first)
        if lanes is None:
            self._store(scalar, 0, value, at, BYTES[scalar])
        elif stride != 1:
            self._scatter(scalar, at, stride, lanes, value)
        elif not lanes.partial:
            self._store(scalar, lanes.width, value, at, BYTES[scalar])
        elif lanes.active.constant is not None and (lanes.active == 1 or not self._target.masked_stores):
            # For one lane always: LLVM 22 makes the masked store of a single truncated number a store of the
            # untruncated one.
            active = lanes.active.constant
            self._store(scalar, active, self._resize(value, scalar, lanes.width, active), at, BYTES[scalar])
        else:
            self._builder.add("store_masked", value=value, at=at, mask=self._mask(lanes), **fields(scalar, lanes.width))

    def prefetch(self, buffer: Buffer, place: tuple[Index, ...], level: int) -> None:
        """Ask for the cache line of an element: an output's to write it, else to read it."""
        offset, _ = self._offset(buffer, place, None)
        at = self._address(buffer, TYPES[buffer.dtype].llvm, offset)
        self._builder.add("prefetch", at=at, write=int(buffer.is_written), near=4 - level)

    def _set(self, name: str, key: tuple[int, ...], type_: str, value: str) -> None:
        registers = self._registers[name]
        if key in registers:
            registers[key].value = value
        else:
            registers[key] = Register("_".join([name, *map(str, key)]), type_, value)

    def _register(self, place: tuple[Index, ...], lanes: Lanes | None) -> tuple[tuple[int, ...], int]:
        """Which register of its buffer, and its width."""
        is_vector = lanes is not None and bool(place) and place[-1].single_atom == lanes.variable
        width = lanes.width if lanes is not None and is_vector else 0
        return self._integers.numbers(place[:-1] if is_vector else place), width

    def _column(self, buffer: Buffer, place: tuple[Index, ...], lanes: Lanes) -> str:
        """The number at one place of each of several vectors, `lanes.active` of them, in a vector."""
        scalar, width = TYPES[buffer.dtype].llvm, buffer.shape[-1].constant or 1
        first, *middle, column = self._integers.numbers(tuple(i.substitute({lanes.variable: 0}) for i in place))
        registers = self._registers[buffer.name]
        rows = [registers[(first + row, *middle)].value for row in range(lanes.active.constant or 0)]
        rows += ["poison"] * (lanes.width - len(rows))
        way = network(lanes.width, width, min(width, _BLOCK_BYTES // BYTES[scalar]))

        def transposed() -> list[str]:
            vectors = list(rows)
            for a, b, *masks in way.steps:
                vectors[a], vectors[b] = (self._shuffle(scalar, width, vectors[a], vectors[b], mask) for mask in masks)
            return vectors

        vectors = self._builder.once_here(("transposed", *rows), transposed)
        at, picked = way.columns[column]
        return vectors[at] if lanes.width == width else self._shuffle(scalar, width, vectors[at], "poison", picked)

    def _shuffle(self, scalar: str, width: int, a: str, b: str, lanes: Sequence[int]) -> str:
        """Some lanes of two vectors, those of `b` numbered from `width` on."""
        return self._builder.define(
            "part", "shuffle", type=vector(scalar, width), a=a, b=b, count=len(lanes), mask=listed("i32", lanes)
        )

    def _address(self, buffer: Buffer, scalar: str, offset: Index) -> str:
        """The address at an offset from the start of a buffer, in elements and in names of the IR.

        First come the parts of the offset that change in few loops, each shared with other addresses like it; the
        constant part is last.
        """
        moving, constant = self._integers.resolved(offset)
        key = (self._base(buffer), moving)
        if key not in self._moved:
            self._moved[key] = self._move(buffer.name, scalar, *key)
        at = self._moved[key]
        return self._at(buffer.name, at, scalar, str(constant)) if constant else at

    def _move(self, stem: str, scalar: str, at: str, offset: Index) -> str:
        for depth, part in self._integers.by_depth(offset):
            outside = depth < self._builder.depth

            def step(at: str = at, part: Index = part, outside: bool = outside) -> str:
                moved = self._integers.opaque(part) if outside else self._integers.ssa(part)
                return self._at(stem, at, scalar, moved)

            at = str(self._builder.once(("address", at, part), step, depth))
        return at

    def _read(self, buffer: Buffer, scalar: str, width: int, offset: Index) -> str:
        """Load what lies together. What a kernel never writes is loaded once, and before the loops in which it stays
        the same.
        """

        def make() -> str:
            return self._load(scalar, width, self._address(buffer, scalar, offset), BYTES[scalar])

        if buffer.is_written:
            return make()
        moving, constant = self._integers.resolved(offset)
        key = ("load", buffer.name, width, moving, constant)
        return str(self._builder.once_if_reached(key, make, self._integers.depth_of(moving)))

    def _offset(self, buffer: Buffer, place: tuple[Index, ...], lane: str | None) -> tuple[Index, Index]:
        """Where the first lane lies, in elements from the start of the buffer, and how far the next one is, in names of
        the IR.
        """
        key = (self._base(buffer), place, lane)
        if key not in self._offsets:
            offset = buffer.offset(place)
            first = offset.substitute({lane: 0}) if lane else offset
            self._offsets[key] = first, offset.substitute({lane: 1}) - first if lane else index(0)
        return self._offsets[key]

    def _base(self, buffer: Buffer) -> str:
        """Where a buffer starts: a value that no other has."""
        return self._scratch.get(buffer.name) or f"%{buffer.name}"

    def _at(self, stem: str, base: str, scalar: str, offset: str) -> str:
        return self._builder.define(f"{stem}.at", "address", type=scalar, base=base, offset=offset)

    def _load(self, scalar: str, width: int, at: str, align: int) -> str:
        return self._builder.define("v", "load", type=vector(scalar, width), at=at, align=align)

    def _store(self, scalar: str, width: int, value: str, at: str, align: int) -> None:
        self._builder.add("store", type=vector(scalar, width), value=value, at=at, align=align)

    def _masked_load(self, scalar: str, at: str, lanes: Lanes) -> str:
        return self._builder.define("v", "load_masked", at=at, mask=self._mask(lanes), **fields(scalar, lanes.width))

    def _gather(self, scalar: str, at: str, stride: Index, lanes: Lanes) -> str:
        apart, mask = self._apart(scalar, at, stride, lanes.width), self._mask(lanes)
        return self._builder.define("v", "gather", at=apart, mask=mask, **fields(scalar, lanes.width))

    def _scatter(self, scalar: str, at: str, stride: Index, lanes: Lanes, value: str) -> None:
        apart, mask = self._apart(scalar, at, stride, lanes.width), self._mask(lanes)
        self._builder.add("scatter", value=value, at=apart, mask=mask, **fields(scalar, lanes.width))

    def _apart(self, scalar: str, at: str, stride: Index, width: int) -> str:
        """The addresses of lanes that lie `stride` elements apart."""
        if stride.constant is not None:
            offsets = listed("i64", (lane * stride.constant for lane in range(width)))
        else:
            of_lane = {"stride": self._integers.ssa(stride), "lanes": listed("i64", range(width))}
            offsets = self._builder.define("offsets", "lane_offsets", width=width, **of_lane)
        return self._builder.define("apart", "addresses", type=scalar, base=at, width=width, offsets=offsets)

    def splat(self, value: str, scalar: str, width: int) -> str:
        """A vector with a scalar in every lane."""

        def make() -> str:
            return self._builder.define("all", "splat", a=value, scalar=scalar, type=vector(scalar, width), width=width)

        return str(self._builder.once_here(("splat", value, scalar, width), make))

    def _mask(self, lanes: Lanes) -> str:
        active = lanes.active.constant
        if active is not None:
            return listed("i1", (int(lane < active) for lane in range(lanes.width)))

        def make() -> str:
            numbers = listed("i32", range(lanes.width))
            return self._builder.define(
                "mask", "lane_mask", active=self._integers.ssa(lanes.active), lanes=numbers, width=lanes.width
            )

        return str(self._builder.once_here(("mask", lanes.active, lanes.width), make))

    def _resize(self, value: str, scalar: str, width: int, count: int) -> str:
        """The first lanes of a vector, or a longer vector whose further lanes hold nothing in particular."""
        mask = listed("i32", (lane if lane < width else "poison" for lane in range(count)))
        return self._builder.define("part", "resize", type=vector(scalar, width), a=value, count=count, mask=mask)
