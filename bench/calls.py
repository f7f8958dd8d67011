"""What a call costs beside its arithmetic: tiny layers, the parts of a call, and a fork and join of
each thread runtime.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Sequence
from statistics import median

from bench import neighbour, shapes, timing
from bench.arguments import add_filter, count
from bench.peak import FmaPeak
from bench.shapes import Case
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.layers import execution
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.runtime import kernel, native, openmp, pool, processors, team
from conv1d_codegen.runtime import workspace as scratch
from conv1d_codegen.runtime.work import Work


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Gives the exit code, 0."""
    parser = argparse.ArgumentParser(
        prog="python -m bench calls", description="Times what a call costs beside its arithmetic."
    )
    add_filter(parser, "tiny cases")
    parser.add_argument(
        "--rounds",
        type=count,
        default=21,
        help="times that each takes its turn; medians are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--neighbour",
        action="store_true",
        help="time a short and a long call in each thread runtime, beside a process that spins on a processor, and without",
    )
    arguments = parser.parse_args(argv)
    if arguments.neighbour:
        return beside_a_neighbour()
    cases = [case for case in shapes.load(text=arguments.filter) if case.kind == "tiny"]
    if not cases:
        parser.error(f"argument --filter: no tiny case contains {arguments.filter!r}")
    count_of, fork_joins = processors.usable(), fork_and_join(arguments.rounds)  # first: the others stay on one core
    timing.pin()
    print(f"{'layer(x, out=y), one thread':34} {'MFLOP':>7} {'at peak µs':>11} {'call µs':>8} {'over µs':>8}")
    for case in cases:
        at_peak, call = whole(case, arguments.rounds)
        print(
            f"{case.name:34} {case.flops / 1e6:7.3f} {1e6 * at_peak:11.2f} {1e6 * call:8.2f} {1e6 * (call - at_peak):8.2f}"
        )
    smallest = min(cases, key=lambda case: case.flops)
    _print(f"parts of a call of {smallest.name}", parts(smallest, arguments.rounds))
    _print(f"fork and join of two threads, {count_of} processors", fork_joins)
    return 0


def beside_a_neighbour() -> int:
    """Measure and print what `neighbour.py` does. Gives the exit code, 0."""
    print(f"{'c64_f64_k3_same_relu_f32':26} {'steps':>6} {'threads':12} {'median µs':>10} {'99 % µs':>10}")
    for beside, length, name, middle, late in neighbour.measure():
        print(f"{beside:26} {length:6} {name:12} {1e6 * middle:10.1f} {1e6 * late:10.1f}", flush=True)
    return 0


def whole(case: Case, rounds: int) -> tuple[float, float]:
    """Seconds of a case's arithmetic at the FMA peak, and of the call that does it."""
    layer, x, peak = case.layer(), case.inputs(), FmaPeak(resolve(None))
    y = layer(x)
    seconds = timing.interleaved({"peak": peak, "call": lambda: layer(x, out=y)}, rounds)
    return case.flops * seconds["peak"] / peak.flops, seconds["call"]


def parts(case: Case, rounds: int) -> dict[str, float]:
    """Seconds of what a call does; the parts leave out what joins them, and each adds a call of a Python function."""
    layer, x = case.layer(), case.inputs()
    y = layer(x)
    compiled = compile_problem(layer.problem, layer.options, case.length).kernel
    packed = compiled.pack(layer.kernel, layer.bias)
    launch = compiled.launch(x.shape)
    room = scratch.take(compiled.scratch_bytes)
    slots = (native.address(x), *packed.addresses, native.address(y), *launch.sizes, room.address)
    block, nothing = compiled._block(*slots, 1, 0), _no_work(compiled, slots)
    return timing.interleaved(
        {
            "layer(x, out=y)": lambda: layer(x, out=y),
            "layer(x), which makes an array": lambda: layer(x),
            "a call of a Python function": lambda: None,
            "the input looked at": lambda: execution.is_ready(x, y.dtype),
            "the output looked at": lambda: execution.check_out(y, launch.output_shape, x.dtype, x),
            "what follows from the shape": lambda: compiled.launch(x.shape),
            "an array's address": lambda: native.address(x),
            "the argument block": lambda: compiled._block(*slots, 1, 0),
            "the machine code called, no work": nothing,
            "the machine code called": lambda: compiled._function(block),
        },
        rounds,
    )


def _no_work(compiled: kernel.CompiledKernel, slots: Sequence[int]) -> Work:
    """Work of a team that has no share left."""
    counter = (ctypes.c_int64 * 2)(1)
    return Work(compiled._function, compiled._block(*slots, 1, ctypes.addressof(counter)), (compiled, counter))


def fork_and_join(rounds: int) -> dict[str, float]:
    """Seconds that a team of two takes for no work at all, in each runtime that there is.

    By the clock on the wall, one after the other without rests. Where another program has a processor that the team
    wants, OpenMP waits until it gets it, which takes milliseconds and shows here. The pool does not wait for a thread
    that has not begun; that its second thread begins 20 to 50 µs after the call does not show here.
    """
    case = next(case for case in shapes.load() if case.kind == "tiny")
    compiled = compile_problem(case.problem, length=case.length).kernel
    work = _no_work(compiled, [0] * (len(compiled._kernel.buffers) + len(compiled._kernel.sizes) + 2))
    runtimes = {"the team": team.fork_join(), "OpenMP": openmp.fork_join(), "the pool": pool.run}
    seconds = {}
    for name, run in runtimes.items():
        if run is not None:
            seconds[name] = median(_elapsed(lambda run=run: run(work, 2)) for _ in range(rounds))  # type: ignore[misc]
    return seconds


def _elapsed(call: timing.Call, repetitions: int = 20) -> float:
    start = time.perf_counter()
    for _ in range(repetitions):
        call()
    return (time.perf_counter() - start) / repetitions


def _print(title: str, seconds: dict[str, float]) -> None:
    print(f"\n{title:45} {'µs':>8}")
    for name, spent in seconds.items():
        print(f"{name:45} {1e6 * spent:8.2f}")
