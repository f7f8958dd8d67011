"""Checks and times networks, in the process that all of them share: what `child.py` runs for each number of threads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from bench import network_parts, networks
from bench.networks import Array, Case
from conv1d_codegen.benchmark import peers
from conv1d_codegen.benchmark.convolutions import convolutions
from conv1d_codegen.benchmark.measure import Candidate, limits
from conv1d_codegen.benchmark.record import NetworkResult
from conv1d_codegen.machine import timing
from conv1d_codegen.machine.host import resolve
from conv1d_codegen.machine.peak import FmaPeak
from conv1d_codegen.network import Network, reference
from conv1d_codegen.network.ops import Conv

# Of the largest output of the reference in float64. Every network's outputs were found within 2e-5, ours and the peers';
# a layer that is left out or computed in bfloat16 is beyond it.
TOLERANCE = 2e-4
_SAID = 300  # characters of what a library says went wrong, which may be pages


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, and how, in one process."""

    filter: str = ""
    rounds: int = 5
    peers: tuple[str, ...] = ()
    threads: int = 1


def events(settings: Settings, cores: list[int]) -> Iterator[dict[str, Any]]:
    """What happens, as data for JSON: {"limits": …}, then, for each network, {"begin": name} and {"result": …}."""
    peak = FmaPeak(resolve(None))
    yield {"limits": asdict(limits(peak, settings.threads, cores))}
    for case in networks.load(settings.filter):
        yield {"begin": case.name}
        yield {"result": asdict(measure(case, peak, settings))}


def measure(case: Case, peak: FmaPeak, settings: Settings) -> NetworkResult:
    """Checks all candidates of a network, then times those that are right, and each convolution alone, by turns."""
    network = case.network()
    x = case.inputs(network)
    candidates = _candidates(network, x, settings)
    faults = {name: fault for name, (_, fault) in candidates.items() if fault}
    parts = convolutions(network, case.batch, case.length)
    of_parts = {str(number): network_parts.alone(shape) for number, shape in enumerate(parts)}
    calls = {name: call for name, (call, _) in candidates.items() if name not in faults}
    samples = timing.samples({"peak": peak, **calls, **of_parts}, settings.rounds, settings.threads)
    rounds = zip(*(samples.pop(name) for name in of_parts), strict=True)
    samples["convolutions"] = [float(np.dot(list(parts.values()), seconds)) for seconds in rounds]
    timings = {name: timing.Timing.of(seconds) for name, seconds in samples.items()}
    graph = network.graph
    return NetworkResult(
        name=case.name,
        text=f"{case.name}@{case.batch}x{case.length} {hashlib.sha256(str(graph).encode()).hexdigest()[:12]}",
        threads=settings.threads,
        flops=network_parts.flops(network, case.batch, case.length),
        peak=peak.flops / timings["peak"].seconds,
        timings=timings,
        faults=faults,
        layers=len(graph.nodes),
        convolutions=sum(isinstance(node.op, Conv) for node in graph.nodes),
        heavy=sum(isinstance(node.op, network_parts.HEAVY) for node in graph.nodes),
    )


def _candidates(network: Network, x: Array, settings: Settings) -> dict[str, Candidate]:
    """Ours and the peers', each checked."""
    wanted = expected(network, x)
    candidates: dict[str, Candidate] = {"compiled": (partial(network, x), wrong(network(x), wanted))}
    for name in settings.peers:
        candidates[name] = peer_candidate(name, network, x, wanted, settings.threads)
    return candidates


def peer_candidate(name: str, network: Network, x: Array, wanted: Array, threads: int) -> Candidate:
    """A peer's call, and what is wrong with its output."""
    first = np.ascontiguousarray(x.transpose(0, 2, 1))
    try:
        prepared = peers.load(name).prepare_network(network.graph, network.weights, first, threads)
        prepared.call()
        y = prepared.result()
    except Exception as error:  # whatever a library raises: it is marked, and the others are measured
        return lambda: None, f"{type(error).__name__}: {' '.join(str(error).split())[:_SAID]}"
    return prepared.call, wrong(y if y.ndim == 2 else y.transpose(0, 2, 1), wanted)


def expected(network: Network, x: Array) -> Array:
    """The output by the reference, in float64."""
    graph = network.graph
    wide = {name: weight.astype(np.float64) for name, weight in network.weights.items()}
    return reference.run(graph, wide, {graph.sources[0].name: x.astype(np.float64)})[graph.outputs[0]]


def wrong(y: Array, wanted: Array) -> str | None:
    """What is wrong with an output; None if nothing is."""
    if y.shape != wanted.shape:
        return f"the output has shape {y.shape}, and not {wanted.shape}"
    error = np.abs(y - wanted).max() / np.abs(wanted).max()
    return None if error <= TOLERANCE else f"outputs are off by {error:.3g} of the largest"
