"""Measurements of networks as text: a row a network, geometric means, what a layer costs, and which target is met."""

from __future__ import annotations

from collections.abc import Sequence

from conv1d_codegen.benchmark.cells import line, mean, times
from conv1d_codegen.benchmark.record import NetworkResult

#: A network should take no longer than its convolutions by themselves, but for this.
MOST = 1.08
_TINY = "tiny"  # whose time is that of calls


def _columns(peers: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("network", "<15"),
        ("convs", ">5"),
        ("MFLOP", ">8"),
        ("ms", ">8"),
        ("± %", ">5"),
        *((f"vs {peer}", f">{max(8, len(peer) + 3)}") for peer in peers),
        *((("vs best", ">8"), ("best peer", "<13")) if peers else ()),
        ("÷ convs", ">8"),
    ]


def header(peers: list[str]) -> str:
    """The titles of the columns."""
    columns = _columns(peers)
    return line([title for title, _ in columns], columns)


def row(result: NetworkResult, peers: list[str]) -> str:
    """One network, and below it who gave a wrong output. Where that was ours, nothing else stands in the row."""
    wrong = [f"{'':15} WRONG: {name}: {fault}" for name, fault in result.faults.items()]
    if "compiled" not in result.timings:
        return "\n".join([result.name, *wrong])
    compiled, best = result.timings["compiled"], result.best(peers)
    against = ["WRONG" if peer in result.faults else times(result.ratio(peer, "compiled")) for peer in peers]
    cells = [
        result.name,
        str(result.convolutions),
        f"{result.flops / 1e6:.1f}",
        f"{1e3 * compiled.seconds:.3f}",
        f"{100 * compiled.noise:.1f}",
        *against,
        *((times(_best(result, peers)), best or "") if peers else ()),
        times(result.ratio("compiled", "convolutions")),
    ]
    return "\n".join([line(cells, _columns(peers)), *wrong])


def means(results: list[NetworkResult], peers: list[str]) -> str:
    """Geometric means, each over the networks that have the ratio, as a last row; the number of networks where a peer is
    faster; what a layer costs; and the target.
    """
    ratios = [_best(result, peers) for result in results]
    cells = [
        "geometric mean",
        *4 * [""],
        *(mean(result.ratio(peer, "compiled") for result in results) for peer in peers),
        *((mean(ratios), "") if peers else ()),
        mean(result.ratio("compiled", "convolutions") for result in results),
    ]
    lines = [line(cells, _columns(peers)), ""]
    if peers:
        faster = [result.name for result, ratio in zip(results, ratios, strict=True) if ratio is not None and ratio < 1]
        lines.append(f"a peer is faster on {len(faster)} of {len(results)}: {', '.join(faster) or 'none'}")
    lines += [_cost(result, peers) for result in results if result.name == _TINY]
    return "\n".join([*lines, *_verdict(results)])


def _best(result: NetworkResult, peers: list[str]) -> float | None:
    best = result.best(peers)
    return None if best is None else result.ratio(best, "compiled")


def _cost(result: NetworkResult, peers: Sequence[str]) -> str:
    """Of the network whose layers do next to no arithmetic, the time of one."""
    found = [(name, result.seconds(name)) for name in ("compiled", *peers)]
    each = [f"{name} {1e6 * seconds / result.layers:.1f}" for name, seconds in found if seconds is not None]
    return f"cost of a layer, µs ({result.text.split()[0]}, {result.layers} layers): {', '.join(each)}"


def _verdict(results: list[NetworkResult]) -> list[str]:
    """Of networks all of whose products are convolutions', which take no more than `MOST` times as long as these."""
    found = {
        result.name: ratio
        for result in results
        if not result.heavy and (ratio := result.ratio("compiled", "convolutions")) is not None
    }
    if not found:
        return []
    missed = [name for name, ratio in found.items() if ratio > MOST]
    said = f"; {len(missed)} miss it: {', '.join(missed)}" if missed else ""
    word = "MISSED" if missed else "met   "
    return [
        f"{word} at most {MOST} times the time of its convolutions ({len(found)} networks without transposed convolutions and "
        f"recurrent cells): {mean(found.values())} as a mean{said}"
    ]
