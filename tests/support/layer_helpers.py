"""What the tests of the layer share. Small integers in floats make most comparisons exact."""

import numpy as np

from conv1d_codegen import Conv1D, reference


def integers(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def built(shape, *args, **arguments):
    """A layer with small integers as weights."""
    layer = Conv1D(*args, **arguments)
    layer.build(shape)
    layer.set_weights([integers(weight.shape, seed) for seed, weight in enumerate(layer.weights)])
    return layer


def expected(layer, x):
    """What the reference gives for rank 3."""
    return reference.conv1d(x, layer.kernel, layer.bias, layer.problem)
