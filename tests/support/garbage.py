"""What the garbage fuzzer puts in the place of good arguments: values of every kind, and arrays of every make."""

import array
import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from support.type_helpers import Array

from conv1d_codegen import Conv1D


class Whole:
    """A number of the user's own making."""

    def __index__(self) -> int:
        return 3


class Liar:
    """Says that it is an array of another shape."""

    shape = (2, 9, 3)
    dtype = np.dtype("float32")
    ndim = 3


def values(rng: np.random.Generator) -> Any:
    """Any value."""
    numbers = [
        0,
        1,
        2,
        3,
        4,
        7,
        -1,
        -(2**63),
        257,
        2**31,
        2**62,
        2**63,
        10**30,
        True,
        False,
        1.0,
        2.5,
        -0.0,
        math.nan,
        math.inf,
        1e300,
        3 + 4j,
    ]
    texts = [
        "",
        "3",
        "same",
        "VALID",
        "relu",
        "softmax",
        "gelu\n",
        "\0",
        "ü",
        "é" * 500,
        "float32",
        "f32",
        "int8",
        "{",
        "%s",
        "a/b",
        "zeros",
    ]
    scalars = [
        np.int8(3),
        np.int64(2),
        np.uint64(2**63),
        np.float32(2),
        np.float64(np.nan),
        np.bool_(True),
        np.str_("same"),
        np.datetime64(3, "D"),
    ]
    arrays = [
        np.array(3),
        np.array([3]),
        np.zeros((2, 2)),
        np.array([]),
        np.array([None]),
        np.array(["a"]),
        np.zeros(3, "V4"),
        np.ones((1, 2, 3), ">f4"),
    ]
    boxes = [
        (),
        [],
        {},
        set(),
        (3,),
        [3],
        (1, 2),
        (3, "x"),
        [[3]],
        (None,),
        (2**40,),
        {"a": 1},
        {3},
        range(3),
        b"3",
        bytearray(b"3"),
        array.array("f", [3]),
    ]
    things = [
        None,
        object(),
        Ellipsis,
        int,
        Conv1D,
        print,
        lambda x: x,
        lambda: None,
        Whole(),
        Liar(),
        sys,
        iter([3]),
        slice(3),
    ]
    configs = [
        {"class_name": "elu", "config": {"alpha": None}},
        {"class_name": "Zeros"},
        {"class_name": 3, "config": 4},
        {"class_name": "function", "config": "relu"},
        {"class_name": "LeakyReLU", "config": {"alpha": "x"}},
        {"config": {}},
        {"class_name": "RandomNormal", "config": {"stddev": -1}},
        {"class_name": "Policy", "config": {"name": "float16"}},
        {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": None},
    ]
    kinds = (numbers, texts, scalars, arrays, boxes, things, configs)
    kind = kinds[rng.integers(len(kinds))]
    return kind[rng.integers(len(kind))]


def made(rng: np.random.Generator, good: Array) -> Any:
    """An array like `good`, of another make, or something else."""
    kinds: list[Callable[[], Any]] = [
        lambda: good[::-1],
        lambda: good[:, ::2],
        lambda: good.T,
        lambda: np.asfortranarray(good),
        lambda: np.broadcast_to(good[:1], (3, *good.shape[1:])),
        lambda: good.astype(good.dtype.newbyteorder()),
        lambda: good.astype(np.int32),
        lambda: good.astype(np.uint16),
        lambda: good.astype(bool),
        lambda: good.astype(complex),
        lambda: good.astype(object),
        lambda: good.astype(str),
        lambda: good.astype(np.longdouble),
        lambda: good * np.nan,
        lambda: good.astype(np.float64) * 1e308,
        lambda: good.tolist(),
        lambda: good[0],
        lambda: good[None],
        lambda: good[:0],
        lambda: good[:, :0],
        lambda: good[:, :2],
        lambda: good[..., :2],
        lambda: good[..., :0],
        lambda: np.lib.stride_tricks.as_strided(good, (2**31, 9, 3), (0, *good.strides[1:])),
        lambda: good.astype(np.float64).data,  # a memoryview
        lambda: np.ma.masked_array(good, good > 0),
        lambda: good.view(np.recarray),
        lambda: good.view([("a", good.dtype)]),
        lambda: np.frombuffer(good.tobytes() + b"\0", np.uint8)[1:].view(np.uint8),
        lambda: [good, good],
        lambda: [[1.0], [1.0, 2.0]],
    ]
    # of kinds that take more axes than there are
    with contextlib.suppress(IndexError, ValueError), np.errstate(all="ignore"):
        return values(rng) if rng.random() < 0.3 else kinds[rng.integers(len(kinds))]()
    return good[:0]
