"""The verifier: what must hold of a kernel so that it can run, proved for all run-time sizes.

    __init__.py   names are defined before they are used; loops are of the form that code is printed for
    place.py      what is known at a statement: names, ranges, buffers
    access.py     every access lies within its buffer, as wide as the printed code makes it
    rows.py       rows of larger arrays lie apart, and within
    written.py    no register or scratch element is read before it is written
    races.py      no two parallel iterations, and no two lanes, touch an element that one of them writes

`verify(kernel)` raises `InvalidKernel`, with the statement and what was not proved. Every kernel is verified before it
runs. What is accepted never reads or writes outside an array, whatever the batch and the length.
"""

from __future__ import annotations

from ..ir import (
    Accumulate,
    Alloc,
    Bind,
    Block,
    Call,
    Compound,
    For,
    If,
    Kernel,
    Let,
    Nest,
    Prefetch,
    Storage,
    Store,
    first_line,
    lanes,
)
from ..ir.rewrite import constants_of, walk
from ..symbolic.index import var
from ..symbolic.scope import Scope
from . import access, races, rows, written
from .place import InvalidKernel, Place


def verify(kernel: Kernel, scheduled: bool = False) -> None:
    """Check a whole kernel; with `scheduled`, also what the printer of code relies on. Raises InvalidKernel."""
    place = Place.top(kernel, Scope.of_sizes(kernel.sizes, constants_of(kernel.body)), scheduled)
    for buffer in kernel.buffers:
        for size in buffer.shape:
            place.known(size, f"the shape of {buffer}")
        rows.check(buffer, place)
    _parallel_outside(kernel.body, outermost=True)
    _block(kernel.body, place)
    races.between_iterations(place.accesses)
    if scheduled and not any(isinstance(s, For) and s.kind == "parallel" for s in kernel.body):
        raise InvalidKernel(f"{kernel.name} has no parallel loop, and so nothing that code is printed for")


#: Arrays that other iterations see too.
_SEEN_BY_ALL = (Storage.ARGUMENT, Storage.SHARED)


def _parallel_outside(body: Block, outermost: bool = False) -> None:
    """Parallel loops are the outermost ones, each with nothing beside the next, so that they form one space of
    iterations from 0 on.

    Beside the outermost ones names may be defined, as how many iterations there are is worked out before they begin,
    and memory allocated that several such nests share.
    """
    parallel = [s for s in body if isinstance(s, For) and s.kind == "parallel"]
    beside = [s for s in body if s not in parallel and not (outermost and isinstance(s, Let | Alloc))]
    if (len(parallel) > 1 and not outermost) or (parallel and beside):
        raise InvalidKernel(f"parallel loop {parallel[0].var} has statements beside it")
    for statement in body:
        if not isinstance(statement, Compound):
            continue
        inner = [s for s in walk(statement.body) if isinstance(s, For) and s.kind == "parallel"]
        if isinstance(statement, For) and statement.kind == "parallel":
            if statement.lo != 0:
                raise InvalidKernel(f"parallel loop {statement.var} begins at {statement.lo}, not at 0")
            for other in inner:
                if statement.var in other.hi.variables():
                    raise InvalidKernel(f"the end of parallel loop {other.var}, {other.hi}, depends on {statement.var}")
            _parallel_outside(statement.body)
        elif inner:
            raise InvalidKernel(f"a parallel loop stands within `{first_line(statement)}`")


def _block(body: Block, place: Place) -> None:
    for statement in body:
        match statement:
            case For():
                _loop(statement, place)
            case If():
                _conditional(statement, place)
            case Nest():
                inner = place.part()
                _block(statement.body, inner)
                written.after(statement, place, inner)
            case Call():
                _call(statement, place)
            case Let(name, number):
                place.known(number, f"let {name}")
                place.let(name, number)
            case Bind(name, number):
                access.value(number, place, statement)
                place.bind(name)
            case Alloc(buffer):
                if (buffer.storage is Storage.SHARED) != (place.outer is None):
                    raise InvalidKernel(
                        f"{buffer} is allocated {'at the top' if place.outer is None else 'within a nest'} of the kernel"
                    )
                place.allocate(buffer)
            case Store(buffer, at, number):
                access.value(number, place, statement)
                access.element(buffer, at, place, statement)
                if buffer.storage in _SEEN_BY_ALL:
                    place.touches(statement, statement)
                if buffer.is_local:
                    written.add(statement, place)
            case Accumulate(buffer, at, a, b):
                access.value(a, place, statement)
                access.value(b, place, statement)
                access.element(buffer, at, place, statement, is_load=True)
                access.element(buffer, at, place, statement)
                if buffer.storage in _SEEN_BY_ALL:
                    place.touches(statement, statement)
            case Prefetch():
                access.prefetch(statement, place)


def _loop(loop: For, place: Place) -> None:
    place.known(loop.lo, f"loop {loop.var}")
    place.known(loop.hi, f"loop {loop.var}")
    if place.lanes is not None:
        raise InvalidKernel(f"loop {loop.var} stands within a lanes loop")
    if loop.kind == "lanes":
        if not place.scope.proves(loop.width - loop.hi):
            raise InvalidKernel(f"lanes loop {loop.var} may run past its width: {loop.hi} of {loop.width}")
        if not place.scope.proves(loop.hi - 1):  # its scalar loads are printed all the same
            raise InvalidKernel(f"lanes loop {loop.var} may have no lane: {loop.hi} of {loop.width}")
    inner = place.inside(loop)
    if loop.kind == "parallel" and not place.scope.proves(loop.hi):
        if place.maybe_negative:  # the number of iterations is a product
            raise InvalidKernel(
                f"the ends of both parallel loops {place.maybe_negative} and {loop.var} may be negative"
            )
        inner.maybe_negative = loop.var
    _block(loop.body, inner)
    if loop.kind == "lanes":
        races.between_lanes(loop)
    written.after(loop, place, inner)


def _call(statement: Call, place: Place) -> None:
    """Each argument is a vector, from its place on."""
    if place.lanes is not None:
        raise InvalidKernel(f"`{first_line(statement)}` stands within a lanes loop")
    for parameter, (buffer, at) in zip(statement.instruction.parameters, statement.arguments, strict=True):
        vector = lanes(None, parameter.shape[0], (), parameter.shape[0].constant or 0)
        inner = place.inside(vector)
        access.element(buffer, (*at[:-1], at[-1] + var(vector.var)), inner, statement, is_load=True)


def _conditional(statement: If, place: Place) -> None:
    for condition in statement.conditions:
        place.known(condition, statement)
    if place.lanes is not None:
        raise InvalidKernel(f"`{first_line(statement)}` stands within a lanes loop")
    inner = place.given(statement)
    _block(statement.body, inner)
    written.after(statement, place, inner)


__all__ = ["InvalidKernel", "verify"]
