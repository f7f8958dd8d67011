"""What bounds each case, and how close to its bound the project wants it: the only place that knows either.

On one thread the bound is the time that nothing could go below: the arithmetic at the FMA peak, or writing the output;
for a depthwise layer, which does little arithmetic with each number, a copy of as many bytes. An algorithm with fewer
multiplications (Cook–Toom) can go below the first. So where it may be chosen (`transforms`), large cases have targets
beyond the peak; and where it is, it is held against the direct algorithm. On several threads a case is held against
itself on one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from ..problem import Problem
from .record import Result

#: Below it a depthwise layer is bound by memory: k / 4 FLOP a byte. From it on, as far as its arrays leave L2: the 4 MiB
#: of conformer/dw512_k15 take 176 us on one thread, 1.2 times a copy, and 72 on two, each of which has half in its L2.
FEW_TAPS = 15
#: The classes of shapes.json. Cases of others, which users have, are held against nothing.
CLASSES = ("dense", "dilated", "strided", "pointwise", "odd", "narrow", "grouped", "depthwise", "tiny")
_CORE = ("dense", "dilated", "strided", "pointwise")
_NO_SLOWER = 0.98  # times as fast as the direct algorithm: as fast, but for the noise


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds that a call takes at least, and what takes them: "arithmetic", "writing" or "copying"."""

    seconds: float
    bound: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what is wanted, of how many cases, what was found, whether that is enough, and the cases that miss
    it, worst first.
    """

    wanted: str
    cases: int
    found: str
    met: bool
    missed: list[str]


def limit(result: Result) -> Limit:
    """What bounds a case on one thread."""
    found = [Limit(_arithmetic(result), "arithmetic"), Limit(result.timings["write"].seconds, "writing")]
    if result.kind == "depthwise":
        found.append(Limit(result.timings["copy"].seconds, "copying"))
    return max(found, key=lambda each: each.seconds)


def goal(result: Result, transforms: bool = True) -> float | None:
    """Seconds that a call may take; None where no target is set, or where several threads run."""
    rule = _rule(result, transforms) if result.threads == 1 else None
    return None if rule is None else rule.seconds(result)


def scaling_met(result: Result, transforms: bool = True) -> bool | None:
    """Whether two threads are as many times as fast as one as they should be; None where that was not measured.

    Where it is only asked that they are no slower, they may differ by the noise of both, up to 10 %: most run the same
    code on one thread.
    """
    ratio, wanted = result.ratio("single", "compiled"), _scaling(result, transforms).wanted
    if ratio is None or result.threads != 2:
        return None
    spare = min(0.1, result.timings["single"].noise + result.timings["compiled"].noise) if wanted == 1 else 0.0
    return ratio >= wanted - spare


def verdicts(results: Sequence[Result], peers: Sequence[str], transforms: bool = True) -> list[Verdict]:
    """All targets that these results have cases for."""
    right = [result for result in results if "compiled" in result.timings]
    alone = [result for result in right if result.threads == 1]
    held = {rule: [result for result in alone if _rule(result, transforms) is rule] for rule in (*_BEYOND, *_RULES)}
    found = [_of_rule(rule, held[rule]) for rule in _BEYOND]
    found += [_of_direct(alone), _of_core(held[_EACH_OF_CORE], transforms)]
    found += [_of_rule(rule, held[rule]) for rule in _RULES]
    found += _of_peers(alone, list(peers), transforms)
    found += [
        _of_scaling(band, [result for result in right if _scaling(result, transforms) is band], transforms)
        for band in _SCALING
    ]
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


def _beyond(which: str, percent: int, fits: Callable[[Problem], bool], least: int = 32) -> _Rule:
    """A share of the peak that fewer multiplications allow, for large cases with at least so many
    channels and filters.
    """

    def holds(result: Result) -> bool:
        p = result.problem
        return p.groups == 1 and min(p.channels, p.filters) >= least and result.flops >= 100e6 and fits(p)

    wanted = f"{which}, from {least} channels and 100 MFLOP: each {percent} % of peak"
    return _Rule(wanted, holds, lambda result: 100 * _arithmetic(result) / percent)


# The first rule that holds for a case is the one that it is held against: one of these, where fewer multiplications may
# be chosen,
_BEYOND = (
    _beyond("3 taps", 165, lambda p: (p.kernel_size, p.stride) == (3, 1), least=64),
    _beyond("3 taps", 150, lambda p: (p.kernel_size, p.stride) == (3, 1)),
    _beyond("5 taps and more", 155, lambda p: p.kernel_size >= 5 and p.stride == 1),
    _beyond(
        "2 taps, 4 with stride 2, 8 with stride 4", 125, lambda p: (p.kernel_size, p.stride) in ((2, 1), (4, 2), (8, 4))
    ),
    _beyond("3 taps with stride 2", 110, lambda p: (p.kernel_size, p.stride) == (3, 2)),
)
_EACH_OF_CORE = _Rule("the same cases: each 85 % of peak", _core, lambda r: _arithmetic(r) / 0.85)
# and else of these.
_RULES = (
    _EACH_OF_CORE,
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
    _Rule(
        f"depthwise, below {FEW_TAPS} taps: each 1.25 times a copy",
        _few_taps,
        lambda r: 1.25 * r.timings["copy"].seconds,
    ),
    _Rule(
        f"depthwise, {FEW_TAPS} taps and more: each 65 % of peak, or 1.25 times a copy",
        lambda r: r.kind == "depthwise" and not _few_taps(r),
        lambda r: max(_arithmetic(r) / 0.65, 1.25 * r.timings["copy"].seconds),
    ),
    _Rule("tiny: each 4 µs over the arithmetic at peak", lambda r: r.flops < 1e6, lambda r: _arithmetic(r) + 4e-6),
)


def _rule(result: Result, transforms: bool) -> _Rule | None:
    if result.kind not in CLASSES:
        return None
    return next((rule for rule in (*_BEYOND, *_RULES)[0 if transforms else len(_BEYOND) :] if rule.holds(result)), None)


@dataclass(frozen=True, slots=True)
class _Scaling:
    """How many times as fast as one thread two are to be, in some cases."""

    which: str
    wanted: float
    holds: Callable[[Result], bool]


_BEYOND_SCALING = _Scaling("cases with targets beyond the peak", 1.8, lambda r: any(rule.holds(r) for rule in _BEYOND))
_SCALING = (
    _BEYOND_SCALING,
    _Scaling("from 20 MFLOP", 1.85, lambda r: r.flops >= 20e6),
    _Scaling("from 3 MFLOP", 1.5, lambda r: r.flops >= 3e6),
    _Scaling("below 3 MFLOP", 1.0, lambda r: True),
)


def _scaling(result: Result, transforms: bool) -> _Scaling:
    return next(band for band in _SCALING if band.holds(result) and (transforms or band is not _BEYOND_SCALING))


def _of_rule(rule: _Rule, results: list[Result]) -> Verdict | None:
    """`found` is how much of the time that it may take the worst case takes."""
    if not results:
        return None
    shares = {result.name: result.timings["compiled"].seconds / rule.seconds(result) for result in results}
    missed = sorted((name for name, share in shares.items() if share > 1), key=lambda name: -shares[name])
    return Verdict(
        rule.wanted, len(results), f"worst takes {max(shares.values()):.2f} of that time", not missed, missed
    )


def _of_core(results: list[Result], transforms: bool) -> Verdict | None:
    if not results:
        return None
    mean = geometric_mean(_arithmetic(result) / result.timings["compiled"].seconds for result in results)
    others = "other " if transforms else ""
    wanted = f"{others}dense, dilated, strided, pointwise, from 16 channels and 30 MFLOP: 93 % of peak, geometric mean"
    return Verdict(wanted, len(results), f"{100 * mean:.1f} %", mean >= 0.93, [])


def _of_direct(results: list[Result]) -> Verdict | None:
    ratios = {result.name: ratio for result in results if (ratio := result.ratio("direct", "compiled")) is not None}
    return (
        _none_slower("Cook–Toom, wherever it is chosen: no slower than direct", ratios, _NO_SLOWER) if ratios else None
    )


def _of_peers(results: list[Result], peers: list[str], transforms: bool) -> list[Verdict]:
    ratios: dict[str, dict[str, float]] = {"all": {}}  # of all cases, and of those of each class
    for result in results:
        best = result.best(peers)
        ratio = None if best is None else result.ratio(best, "compiled")
        if ratio is not None:
            ratios["all"][result.name] = ratios.setdefault(result.kind, {})[result.name] = ratio
    if not ratios["all"]:
        return []
    against = f"best of {', '.join(peers)}"
    wanted = {"all": 2.4, "dense": 2.2, "dilated": 2.2} if transforms else {"all": 2.0}
    found = [_none_slower(f"{against}: none slower", ratios["all"], 1.0)]
    for kind, least in wanted.items():
        if kind in ratios:
            mean = geometric_mean(ratios[kind].values())
            text = f"{against}, {kind}: {least:g} times as fast, geometric mean"
            found.append(Verdict(text, len(ratios[kind]), f"{mean:.2f} times", mean >= least, []))
    return found


def _none_slower(wanted: str, ratios: Mapping[str, float], least: float) -> Verdict:
    """`ratios`: how many times as fast each case is."""
    slower = sorted((name for name, ratio in ratios.items() if ratio < least), key=lambda name: ratios[name])
    return Verdict(wanted, len(ratios), f"worst {min(ratios.values()):.2f} times as fast", not slower, slower)


def _of_scaling(band: _Scaling, results: list[Result], transforms: bool) -> Verdict | None:
    """`results`: those of the band."""
    ratios: dict[str, float] = {}
    missed = []
    for result in results:
        ratio, met = result.ratio("single", "compiled"), scaling_met(result, transforms)
        if ratio is not None and met is not None:
            ratios[result.name] = ratio
            missed += [result.name] * (not met)
    if not ratios:
        return None
    text = f"two threads, {band.which}: {f'{band.wanted:g} times one' if band.wanted > 1 else 'no slower than one'}"
    missed.sort(key=lambda name: ratios[name])
    return Verdict(text, len(ratios), f"worst {min(ratios.values()):.2f} times", not missed, missed)
