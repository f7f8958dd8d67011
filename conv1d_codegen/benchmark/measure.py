"""Checks and times the cases, in the process that all of them share: what `child.py` runs for each
number of threads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..compiler import compile_problem
from ..errors import CompileError
from ..layers.conv1d import Conv1D
from ..machine import timing
from ..machine.host import host, resolve
from ..machine.peak import FmaPeak
from ..network import Input, Network
from ..problem import Activation
from ..schedule.plan import Plan
from . import check, peers, translations
from .bandwidth import at_once, copy_bandwidth, copy_of, memory_limits
from .cases import Case
from .record import Limits, Result

Array = np.ndarray[Any, Any]
Candidate = tuple[timing.Call, str | None]  # a call, and what is wrong with its output
# Of the error bound. The four peers stay within all of it on all 59 cases, with the algorithms they choose today; the
# rest is for one with transforms, such as Winograd's, which rounds two to five times as much. A forgotten tap is
# thousands of times off.
_PEERS_ALLOWANCE = 4.0
#: Of a call that cores make at once: some 15 ms of arithmetic, and of a copy.
_MANY_ITERATIONS, _MEBIBYTES = 4_000_000, 128


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure, and how, in one process. A case is its name, its class and its text form."""

    cases: tuple[tuple[str, str, str], ...] = ()
    rounds: int = 5
    sweeps: int = 3
    target: str | None = None
    algorithm: str = "auto"
    accuracy: str = "standard"
    peers: tuple[str, ...] = ()
    threads: int = 1

    @staticmethod
    def listed(cases: Iterable[Case]) -> tuple[tuple[str, str, str], ...]:
        """Cases, as `cases` has them."""
        return tuple((case.name, case.kind, str(case)) for case in cases)

    def parsed(self) -> list[Case]:
        """The inverse."""
        return [Case.parse(text, name, kind) for name, kind, text in self.cases]

    @property
    def transforms(self) -> bool:
        """Whether the compiled layers may be computed with fewer multiplications, which sets other targets."""
        return self.algorithm in ("auto", "cook_toom") and self.accuracy != "strict"


@dataclass(slots=True)
class Findings:
    """What the sweeps so far found of one case: seconds of each round, and what is wrong with whom."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def events(settings: Settings, cores: list[int]) -> Iterator[dict[str, Any]]:
    """What happens, as data for JSON.

    {"limits": …} comes first. Then, for each case of each sweep, {"begin": name}, and in the last sweep {"result": …}
    or {"skipped": [name, why]}.
    """
    cases = settings.parsed()
    peaks = {name: FmaPeak(resolve(settings.target), name) for name in {case.problem.compute for case in cases}}
    yield {"limits": asdict(limits(peaks[cases[0].problem.compute], settings.threads, cores))}
    found: defaultdict[int, Findings] = defaultdict(Findings)
    for sweep in range(settings.sweeps):
        for number, case in enumerate(cases):
            yield {"begin": case.name}
            outcome: dict[str, Any]
            try:
                outcome = {"result": asdict(measure(case, peaks[case.problem.compute], settings, found[number]))}
            except CompileError as error:
                outcome = {"skipped": [case.name, str(error)]}
            if sweep == settings.sweeps - 1:
                yield outcome


def limits(peak: FmaPeak, threads: int, cores: list[int]) -> Limits:
    """What the machine can do, as the process starts."""
    speed = peak.flops / timing.interleaved({"peak": peak}, rounds=5)["peak"]
    if threads == 1:
        return Limits(threads, cores, speed, copy_bandwidth())
    multiply = FmaPeak(host(), iterations=_MANY_ITERATIONS)
    several = at_once([multiply] * threads), at_once([copy_of(_MEBIBYTES) for _ in range(threads)])
    return Limits(threads, cores, speed, copy_bandwidth(), *several)


def measure(case: Case, peak: FmaPeak, settings: Settings, found: Findings) -> Result:
    """Check all candidates of a case, then time those that are right by turns, and add that to what was found before.

    Raises CompileError where the algorithm can't compute the case.
    """
    x = case.inputs()
    layer = case.layer(settings.algorithm, settings.target, settings.threads, settings.accuracy)
    plan = compile_problem(layer.problem, layer.options, case.length).plan
    y = case.output()
    candidates = _candidates(case, settings, layer, plan, x, y)
    found.faults |= {name: fault for name, (_, fault) in candidates.items() if fault}
    calls: dict[str, timing.Call] = {**memory_limits(x, y), "peak": peak}
    calls |= {name: call for name, (call, _) in candidates.items() if name not in found.faults}
    for name, seconds in timing.samples(calls, settings.rounds, settings.threads).items():
        found.samples.setdefault(name, []).extend(seconds)
    timings = {name: timing.Timing.of(seconds) for name, seconds in found.samples.items() if name not in found.faults}
    return Result(
        name=case.name,
        kind=case.kind,
        text=str(case),
        threads=settings.threads,
        flops=case.flops,
        bytes=x.nbytes + layer.kernel.nbytes + (0 if layer.bias is None else layer.bias.nbytes) + y.nbytes,
        plan=str(plan),
        peak=peak.flops / timings["peak"].seconds,
        timings=timings,
        faults=found.faults,
    )


def _candidates(case: Case, settings: Settings, layer: Conv1D, plan: Plan, x: Array, y: Array) -> dict[str, Candidate]:
    """Ours and the peers', each checked."""
    layers = {"compiled": layer, "generic": case.layer("generic", settings.target, settings.threads)}
    if plan.algorithm == "cook_toom":
        layers["direct"] = case.layer("direct", settings.target, settings.threads)
    if settings.threads > 1:
        layers["single"] = case.layer(settings.algorithm, settings.target, accuracy=settings.accuracy)
    allowances = dict.fromkeys(("compiled", "single"), check.allowance(plan, settings.algorithm, settings.accuracy))
    candidates: dict[str, Candidate] = {}
    for name, each in layers.items():
        y.fill(np.nan)
        each(x, out=y)
        candidates[name] = (partial(each, x, out=y), check.wrong(case, each, x, y, allowances.get(name, 1.0)))
    for name in settings.peers:
        candidates[name] = peer_candidate(name, case, layer, x, settings.threads)
    return candidates


def peer_candidate(name: str, case: Case, layer: Conv1D, x: Array, threads: int) -> Candidate:
    """A peer's call, and what is wrong with its output."""
    first = case.problem.channels_first
    inputs = x if first else np.ascontiguousarray(x.transpose(0, 2, 1))
    try:
        prepared = _prepared(peers.load(name), case, layer, inputs, threads)
        prepared.call()
        output = prepared.result()
    except Exception as error:  # whatever a library raises: it is marked, and the others are measured
        return lambda: None, f"{case}: {type(error).__name__}: {error}"
    y = output if first else output.transpose(0, 2, 1)
    return prepared.call, check.wrong(case, layer, x, y, _PEERS_ALLOWANCE)


def _prepared(peer: peers.Peer, case: Case, layer: Conv1D, x: Array, threads: int) -> peers.Prepared:
    """A layer with bias and relu, as fast as the peer's users can call it; any other as a network of one layer."""
    problem = case.problem
    if problem.activation == Activation("relu") and layer.bias is not None:
        weights = np.ascontiguousarray(layer.kernel.transpose(2, 1, 0))
        explicit = problem.with_(padding=translations.sides_of(problem, case.length))
        return peer.prepare(explicit, x, weights, layer.bias.copy(), threads)
    inputs = Input(problem.channels)
    last = replace(case, problem=problem.with_(channels_first=False)).layer()
    network = Network(inputs, last(inputs))
    return peer.prepare_network(network.graph, network.weights, x, threads)
