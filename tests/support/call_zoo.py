"""Arguments of calls, right, odd and wrong, and what a call makes of them: for two ways of a call that must not differ."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from support.type_helpers import Array


class Plain(np.ndarray[Any, Any]):
    """A subclass that means no more than its numbers."""


class Redefined(np.ndarray[Any, Any]):
    """One whose arithmetic is not that of its numbers."""

    def __array_ufunc__(self, *_: object, **__: object) -> object:
        return NotImplemented


def mapped(array: Array) -> Array:
    """The same numbers in a file."""
    with tempfile.TemporaryDirectory() as folder:
        made: Array = np.memmap(Path(folder) / "numbers", array.dtype, "w+", shape=array.shape)
        made[...] = array
        return made


def shifted(array: Array) -> Array:
    """The same, a byte beside where its elements should begin."""
    room = np.zeros(array.nbytes + 1, np.uint8)
    made = room[1:].view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


def called_unaligned(array: Array) -> Array:
    """The same, which is aligned, but says that it is not."""
    made = array.copy()
    made.setflags(align=False)
    return made


def read_only(array: Array) -> Array:
    made = array.copy()
    made.flags.writeable = False
    return made


def spread(array: Array) -> Array:
    """The same numbers, with others between them."""
    made = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)[..., ::2]
    made[...] = array
    return made


def described(array: Array) -> Array:
    """The same, of a dtype that is equal and carries a remark."""
    return array.view(np.dtype(array.dtype, metadata={"of": "a test"}))


def swapped(array: Array) -> Array:
    """The same numbers, in the other byte order."""
    return array.astype(array.dtype.newbyteorder())


def of_one_number(array: Array) -> Array:
    """One number, seen as many, which NumPy warns of writing to."""
    return np.broadcast_to(array.reshape(-1)[0], array.shape)


#: Of inputs `x` of rank 3, by name: what is given in their place.
INPUTS: dict[str, Callable[[Array], Any]] = {
    "as it is": lambda x: x,
    "another length": lambda x: np.ascontiguousarray(np.concatenate([x, x], 1)),
    "another batch": lambda x: np.concatenate([x, x]),
    "half": lambda x: np.ascontiguousarray(x[:, : x.shape[1] // 2, : x.shape[2] // 2]),
    "rank 1": lambda x: x.reshape(-1),
    "rank 2": lambda x: x[0],
    "rank 4": lambda x: x[None],
    "rank 5": lambda x: np.stack([x, x])[:, None],
    "no sequence": lambda x: x[:0],
    "no steps": lambda x: x[:, :0],
    "no channels": lambda x: x[..., :0],
    "a number": lambda x: x.reshape(-1)[0],
    "rank 0": lambda x: x.reshape(-1)[0].reshape(()),
    "a list": lambda x: x.tolist(),
    "a list of arrays": lambda x: list(x),
    "a tuple of it": lambda x: (x,),
    "float16": lambda x: x.astype(np.float16),
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "long double": lambda x: x.astype(np.longdouble),
    "int32": lambda x: x.astype(np.int32),
    "uint8": lambda x: np.abs(x).astype(np.uint8),
    "booleans": lambda x: x > 0,
    "complex": lambda x: x.astype(np.complex64),
    "objects": lambda x: x.astype(object),
    "times": lambda x: np.zeros(x.shape, "datetime64[s]"),
    "texts": lambda x: x.astype("U8"),
    "records": lambda x: x.view([("value", x.dtype)]),
    "words": lambda x: x.view(f"V{x.itemsize}"),
    "byte order": swapped,
    "described": described,
    "memmap": mapped,
    "subclass": lambda x: x.view(Plain),
    "redefined": lambda x: x.view(Redefined),
    "masked": lambda x: np.ma.masked_array(x, x > 1),
    "steps apart": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "channels apart": spread,
    "reversed": lambda x: x[:, ::-1],
    "Fortran order": np.asfortranarray,
    "turned": lambda x: np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1),
    "unaligned": shifted,
    "called unaligned": called_unaligned,
    "read-only": read_only,
    "one number": of_one_number,
    "odd strides": lambda x: np.concatenate([x, x], 1)[:1, : x.shape[1]],
    "memoryview": lambda x: x.data,
    "bytes": lambda x: x.tobytes(),
    "interface": lambda x: SimpleNamespace(__array_interface__=x.__array_interface__, keep=x),
    "a word": lambda _: "x",
    "nothing": lambda _: None,
    "NaN": lambda x: np.full_like(x, np.nan),
}

#: Of an array like the output, by name: what is given for `out`.
OUTPUTS: dict[str, Callable[[Array], Any]] = {
    "as it is": lambda y: y,
    "none": lambda _: None,
    "longer": lambda y: np.concatenate([y, y], -2),
    "shorter": lambda y: np.ascontiguousarray(y[..., 1:, :]),
    "fewer channels": lambda y: np.ascontiguousarray(y[..., 1:]),
    "rank 4": lambda y: y[None],
    "flat": lambda y: y.reshape(-1),
    "empty": lambda y: y[:0],
    "float16": lambda y: y.astype(np.float16),
    "float32": lambda y: y.astype(np.float32),
    "float64": lambda y: y.astype(np.float64),
    "int32": lambda y: y.astype(np.int32),
    "objects": lambda y: y.astype(object),
    "records": lambda y: y.view([("value", y.dtype)]),
    "byte order": swapped,
    "described": described,
    "memmap": mapped,
    "subclass": lambda y: y.view(Plain),
    "redefined": lambda y: y.view(Redefined),
    "masked": lambda y: np.ma.masked_array(y),
    "apart": spread,
    "reversed": lambda y: y[..., ::-1, :],
    "Fortran order": np.asfortranarray,
    "unaligned": shifted,
    "called unaligned": called_unaligned,
    "read-only": read_only,
    "one number": of_one_number,
    "a list": lambda y: y.tolist(),
    "a list of it": lambda y: [y],
    "memoryview": lambda y: y.data,
    "bytearray": lambda y: bytearray(y.tobytes()),
    "a word": lambda _: "y",
    "a number": lambda _: 1.5,
}

#: A call of something with an input and an output.
Call = Callable[[Any, Array, Array], Any]

#: Ways to call with an input, and an array like the output, that overlap or not, and ways that no function has.
TOGETHER: dict[str, Call] = {
    "by place": lambda f, x, y: f(x, y),
    "by name": lambda f, x, y: f(inputs=x, out=y),
    "only the input, by name": lambda f, x, _: f(inputs=x),
    "nothing": lambda f, x, y: f(),
    "three": lambda f, x, y: f(x, y, y),
    "an unknown name": lambda f, x, y: f(x, into=y),
    "the input": lambda f, x, _: f(x, out=x),
    "the input, for the output's shape": lambda f, x, y: f(x, out=x.reshape(-1)[: y.size].reshape(-1)),
    "over the end": lambda f, x, y: f(*_neighbours(x, y, -1)),
    "over the beginning": lambda f, x, y: f(*_neighbours(y, x, -1)[::-1]),
    "beside": lambda f, x, y: f(*_neighbours(x, y, 0)),
    "before": lambda f, x, y: f(*_neighbours(y, x, 0)[::-1]),
}


def _neighbours(first: Array, second: Array, gap: int) -> tuple[Array, Array]:
    """Copies of two arrays, the second so many elements after the end of the first."""
    room = np.zeros(first.size + gap + second.size, first.dtype)
    a = room[: first.size].reshape(first.shape)
    b = room[first.size + gap :].reshape(second.shape)
    b[...] = 0
    a[...] = first
    return a, b


def _zoo() -> Iterator[tuple[str, Call]]:
    for name, make in INPUTS.items():
        yield f"input: {name}", lambda f, x, y, make=make: f(make(x))  # type: ignore[misc]
        yield f"input: {name}, with an output", lambda f, x, y, make=make: f(make(x), out=y)  # type: ignore[misc]
    for name, make in OUTPUTS.items():
        yield f"output: {name}", lambda f, x, y, make=make: f(x, out=make(y))  # type: ignore[misc]
    yield from TOGETHER.items()


#: Calls by name, of a function of an input, and an array like its output.
ZOO: dict[str, Call] = dict(_zoo())


def outcome(call: Call, function: Any, x: Array, y: Array) -> tuple[object, ...]:
    """What a call gives or raises, and what it leaves in copies of the arrays that it has for input and output."""
    x, y = x.copy(), y.copy()
    try:
        made = call(function, x, y)
    except Exception as error:
        return type(error), str(error), x.tobytes(), y.tobytes()
    results = made if isinstance(made, list) else [made]
    said = [
        (type(result), result.dtype, result.shape, result.strides, result.tobytes(), result is y) for result in results
    ]
    return type(made), said, x.tobytes(), y.tobytes()
