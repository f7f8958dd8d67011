"""The finite points of F(m, r), for each number of multiplications, found by `tools/find_points.py`.

Beside them is the largest error to be expected, as a share of the direct algorithm's bound (`error.predicted` for one
term of 64 channels), and the steps of the programs: of B, and of A. For comparison, the usual 0, ±1, ±2 have errors of
0.66 0.82 1.08 1.58, and 12, and 8 9 10 11 steps.
"""

from __future__ import annotations

from fractions import Fraction


def _points(text: str) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, text.split()))


POINTS = {
    # F(2,2): error 0.32; steps 2, and 2. Chosen by hand, as said there
    3: _points("0 1"),
    # F(2,3) to F(3,2): error 0.24 0.33; steps 4, and 4 4
    4: _points("0 1 -1"),
    # F(2,4) to F(4,2): error 0.29 0.35 0.49; steps 10, and 7 9 11
    5: _points("7/16 -7/16 5/4 -5/4"),
    # F(2,5) to F(5,2): error 0.35 0.41 0.52 0.73; steps 12, and 8 10 12 14
    6: _points("0 11/16 -11/16 23/16 -23/16"),
    # F(2,6) to F(6,2): error 0.46 0.52 0.63 0.80 1.15; steps 21, and 11 14 17 20 23
    7: _points("5/16 -5/16 7/8 -7/8 13/8 -13/8"),
    # F(2,7) to F(7,2): error 0.65 0.72 0.83 1.00 1.29 1.85; steps 24, and 12 14 16 18 20 22
    8: _points("0 9/16 -9/16 1 -1 7/4 -7/4"),
    # F(2,8) to F(8,2): error 0.95 1.04 1.18 1.39 1.70 2.22 3.20; steps 36, and 15 19 23 27 31 35 39
    9: _points("3/16 -3/16 3/4 -3/4 9/8 -9/8 2 -2"),
    # F(2,9) to F(9,2): error 1.46 1.55 1.72 1.98 2.35 2.89 3.76 5.46; steps 40, and 16 20 24 28 32 36 40 44
    10: _points("0 3/8 -3/8 7/8 -7/8 5/4 -5/4 2 -2"),
}
