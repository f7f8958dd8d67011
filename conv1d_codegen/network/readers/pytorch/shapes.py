"""Other shapes, other orders of axes, and parts of tensors."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....symbolic.index import Index, index
from ... import ops
from .builder import BATCH_AXIS, Builder, check, described, whole
from .call import Call, Fill, Handler
from .layout import CHANNELS, TIME, Axis, Factor, Tensor, channels, kinds, reshaped, size


def _view(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    sizes = call["size"] if "size" in call.arguments else call["shape"]
    return x.with_axes(*reshaped(x.axes, [index(n) for n in sizes]))


def _flatten(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    first, last = call.axis("start_dim", x), call.axis("end_dim", x)
    merged: Axis = tuple(factor for axis in x.axes[first : last + 1] for factor in axis)
    sizes = [*x.sizes[:first], size(merged), *x.sizes[last + 1 :]]
    return x.with_axes(*reshaped(x.axes, sizes))


def _unflatten(b: Builder, call: Call) -> Tensor:
    x, axis = call.tensor("self"), call.axis("dim", call.tensor("self"))
    inner = reshaped([x.axes[axis]], [index(n) for n in call["sizes"]])
    return x.with_axes(*x.axes[:axis], *inner, *x.axes[axis + 1 :])


def _permute(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    return x.with_axes(*(x.axes[n % len(x.axes)] for n in call["dims"]))


def _transpose(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    first, second = (call.axis(name, x) for name in ("dim0", "dim1")) if "dim0" in call.arguments else (-2, -1)
    axes = list(x.axes)
    axes[first], axes[second] = axes[second], axes[first]
    return x.with_axes(*axes)


def _squeeze(b: Builder, call: Call) -> Tensor:
    x, given = call.tensor("self"), call.get("dim")
    chosen = range(len(x.axes)) if given is None else given if isinstance(given, list | tuple) else [given]
    gone = {n % len(x.axes) for n in chosen}
    return x.with_axes(*(axis for n, axis in enumerate(x.axes) if not (n in gone and size(axis) == 1)))


def _unsqueeze(b: Builder, call: Call) -> Tensor:
    x = call.tensor("self")
    at = int(call["dim"]) % (len(x.axes) + 1)
    return x.with_axes(*x.axes[:at], (), *x.axes[at:])


def _expand(b: Builder, call: Call) -> Tensor:
    x, sizes = call.tensor("self"), call["size"]
    own = [index(1)] * (len(sizes) - len(x.axes)) + list(x.sizes)
    same = all(index(wanted) == -1 or index(wanted) == old for wanted, old in zip(sizes, own, strict=True))
    check(same, f"repeats {described(x)}")
    return x.with_axes(*[()] * (len(sizes) - len(x.axes)), *x.axes)


class States:
    """The last states of a recurrent layer: one for each layer of it, and each direction."""

    def __init__(self, makers: Sequence[Any]) -> None:
        self._makers = makers

    def __len__(self) -> int:
        return len(self._makers)

    def tensor(self, b: Builder) -> Tensor:
        """All of them, as torch has them: `(layers and directions, batch, channels)`."""
        states = [self.state(b, number).name for number in range(len(self))]
        name = b.add(ops.Concat(), *states, part="states") if len(states) > 1 else states[0]
        units = b.shapes[states[0]].channels
        return Tensor(name, (channels(len(states), units), BATCH_AXIS, channels(units)))

    def state(self, b: Builder, number: int) -> Tensor:
        """One of them, `(batch, channels)`."""
        made: Tensor = self._makers[number](b)
        return made


def part(b: Builder, x: Tensor, axis: int, first: int, count: int, step: int = 1) -> Tensor:
    """So many places of an axis of channels."""
    if TIME in kinds(x.axes[axis]):
        x = b.vector(x)
    if len(x.axes[axis]) > 1:
        x = b.arranged(x)
    check(kinds(x.axes[axis]) <= {CHANNELS}, f"divides axis {axis} of {described(x)}")
    if not x.axes[axis]:
        return x
    (own,) = x.axes[axis]
    # The channels that stay, as they lie; with them the strides of all axes change.
    factors = [f for other in x.axes for f in other if f.kind == CHANNELS]
    kept = {id(own): np.arange(first, first + count * step, step)}
    order = sorted(factors, key=lambda f: -f.stride)
    wanted = np.zeros(1, np.intp)
    for factor in order:
        chosen = kept.get(id(factor), np.arange(factor.count))
        wanted = (wanted[:, None] + chosen * factor.stride).ravel()
    strides, stride = {}, 1
    for factor in reversed(order):
        strides[id(factor)] = stride
        stride *= count if factor is own else factor.count

    def seen(factor: Factor) -> Axis:
        if factor.kind != CHANNELS:
            return (factor,)
        return channels(count if factor is own else factor.count, strides[id(factor)])

    axes = [tuple(made for factor in other for made in seen(factor)) for other in x.axes]
    return Tensor(b.gathered(x.name, wanted), tuple(axes))


def _slice(b: Builder, call: Call) -> Tensor:
    x, axis = call.tensor("self"), call.axis("dim", call.tensor("self"))
    start, end = call.get("start"), call.get("end")
    first = index(0 if start is None else start)
    last = index(sys.maxsize if end is None else end)
    step = whole(call.get("step", 1), "the step")
    return sliced(b, x, axis, first, last, step)


def _narrow(b: Builder, call: Call) -> Tensor:
    x, first = call.tensor("self"), index(call["start"])
    return sliced(b, x, call.axis("dim", x), first, first + call["length"])


def sliced(b: Builder, x: Tensor, axis: int, first: Index, last: Index, step: int = 1) -> Tensor:
    """`x[first:last:step]` along an axis."""
    length = size(x.axes[axis])
    if first == 0 and step == 1 and (last == length or (last.constant or 0) >= 1 << 62):
        return x
    if kinds(x.axes[axis]) != {TIME} or length.constant is not None:
        # Of a known length, or of one that Python's rule needs to be.
        known = whole(length, f"the size of axis {axis}")
        begin, stop, by = slice(whole(first, "a bound"), whole(last, "a bound"), step).indices(known)
        count = len(range(begin, stop, by))
        check(count > 0, f"takes nothing of axis {axis} of {described(x)}")
        if kinds(x.axes[axis]) != {TIME}:
            return part(b, x, axis, begin, count, by)
        return _cropped(b, x, axis, begin, known - stop, by)
    # Steps of any length: those that are left out at either end must be known.
    first, last = (length + n if _negative(n, length) else n for n in (first, last))
    right = 0 if (last.constant or 0) >= 1 << 62 else (length - last).constant
    left, tail = first.constant, (length - first).constant
    if right is None or right < 0 or (left is None and (tail is None or tail < 1)):
        raise ValueError(
            f"takes steps {first} to {last} of {length}, so that it depends on the length what is left out"
        )
    if left is None:
        assert tail is not None
        return _cropped(b, x.with_name(b.add(ops.Last(tail), x.name)), axis, 0, right, step)
    return _cropped(b, x, axis, left, right, step)


def _negative(bound: Index, length: Index) -> bool:
    """Whether a bound is counted from the end: it is below 0, or minus a length that is not far from this one."""
    return bound.constant < 0 if bound.constant is not None else (length + bound).constant is not None


def _cropped(b: Builder, x: Tensor, axis: int, left: int, right: int, step: int) -> Tensor:
    name = x.name if left == right == 0 else b.add(ops.Crop(left, right), x.name)
    if step != 1:
        name = b.add(ops.Pool("max", 1, step), name, part="every")
    return with_steps(b, x, axis, name)


def with_steps(b: Builder, x: Tensor, axis: int, name: str) -> Tensor:
    """What has other steps than `x`."""
    return Tensor(name, (*x.axes[:axis], b.steps_axis(name), *x.axes[axis + 1 :]))


def _select(b: Builder, call: Call) -> Tensor:
    x, number = call["self"], call["index"]
    if isinstance(x, States):
        return x.state(b, whole(number, "the state"))
    x, axis = call.tensor("self"), call.axis("dim", call.tensor("self"))
    return selected(b, x, axis, whole(number, "the place"))


def selected(b: Builder, x: Tensor, axis: int, number: int) -> Tensor:
    """One place of an axis, which goes."""
    end = index(sys.maxsize if number == -1 else number + 1)
    made = sliced(b, x, axis, index(number), end)
    return made.with_axes(*made.axes[:axis], *made.axes[axis + 1 :])


def _split(b: Builder, call: Call) -> list[Tensor]:
    x, axis = call.tensor("self"), call.axis("dim", call.tensor("self"))
    total = whole(size(x.axes[axis]), f"the size of axis {axis}")
    given = call["split_size"] if "split_size" in call.arguments else call["split_sizes"]
    if isinstance(given, list | tuple):
        counts = [whole(n, "a size") for n in given]
    else:
        each = whole(given, "a size")
        counts = [min(each, total - at) for at in range(0, total, each)]
    return _parts(b, x, axis, counts)


def _chunk(b: Builder, call: Call) -> list[Tensor]:
    x, axis = call.tensor("self"), call.axis("dim", call.tensor("self"))
    total = whole(size(x.axes[axis]), f"the size of axis {axis}")
    each = -(-total // int(call["chunks"]))
    return _parts(b, x, axis, [min(each, total - at) for at in range(0, total, each)])


def _parts(b: Builder, x: Tensor, axis: int, counts: Sequence[int]) -> list[Tensor]:
    starts = np.cumsum([0, *counts]).tolist()
    return [sliced(b, x, axis, index(first), index(last)) for first, last in itertools.pairwise(starts)]


def _unbind(b: Builder, call: Call) -> list[Tensor]:
    x, axis = call.tensor("self"), call.axis("dim", call.tensor("self"))
    total = whole(size(x.axes[axis]), f"the size of axis {axis}")
    return [selected(b, x, axis, number) for number in range(total)]


def _cat(b: Builder, call: Call) -> Tensor:
    given = call["tensors"]
    rank = max(len(x.axes) for x in given if isinstance(x, Tensor)) if any(isinstance(x, Tensor) for x in given) else 1
    axis = int(call["dim"]) % rank
    tensors = [x for x in given if isinstance(x, Tensor)]
    if len(tensors) == 1:
        return _zeros_beside(b, given, axis)
    check(len(tensors) == len(given), "puts constants beside tensors")
    if any(TIME in kinds(x.axes[axis]) for x in tensors):
        tensors = [b.vector(x) for x in tensors]
    tensors = [b.arranged(x) for x in tensors]
    check(all(kinds(x.axes[axis]) <= {CHANNELS} for x in tensors), f"joins axis {axis} of {described(tensors[0])}")
    return _joined(b, tensors, axis, channels(sum(b.shapes[x.name].channels for x in tensors)))


def _joined(b: Builder, tensors: Sequence[Tensor], axis: int, made: Axis) -> Tensor:
    """Tensors one after another. Of one step, some may be vectors, and are all, then."""
    others = [(*x.axes[:axis], *x.axes[axis + 1 :]) for x in tensors]
    check(
        all([kinds(a) for a in other] == [kinds(a) for a in others[0]] for other in others),
        f"joins tensors of other axes: {', '.join(map(described, tensors))}",
    )
    names = [x.name for x in tensors]
    if len({b.shapes[name].steps is None for name in names}) > 1:
        names = [
            name
            if b.shapes[name].steps is None
            else b.add(ops.Reshape(None, b.shapes[name].channels), name, part="flat")
            for name in names
        ]
    first = tensors[0]
    return Tensor(b.add(ops.Concat(), *names), (*first.axes[:axis], made, *first.axes[axis + 1 :]))


def _zeros_beside(b: Builder, given: Sequence[Any], axis: int) -> Tensor:
    """Zeros before and after a tensor's steps."""
    at = next(number for number, x in enumerate(given) if isinstance(x, Tensor))
    x: Tensor = given[at]
    counts = []
    for other in (n for n in range(len(given)) if n != at):
        zeros = given[other]
        check(isinstance(zeros, Fill) and zeros.value == 0, "puts constants beside tensors")
        counts.append((other < at, whole(zeros.sizes[axis], "the number of zeros")))
    check(kinds(x.axes[axis]) == {TIME}, f"puts zeros into axis {axis} of {described(x)}")
    left, right = (sum(n for before, n in counts if before is side) for side in (True, False))
    return with_steps(b, x, axis, b.add(ops.Pad(left, right), x.name)) if left or right else x


def _stack(b: Builder, call: Call) -> Tensor:
    given = call["tensors"]
    check(all(isinstance(x, Tensor) for x in given), "puts constants beside tensors")
    tensors = [b.arranged(x) for x in given]
    at = int(call["dim"]) % (len(tensors[0].axes) + 1)
    wide = b.shapes[tensors[0].name].channels
    opened = [x.with_axes(*x.axes[:at], (), *x.axes[at:]) for x in tensors]
    return _joined(b, opened, at, channels(len(given), wide))


_SAME = (
    *("clone.default", "contiguous.default", "alias.default", "detach.default", "lift_fresh_copy.default"),
    *("dropout.default", "feature_dropout.default", "alpha_dropout.default", "feature_alpha_dropout.default"),
)


def _same(b: Builder, call: Call) -> Any:
    check(not call.get("train", False), "is in training mode: call module.eval() first")
    return next(iter(call.arguments.values()))


OPERATIONS: Mapping[str, Handler] = {
    **dict.fromkeys(("view.default", "_unsafe_view.default", "reshape.default"), _view),
    "flatten.using_ints": _flatten,
    "unflatten.int": _unflatten,
    "permute.default": _permute,
    **dict.fromkeys(("transpose.int", "mT.default", "t.default"), _transpose),
    **dict.fromkeys(("squeeze.default", "squeeze.dim", "squeeze.dims"), _squeeze),
    "unsqueeze.default": _unsqueeze,
    "expand.default": _expand,
    "slice.Tensor": _slice,
    "narrow.default": _narrow,
    "select.int": _select,
    **dict.fromkeys(("split.Tensor", "split_with_sizes.default", "split.sizes"), _split),
    "chunk.default": _chunk,
    "unbind.int": _unbind,
    "cat.default": _cat,
    "stack.default": _stack,
    **dict.fromkeys(_SAME, _same),
}
