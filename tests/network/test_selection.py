"""Operations that choose channels and steps, change lengths, and compute functions of numbers."""

import numpy as np
import pytest

from conv1d_codegen.network.graph import Graph, Node, Source
from conv1d_codegen.network.ops import COORDINATES, MODES, Combine, Last, Op, Resize, Shape, Take, Unary
from conv1d_codegen.network.reference import compute
from conv1d_codegen.symbolic.index import var

T = var("T")
X = np.arange(24.0).reshape(1, 6, 4) + 1


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (Take(1, 2), X[..., 1:3]),
        (Take(1, 2, 2), X[..., [1, 3]]),
        (Take(0, 4), X),
        (Last(2), X[:, 4:]),
        (Last(6), X),
        (Unary("sqrt"), np.sqrt(X)),
        (Unary("log"), np.log(X)),
        (Resize(2, 1, "nearest", "asymmetric"), X.repeat(2, 1)),
        (Resize(1, 2, "nearest", "asymmetric"), X[:, ::2]),
        (Resize(1, 2, "nearest", "half_pixel"), X[:, 1::2]),
        (Resize(3, 2, "nearest", "asymmetric"), X[:, [0, 0, 1, 2, 2, 3, 4, 4, 5]]),
        (Resize(2, 1, "linear", "half_pixel"), 4 * np.array([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5])),
        (Resize(1, 2, "linear", "half_pixel"), 4 * np.array([0.5, 2.5, 4.5])),
        (Resize(11, 6, "linear", "align_corners"), 4 * np.arange(0, 5.5, 0.5)),
        (Resize(1, 6, "linear", "align_corners"), 4 * np.zeros(1)),
        (Resize(3, 2, "linear", "asymmetric"), 4 * np.array([0, 2 / 3, 4 / 3, 2, 8 / 3, 10 / 3, 4, 14 / 3, 5])),
    ],
    ids=str,
)  # fmt: skip
def test_what_they_mean(op: Op, wanted: np.ndarray) -> None:
    y = compute(op, [X], {})
    np.testing.assert_allclose(y, wanted if wanted.ndim == 3 else wanted[None, :, None] + X[:, :1], atol=1e-12)
    shape = op.shape(Shape(T, 4))
    assert shape.steps is not None
    assert (shape.steps.evaluate({"T": 6}), shape.channels) == y.shape[1:]
    np.testing.assert_array_equal(compute(Combine("divide"), [X, 2 * X], {}), np.full(X.shape, 0.5))


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("up", "down"), [(2, 1), (3, 1), (5, 2), (3, 2), (1, 2), (2, 5), (1, 3)])
def test_an_output_reads_the_steps_that_its_reach_says(coordinates: str, mode: str, up: int, down: int) -> None:
    """NaN in one step shows in outputs that may read it, and in no other."""
    op = Resize(up, down, mode, coordinates)
    reach = op.reach()
    assert (reach is None) == (coordinates == "align_corners")
    for step in range(11):
        x = np.zeros((1, 11, 1))
        x[0, step] = np.nan
        for t in np.flatnonzero(np.isnan(compute(op, [x], {})[0, :, 0])):
            if reach is not None:
                first, last = reach.steps(int(t))
                assert min(max(first, 0), 10) <= step <= min(max(last, 0), 10), f"{op}: step {step}, output {t}"


def test_the_steps_of_a_resize_are_those_of_the_graph() -> None:
    op = Resize(5, 2, "linear", "half_pixel")
    graph = Graph((Source("x", 1),), (Node("y", op, ("x",)),), ("y",))
    assert str(graph.shapes["y"]) == "[N, 5*T//2, 1]" or graph.shapes["y"].steps is not None
    for length in range(1, 9):
        x = np.ones((1, length, 1))
        np.testing.assert_allclose(compute(op, [x], {}), np.ones((1, length * 5 // 2, 1)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Take(-1, 2), "first channel is 0 or more"),
        (lambda: Take(0, 0), "One channel or more"),
        (lambda: Take(1, 2, 3).shape(Shape(T, 4)), r"takes the channels 1 to 4. Received: \[N, T, 4\]"),
        (lambda: Last(0), "One step or more"),
        (lambda: Last(2).shape(Shape(None, 4)), "takes a sequence"),
        (lambda: Last(2).shape(Shape(T - T + 1, 4)), "takes 2 steps"),
        (lambda: compute(Last(7), [X], {}), "takes 7 steps from an input of 6"),
        (lambda: Resize(0, 1, "linear", "half_pixel"), "1 or more"),
        (lambda: Resize(1, 1, "cubic", "half_pixel"), "mode is one of nearest"),
        (lambda: Resize(1, 1, "linear", "pixel"), "Coordinates are one of half_pixel"),
        (lambda: compute(Resize(1, 7, "linear", "half_pixel"), [X], {}), "makes no output of 6 steps"),
        (lambda: Unary("gamma"), "function is one of abs"),
        (lambda: Combine("divide").shape(Shape(T, 1), Shape(T, 1), Shape(T, 1)), "takes two inputs"),
    ],
)
def test_what_they_do_not_take(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
