"""CompileOptions: what the user may tell the compiler about a layer, beside what Keras's arguments say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .machine.target import Target
from .schedule.plan import ALGORITHMS, Plan
from .schedule.window_forms import ACCURACIES


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How to compile one layer. Frozen and hashable.

    algorithm         "auto" (a cost model chooses), "direct", "depthwise" (groups equal to channels only), "cook_toom" or "generic"
    accuracy          of "auto" and "cook_toom": "strict" never picks Cook–Toom; "standard" does where its error stays inside the bound that
                      direct promises, on data of one size, and "fast" where it is up to 8 times that. Without it, "strict", or
                      "standard" where Cook–Toom is asked for by algorithm or plan
    num_threads       threads of one call; None takes the package's `get_num_threads()` at each call
    target            the machine, a `Target` or the name of one; None is the machine at hand
    plan              the schedule, a `Plan`; None takes the one that `tune` found, or else lets the cost model choose
    strided_dilation  allows a stride above 1 together with a dilation above 1, which Keras refuses (it is only TensorFlow's limit)
    explicit_padding  (left, right) steps of zeros in the place of what the layer's `padding` says, as torch and ONNX pad

    Raises TypeError or ValueError, with what was received, for values of another kind.
    """

    algorithm: str = "auto"
    accuracy: str = ""
    num_threads: int | None = None
    target: Target | str | None = None
    plan: Plan | None = None
    strided_dilation: bool = False
    explicit_padding: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.algorithm not in ("auto", *ALGORITHMS):
            raise ValueError(
                f"CompileOptions.algorithm must be one of auto, {', '.join(ALGORITHMS)}. Received: {self.algorithm!r}."
            )
        if self.accuracy == "":
            object.__setattr__(self, "accuracy", self._usual_accuracy())
        if self.accuracy not in ACCURACIES:
            raise ValueError(
                f"CompileOptions.accuracy must be one of {', '.join(ACCURACIES)}. Received: {self.accuracy!r}."
            )
        if self.accuracy == "strict" != self._usual_accuracy():
            raise ValueError(
                'CompileOptions.accuracy="strict" excludes the algorithm "cook_toom": leave one of them out.'
            )
        if self.num_threads is not None:
            object.__setattr__(self, "num_threads", _integer("num_threads", self.num_threads, 1))
        if not isinstance(self.strided_dilation, bool):
            raise TypeError(
                f"CompileOptions.strided_dilation must be True or False. Received: {self.strided_dilation!r}."
            )
        if self.target is not None and not isinstance(self.target, (str, Target)):
            raise TypeError(
                f"CompileOptions.target must be a Target, the name of one, or None. Received: {self.target!r}."
            )
        if self.plan is not None and not isinstance(self.plan, Plan):
            raise TypeError(f"CompileOptions.plan must be a Plan or None. Received: {self.plan!r}.")
        if self.plan is not None and self.algorithm not in ("auto", self.plan.algorithm):
            raise ValueError(
                f"CompileOptions.plan is one of algorithm={self.plan.algorithm!r}. Received: algorithm={self.algorithm!r}."
            )
        if self.explicit_padding is not None:
            pair = self.explicit_padding
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(
                    f"CompileOptions.explicit_padding must be a pair (left, right) or None. Received: {pair!r}."
                )
            object.__setattr__(self, "explicit_padding", tuple(_integer("explicit_padding", side, 0) for side in pair))

    def _usual_accuracy(self) -> str:
        return "standard" if "cook_toom" in (self.algorithm, getattr(self.plan, "algorithm", None)) else "strict"

    @classmethod
    def of(cls, options: CompileOptions | Mapping[str, Any] | None) -> CompileOptions:
        """Options from what a layer's `options` argument takes. Raises TypeError for anything else."""
        if options is None:
            return cls()
        if isinstance(options, Mapping):
            return cls(**options)
        if not isinstance(options, cls):
            raise TypeError(
                f"`options` must be a CompileOptions, a dict of its fields, or None. Received: options={options!r}"
            )
        return options

    def get_config(self) -> dict[str, Any]:
        """The fields that differ from the defaults, for a layer's config. Target and plan belong to one machine and
        stay out.
        """
        usual = {
            **{field.name: field.default for field in fields(self)},
            "accuracy": CompileOptions(self.algorithm).accuracy,
        }
        return {
            name: getattr(self, name)
            for name in usual
            if name not in ("target", "plan") and getattr(self, name) != usual[name]
        }


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"CompileOptions.{name} takes integers. Received: {value!r} (of type {type(value)}).")
    if value < least:
        raise ValueError(f"CompileOptions.{name} takes integers of {least} or more. Received: {value!r}.")
    return int(value)
