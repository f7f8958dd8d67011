"""How long each filter of the demo takes, compiled, by the generic kernel and by NumPy; and how long the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from ..network import Network
from .detector import Array, Filter

LONG = (4, 65536)  # recordings and samples of the batch that is timed: 12 minutes of ECG
ROUNDS = 11


def seconds_each(calls: list[Callable[[], object]]) -> list[float]:
    """The median processor time of each call, taken by turns so that what disturbs one disturbs all."""
    repeats = []
    for call in calls:
        call()
        repeats.append(1 + int(1e-3 / max(_seconds(call, 1), 1e-6)))
    rounds = [[_seconds(call, count) for call, count in zip(calls, repeats, strict=True)] for _ in range(ROUNDS)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.thread_time()
    for _ in range(count):
        call()
    return (time.thread_time() - start) / count


@dataclass(frozen=True)
class Timing:
    """Seconds that one filter takes over an input."""

    name: str
    compiled: float
    generic: float
    numpy: float


def _in_numpy(item: Filter, x: Array, y: Array) -> None:
    """A filter without this package; `np.convolve` turns the taps round and takes one signal at a time."""
    taps = item.taps[::-1].astype(np.float32)
    for n in range(len(x)):
        y[n, 0] = np.convolve(x[n, 0], taps, "same")
    if item.activation is not None:
        y[...] = item.activation(y)


def measure(filters: tuple[Filter, ...], signal: Array) -> list[Timing]:
    """Times each filter over the output of the one before it. `signal`: (batch, 1, samples)."""
    timings = []
    x = signal
    for item in filters:
        compiled, generic = item.layer(), item.layer("generic")
        y, z = compiled(x), np.empty_like(x)
        calls: list[Callable[[], object]] = [
            partial(compiled, x, out=z),
            partial(generic, x, out=z),
            partial(_in_numpy, item, x, z),
        ]
        timings.append(Timing(item.name, *seconds_each(calls)))
        x = y
    return timings


def measure_network(net: Network, signal: Array) -> float:
    """The seconds that the network takes on one thread for `signal`, `(batch, 1, samples)`: its one channel is last as it is first."""
    x = np.ascontiguousarray(signal, np.float32).reshape(len(signal), -1, 1)
    one, y = net.with_options({"num_threads": 1}), np.empty_like(x)
    return seconds_each([lambda: one(x, out=y)])[0]
