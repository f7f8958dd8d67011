"""What new weights cost: `set_weights` and one call of a layer, beside a call alone and, where it is installed, torch's
copies into a layer's parameters and one call.

    taskset -c 1 python tools/new_weights.py        one thread; medians of rounds in which each takes its turn

The last columns: laying out the weights alone, by NumPy, as for the first weights of a kernel, and by the code that is
made for those that come after.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.compiler import Compilation, compile_problem

_ROUNDS = 9
_SECONDS = 0.02  # of one turn
#: Channels, filters, kernel size, steps, algorithm.
_CASES = (
    (1, 16, 3, 50, "auto"),
    (16, 16, 3, 50, "auto"),
    (64, 64, 3, 1000, "auto"),
    (256, 256, 3, 100, "auto"),
    (256, 256, 3, 1000, "auto"),
    (256, 256, 3, 1000, "cook_toom"),
    (64, 64, 9, 1000, "cook_toom"),
)


def interleaved(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds of each."""
    counts = {name: max(1, int(_SECONDS / max(1e-7, _seconds(call, 3)))) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            found[name].append(_seconds(call, counts[name]))
    return {name: 1e6 * median(seconds) for name, seconds in found.items()}


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def measured(channels: int, filters: int, size: int, steps: int, algorithm: str) -> dict[str, float]:
    """The columns of a case."""
    layer = Conv1D(filters, size, padding="same", options=CompileOptions(algorithm=algorithm, num_threads=1))
    x = np.random.default_rng(0).standard_normal((1, steps, channels), np.float32)
    layer(x)
    weights = layer.get_weights()

    def renewed() -> None:
        layer.set_weights(weights)
        layer(x)

    renewed()
    made: Compilation = compile_problem(layer.problem, layer.options, steps)
    usual, packer = made.kernel.pack, made.packer
    assert packer is not None
    calls: dict[str, Callable[[], object]] = {
        "call": lambda: layer(x),
        "renewed": renewed,
        "numpy": lambda: usual(*weights),
        "code": lambda: packer(*weights),
    }
    return interleaved(calls | _of_torch(weights, x))


def _of_torch(weights: list[np.ndarray[Any, Any]], x: np.ndarray[Any, Any]) -> dict[str, Callable[[], object]]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    size, channels, filters = weights[0].shape
    layer = torch.nn.Conv1d(channels, filters, size, padding="same").requires_grad_(False)
    given = torch.from_numpy(np.ascontiguousarray(weights[0].transpose(2, 1, 0))), torch.from_numpy(weights[1])
    inputs = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1)))

    def renewed() -> None:
        layer.weight.copy_(given[0])
        layer.bias.copy_(given[1])
        layer(inputs)

    return {"torch": lambda: layer(inputs), "torch renewed": renewed}


def main() -> None:
    names = ("call", "renewed", "torch", "torch renewed", "numpy", "code")
    print(f"{'µs, one thread':34}" + "".join(f"{name:>15}" for name in names))
    for case in _CASES:
        found = measured(*case)
        channels, filters, size, steps, algorithm = case
        text = f"c{channels}_f{filters}_k{size}@1x{steps} {algorithm}"
        print(f"{text:34}" + "".join(f"{found.get(name, float('nan')):15.1f}" for name in names), flush=True)


if __name__ == "__main__":
    main()
