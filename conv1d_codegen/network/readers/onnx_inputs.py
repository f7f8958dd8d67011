"""The inputs of an ONNX graph, and the axes that they may have: a file says sizes, and not which axis is which."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...symbolic.index import Index, index, var
from ..graph import Source, free_name, plain_name
from ..ops import Shape
from .onnx_file import dtype_of, text
from .onnx_values import Axis, Tensor

_MOST = 24  # ways to read all inputs together, that are tried
FLOATS = {1: "f32", 10: "f16", 11: "f64", 16: "bf16"}  # by their numbers in ONNX

Size = int | str | None


@dataclass(frozen=True, slots=True)
class Declared:
    """An input: its name and sizes, of which names and None are known by each call."""

    name: str
    dims: tuple[Size, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Inputs as the network has them, and what they are in ONNX."""

    sources: tuple[Source, ...]
    tensors: Mapping[str, Tensor]
    batch: Index


def declared(graph: Any, known: Mapping[str, Any], shapes: Mapping[str, Sequence[int | None]]) -> list[Declared]:
    """The inputs that are not `known`. Raises ValueError for those that are no arrays of floats."""
    found = []
    for value in graph.input:
        if value.name in known:
            continue
        what = f"The input {value.name[:100]!r}"
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
            raise ValueError(f"{what} is no tensor, or of no known rank.")
        if kind.elem_type not in FLOATS:
            raise ValueError(
                f"{what} has {dtype_of(kind.elem_type, what)}, and inputs of a network are floats. Where it is the same in "
                f"all calls, give its value: "
                f"load(path, inputs={{{value.name[:100]!r}: …}})."
            )
        dims: tuple[Size, ...] = tuple(
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else text(d.dim_param) or None
            for d in kind.shape.dim
        )
        if value.name in shapes:
            given = tuple(shapes[value.name])
            if len(given) != len(dims) or any(size is not None and size < 1 for size in given):
                raise ValueError(f"{what} has shape {dims}. Given: {given}.")
            dims = tuple(own if size is None else size for own, size in zip(dims, given, strict=True))
        found.append(Declared(value.name, dims, FLOATS[kind.elem_type]))
    if not found:
        raise ValueError("The network has no input.")
    if len({d.dtype for d in found}) > 1:
        raise ValueError(
            f"The inputs of a network have one dtype. The file has: {', '.join(f'{d.name[:50]} {d.dtype}' for d in found)}."
        )
    return found


def readings(inputs: Sequence[Declared]) -> Iterator[Reading]:
    """The ways to read all inputs, the usual ones first. Raises ValueError for an input that can be read in none."""
    ways = [words(d) for d in inputs]
    for d, own in zip(inputs, ways, strict=True):
        if not own:
            raise ValueError(
                f"The input {d.name[:100]!r} of shape ({', '.join(map(str, d.dims))}) is no batch of steps and channels, of which "
                f"the channels are known and the rest has length 1. Sizes may be given: load(path, inputs={{name: shape}})."
            )
    for axes in itertools.islice(itertools.product(*ways), _MOST):
        reading = _read(inputs, axes)
        if reading is not None:
            yield reading


def words(declared: Declared) -> list[str]:
    """How an input can be read: words of N, C, T and 1, a letter an axis; D is a second axis that is channels too, as rows
    of a picture are.
    """
    dims = declared.dims
    rank = len(dims)
    if rank == 1:
        return ["C", "T"] if isinstance(dims[0], int) else ["T"]
    if rank == 2:
        return ["NT", "NC"] if isinstance(dims[1], int) else ["NT"]
    if rank == 3:
        found = ["NCT", "NTC", "TNC"]
    elif rank > 3:
        found = [*_of_units(rank), *(["NCDT", "NCTD"] if rank == 4 else [])]
    else:
        found = []
    return [word for word in found if all(_fits(role, d) for role, d in zip(word, dims, strict=True))]


def _of_units(rank: int) -> list[str]:
    """All axes but three have length 1; channels stand first or last of them, if they can."""
    words = ["N" + "".join(word) for word in itertools.permutations(["C", "T", *"1" * (rank - 3)])] if rank < 7 else []
    return sorted(dict.fromkeys(words), key=lambda word: word[1] != "C" and word[-1] != "C")


def _fits(role: str, size: Size) -> bool:
    return isinstance(size, int) if role in "CD" else role != "1" or size == 1


def _read(inputs: Sequence[Declared], chosen: Sequence[str]) -> Reading | None:
    """The inputs with these axes; None where their batches contradict each other."""
    batches = {d.dims[word.index("N")] if "N" in word else 1 for d, word in zip(inputs, chosen, strict=True)}
    fixed = {size for size in batches if isinstance(size, int)}
    named = {size for size in batches if isinstance(size, str)}
    if (len(fixed) == 1 and len(batches) > 1) or len(fixed) > 1 or len(named) > 1:
        return None
    batch = index(fixed.pop()) if fixed else var("N")
    sources: list[Source] = []
    tensors: dict[str, Tensor] = {}
    taken: set[str] = set()
    for d, word in zip(inputs, chosen, strict=True):
        sizes = dict(zip(word, d.dims, strict=True))
        length = sizes.get("T", 1)
        name = free_name(plain_name(d.name) or "input", taken)
        taken.add(name)
        parts = channels_of(word, d.dims)
        channels = math.prod(parts)
        source = Source(name, channels, length if isinstance(length, int) else None)
        sources.append(source)
        steps = index(length) if isinstance(length, int) else var("T" if len(inputs) == 1 else f"T_{name}")
        tensors[d.name] = Tensor(name, Shape(steps, channels), axes_of(word), parts)
    return Reading(tuple(sources), tensors, batch)


def axes_of(word: str) -> tuple[Axis, ...]:
    """The axes that a word says."""
    factors: dict[str, Axis] = {"N": ("N",), "T": ("T",), "C": (0,), "D": (1,), "1": ()}
    return tuple(factors[role] for role in word)


def channels_of(word: str, dims: Sequence[Size]) -> tuple[int, ...]:
    """The parts of the channels of something with axes of these sizes."""
    sizes = dict(zip(word, dims, strict=True))
    found = tuple(size for size in (sizes.get("C", 1), sizes.get("D", 1)) if isinstance(size, int))
    return found if "D" in word else found[:1]
