"""Native: machine code, how it is called, and its weights as it takes them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emit.abi import Entry, entry
from ..ir import Kernel, Storage
from ..ir.packing import laid_out
from ..number_types import TYPES

if TYPE_CHECKING:
    from ..machine.jit import Code

Array = np.ndarray[Any, Any]


class Native:
    """A kernel that is machine code. Immutable; its loops are many objects, and are not kept."""

    def __init__(self, kernel: Kernel, code: Code, red_zones: bool = False, called: Entry | None = None) -> None:
        """`called`: how, for a kernel whose loops are not at hand."""
        self.entry = called or entry(kernel, red_zones)
        self.kernel = kernel.with_body(())
        self.red_zones = red_zones
        self._code = code  # keeps the machine code mapped
        # It releases the GIL. To keep it (PYFUNCTYPE) would save 0.04 µs of a call, and nothing beside a busy Python
        # thread.
        self.function = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(code.address)
        self.address = code.address
        self.size = code.size

    def pack(self, sources: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        """The constants of the kernel by name, laid out from arrays by the names of the formula. `sizes`: the run-time
        sizes.
        """
        made = laid_out(self.kernel.packings, sources, TYPES[self.kernel.compute].numpy, sizes)
        return {buffer.name: made[buffer.name] for buffer in self.kernel.buffers if buffer.storage is Storage.CONSTANT}
