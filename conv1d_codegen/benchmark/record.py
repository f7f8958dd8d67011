"""What a run found, as data: written as JSON, read back, compared, printed and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..machine.timing import Timing
from ..problem import Problem, parse_case
from ..schedule.plan import RUN_TIME

FORMAT = 1  # of the file; one more whenever a reader of the last would misunderstand it


class RecordError(Exception):
    """A file is not the record of a run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine can do, measured as a process of the run starts: FLOP/s of one core, bytes a second of a large
    `np.copyto`; and how many times as much on so many threads at once, of the first and of the second.
    """

    threads: int
    cores: list[int]
    peak: float
    bandwidth: float
    more_flops: float = 1.0
    more_bytes: float = 1.0


@dataclass(frozen=True, slots=True)
class Timed:
    """Something measured on so many threads: the times of calls by name, and who gave a wrong output, or none, instead.

    `timings` has "compiled", "peak", and each of the peers. `text` says what was computed. `peak` is FLOP/s of one core
    in these rounds.
    """

    name: str
    text: str
    threads: int
    flops: int
    peak: float
    timings: dict[str, Timing]
    faults: dict[str, str]

    def seconds(self, name: str) -> float | None:
        """Of one call; None where it was not timed."""
        timing = self.timings.get(name)
        return None if timing is None else timing.seconds

    def ratio(self, slow: str, fast: str) -> float | None:
        """How many times as fast as `slow` `fast` is; None where one of them was not timed."""
        a, b = self.seconds(slow), self.seconds(fast)
        return None if a is None or b is None else a / b

    def best(self, peers: list[str]) -> str | None:
        """The fastest of these peers; None where none was timed."""
        timed = [peer for peer in peers if peer in self.timings]
        return min(timed, key=lambda peer: self.timings[peer].seconds, default=None)


@dataclass(frozen=True, slots=True)
class Result(Timed):
    """One case of a layer.

    `timings` also has "generic", the limits "write" and "copy", "direct" where the compiled layer is computed by
    Cook–Toom, the same layer by the direct algorithm, and, on several threads, "single": the compiled layer on one of
    them. `text` is the case's, `bytes` those of input, weights, bias and output.
    """

    kind: str
    bytes: int
    plan: str

    @property
    def problem(self) -> Problem:
        return parse_case(self.text)[0]

    @property
    def toom(self) -> str:
        """The F(m, r) of the compiled layer's plan; nothing where that is not Cook–Toom's."""
        algorithm, _, rest = self.plan.partition(" ")
        return rest.split()[0] if algorithm == "cook_toom" else ""


@dataclass(frozen=True, slots=True)
class NetworkResult(Timed):
    """One network.

    `timings` also has "convolutions", the sum of the times of all its convolutions, each by itself. `layers` counts its
    nodes, `convolutions` those that are one, and `heavy` the others that have products to sum up: transposed
    convolutions and recurrent cells.
    """

    layers: int
    convolutions: int
    heavy: int


@dataclass(frozen=True, slots=True)
class ConstantsResult(Timed):
    """One case, by kernels that know more and more of it.

    `timings` has "nothing", "generic", then "to NAME" and "only NAME" for each of `RUN_TIME`: the generic kernel that knows
    all up to that one, and that one only; "direct", and "compiled".
    """

    plan: str

    @property
    def kernels(self) -> list[tuple[str, str]]:
        """Those that know more and more: what is new, in words, and the name of its time."""
        found = [("nothing: converted to the other layout", "nothing"), ("layout", "generic")]
        found += [(f"+ {name.replace('_', ' ')}", f"to {name}") for name in RUN_TIME]
        found.append(("+ padding, and a schedule for all of these", "direct"))
        if self.plan.startswith("cook_toom"):
            found.append((f"+ fewer multiplications, {self.plan.split()[1]}", "compiled"))
        return [(what, name) for what, name in found if name in self.timings]


_RESULTS: dict[str, type[Timed]] = {"layers": Result, "networks": NetworkResult, "constants": ConstantsResult}
R = TypeVar("R", bound=Timed)


@dataclass(frozen=True, slots=True)
class Run(Generic[R]):
    """A whole run: when, where, of what, and all results, which are of layers, of networks or of constants."""

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    options: dict[str, Any]
    limits: list[Limits]
    results: list[R]
    kind: str = "layers"

    def write(self, path: Path) -> None:
        path.write_text(
            json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def result_from(fields: Mapping[str, Any], kind: str = "layers") -> Any:
    """The inverse of `asdict`. Raises TypeError, KeyError or ValueError for anything else."""
    timings = {
        name: Timing(float(timing["seconds"]), float(timing["noise"])) for name, timing in fields["timings"].items()
    }
    if not all(timing.seconds > 0 for timing in timings.values()):
        raise ValueError(f"{fields['name']} has times that are not positive")
    result = _RESULTS[kind](**{**fields, "timings": timings})
    if isinstance(result, Result):
        parse_case(result.text)
    return result


def read(path: Path) -> Run[Any]:
    """The run that `write` wrote. Raises RecordError, with what is wrong, for another file, and OSError where none can
    be read.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}, the one that this bench reads")
        limits = [Limits(**each) for each in fields["limits"]]
        kind = fields.get("kind", "layers")
        return Run(**{**fields, "limits": limits, "results": [result_from(each, kind) for each in fields["results"]]})
    except KeyError as error:
        raise RecordError(f"{path} is not what the bench's --json writes: it has no {error}.") from error
    except (AttributeError, TypeError, ValueError) as error:  # ValueError: JSON's and Unicode's errors are some
        raise RecordError(f"{path} is not what the bench's --json writes: {error}.") from error
