"""What a user's own function raises comes out as it is, and leaves the layer as it was: the next call is right, on any
thread.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike
from support.layer_helpers import integers
from support.type_helpers import Array

from conv1d_codegen import Conv1D, reference

X = integers((2, 9, 3))


class Failing:
    """Passes on to a function, but raises at some calls, numbered from 0."""

    def __init__(self, function: Callable[..., Any], *at: int, error: type[BaseException] = ZeroDivisionError) -> None:
        self.function, self.at, self.error, self.calls = function, at, error, 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls - 1 in self.at:
            raise self.error("the user's")
        return self.function(*arguments, **named)


def ones(shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
    return np.ones(shape, dtype)


def square(values: Array) -> Array:
    return values * values


def assert_right_on_every_thread(layer: Conv1D, activation: Callable[[Array], Array] = lambda y: y) -> None:
    found = [layer(X)]
    other = threading.Thread(target=lambda: found.append(layer(X)))
    other.start()
    other.join(30)
    assert len(found) == 2, "the other thread hangs"
    wanted = activation(reference.conv1d(X, layer.kernel, layer.bias, layer.problem))
    for y in found:
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("which", ["kernel_initializer", "bias_initializer"])
def test_an_initializer(which: str, error: type[BaseException]) -> None:
    arguments: dict[str, Any] = {which: Failing(ones, 0, 1, error=error)}
    layer = Conv1D(4, 3, **arguments)
    for use in (lambda: layer.build(X.shape), lambda: layer(X)):
        with pytest.raises(error, match="the user's"):
            use()
        assert not layer.built
        assert layer.weights == []
    assert_right_on_every_thread(layer)
    assert len(layer.weights) == 2


def test_initial_weights_that_are_no_arrays() -> None:
    class Refusing:
        def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> None:
            raise ZeroDivisionError("the user's")

    layer = Conv1D(4, 3, weights=[Refusing(), np.zeros(4)])
    with pytest.raises(TypeError, match="the user's"):
        layer(X)
    assert not layer.built
    assert layer.weights == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_activation(error: type[BaseException]) -> None:
    layer = Conv1D(4, 3, activation=Failing(square, 0, 2, error=error))
    out = np.full((2, 7, 4), np.nan, np.float32)
    for _ in range(2):
        with pytest.raises(error, match="the user's"):
            layer(X, out=out)
        assert np.isnan(out).all()
        if layer.activation.calls == 1:
            layer(X)
    assert_right_on_every_thread(layer, square)
    np.testing.assert_array_equal(layer(X), layer(X, out=out))


def test_an_activity_regularizer() -> None:
    layer = Conv1D(4, 3, activity_regularizer=Failing(lambda y: float(np.sum(y)), 1))
    layer(X)
    before = layer.losses
    with pytest.raises(ZeroDivisionError, match="the user's"):
        layer(X)
    assert layer.losses == []  # those of the call before are gone, as at the start of each call
    assert_right_on_every_thread(layer)
    assert layer.losses == before


def test_a_regularizer_of_weights() -> None:
    layer = Conv1D(4, 3, kernel_regularizer=Failing(lambda w: 1.5, 0))
    assert_right_on_every_thread(layer)
    with pytest.raises(ZeroDivisionError, match="the user's"):
        _ = layer.losses
    assert layer.losses == [1.5]
    assert_right_on_every_thread(layer)
