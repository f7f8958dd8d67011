"""What a call costs beside its arithmetic: tiny layers, one by one and in a network, the parts of a call, two Python
threads that call at once, and a fork and join of each thread runtime.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np

from bench import neighbour, shapes
from conv1d_codegen import Conv1D
from conv1d_codegen.benchmark.arguments import add_filter, count
from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.compiler import compile_problem
from conv1d_codegen.emit.abi import FIRST_RUN
from conv1d_codegen.ir import packing
from conv1d_codegen.layers import execution
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.peak import FmaPeak
from conv1d_codegen.network import Input, Network
from conv1d_codegen.parser import Parser
from conv1d_codegen.problem import Problem
from conv1d_codegen.runtime import fast_calls, kernel, openmp, pool, processors, team
from conv1d_codegen.runtime import workspace as scratch
from conv1d_codegen.runtime.work import Work


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Gives the exit code, 0."""
    parser = Parser(prog="python -m bench calls", description="Times what a call costs beside its arithmetic.")
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
    beside = at_once(arguments.rounds)
    timing.pin()
    columns = "".join(f"{name:>10}" for name in ("MFLOP", "at peak", "kernel", *_CALLS, *_SHARES))
    print(f"{'µs, one thread':30}{columns}")
    for case in cases:
        print(
            f"{case.name:30}{''.join(f'{number:10.3f}' for number in (case.flops / 1e6, *whole(case, arguments.rounds)))}"
        )
    smallest = min(cases, key=lambda case: case.flops)
    print(f"\n{'networks of 8 channels, 64 steps, µs':45} {'call':>8} {'over kernels':>13}")
    for layers in (1, 2, 10):
        call, kernels = network(layers, arguments.rounds)
        print(f"{f'{layers} layers':45} {1e6 * call:8.3f} {1e6 * (call - kernels):13.3f}")
    _print(f"parts of a call of {smallest.name}", parts(smallest, arguments.rounds))
    print(f"\n{'two Python threads ÷ one, a call':45} {'GIL held':>8} {'released':>9}")
    for text, (held, released) in beside.items():
        print(f"{text:45} {held:8.2f} {released:9.2f}")
    _print(f"fork and join of two threads, {count_of} processors", fork_joins)
    return 0


def beside_a_neighbour() -> int:
    """Measure and print what `neighbour.py` does. Gives the exit code, 0."""
    print(f"{'c64_f64_k3_same_relu_f32':26} {'steps':>6} {'threads':12} {'median µs':>10} {'99 % µs':>10}")
    for beside, length, name, middle, late in neighbour.measure():
        print(f"{beside:26} {length:6} {name:12} {1e6 * middle:10.1f} {1e6 * late:10.1f}", flush=True)
    return 0


_CALLS = ("out=y", "over", "no out", "over ")
_SHARES = ("50 %", "99 %", "99.9 %")
_SWITCH = "CONV1D_CODEGEN_FAST_CALL"
_SINGLE = 20_000  # calls that are timed one by one


def whole(case: Case, rounds: int) -> tuple[float, ...]:
    """Microseconds of a case: its arithmetic at the FMA peak; its kernel; `layer(x, out=y)`, and that without the kernel;
    `layer(x)`, and that without the kernel; and percentiles of single calls, the clock included.
    """
    layer, x, peak = case.layer(), case.inputs(), FmaPeak(resolve(None))
    y = layer(x)
    block, nothing = _blocks(case, x, y)
    seconds = timing.interleaved(
        {"peak": peak, "code": block, "nothing": nothing, "out": lambda: layer(x, out=y), "new": lambda: layer(x)},
        rounds,
    )
    kernel = seconds["code"] - seconds["nothing"]
    calls = (seconds["out"], seconds["out"] - kernel, seconds["new"], seconds["new"] - kernel)
    shares = _percentiles(lambda: layer(x, out=y), (0.5, 0.99, 0.999))
    return tuple(1e6 * number for number in (case.flops * seconds["peak"] / peak.flops, kernel, *calls, *shares))


def _percentiles(call: timing.Call, shares: Sequence[float]) -> list[float]:
    """Of the seconds of single calls, by the clock on the wall."""
    clock, single = time.perf_counter, []
    for _ in range(_SINGLE):
        start = clock()
        call()
        single.append(clock() - start)
    single.sort()
    return [single[int(share * _SINGLE)] for share in shares]


def network(count: int, rounds: int) -> tuple[float, float]:
    """Seconds of a network of so many small layers, and of their kernels alone."""
    x = h = Input(8)
    for _ in range(count):
        h = Conv1D(8, 3, padding="same", activation="relu")(h)
    made = Network(x, h)
    a = np.random.default_rng(1).standard_normal((1, 64, 8), np.float32)
    y = made(a)
    block, nothing = _blocks(Case("small", "tiny", 1, 64, Problem.parse("c8_f8_k3_same_relu_f32")), a, y)
    seconds = timing.interleaved(
        {"code": block, "nothing": nothing, "call": lambda: made(a, out=y)},
        rounds,
    )
    return seconds["call"], count * (seconds["code"] - seconds["nothing"])


def at_once(rounds: int) -> dict[str, tuple[float, float]]:
    """How long a call takes where two Python threads call one layer at once, ÷ one of one thread: with the GIL held, and
    with it released around the machine code.
    """
    found = {}
    for channels, length in ((8, 512), (16, 1000), (16, 2000), (16, 4000), (32, 4000)):
        flops = 6 * channels * channels * length
        ratios = []
        for least in (1 << 60, 0):
            with _released_from(least):
                layer = Conv1D(channels, 3, padding="same")
                x = np.zeros((1, length, channels), np.float32)
                layer(x)
            count = max(10, 200_000_000 // flops)
            ratios.append(median(_called(layer, x, count, 2) / _called(layer, x, count, 1) for _ in range(rounds)))
        found[f"{flops / 1e6:.1f} MFLOP"] = ratios[0], ratios[1]
    return found


@contextmanager
def _released_from(flops: int) -> Iterator[None]:
    """Calls that are prepared meanwhile release the GIL from so many operations on."""
    usual = fast_calls.LONG
    fast_calls.LONG = flops
    try:
        yield
    finally:
        fast_calls.LONG = usual


def _called(layer: Conv1D, x: np.ndarray[Any, Any], count: int, callers: int) -> float:
    """Seconds of a call, of `count` by each of so many Python threads."""
    begin = threading.Barrier(callers + 1)

    def work() -> None:
        y = np.empty_like(x)
        begin.wait()
        for _ in range(count):
            layer(x, out=y)

    all_ = [threading.Thread(target=work) for _ in range(callers)]
    for caller in all_:
        caller.start()
    begin.wait()
    start = time.perf_counter()
    for caller in all_:
        caller.join()
    return (time.perf_counter() - start) / count / callers


def _blocks(case: Case, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> tuple[timing.Call, timing.Call]:
    """The case's machine code, called by ctypes: with all of its work, and with none."""
    layer = case.layer()
    compiled = compile_problem(layer.problem, layer.options, case.length).kernel
    packed = compiled.pack(layer.kernel, layer.bias)
    room = scratch.take(compiled.scratch_bytes)
    slots = (packing.address(x), *packed.addresses, packing.address(y), *compiled.launch(x.shape).sizes, room.address)
    all_ = Work(compiled._function, compiled._block(*slots, 1, 0), (compiled, packed, room, x, y))
    return all_, _no_work(compiled, slots)


def parts(case: Case, rounds: int) -> dict[str, float]:
    """Seconds of what a call does; the parts leave out what joins them, and each adds a call of a Python function."""
    layer, x = case.layer(), case.inputs()
    y = layer(x)
    plain = _through_python(case, x)
    assert layer._weights is not None
    fast = layer._weights.fast.function or layer
    compiled = compile_problem(layer.problem, layer.options, case.length).kernel
    packed = compiled.pack(layer.kernel, layer.bias)
    launch = compiled.launch(x.shape)
    room = scratch.take(compiled.scratch_bytes)
    slots = (packing.address(x), *packed.addresses, packing.address(y), *launch.sizes, room.address)
    block, nothing = compiled._block(*slots, 1, 0), _no_work(compiled, slots)
    return timing.interleaved(
        {
            "layer(x, out=y)": lambda: layer(x, out=y),
            "layer(x), which makes an array": lambda: layer(x),
            "the function of Python's alone": lambda: fast(x, y),
            "layer(x, out=y), through Python": lambda: plain(x, out=y),
            "a call of a Python function": lambda: None,
            "the input looked at": lambda: execution.is_ready(x, y.dtype),
            "the output looked at": lambda: execution.check_out(y, launch.output_shape, x.dtype, x),
            "what follows from the shape": lambda: compiled.launch(x.shape),
            "an array's address": lambda: packing.address(x),
            "the argument block": lambda: compiled._block(*slots, 1, 0),
            "the machine code called, no work": nothing,
            "the machine code called": lambda: compiled._function(block),
        },
        rounds,
    )


def _through_python(case: Case, x: np.ndarray[Any, Any]) -> Conv1D:
    """A layer whose calls for inputs like `x` are no fast ones."""
    layer, before = case.layer(), os.environ.get(_SWITCH)
    os.environ[_SWITCH] = "0"
    try:
        layer(x)
    finally:
        del os.environ[_SWITCH]
        if before is not None:
            os.environ[_SWITCH] = before
    return layer


def _no_work(compiled: kernel.CompiledKernel, slots: Sequence[int]) -> Work:
    """Work of a team that has no share left."""
    counters = (ctypes.c_int64 * (FIRST_RUN + 1))(0, 0, 1)
    return Work(compiled._function, compiled._block(*slots, 1, ctypes.addressof(counters)), (compiled, counters))


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
