"""Views of tensors, as torch's modules make them, against NumPy: any that follow each other. Without torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conv1d_codegen.network import reference
from conv1d_codegen.network.readers.pytorch import arithmetic, shapes
from conv1d_codegen.network.readers.pytorch.builder import BATCH_AXIS, Builder
from conv1d_codegen.network.readers.pytorch.call import Call
from conv1d_codegen.network.readers.pytorch.ends import output
from conv1d_codegen.network.readers.pytorch.layout import CHANNELS, TIME, Tensor, channels, kinds, reshaped, time
from conv1d_codegen.symbolic.index import index, var

Array = NDArray[Any]
SEEDS = range(150)
BATCH, STEPS, WIDE = 3, 5, 12
X = np.random.default_rng(0).standard_normal((BATCH, STEPS, WIDE))


def computed(b: Builder, name: str) -> Array:
    """A tensor of the network for `X`."""
    return reference.run(b.graph([name]), b.weights, {"x": X})[name]


def seen(array: Array, x: Tensor) -> Array:
    """A tensor of a network with the axes that torch sees."""
    wide = array if array.ndim == 3 else array[:, None]
    places: dict[str, Array] = {kind: np.zeros((), np.intp) for kind in ("batch", TIME, CHANNELS)}
    sizes = {"batch": len(wide), TIME: wide.shape[1]}
    for axis in x.axes:
        grids: dict[str, Array] = {kind: np.zeros(1, np.intp) for kind in places}
        for factor in axis:
            count = sizes.get(factor.kind) or factor.count
            for kind, grid in grids.items():
                grids[kind] = (grid[:, None] + np.arange(count) * (factor.stride if kind == factor.kind else 0)).ravel()
        places = {kind: places[kind][..., None] + grids[kind] for kind in places}
    result: Array = wide[places["batch"], places[TIME], places[CHANNELS]]
    return result


def begun(length: int | None) -> tuple[Builder, Tensor]:
    b = Builder("f64")
    name = b.source("x", WIDE, length, False)
    b.place = "y"
    return b, Tensor(name, (BATCH_AXIS, channels(WIDE), time(b.shapes[name].steps)))


def divided(b: Builder, x: Tensor, y: Array, rng: np.random.Generator) -> tuple[Tensor, Array]:
    """One more view, or some of it, in torch's words and in NumPy's."""

    def read(target: str, **arguments: Any) -> Any:
        made = {**shapes.OPERATIONS, **arithmetic.OPERATIONS}[target]
        return made(b, Call(target, {"self": x, **arguments}))

    wide = [n for n, axis in enumerate(x.axes) if kinds(axis) == {CHANNELS}]
    kind = rng.choice(
        ["permute", "unflatten", "flatten", "ones", "slice", "select", "stack", "cat", "add", "broadcast"]
    )
    if kind == "permute":
        order = rng.permutation(y.ndim)
        return read("permute.default", dims=order.tolist()), y.transpose(order)
    if kind == "unflatten" and wide:
        n = int(rng.choice(wide))
        size = y.shape[n]
        part = int(rng.choice([d for d in range(1, size + 1) if size % d == 0]))
        shape = (*y.shape[:n], part, size // part, *y.shape[n + 1 :])
        return read("unflatten.int", dim=n, sizes=[part, -1]), y.reshape(shape)
    if kind == "flatten":
        n = int(rng.integers(y.ndim))
        last = min(n + 1, y.ndim - 1)
        if all("batch" not in kinds(x.axes[i]) for i in range(n, last + 1)):
            shape = (*y.shape[:n], int(np.prod(y.shape[n : last + 1])), *y.shape[last + 1 :])
            return read("flatten.using_ints", start_dim=n, end_dim=last), y.reshape(shape)
    if kind == "ones":
        n = int(rng.integers(y.ndim + 1))
        return read("unsqueeze.default", dim=n), np.expand_dims(y, n)
    if kind in ("slice", "select") and wide:
        n = int(rng.choice(wide))
        first = int(rng.integers(y.shape[n]))
        if kind == "select":
            return read("select.int", dim=n, index=first), y.take(first, n)
        step, end = int(rng.integers(1, 3)), int(rng.integers(first + 1, y.shape[n] + 1))
        cut = tuple(slice(first, end, step) if i == n else slice(None) for i in range(y.ndim))
        return read("slice.Tensor", dim=n, start=first, end=end, step=step), y[cut]
    if kind in ("stack", "cat") and len(wide) == 1:
        n = wide[0]
        target, join = ("stack.default", np.stack) if kind == "stack" else ("cat.default", np.concatenate)
        negative = read("neg.default")
        return read(target, tensors=[x, negative], dim=n), join([y, -y], n)
    if kind == "add":
        return read("add.Tensor", other=read("neg.default"), alpha=2), y - 2 * y
    if kind == "broadcast" and wide:
        n = int(rng.choice(wide))
        one = read("slice.Tensor", dim=n, start=0, end=1, step=1)
        return read("mul.Tensor", other=one), y * y.take([0], n)
    return x, y


REFUSALS = ("takes an input of a fixed length", "one axis", "takes tensors with the same axes", "joins", "divides")


@pytest.mark.parametrize("seed", SEEDS)
def test_any_views_are_those_of_numpy(seed: int) -> None:
    """They are told apart by what they are refused for: lengths that only a call knows, and axes that mix."""
    rng = np.random.default_rng(seed)
    b, x = begun(STEPS if seed % 2 else None)
    y = X.transpose(0, 2, 1)
    for _ in range(int(rng.integers(1, 9))):
        try:
            x, y = divided(b, x, y, rng)
        except ValueError as error:
            if not any(word in str(error) for word in REFUSALS):
                raise
            continue
        found = seen(computed(b, x.name), x)
        assert found.shape == y.shape, f"seed {seed}\n{b.graph([x.name])}"
        np.testing.assert_array_equal(found, y, err_msg=f"seed {seed}\n{b.graph([x.name])}")


@pytest.mark.parametrize(
    ("dims", "wanted"),
    [((0, 1, 2), X), ((0, 2, 1), X), ((2, 0, 1), X), ((1, 0, 2), X)],
)
def test_outputs_have_the_batch_first_and_the_channels_last(dims: tuple[int, ...], wanted: Array) -> None:
    b, x = begun(None)
    made = x.with_axes(*(x.axes[n] for n in dims))
    np.testing.assert_array_equal(computed(b, output(b, made)), wanted)


def test_outputs_of_other_ranks() -> None:
    b, x = begun(STEPS)
    batch, wide, long = x.axes
    for axes, right in (
        ((batch, wide, (), long), X),
        ((batch, (*wide, *long)), X.transpose(0, 2, 1).reshape(BATCH, -1)),
        ((batch, (*long, *wide)), X.reshape(BATCH, -1)),
    ):
        np.testing.assert_array_equal(computed(b, output(b, x.with_axes(*axes))), right)
    with pytest.raises(ValueError, match="has no axis of the batch"):
        output(b, x.with_axes(wide, long))


T, N = var("T"), var("N")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([N, 12, T + 1], "no axes make up the size T \\+ 1"),
        ([N, 5, -1], "an axis of 12 channels would be divided to make the size 5"),
        ([N, 12], "leaves numbers over"),
        ([index(3), index(-1)], "no axes make up the size 3"),
    ],
)
def test_shapes_that_divide_an_axis(sizes: list[Any], message: str) -> None:
    _, x = begun(None)
    with pytest.raises(ValueError, match=message):
        reshaped(x.axes, [index(size) for size in sizes])


def test_shapes_of_known_and_unknown_sizes() -> None:
    _, x = begun(None)
    call: Callable[[list[Any]], Any] = lambda sizes: reshaped(x.axes, [index(size) for size in sizes])  # noqa: E731
    assert call([N, -1, T]) == x.axes
    assert call([N, 12 * T]) == (BATCH_AXIS, x.axes[1] + x.axes[2])
    assert call([-1, 4, 3, T])[1:3] == (channels(4, 3), channels(3))
    assert call([N, 1, 12, -1]) == (BATCH_AXIS, (), x.axes[1], x.axes[2])
    assert call([N * 12, T]) == (BATCH_AXIS + x.axes[1], x.axes[2])
