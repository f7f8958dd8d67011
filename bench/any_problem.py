"""Random problems over all parameters at once: what anybody might compile, and not what is common. The same for the
same seed.

`random_problems.py` draws what takes about as long as real layers do. Here sizes go as far as weights fit in memory:
kernels of up to 20 000 taps, strides and dilations to match, sizes around those from which the compiler does something
else, and every activation that is fused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from conv1d_codegen import Activation, Problem
from conv1d_codegen.number_types import TYPES
from conv1d_codegen.problem.summation import LONGEST_CHAIN
from conv1d_codegen.reference.activations import ELEMENTWISE

_TAPS, _STRIDE, _CHANNELS = 20_000, 1 << 31, 512
_WEIGHTS = 1 << 24  # at most, so that one draws and lays them out in no time
_PARAMETERS = {"threshold": (("default_value", 0.5), ("threshold", 1.0))}  # that have no default


def problems(seed: int) -> Iterator[Problem]:
    """Random ones without end."""
    random = Random(seed)
    while True:
        problem = _draw(random)
        if math.prod(problem.kernel_shape) <= _WEIGHTS:
            yield problem


def _between(random: Random, least: int, most: int) -> int:
    """Small numbers as often as large ones."""
    return min(most, int(least * ((most + 1) / least) ** random.random()))


def _channels(random: Random) -> int:
    """Of a group: around the lanes of vectors, few, or any."""
    around = 1 << random.randint(2, 6)
    few, many = _between(random, 1, 8), _between(random, 1, _CHANNELS)
    return random.choice((around - 1, around, around, around + 1, few, few, many))


def _kernel_size(random: Random, channels: int) -> int:
    """Short, around one or more whole chunks of products, or long."""
    chunks = max(1, random.choice((1, 2, 3, 8)) * LONGEST_CHAIN // channels + random.randint(-2, 2))
    return random.choice(
        (_between(random, 1, 16), _between(random, 1, 16), _between(random, 1, 128), chunks, _between(random, 1, _TAPS))
    )


def _draw(random: Random) -> Problem:
    kind = random.random()
    groups = 1 if kind < 0.6 else _between(random, 2, 64)
    # of a group
    channels, filters = (1, random.choice((1, 1, 1, 2))) if kind > 0.8 else (_channels(random), _channels(random))
    size = _kernel_size(random, channels)
    steps = (1, 1, 1, 1, _between(random, 2, 8), max(1, size + random.randint(-1, 1)))
    stride = random.choice((*steps, _between(random, 1, _STRIDE)))
    dilation = random.choice((*steps[:-1], 1 << random.randint(1, 9)))
    extent = (size - 1) * dilation + 1
    sides = tuple(random.choice((0, 1, size // 2, extent - 1, extent + 2)) for _ in range(2))
    padding = random.choice(("valid", "same", "same", "causal", (sides[0], sides[1])))
    name = random.choice(("linear", "relu", *ELEMENTWISE))
    activation = Activation(name, _PARAMETERS.get(name, ()))
    dtype = random.choice(("f32", "f32", "f32", *TYPES))
    first, bias = random.random() < 0.4, random.random() < 0.8
    return Problem(
        channels * groups, filters * groups, size, stride, dilation, groups, padding, activation, dtype, first, bias
    )
