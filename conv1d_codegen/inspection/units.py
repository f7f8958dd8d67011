"""Numbers as people read them."""

from __future__ import annotations

_THOUSANDS = ("", "k", "M", "G", "T")


def count(number: float, unit: str = "") -> str:
    """Three digits, and a prefix: 50331648 → "50.3 M"; with a unit "50.3 MFLOP"."""
    size, step = abs(number), 0
    while size >= 999.5 and step < len(_THOUSANDS) - 1:
        size, step = size / 1000, step + 1
    digits = f"{size:.0f}" if step == 0 and size == int(size) else f"{size:.3g}"
    return f"{'-' if number < 0 else ''}{digits} {_THOUSANDS[step]}{unit}".rstrip()


def bytes_of(number: float) -> str:
    """In steps of 1024: 1048576 → "1.00 MiB"."""
    size, step = float(number), 0
    while size >= 1023.5 and step < len(_THOUSANDS) - 1:
        size, step = size / 1024, step + 1
    prefix = ("", "Ki", "Mi", "Gi", "Ti")[step]
    return f"{size:.0f} bytes" if step == 0 else f"{_three(size)} {prefix}B"


def percent(share: float) -> str:
    """Of 1."""
    return f"{100 * share:.1f} %" if share < 0.9995 or share > 1.0005 else "100 %"


def seconds(time: float) -> str:
    """In the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if time >= 0.9995 * scale:
            return f"{_three(time / scale)} {unit}"
    return f"{_three(time / 1e-9)} ns"


def _three(number: float) -> str:
    """Three digits, or all before the point where there are more: 1000.2 → "1000", and no power of ten."""
    return f"{number:.0f}" if number >= 999.5 else f"{number:.3g}"
