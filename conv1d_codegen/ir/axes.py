"""What a loop runs over, and in pieces of what size: what passes look at."""

from __future__ import annotations

from enum import Enum


class Axis(Enum):
    """What a loop, or a dimension of an array, runs over; with its letter in formulas."""

    SEQUENCE = "n"  # of the batch
    STEP = "t"  # of the output; as the axis of an input, of the input
    GROUP = "g"
    FILTER = "f"  # of a group
    TAP = "j"
    CHANNEL = "c"  # of a group
    POINT = "p"  # one of the multiplications of a Cook–Toom algorithm
    DIAGONAL = "e"  # of weights of steps that are channels: a filter minus a channel
    WINDOW = "w"  # a Cook–Toom window: outputs that are computed from the same products


class Level(Enum):
    """What one iteration of a loop is for; with the usual name of such a loop's variable."""

    ELEMENT = ""  # a step, a tap, a filter ...
    BLOCK = "block"  # elements whose data stay in a cache
    CHUNK = "chunk"  # terms that are summed in one chain
    PANEL = "panel"  # filters or channels whose weights lie together
    TILE = "tile"  # elements whose sums are in registers together: a register tile
    ROW = "i"  # one row of a register tile
    VECTOR = "v"  # one vector of a row
    LANE = "l"  # one lane of a vector
    UNROLLED = "unrolled"  # elements that are written out, one after another


class Part(Enum):
    """Which part of an axis a loop runs over; with the ending of names."""

    WHOLE = ""
    BEFORE = "_left"  # steps whose first taps fall before the input
    INTERIOR = "_inner"  # steps all of whose taps fall on the input
    AFTER = "_right"  # steps whose last taps fall after the input
