"""The measurements as text: a row a case, the geometric means of each class, and which targets are met."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import geometric_mean

from . import targets
from .cells import line, mean, times
from .record import Result

_COLUMNS = (
    ("name", "<34"),
    ("class", "<9"),
    ("MFLOP", ">8"),
    ("µs", ">8"),
    ("± %", ">5"),
    ("GFLOP/s", ">7"),
    ("bound by", "<10"),
    ("% of it", ">7"),
    ("target", "<6"),
    ("F(m,r)", "<8"),
    ("vs direct", ">9"),
    ("vs generic", ">10"),
    ("vs peer", ">7"),
    ("best peer", "<11"),
)


def header(threads: int) -> str:
    """The titles of the columns for runs on so many threads."""
    several = {"bound by": "", "% of it": "vs one"}
    return _line([several.get(title, title) if threads > 1 else title for title, _ in _COLUMNS])


def row(result: Result, peers: list[str], transforms: bool = True) -> str:
    """One case, and below it who gave a wrong output. Where that was the compiled layer, nothing
    else stands in the row.
    """
    wrong = [f"{name}: {fault}" for name, fault in result.faults.items()]
    if "compiled" not in result.timings:
        return f"{result.name:34} WRONG: {'; '.join(wrong)}"
    compiled, best = result.timings["compiled"], result.best(peers)
    line = _line(
        [
            result.name,
            result.kind,
            f"{result.flops / 1e6:.3f}",
            f"{1e6 * compiled.seconds:.1f}",
            f"{100 * compiled.noise:.1f}",
            f"{result.flops / compiled.seconds / 1e9:.1f}",
            *(_bound(result, transforms) if result.threads == 1 else _scaling(result, transforms)),
            result.toom,
            times(result.ratio("direct", "compiled")),
            times(result.ratio("generic", "compiled")),
            times(None if best is None else result.ratio(best, "compiled")),
            best or "",
        ]
    )
    return "\n".join([line.rstrip(), *(f"{'':34} WRONG: {text}" for text in wrong)])


def means(results: Sequence[Result], peers: list[str]) -> str:
    """Of each class and of all: geometric means of the share of the bound (on several threads, of the ratio to one) and
    of the other ratios, each over the cases that have it, and the number of cases where a peer is faster."""
    kinds = list(dict.fromkeys(result.kind for result in results))
    groups = {kind: [result for result in results if result.kind == kind] for kind in kinds}
    if len(kinds) > 1:
        groups["all"] = list(results)
    first = "vs one" if results[0].threads > 1 else "% of bound"
    lines = [
        f"{'geometric means':<16} {'cases':>5} {first:>10} {'vs direct':>9} {'vs generic':>10} {'vs best peer':>12} {'peer faster':>12}"
    ]
    for kind, members in groups.items():
        ratios = [ratio for ratio in (_against_best(result, peers) for result in members) if ratio is not None]
        lines.append(
            f"{kind:<16} {len(members):>5} {_mean_of_first(members):>10} {mean(r.ratio('direct', 'compiled') for r in members):>9} "
            f"{mean(r.ratio('generic', 'compiled') for r in members):>10} "
            f"{mean(ratios):>12} {sum(ratio < 1 for ratio in ratios) if ratios else '':>12}".rstrip()
        )
    return "\n".join(lines)


def summary(results: Sequence[Result], peers: list[str], transforms: bool = True) -> str:
    """The targets, met and missed, with the numbers, and up to six of the cases that miss each."""
    lines = ["targets, float32"]
    for verdict in targets.verdicts(results, peers, transforms):
        lines.append(
            f"  {'met   ' if verdict.met else 'MISSED'}  {verdict.wanted} ({verdict.cases} cases): {verdict.found}"
        )
        if verdict.missed:
            more = f" and {len(verdict.missed) - 6} more" if len(verdict.missed) > 6 else ""
            lines.append(f"          {len(verdict.missed)} miss it: {', '.join(verdict.missed[:6])}{more}")
    return "\n".join(lines)


def _bound(result: Result, transforms: bool) -> list[str]:
    limit, goal, seconds = targets.limit(result), targets.goal(result, transforms), result.timings["compiled"].seconds
    return [
        limit.bound,
        f"{100 * limit.seconds / seconds:.1f}",
        "" if goal is None else "met" if seconds <= goal else "missed",
    ]


def _scaling(result: Result, transforms: bool) -> list[str]:
    met = targets.scaling_met(result, transforms)
    return ["", times(result.ratio("single", "compiled")), "" if met is None else "met" if met else "missed"]


def _against_best(result: Result, peers: list[str]) -> float | None:
    best = result.best(peers)
    return None if best is None else result.ratio(best, "compiled")


def _mean_of_first(results: Sequence[Result]) -> str:
    if results[0].threads > 1:
        return mean(result.ratio("single", "compiled") for result in results)
    return f"{100 * geometric_mean(targets.limit(result).seconds / result.timings['compiled'].seconds for result in results):.1f}"


def _line(cells: Sequence[str]) -> str:
    return line(cells, _COLUMNS)
