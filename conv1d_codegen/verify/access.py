"""Accesses: each lies within its buffer, as wide as the printed code makes it, and registers are named by constants."""

from __future__ import annotations

from ..ir import Activate, Buffer, Load, Prefetch, Ref, Statement, Storage, Value, first_line
from ..symbolic.index import Index, var
from . import written
from .place import InvalidKernel, Place
from .written import step_of


def value(number: Value, place: Place, statement: Statement) -> None:
    """Check a value: its names, and the elements that it loads."""
    match number:
        case Load(buffer, at):
            element(buffer, at, place, statement, is_load=True)
            if buffer.is_written and buffer.storage in (Storage.ARGUMENT, Storage.SHARED):
                place.touches(number, statement)
        case Ref(name) if name not in place.numbers:
            raise InvalidKernel(f"{first_line(statement)}: `{name}` is not defined there")
        case Activate() if place.scheduled:
            raise InvalidKernel(f"{first_line(statement)}: the activation was not expanded")
    for operand in number.operands:
        value(operand, place, statement)


def element(buffer: Buffer, at: tuple[Index, ...], place: Place, statement: Statement, is_load: bool = False) -> None:
    """Check the element that is read or written, or those of all lanes."""
    _is_known(buffer, at, place, statement)
    if is_load and buffer.is_local:
        if not written.covers(buffer, at, place):
            _within(buffer, at, place, statement)
            raise InvalidKernel(
                f"{first_line(statement)}: {_text(buffer, at)} may be read before it is written, as far as can be proved"
            )
    else:
        _within(buffer, at, place, statement)
    if (
        place.scheduled
        and buffer.storage is Storage.CONSTANT
        and place.lanes is not None
        and place.lanes.hi != place.lanes.width
    ):
        _whole_vector(buffer, at, place, statement)
    if (
        place.lanes is not None
        and buffer.storage is not Storage.REGISTER
        and any(step_of(index, place.lanes.var) is None for index in at)
    ):
        raise InvalidKernel(f"{first_line(statement)}: the lanes of {_text(buffer, at)} do not lie evenly apart")
    if buffer.storage is Storage.REGISTER and place.scheduled:
        _register(buffer, at, place, statement, is_load)


def prefetch(statement: Prefetch, place: Place) -> None:
    """Check what is prefetched. Of packed weights it may run past the end of a row: only its flat offset must lie inside."""
    buffer, at = statement.buffer, statement.index
    _is_known(buffer, at, place, statement)
    if buffer.storage is Storage.CONSTANT:
        _in_range("its offset in", buffer, buffer.offset(at), buffer.size, place, statement)
    else:
        _within(buffer, at, place, statement)


def _text(buffer: Buffer, at: tuple[Index, ...]) -> str:
    return f"{buffer.name}[{', '.join(map(str, at))}]"


def _is_known(buffer: Buffer, at: tuple[Index, ...], place: Place, statement: Statement) -> None:
    known = place.buffers.get(buffer.name)
    if known is not buffer and known != buffer:
        raise InvalidKernel(f"{first_line(statement)}: {buffer} is not defined there")
    for index in at:
        place.known(index, statement)


def _within(buffer: Buffer, at: tuple[Index, ...], place: Place, statement: Statement) -> None:
    for axis, (index, size) in enumerate(zip(at, buffer.shape, strict=True)):
        _in_range(f"index {axis} of", buffer, index, size, place, statement)


def _in_range(which: str, buffer: Buffer, index: Index, size: Index, place: Place, statement: Statement) -> None:
    negative = not place.scope.proves(index)
    if negative or not place.scope.orders(index, size):
        raise InvalidKernel(
            f"{first_line(statement)}: {which} {buffer}, `{index}`, may be {'negative' if negative else f'{size} or more'}, "
            "as far as can be proved"
        )


def _whole_vector(buffer: Buffer, at: tuple[Index, ...], place: Place, statement: Statement) -> None:
    """Packed buffers are padded to whole vectors, which are loaded whole where only some lanes are in use."""
    assert place.lanes is not None
    last = {place.lanes.var: place.lanes.width - 1}
    _within(buffer, tuple(index.substitute(last) for index in at), place, statement)


def _register(buffer: Buffer, at: tuple[Index, ...], place: Place, statement: Statement, is_load: bool) -> None:
    """Registers have no addresses: constants once unrolled loops are written out, and the lane itself last; or, in a
    load, first.
    """
    lanes, constants, form = place.lanes, at, "vector"
    if lanes is not None and at and at[-1] == var(lanes.var):
        constants = at[:-1]
        if buffer.shape[-1] != lanes.width:
            raise InvalidKernel(f"{first_line(statement)}: a vector of {buffer.shape[-1]} in lanes of {lanes.width}")
    elif lanes is not None and is_load and at and lanes.var in at[0].variables():
        constants = (at[0] - var(lanes.var), *at[1:])
        if lanes.hi.constant is None:
            raise InvalidKernel(
                f"{first_line(statement)}: a column of vectors in lanes of which {lanes.hi} are in use, which is no constant"
            )
        if lanes.width & (lanes.width - 1) or not place.scope.proves(buffer.shape[-1] - lanes.width):
            raise InvalidKernel(
                f"{first_line(statement)}: a column of vectors of {buffer.shape[-1]} in lanes of {lanes.width}"
            )
    elif lanes is None or is_load:
        form = "scalar"
    else:
        raise InvalidKernel(f"{first_line(statement)}: all lanes write one element of register {buffer.name}")
    if place.forms.setdefault(buffer, form) != form:
        raise InvalidKernel(
            f"{first_line(statement)}: register {buffer.name} holds vectors, and is used as a scalar, or the other way round"
        )
    for index in constants:
        for name in index.variables():
            if place.names[name] != "unrolled":
                raise InvalidKernel(
                    f"{first_line(statement)}: register {buffer.name} is indexed by `{name}`, which is not a constant"
                )
