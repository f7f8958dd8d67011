"""What would auto choose now, by times that were measured before? `python tools/choice.py FILE ...`, of records that
`python -m bench random --records FILE` wrote: seconds to see what a change of the cost model is worth.

For each case the plan that the model takes now is looked up among those that were measured. Printed are the cases where
another one is faster by more than the noise, the most first; how many there are, and the geometric mean of how many times
as fast as the best other plan auto is; and how far the count of cycles is off, as the standard deviation of the logarithm
of how many times as fast as directly windows are, counted and measured. Plans that were not measured, as the change made
other ones, are said to be so.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, mean, pstdev

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.random_problems import SLOWER, kind  # noqa: E402
from conv1d_codegen.benchmark.cases import Case  # noqa: E402
from conv1d_codegen.machine.host import host  # noqa: E402
from conv1d_codegen.schedule.cook_toom_cycles import of_input, windows_of  # noqa: E402
from conv1d_codegen.schedule.cost_model import choose  # noqa: E402
from conv1d_codegen.schedule.direct_cycles import of_direct_input  # noqa: E402
from conv1d_codegen.schedule.direct_plans import usual_direct  # noqa: E402
from conv1d_codegen.schedule.plan import Plan  # noqa: E402

_FAR = 1.5  # times as long as the fastest: another plan is not near, and is not counted


@dataclass(frozen=True, slots=True)
class Record:
    """One case, and the seconds of each plan that was measured, on so many threads."""

    case: Case
    threads: int
    seconds: dict[Plan, float]

    @classmethod
    def parse(cls, line: str) -> Record:
        """The inverse of `record` of `bench/random_problems.py`."""
        read = json.loads(line)
        seconds = {Plan.parse(plan): taken for plan, taken in read["seconds"].items()}
        return cls(Case.parse(read["case"]), read["threads"], seconds)

    @classmethod
    def merged(cls, records: Iterable[Record]) -> list[Record]:
        """One for each case and number of threads, with the least seconds of each plan: what disturbs a measurement
        makes it longer.
        """
        found: dict[tuple[str, int], Record] = {}
        for each in records:
            other = found.setdefault((str(each.case), each.threads), each)
            for plan, seconds in each.seconds.items():
                other.seconds[plan] = min(seconds, other.seconds.get(plan, seconds))
        return list(found.values())

    def taken(self) -> Plan:
        """What auto takes now."""
        return choose(self.case.problem, host(), length=self.case.length)

    def ratio(self, taken: Plan) -> float:
        """How many times as fast as the best other plan `taken` is; infinite where no other is near."""
        others = [each for plan, each in self.seconds.items() if plan != taken]
        ratio = min(others, default=math.inf) / self.seconds[taken]
        return ratio if ratio < _FAR else math.inf

    def errors(self) -> Iterator[tuple[bool, float]]:
        """Of each plan with windows that is near: whether it is nested, and the logarithm of how many times as fast as
        directly it is counted to be, over what was measured.
        """
        problem, length = self.case.problem, self.case.length
        usual = usual_direct(problem, host(), length)
        direct = self.seconds.get(usual, math.inf)
        for plan, seconds in self.seconds.items():
            if (
                plan.algorithm == "cook_toom"
                and windows_of(problem, plan, length)
                and seconds < _FAR * direct < math.inf
            ):
                directly = of_direct_input(problem, host(), usual, length, 0)
                counted = directly / of_input(problem, host(), plan, length, 0)
                yield bool(plan.nested), math.log(counted * seconds / direct)


def report(records: Sequence[Record]) -> Iterator[str]:
    """The lines that are printed."""
    near, unknown = [], []
    for each in records:
        taken = each.taken()
        if taken not in each.seconds:
            unknown.append(f"not measured: {each.case} {taken}")
        elif math.isfinite(each.ratio(taken)):
            best = min((plan for plan in each.seconds if plan != taken), key=lambda plan: each.seconds[plan])
            near.append((each.ratio(taken), each.case, kind(taken), kind(best)))
    yield from unknown
    for ratio, case, taken_kind, best_kind in sorted(near, key=lambda each: each[0]):
        if ratio < SLOWER:
            yield f"{case!s:50} {taken_kind:16} {best_kind:16} {ratio:.2f}"
    if near:
        ratios = [each[0] for each in near]
        yield (
            f"{len(records)} cases: for {len(near)} another plan is near or better; times as fast as the best: geometric "
            f"mean {geometric_mean(ratios):.3f}, worst {min(ratios):.2f}, slower {sum(each < SLOWER for each in ratios)}"
        )
    for nested, name in ((False, "of one level"), (True, "nested")):
        errors = [error for record in records for of_nested, error in record.errors() if of_nested is nested]
        if len(errors) > 1:
            yield f"{len(errors)} plans {name}: the count is off by {pstdev(errors):.3f}, on average by {mean(errors):+.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="What auto would choose now, by times that were measured before.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of `python -m bench random --records`")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the records that are looked at (default: %(default)s)"
    )
    arguments = parser.parse_args()
    lines = (line for file in arguments.files for line in file.read_text().splitlines())
    records = Record.merged(map(Record.parse, lines))
    print("\n".join(report([each for each in records if each.threads == arguments.threads])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
