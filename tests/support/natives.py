"""Calling kernels by their buffers, as the driver does, and the machine code that is the same for all."""

from collections.abc import Mapping

from support.type_helpers import Array

from conv1d_codegen.ir import Storage
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.target import Target
from conv1d_codegen.runtime import python_function, workspace
from conv1d_codegen.runtime.driver import FIRST_ARRAY, Place, Step, Table, driver, number
from conv1d_codegen.runtime.native import Native


def call(
    native: Native, arrays: Mapping[str, Array], sizes: Mapping[str, int], target: Target | str, team: int = 1
) -> None:
    """Run a kernel on arrays by the names of its buffers and of its formula's weights; outputs are written in place."""
    weights = native.pack(arrays, sizes)
    passed = [arrays[b.name] for b in native.kernel.buffers if b.storage is Storage.ARGUMENT]
    places = iter(Place(FIRST_ARRAY + k, 0) for k in range(len(passed)))
    slots = [
        next(places) if b.storage is Storage.ARGUMENT else number(weights[b.name].ctypes.data)
        for b in native.kernel.buffers
    ]
    slots += [number(sizes[name]) for name, _ in native.kernel.sizes]
    (iterations,) = native.entry.iterations
    table = Table([Step(native, tuple(slots), iterations.evaluate(sizes))], team)
    room = workspace.take(max(1, table.scratch_bytes))
    table.run(driver(resolve(target)), room.address, 0, [x.ctypes.data for x in passed], (room, passed))
    workspace.give_back(room)


def make_fast_code() -> None:
    """Make the machine code of fast calls, which a process does once, where it is not made yet."""
    if python_function.is_known():
        python_function._code(resolve(None))
