"""Operators of ONNX that name axes anew: Transpose, Squeeze, Unsqueeze, Reshape, Flatten. They make no node of a network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from ...symbolic.index import Index, index
from .onnx_arrays import axes_of
from .onnx_builder import Builder
from .onnx_elementwise import Inputs, tensor_of
from .onnx_node import OnnxNode
from .onnx_values import Axis, Factor, Fill, Tensor, Unsupported, Value, as_symbols


def place(axis: int, rank: int) -> int:
    """An axis counted from the first. Raises ValueError where there is none."""
    if not -rank <= axis < rank:
        raise ValueError(f"an axis {axis} of {rank}")
    return axis % rank


def _transpose(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    perm = node.attribute("perm", None) or list(range(len(x.axes)))[::-1]
    if sorted(perm) != list(range(len(x.axes))):
        raise ValueError(f"an order {perm} of {len(x.axes)} axes")
    return x.with_axes([x.axes[axis] for axis in perm])


def _squeeze(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    sizes = x.sizes(b.batch)
    axes = axes_of(node, inputs)
    gone = (
        {axis for axis, size in enumerate(sizes) if size == 1} if axes is None else {place(a, len(sizes)) for a in axes}
    )
    if any(sizes[axis] != 1 for axis in gone):
        raise Unsupported(f"an input with axes {b.text(x)}, of which it takes away some that are not of length 1")
    return without(x, gone)


def without(x: Tensor, gone: set[int]) -> Tensor:
    """The tensor without axes of length 1."""
    return x.with_axes([axis for number, axis in enumerate(x.axes) if number not in gone])


def _unsqueeze(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    given = axes_of(node, inputs) or []
    rank = len(x.axes) + len(given)
    new = {place(axis, rank) for axis in given}
    rest = iter(x.axes)
    if len(new) != len(given) or rank > 16:
        raise ValueError(f"axes {given}")
    return x.with_axes([() if number in new else next(rest) for number in range(rank)])


def _flatten(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    axis, rank = node.attribute("axis", 1), len(x.axes)
    cut = axis if axis == rank else place(axis, rank)
    sizes = x.sizes(b.batch)
    return regrouped(b, x, [math.prod(part, start=index(1)) for part in (sizes[:cut], sizes[cut:])])


def _reshape(b: Builder, node: OnnxNode, inputs: Inputs) -> Tensor:
    x = tensor_of(inputs)
    return regrouped(b, x, target(b, x, inputs[1], bool(node.attribute("allowzero", 0))))


def target(b: Builder, x: Tensor, shape: Value | None, allow_zero: bool = False) -> list[Index | None]:
    """The sizes that a shape asks for; None for the one that is left open."""
    if shape is None or isinstance(shape, Tensor | Fill):
        raise Unsupported("a shape that is computed while it runs")
    own = x.sizes(b.batch)
    wanted: list[Index | None] = []
    for number, size in enumerate(as_symbols(shape).reshape(-1)):
        if size == 0 and not allow_zero:
            if number >= len(own):
                raise ValueError(f"a shape that copies axis {number} of {len(own)}")
            wanted.append(own[number])
        else:
            wanted.append(None if size == -1 else size)
    if wanted.count(None) > 1:
        raise ValueError("a shape with -1 twice")
    return wanted


class _Factors:
    """What the axes of a tensor are made of, to be taken from either end. Parts of the channels split as they are asked."""

    def __init__(self, b: Builder, x: Tensor) -> None:
        self.b, self.x = b, x
        #: Factors with their lengths; the channels' with (part, place within it).
        self.left: list[tuple[Factor, Index]] = [(f, x.size(f, b.batch)) for axis in x.axes for f in axis]
        self.splits: dict[int, list[tuple[Factor, int]]] = {}
        self._next = len(x.parts)
        self.sizes: dict[Factor, int] = dict(enumerate(x.parts))
        self.children: dict[Factor, tuple[Factor, Factor]] = {}

    def take(self, wanted: Index, last: bool) -> Axis:
        """The factors from one end whose product is `wanted`. Raises Unsupported where there are none."""
        taken: list[Factor] = []
        rest = wanted
        end = -1 if last else 0
        if wanted == 1 and self.left and self.left[end][1] == 1:
            return (self.left.pop(end)[0],)
        while rest != 1:
            while self.left and self.left[end][1] == 1:
                self.left.pop(end)
            if not self.left:
                raise self.refused()
            factor, size = self.left.pop(end)
            if _divides(size, rest):
                rest = rest if size == 1 else _quotient(rest, size)
            else:
                factor = self._split(factor, size, rest, last)
                rest = index(1)
            taken.append(factor)
        return tuple(taken[::-1] if last else taken)

    def _split(self, factor: Factor, size: Index, wanted: Index, last: bool) -> Factor:
        whole, part = size.constant, wanted.constant
        if not isinstance(factor, int) or whole is None or part is None or part < 1 or whole % part:
            raise self.refused()
        outer, inner = self._next, self._next + 1
        self._next += 2
        self.children[factor] = outer, inner
        self.sizes[outer], self.sizes[inner] = (whole // part, part) if last else (part, whole // part)
        taken, kept = (inner, outer) if last else (outer, inner)
        self.left.insert(len(self.left) if last else 0, (kept, index(self.sizes[kept])))
        return taken

    def refused(self) -> Unsupported:
        return Unsupported(
            f"an input with axes {self.b.text(self.x)}, in another shape whose axes are not made of these"
        )


def _divides(size: Index, rest: Index) -> bool:
    try:
        _quotient(rest, size)
    except ArithmeticError:
        return False
    return True


def _quotient(a: Index, b: Index) -> Index:
    """a ÷ b without a rest: of products, or of equal sums. Raises ArithmeticError where it is none."""
    if a == b:
        return index(1)
    if b.constant is not None:
        if b.constant < 1 or any(coefficient % b.constant for _, coefficient in a.terms):
            raise ArithmeticError
        return a // b.constant
    terms = list(b.terms)
    if len(terms) == 1:
        ((monomial, coefficient),) = terms
        made: dict[tuple[object, ...], int] = {}
        for other, count in a.terms:
            left = list(other)
            for atom in monomial:
                if atom not in left:
                    raise ArithmeticError
                left.remove(atom)
            if count % coefficient:
                raise ArithmeticError
            made[tuple(left)] = count // coefficient
        return Index(made)  # type: ignore[arg-type]
    # a sum times a number, or times a product: that number is that of any of its terms
    (monomial, coefficient), *_ = terms
    for other, count in a.terms:
        candidate = Index({other: count})
        try:
            by = _quotient(candidate, Index({monomial: coefficient}))
        except ArithmeticError:
            continue
        if b * by == a:
            return by
    raise ArithmeticError


def regrouped(b: Builder, x: Tensor, wanted: Sequence[Index | None]) -> Tensor:
    """The tensor with axes of other sizes, in the same order of its numbers."""
    if len(wanted) > 16:
        raise ValueError(f"a shape of {len(wanted)} axes")
    sizes = x.sizes(b.batch)
    if list(sizes) == list(wanted):
        return x
    factors = _Factors(b, x)
    open_ = wanted.index(None) if None in wanted else len(wanted)
    before = [factors.take(size, False) for size in wanted[:open_] if size is not None]
    after = [factors.take(size, True) for size in reversed(wanted[open_ + 1 :]) if size is not None][::-1]
    rest: Axis = tuple(f for f, size in factors.left if size != 1) or tuple(f for f, _ in factors.left)[:1]
    if open_ == len(wanted) and any(size != 1 for _, size in factors.left):
        raise factors.refused()
    axes = [*before, *([rest] if open_ < len(wanted) else []), *after]
    return _numbered(x, axes, factors)


def _numbered(x: Tensor, axes: Sequence[Axis], factors: _Factors) -> Tensor:
    """The tensor with these axes, and its parts of the channels numbered in order; those that are neighbours everywhere
    are one.
    """
    order: list[Factor] = []

    def leaves(factor: Factor) -> list[Factor]:
        children = factors.children.get(factor)
        return [factor] if children is None else [leaf for child in children for leaf in leaves(child)]

    for part in range(len(x.parts)):
        order += leaves(part)
    used = {f for axis in axes for f in axis}
    order = [f for f in order if f in used or factors.sizes[f] != 1] or order[:1]
    groups: list[list[Factor]] = []
    for factor in order:
        neighbours = groups and any((groups[-1][-1], factor) in itertools.pairwise(axis) for axis in axes)
        if neighbours:
            groups[-1].append(factor)
        else:
            groups.append([factor])
    number: dict[Factor, Factor] = {f: place for place, group in enumerate(groups) for f in group[:1]}
    inner = {f for group in groups for f in group[1:]}
    renamed = [tuple(number.get(f, f) for f in axis if f not in inner) for axis in axes]
    parts = tuple(math.prod(factors.sizes[f] for f in group) for group in groups)
    return replace(x, axes=tuple(renamed), parts=parts)


OPERATORS = {
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Reshape": _reshape,
}
