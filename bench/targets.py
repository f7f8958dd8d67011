"""What bounds each case, and how close to its bound the project wants it: the only place that knows either.

On one thread the bound is the time that nothing could go below: the arithmetic at the FMA peak, or writing the output; for a depthwise
layer with few taps, which does next to no arithmetic, a copy of as many bytes. An algorithm with fewer multiplications (Cook–Toom) can go
below the first. On several threads a case is held against itself on one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from bench.record import Result

FEW_TAPS = 15  # below it a depthwise layer is bound by memory: k / 4 FLOP a byte
_CORE = ("dense", "dilated", "strided", "pointwise")


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds that a call takes at least, and what takes them: "arithmetic", "writing" or "copying"."""

    seconds: float
    bound: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what is wanted, of how many cases, what was found, whether that is enough, and the cases that miss it, worst first."""

    wanted: str
    cases: int
    found: str
    met: bool
    missed: list[str]


def limit(result: Result) -> Limit:
    """What bounds a case on one thread."""
    found = [Limit(_arithmetic(result), "arithmetic"), Limit(result.timings["write"].seconds, "writing")]
    if _few_taps(result):
        found.append(Limit(result.timings["copy"].seconds, "copying"))
    return max(found, key=lambda each: each.seconds)


def goal(result: Result) -> float | None:
    """Seconds that a call may take; None where no target is set, or where several threads run."""
    return next((rule.seconds(result) for rule in _RULES if rule.holds(result)), None) if result.threads == 1 else None


def scaling_goal(flops: int) -> float:
    """How many times as fast as one thread two are to be."""
    return 1.85 if flops >= 20e6 else 1.5 if flops >= 3e6 else 1.0


def scaling_met(result: Result) -> bool | None:
    """Whether two threads are as many times as fast as one as they should be; None where that was not measured.

    Where it is only asked that they are no slower, they may differ by the noise of both, up to 10 %: most run the same code on one thread.
    """
    ratio, wanted = result.ratio("single", "compiled"), scaling_goal(result.flops)
    if ratio is None or result.threads != 2:
        return None
    spare = min(0.1, result.timings["single"].noise + result.timings["compiled"].noise) if wanted == 1 else 0.0
    return ratio >= wanted - spare


def verdicts(results: Sequence[Result], peers: Sequence[str]) -> list[Verdict]:
    """All targets that these results have cases for."""
    right = [result for result in results if "compiled" in result.timings]
    alone = [result for result in right if result.threads == 1]
    found = [_of_core([result for result in alone if _core(result)])]
    found += [_of_rule(rule, [result for result in alone if rule.holds(result)]) for rule in _RULES]
    found += _of_peers(alone, list(peers))
    found += [_of_scaling(right, *band) for band in ((20e6, float("inf")), (3e6, 20e6), (0.0, 3e6))]
    return [verdict for verdict in found if verdict is not None]


def _arithmetic(result: Result) -> float:
    return result.flops / result.peak


def _few_taps(result: Result) -> bool:
    return result.kind == "depthwise" and result.problem.kernel_size < FEW_TAPS


def _core(result: Result) -> bool:
    return result.kind in _CORE and min(result.problem.channels, result.problem.filters) >= 16 and result.flops >= 30e6


@dataclass(frozen=True, slots=True)
class _Rule:
    """A time for each of some cases."""

    wanted: str
    holds: Callable[[Result], bool]
    seconds: Callable[[Result], float]


_RULES = (
    _Rule("the same cases: each 85 % of peak", _core, lambda r: _arithmetic(r) / 0.85),
    _Rule("odd: each 75 % of peak", lambda r: r.kind == "odd", lambda r: _arithmetic(r) / 0.75),
    _Rule(
        "narrow: each 60 % of peak, or 1.3 times writing the output",
        lambda r: r.kind == "narrow",
        lambda r: max(_arithmetic(r) / 0.6, 1.3 * r.timings["write"].seconds),
    ),
    _Rule(
        "grouped, 4 channels a group and more: each 75 % of peak",
        lambda r: r.kind == "grouped" and r.problem.group_channels >= 4,
        lambda r: _arithmetic(r) / 0.75,
    ),
    _Rule(f"depthwise, below {FEW_TAPS} taps: each 1.25 times a copy", _few_taps, lambda r: 1.25 * r.timings["copy"].seconds),
    _Rule(
        f"depthwise, {FEW_TAPS} taps and more: each 65 % of peak",
        lambda r: r.kind == "depthwise" and not _few_taps(r),
        lambda r: _arithmetic(r) / 0.65,
    ),
    _Rule("tiny: each 4 µs over the arithmetic at peak", lambda r: r.flops < 1e6, lambda r: _arithmetic(r) + 4e-6),
)


def _of_rule(rule: _Rule, results: list[Result]) -> Verdict | None:
    """`found` is how much of the time that it may take the worst case takes."""
    if not results:
        return None
    shares = {result.name: result.timings["compiled"].seconds / rule.seconds(result) for result in results}
    missed = sorted((name for name, share in shares.items() if share > 1), key=lambda name: -shares[name])
    return Verdict(rule.wanted, len(results), f"worst takes {max(shares.values()):.2f} of that time", not missed, missed)


def _of_core(results: list[Result]) -> Verdict | None:
    if not results:
        return None
    mean = geometric_mean(_arithmetic(result) / result.timings["compiled"].seconds for result in results)
    wanted = "dense, dilated, strided, pointwise, from 16 channels and 30 MFLOP: 93 % of peak, geometric mean"
    return Verdict(wanted, len(results), f"{100 * mean:.1f} %", mean >= 0.93, [])


def _of_peers(results: list[Result], peers: list[str]) -> list[Verdict]:
    ratios: dict[str, float] = {}
    for result in results:
        best = result.best(peers)
        ratio = None if best is None else result.ratio(best, "compiled")
        if ratio is not None:
            ratios[result.name] = ratio
    if not ratios:
        return []
    slower = sorted((name for name, ratio in ratios.items() if ratio < 1), key=lambda name: ratios[name])
    mean, worst = geometric_mean(ratios.values()), min(ratios.values())
    against = f"best of {', '.join(peers)}"
    return [
        Verdict(f"{against}: none slower", len(ratios), f"worst {worst:.2f} times as fast", not slower, slower),
        Verdict(f"{against}: 2 times as fast, geometric mean", len(ratios), f"{mean:.2f} times", mean >= 2, []),
    ]


def _of_scaling(results: list[Result], least: float, most: float) -> Verdict | None:
    ratios: dict[str, float] = {}
    missed = []
    for result in results:
        ratio, met = result.ratio("single", "compiled"), scaling_met(result)
        if ratio is None or met is None or not least <= result.flops < most:
            continue
        ratios[result.name] = ratio
        missed += [result.name] * (not met)
    if not ratios:
        return None
    wanted = scaling_goal(int(least))
    size = f"from {least / 1e6:.0f} MFLOP" if least else f"below {most / 1e6:.0f} MFLOP"
    text = f"two threads, {size}: {wanted:g} times one" if wanted > 1 else f"two threads, {size}: no slower than one"
    missed.sort(key=lambda name: ratios[name])
    return Verdict(text, len(ratios), f"worst {min(ratios.values()):.2f} times", not missed, missed)
