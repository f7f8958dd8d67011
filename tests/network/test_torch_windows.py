"""Pools and other lengths, of all sizes, as torch has them."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.torch_helpers import drawn  # noqa: E402

from conv1d_codegen.network import ops, reference  # noqa: E402
from conv1d_codegen.network.readers.pytorch.builder import Builder  # noqa: E402
from conv1d_codegen.network.readers.pytorch.windows import pooled  # noqa: E402

F = torch.nn.functional


def test_pools_of_all_sizes() -> None:
    """Kernel size, stride, padding, rounding up and what is counted, of the shortest length and a few others."""
    kinds: tuple[tuple[str, bool], ...] = (("max", False), ("average", False), ("average", True))
    for (kind, counted), k, s, p, ceil in itertools.product(kinds, range(1, 6), range(1, 7), range(3), (False, True)):
        if 2 * p > k:
            continue
        b = Builder("f64")
        b.place = "pool"
        made = pooled(b, b.source("x", 1, None, False), kind, k, {"stride": s, "padding": p}, ceil, counted)
        graph = b.graph([made])
        for length in {max(1, k - 2 * p), 6, 7, 11}:
            (x,) = drawn([(1, 1, length)], "float64")
            average = kind == "average"
            exact = F.avg_pool1d(x, k, s, p, ceil, counted) if average else F.max_pool1d(x, k, s, p, ceil_mode=ceil)
            y = reference.run(graph, {}, {"x": x.mT.numpy()})[made]
            what = f"{kind}, k {k}, s {s}, p {p}, ceil {ceil}, counted {counted}, {length} steps"
            np.testing.assert_allclose(y, exact.mT.numpy(), atol=1e-12, err_msg=what)


@pytest.mark.parametrize(
    ("mode", "corners", "op"),
    [
        ("nearest", None, ("nearest", "asymmetric", "floor")),
        ("nearest-exact", None, ("nearest", "half_pixel", "round_prefer_ceil")),
        ("linear", False, ("linear", "half_pixel", "floor")),
        ("linear", True, ("linear", "align_ends", "floor")),
    ],
)
def test_other_lengths(mode: str, corners: bool | None, op: tuple[str, str, str]) -> None:
    for (up, down), length in itertools.product([(2, 1), (3, 2), (5, 2), (1, 2), (2, 5), (7, 1), (3, 4)], range(1, 16)):
        if length * up // down in (0, length):  # torch copies, where the length stays
            continue
        (x,) = drawn([(1, 1, length)], "float64")
        exact = F.interpolate(x, scale_factor=up / down, mode=mode, align_corners=corners).mT.numpy()
        y = reference.compute(ops.Resize(op[0], up, down, *op[1:]), [x.mT.numpy()], {})
        np.testing.assert_allclose(y, exact, atol=1e-12, err_msg=f"{mode} {up}/{down} of {length}")
