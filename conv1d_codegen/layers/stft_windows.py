"""Window functions by SciPy's names, for the STFT initializer: sums of cosines, and the triangle of Bartlett.

Source of the coefficients: F. J. Harris, "On the use of windows for harmonic analysis with the DFT", Proc. IEEE 66,
1978.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COSINES: dict[str, tuple[float, ...]] = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.50, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}


def window_values(name: str, length: int, periodic: bool) -> NDArray[np.float64]:
    """The window's `length` values, float64: symmetric, or one period of a periodic window. Raises ValueError for
    another name.
    """
    if name not in (*_COSINES, "bartlett"):
        raise ValueError(
            f"Unknown window type. Expected one of {', '.join(_COSINES)} and bartlett. Received: {name!r}."
        )
    if length <= 1:
        return np.ones(length)
    position = np.arange(length) / (length if periodic else length - 1)
    if name == "bartlett":
        return 1.0 - np.abs(2.0 * position - 1.0)
    terms = [(-1) ** n * a * np.cos(2.0 * np.pi * n * position) for n, a in enumerate(_COSINES[name])]
    return np.asarray(np.sum(terms, axis=0))
