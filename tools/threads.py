"""What the numbers of `runtime/threads.py` and `runtime/team.py` were chosen by, on this machine.

    python tools/threads.py        on two processors or more, of which nobody else wants two; half a minute

_LEAST_FLOPS    one thread ÷ two, by the operations of a call, for each runtime: from where on two are worth it
_AWAKE          what a call takes some time after the one before, when the others look out for it still, and when they sleep
_WAKING         the same for calls of some sizes: whether waking them pays
_PATIENCE       how long so many looks take, beside what it takes to be woken
_LEAST_PAUSE    how long callers waited for others to end, on an idle machine: what no neighbour causes
"""

from __future__ import annotations

import ctypes
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conv1d_codegen import CompileOptions, Conv1D
from conv1d_codegen.machine import jit
from conv1d_codegen.machine.host import host
from conv1d_codegen.runtime import openmp, pool, processors, team, threads
from conv1d_codegen.runtime.threads import Runtime
from conv1d_codegen.runtime.work import Work

Call = Callable[[], object]
_LENGTHS = (64, 128, 256, 512, 1024, 4096, 10_000)  # steps of c64_f64_k3: 25 kFLOP each
_SLEEPERS = (256, 768, 1024)  # steps of calls after pauses
_PAUSES = (0.0, 0.0003, 0.0008, 0.002, 0.005)
_ROUNDS, _TURN = 15, 0.004  # times that each takes its turn; seconds of one


def layer_of(length: int, count: int, channels: int = 64) -> Call:
    """A call of c64_f64_k3 by so many threads."""
    layer = Conv1D(channels, 3, padding="same", options=CompileOptions(num_threads=count))
    x = np.random.default_rng(0).standard_normal((1, length, channels), np.float32)
    y = layer(x)
    return lambda: layer(x, out=y)


def seconds(call: Call, repetitions: int) -> float:
    start = time.perf_counter()
    for _ in range(repetitions):
        call()
    return (time.perf_counter() - start) / repetitions


def use(name: str, run: Callable[[Work, int], None]) -> None:
    """Let calls of several threads be run so, whatever they compute."""
    threads.runtime = lambda: Runtime(name, run, 1, team.seats if run is team.run else None)  # type: ignore[assignment]


def shared(runtimes: dict[str, Callable[[Work, int], None]]) -> None:
    """The table of one thread ÷ two."""
    print(f"{'MFLOP of a call, one thread ÷ two':36}" + "".join(f"{name:>10}" for name in runtimes))
    for length in _LENGTHS:
        alone, flops = layer_of(length, 1), 2 * 64 * 64 * 3 * length
        ratios = []
        for name, run in runtimes.items():
            use(name, run)
            both = layer_of(length, 2)
            count = max(1, int(_TURN / seconds(alone, 5)))
            pairs = [(seconds(alone, count), seconds(both, count)) for _ in range(_ROUNDS)]
            ratios.append(median(one / two for one, two in pairs))
        print(f"{flops / 1e6:36.1f}" + "".join(f"{ratio:10.2f}" for ratio in ratios), flush=True)


def after_pauses() -> None:
    """What a call takes after a pause."""
    for length in _SLEEPERS:
        title = f"µs of {24576 * length / 1e6:.1f} MFLOP, after a pause of ms"
        print(f"\n{title:36}{'one':>10}{'the team':>10}")
        calls = {count: layer_of(length, count) for count in (1, 2)}
        for pause in _PAUSES:
            found = {count: median(_after(pause, call) for _ in range(60)) for count, call in calls.items()}
            print(f"{1e3 * pause:36.1f}{1e6 * found[1]:10.1f}{1e6 * found[2]:10.1f}", flush=True)


def _after(pause: float, call: Call) -> float:
    call()
    end = time.perf_counter() + pause
    while time.perf_counter() < end:  # awake: a processor that sleeps takes its own time to wake
        pass
    return seconds(call, 1)


def patience() -> None:
    """How long a caller looks before it sleeps."""
    looks = team._PATIENCE
    code = jit.load(_LOOKS, "look", host())
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address)
    word = ctypes.c_int64()
    spent = median(seconds(lambda: function(ctypes.addressof(word), looks), 20) for _ in range(_ROUNDS))
    print(f"\n{looks} looks of a caller take {1e6 * spent:.0f} µs.")


#: Looks at a word that stays 0, as `templates/team.ll.j2` does on x86.
_LOOKS = """
declare void @llvm.x86.sse2.pause()
define void @look(ptr %word, i64 %count) {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %after, %next ]
  call void @llvm.x86.sse2.pause()
  %seen = load atomic i64, ptr %word acquire, align 8
  %after = add i64 %i, 1
  %same = icmp eq i64 %seen, 0
  %left = icmp ult i64 %after, %count
  %more = and i1 %same, %left
  br i1 %more, label %next, label %done
done:
  ret void
}
"""


def waits() -> None:
    """How long callers wait for others to end, with nobody else there."""
    found: list[int] = []

    def run(work: Work, count: int) -> None:
        found.append(team._made().run(work, count))

    use("the team", run)
    for length in (700, 4000):
        call = layer_of(length, 2)
        found.clear()
        spent = seconds(call, 3000 if length < 1000 else 600)
        shares = ", ".join(f"{share} % {np.percentile(found, share) / 1e3:.0f}" for share in (50, 99, 99.9, 100))
        print(
            f"waited for others in calls of {1e6 * spent:.0f} µs, µs: {shares}   (_LEAST_PAUSE: {team._LEAST_PAUSE / 1e3:.0f})"
        )


def main() -> None:
    if processors.usable() < 2:
        raise SystemExit("Two threads are compared with one: two processors are needed, and this process may use one.")
    runtimes: dict[str, Any] = {"the team": team.fork_join(), "OpenMP": openmp.fork_join(), "the pool": pool.run}
    known = {name: run for name, run in runtimes.items() if run is not None}
    shared(known)
    if "the team" in known:
        use("the team", team.run)
        after_pauses()
        if platform.machine() == "x86_64":
            patience()
        waits()


if __name__ == "__main__":
    main()
