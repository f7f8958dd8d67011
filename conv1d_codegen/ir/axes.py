"""What a loop runs over, and in pieces of what size: what passes look at. Names of loops are for readers only."""

from __future__ import annotations

from enum import Enum


class Axis(Enum):
    """What a loop, or a dimension of an array, runs over; with its letter in formulas."""

    SEQUENCE = "n"  # of the batch
    STEP = "t"  # of the output; in an input, of that
    GROUP = "g"
    FILTER = "f"  # of a group
    TAP = "j"
    CHANNEL = "c"  # of a group
    POINT = "p"  # of a Cook–Toom algorithm: one of its multiplications
    WINDOW = "w"  # of several outputs that share those


class Level(Enum):
    """What one iteration of a loop is for; with the usual name of such a loop's variable."""

    ELEMENT = ""  # a step, a tap, a filter ...
    BLOCK = "block"  # elements whose data stay in a cache
    CHUNK = "chunk"  # terms that are summed in one chain
    PANEL = "panel"  # filters or channels whose weights lie together
    TILE = "tile"  # elements whose sums are in registers together,
    ROW = "i"  # one row of these,
    VECTOR = "v"  # one vector of a row,
    LANE = "l"  # and one lane of that
    UNROLLED = "unrolled"  # elements that are written out, one after another


class Part(Enum):
    """Which part of an axis a loop runs over; with the ending of names."""

    WHOLE = ""
    BEFORE = "_left"  # steps whose first taps fall before the input
    INTERIOR = "_inner"  # steps all of whose taps fall on the input
    AFTER = "_right"  # steps whose last taps fall after the input
