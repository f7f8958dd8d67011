"""The facts of a kernel in a few words each, so that two kernels can stand beside each other in a table."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .units import bytes_of, count, percent, seconds


def facts(of: Facts) -> list[list[str]]:
    """Names and values, in an order that is the same for all kernels; what a kernel has not is left out."""
    return [[name, value] for name, value in _facts(of)]


def _facts(of: Facts) -> Iterator[tuple[str, str]]:
    yield "run-time sizes", ", ".join(f"{name} = {size}" for name, size in of.sizes.items())
    if of.work is not None:
        moved = of.work.input_bytes + of.work.weight_bytes + of.work.output_bytes
        if of.work.flops:  # what is no convolution has no formula to count them by
            yield "arithmetic", count(of.work.flops, "FLOP")
        yield "arrays", bytes_of(moved) + (f", {of.work.intensity:.3g} FLOP a byte" if of.work.flops else "")
    yield "vectors of products", f"{count(of.census.products)}, {percent(of.lanes_in_use)} of their lanes in use"
    yield "loads and stores", f"{count(of.census.loads)} and {count(of.census.stores)}"
    if of.inner is not None:
        mix = ", ".join(f"{number} {kind}" for kind, number in of.inner.mix.items())
        yield "innermost loop", f"{mix}: {of.inner.bound.cycles:g} cycles on {of.inner.model}"
    if of.registers is not None:
        used = of.registers
        named = sum(map(len, (used.sums, used.loaded, used.broadcast, used.both, used.others)))
        yield (
            "registers",
            f"{named} of {used.total}, {len(used.sums)} of them sums; {used.spills} spill{'' if used.spills == 1 else 's'} in the loop",
        )
    if of.prediction is not None:
        share = f", {percent(of.prediction.share)} of the peak" if of.prediction.share else ""
        yield "predicted", f"{count(of.prediction.cycles)} cycles{share}"
    if of.measurement is not None:
        yield "measured", f"{seconds(of.measurement.seconds)}, {percent(of.measurement.share)} of the peak, one thread"
    yield "code", f"{bytes_of(of.size.code)}, and {bytes_of(of.size.constants)} of constants"
    yield "packed weights", bytes_of(of.size.weights)
    yield "scratch", f"{bytes_of(of.size.scratch)} of the caller's, {bytes_of(of.size.stack)} on the stack"
    yield "error at most", of.error
