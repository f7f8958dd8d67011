"""Did a change of the compiler change the speed? Two checkouts measured in turns, a process each, on one core.

    git worktree add /tmp/before HEAD~3
    python tools/speeds.py /tmp/before .                  all cases of the bench, some 2 minutes
    python tools/speeds.py /tmp/before . --filter _k7_    those whose text holds "_k7_"

`python -m bench compare` compares two runs, between which the machine changes. Here a call of one checkout follows at
once on the same call of the other. Of two checkouts of one commit the geometric mean came out as 1.0005 of 118 ratios,
and the single ones from 0.90 to 1.07 (Zen 5 EPYC, AVX-512): what one case lost or gained, measure again with --filter.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import geometric_mean, median, quantiles
from typing import Any

_ENDS = 8  # cases shown at each end of the table
# Of so many samples the lower quartile is the time. A virtual machine lost 4 ms after each 4 ms, which its clocks don't
# tell; with one sample a turn this met the same checkout each time, and equal code came out 2.2 times slower.
_SAMPLES = 8


class Checkout:
    """A process that imports the package and the bench of one checkout, and measures what it is asked for."""

    def __init__(self, top: Path) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", str(top.resolve())]
        self.process = subprocess.Popen(
            command, cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.names: list[str] = self._answer()

    def seconds(self, name: str) -> float:
        """Seconds of one call of a case: the lower quartile of samples of a millisecond each, or of a call."""
        assert self.process.stdin is not None
        print(name, file=self.process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("The process of a checkout ended; what it printed is above.")
        return json.loads(line)


def serve(top: str) -> None:
    """The process of a checkout: prints the names of its cases, then a time for each name that it reads."""
    sys.path.insert(0, top)  # before the installed package
    from bench.shapes import load
    from conv1d_codegen.machine import timing

    timing.pin()
    cases = {str(case): case for channels_first in (False, True) for case in load(channels_first)}
    print(json.dumps(list(cases)), flush=True)
    calls: dict[str, tuple[Any, int]] = {}
    for line in sys.stdin:
        name = line.rstrip("\n")
        if name not in calls:
            layer, x = cases[name].layer(), cases[name].inputs()
            y = layer(x)

            def call(layer: Any = layer, x: Any = x, y: Any = y) -> None:
                layer(x, out=y)

            calls[name] = (call, timing.repetitions(call))
        call, count = calls[name]
        timing.sample(call, -(-count // 2))  # what does not count: the caches hold the other checkout's data
        print(json.dumps(quantiles([timing.sample(call, count) for _ in range(_SAMPLES)])[0]), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path, help="a checkout of the version before")
    parser.add_argument("now", type=Path, help="a checkout of the version to compare with it")
    parser.add_argument("--filter", default="", metavar="TEXT", help="only the cases whose text holds this")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    for top in (arguments.before, arguments.now):
        if not (top / "bench" / "shapes.py").is_file():
            parser.error(f"Expected a checkout of conv1d_codegen. {top} has no bench/shapes.py.")
    before, now = Checkout(arguments.before), Checkout(arguments.now)
    names = [name for name in before.names if name in now.names and arguments.filter in name]
    if not names:
        parser.error(f"No case of both checkouts holds {arguments.filter!r} in its text.")
    ratios = {}
    for name in names:
        pairs = [(before.seconds(name), now.seconds(name)) for _ in range(arguments.rounds)]
        ratios[name] = median(new / old for old, new in pairs)
    ordered = sorted(ratios, key=ratios.__getitem__)
    for name in ordered if len(ordered) <= 2 * _ENDS else [*ordered[:_ENDS], *ordered[-_ENDS:]]:
        print(f"{name:40} {ratios[name]:.3f} times the time")
    print(f"geometric mean of {len(ratios)}: {geometric_mean(ratios.values()):.4f}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        sys.exit(main())
