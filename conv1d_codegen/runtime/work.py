"""Work: one call of a kernel that a team of threads shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Work:
    """Machine code, its argument block, and what must stay alive while any thread runs it.

    Each thread of a team calls `function(block)` once. The code takes shares until none is left, so it does not matter
    how many threads really come, up to as many as were asked for, which is what there is scratch memory for; or when:
    one that is late finds nothing to do. `function` may be handed to C as an address, and releases the GIL.
    """

    function: Callable[[bytes], None]
    block: bytes
    keep: tuple[object, ...]
    flops: int = 1 << 62  # about how many operations it takes; long, if nobody says

    def __call__(self) -> None:
        self.function(self.block)
