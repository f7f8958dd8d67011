"""How many sequences of a batch go through a network together.

Where the tensors of all sequences are more than a cache holds, each kernel reads from memory what the one before wrote.
So some sequences go through the whole network before the next ones do, if their tensors stay in L2. The weights are then
read once for each such group, which is worth it where there are fewer of them than numbers that the group's kernels
write.
"""

from __future__ import annotations

from collections.abc import Callable


def together(batch: int, in_use: Callable[[int], int], written: int, weights: int, cache: int) -> int:
    """The sequences of a group, of which a batch has several or one: as many as fit into the `cache`. For `in_use(count)`
    bytes that so many sequences need at one time, `written` bytes of all tensors of a sequence and bytes of `weights`.
    """
    if batch == 1 or in_use(batch) <= cache:
        return batch
    some = [count for count in range(1, batch) if batch % count == 0 and count * written >= max(weights, _LEAST)]
    return max((count for count in some if in_use(count) <= cache), default=batch)


#: Bytes that a group writes, at least: else the calls of its kernels, of about a microsecond each, take too much of it.
_LEAST = 1 << 20
