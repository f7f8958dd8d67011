"""Case: one layer and the shapes that it is called with, as a line of text that reproduces everything.

    c2_f3_k8_d5_causal_tanh_f32_first@2x36,1x2x37 target=avx2 algorithm=direct threads=2 seed=5

The problem's text form, then after `@` the sizes of the batch axes and the length, for each call, then what differs
from the defaults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

from ..options import CompileOptions
from ..problem import Problem
from ..schedule.plan import Plan

Shape = tuple[int, ...]

#: Activations that run after the kernel, whose problem is linear.
AFTERWARDS = ("softmax", "log_softmax", "sparsemax", "glu", "callable")
#: How the inputs lie in memory. All but the first are brought into order by the layer.
INPUTS = ("plain", "readonly", "strided", "cast", "swapped", "unaligned")
#: Mixed policies: float32 weights, and the dtype of the problem for the rest.
POLICIES = {"mixed_float16": "f16", "mixed_bfloat16": "bf16"}


@dataclass(frozen=True, slots=True)
class Case:
    """One layer, its calls, and the seed of their data. Raises ValueError for names that are not known."""

    problem: Problem
    shapes: tuple[Shape, ...]  # batch axes, then the length
    target: str = "host"
    algorithm: str = "auto"
    accuracy: str = "standard"
    plan: Plan | None = None
    threads: int = 1
    then: str = ""
    policy: str = ""
    input: str = "plain"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (("then", self.then, ("", *AFTERWARDS)), ("input", self.input, INPUTS)):
            if value not in known:
                raise ValueError(f"A case's {name} is one of {', '.join(filter(None, known))}. Received: {value!r}.")
        if self.policy and POLICIES.get(self.policy) != self.problem.dtype:
            raise ValueError(
                f"A case's policy is one of {', '.join(POLICIES)}, with that dtype. Received: {self.policy!r}."
            )
        if not self.shapes or any(len(shape) < 2 for shape in self.shapes):
            raise ValueError(f"A case's shapes are batch axes and a length. Received: {self.shapes}.")

    @property
    def options(self) -> CompileOptions:
        """How the layer is compiled. Raises ValueError and CompileError as CompileOptions does."""
        explicit = self.problem.padding if isinstance(self.problem.padding, tuple) else None
        return CompileOptions(
            algorithm=self.algorithm,
            accuracy=self.accuracy,
            num_threads=self.threads,
            target=self.target,
            plan=self.plan,
            strided_dilation=True,
            explicit_padding=explicit,
        )

    def with_(self, **changes: object) -> Case:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        words = [f"{self.problem}@{','.join('x'.join(map(str, shape)) for shape in self.shapes)}"]
        for field in fields(self)[2:]:
            value = getattr(self, field.name)
            if value != field.default:
                words.append(f"{field.name}={str(value).replace(' ', ';')}")
        return " ".join(words)

    @classmethod
    def parse(cls, text: str) -> Case:
        """The inverse of `str`. Raises ValueError, or CompileError for a plan, for text of another form."""
        words = text.split()
        problem, _, shapes = words[0].partition("@") if words else ("", "", "")
        if not re.fullmatch(r"\d+(x\d+)+(,\d+(x\d+)+)*", shapes, re.ASCII):
            raise ValueError(
                f"Expected PROBLEM@BATCHxLENGTH and NAME=VALUE, for example c2_f3_k8_valid_relu_f32@2x36 seed=5. Received: {text!r}."
            )
        given = {name: text for name, _, text in (word.partition("=") for word in words[1:])}
        unknown = given.keys() - {field.name for field in fields(cls)[2:]}
        if unknown:
            raise ValueError(
                f"A case has {', '.join(f.name for f in fields(cls)[2:])}. Received: {', '.join(sorted(unknown))}."
            )
        changes: dict[str, object] = dict(given)
        changes |= {name: int(given[name]) for name in ("threads", "seed") if name in given}
        if "plan" in given:
            changes["plan"] = Plan.parse(given["plan"].replace(";", " "))
        sizes = tuple(tuple(map(int, shape.split("x"))) for shape in shapes.split(","))
        return cls(Problem.parse(problem), sizes, **changes)  # type: ignore[arg-type]
