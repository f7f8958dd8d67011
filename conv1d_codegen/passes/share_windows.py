"""share_windows: a vector of input that several steps of a tile read, each for another tap, is loaded once.

    unrolled j                                    for each step r that the taps of the tile's rows read, in order:
      wv[l] := w[j, l]                     →        xv[l] := x[t + r, l]
      for i, lanes l:                               for all (i, j) with i*stride + j*dilation = r:
        acc[i, l] += x[t + i + j, l] * wv[l]          acc[i, l] += xv[l] * wv[j, l]

A tile of 16 rows and 8 taps loads 23 vectors instead of 128. Each accumulator still takes its taps in order. Where the rows
read nothing in common, as with a dilation of more than the rows, all stays as it is. A guard around a product becomes one around the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir import Alloc, Block, Buffer, Fma, For, Kernel, Load, Statement, Store, load, loop, store
from ..ir.rewrite import substitute
from ..symbolic.index import Index, var
from .context import Context
from .stage_operands import guard_of


def run(kernel: Kernel, context: Context) -> Kernel:
    if context.plan.lanes != "channels":
        return kernel
    return kernel.with_body(_block(kernel.body, context.problem.stride, context.problem.dilation))


def _block(body: Block, stride: int, dilation: int) -> Block:
    result: list[Statement] = []
    for s in body:
        match s:
            case For(var="j", kind="unrolled", body=(Alloc(weights), *fill, For(var="i") as rows)):
                result += _shared(s, weights, tuple(fill), rows, stride, dilation)
            case For():
                result.append(replace(s, body=_block(s.body, stride, dilation)))
            case _:
                result.append(s)
    return tuple(result)


def _shared(taps: For, weights: Buffer, fill: Block, rows: For, stride: int, dilation: int) -> Block:
    pairs: dict[int, list[tuple[int, int]]] = {}
    height, count = rows.hi.constant or 0, taps.hi.constant or 0
    for j in range(count):
        for i in range(height):
            pairs.setdefault(i * stride + j * dilation, []).append((i, j))
    if len(pairs) == height * count:
        return (taps,)
    everything = replace(weights, shape=(taps.hi, *weights.shape))
    window = replace(weights, name="xv")
    guard = guard_of(rows)
    nest = rows.body if guard is None else guard.body
    result: list[Statement] = [Alloc(everything), replace(taps, body=_in_leaves(fill, lambda s: _widened(s, everything)))]
    result += [Alloc(window)] if guard is None else []
    for step in sorted(pairs):
        (i, j), *others = pairs[step]
        read = substitute(_in_leaves(nest, lambda s: _filled(s, window)), {"i": i, "j": j})
        # The pairs lie apart evenly: from one to the next, the row goes back by as many strides as the tap goes on by dilations.
        back, on = (i - others[0][0], others[0][1] - j) if others else (0, 0)
        multiply = _in_leaves(nest, lambda s: _multiplied(s, window, everything))
        each = substitute(multiply, {"i": i - back * var("q"), "j": j + on * var("q")})
        shared = (*read, loop("q", 0, 1 + len(others), each, "unrolled"))
        if guard is None:
            result += shared
        else:
            result.append(replace(guard, hi=guard.hi.substitute({"i": i, "j": j}), body=(Alloc(window), *shared)))
    return tuple(result)


def _in_leaves(body: Block, change: Callable[[Store], Store]) -> Block:
    """The nest with its innermost stores changed."""
    result: list[Statement] = []
    for s in body:
        if isinstance(s, For):
            result.append(replace(s, body=_in_leaves(s.body, change)))
        else:
            assert isinstance(s, Store)
            result.append(change(s))
    return tuple(result)


def _widened(s: Store, everything: Buffer) -> Store:
    return store(everything, (var("j"), *s.index), s.value)


def _product(s: Store) -> tuple[Load, tuple[Index, ...]]:
    """The input that an accumulator's store multiplies, and the place of its vector and lane in a panel."""
    assert isinstance(s.value, Fma)
    assert isinstance(s.value.a, Load)
    return s.value.a, s.index[1:]


def _filled(s: Store, window: Buffer) -> Store:
    x, place = _product(s)
    return store(window, place, x)


def _multiplied(s: Store, window: Buffer, everything: Buffer) -> Store:
    _, place = _product(s)
    return replace(s, value=Fma(load(window, *place), load(everything, var("j"), *place), load(s.buffer, *s.index)))
