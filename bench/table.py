"""The measurements as text: a row a case, then the geometric means of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from bench.shapes import Case

_COLUMNS = (
    ("name", "<34"),
    ("class", "<10"),
    ("MFLOP", ">9"),
    ("compiled µs", ">12"),
    ("GFLOP/s", ">8"),
    ("% of peak", ">10"),
    ("generic µs", ">12"),
    ("speed-up", ">9"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of one call of each, and the peak in FLOP/s that was measured between them."""

    case: Case
    compiled: float
    generic: float
    peak: float

    @property
    def speed(self) -> float:
        """FLOP/s of the compiled layer."""
        return self.case.flops / self.compiled

    @property
    def share(self) -> float:
        """Its part of the peak."""
        return self.speed / self.peak

    @property
    def ratio(self) -> float:
        """How many times as fast as the generic kernel it is."""
        return self.generic / self.compiled


def header() -> str:
    return _line([title for title, _ in _COLUMNS])


def row(result: Result) -> str:
    return _line(
        [
            result.case.name,
            result.case.kind,
            f"{result.case.flops / 1e6:.3f}",
            f"{1e6 * result.compiled:.1f}",
            f"{result.speed / 1e9:.1f}",
            f"{100 * result.share:.1f}",
            f"{1e6 * result.generic:.1f}",
            f"{result.ratio:.2f}",
        ]
    )


def means(results: Sequence[Result]) -> str:
    """Geometric means of the share of the peak and of the speed-up, of each class and of all."""
    kinds = list(dict.fromkeys(result.case.kind for result in results))
    groups = {kind: [result for result in results if result.case.kind == kind] for kind in kinds}
    if len(kinds) > 1:
        groups["all"] = list(results)
    lines = [f"{'geometric means':<16} {'cases':>5} {'% of peak':>10} {'speed-up':>9}"]
    for kind, members in groups.items():
        share = geometric_mean(result.share for result in members)
        ratio = geometric_mean(result.ratio for result in members)
        lines.append(f"{kind:<16} {len(members):>5} {100 * share:>10.1f} {ratio:>9.2f}")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
