"""What the cases are drawn from: parameters, the classes of values that each has, and which classes
exclude each other.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from ..machine.host import resolve, runs_here
from ..machine.target import TARGETS
from ..schedule.plan import ALGORITHMS
from .case import AFTERWARDS, INPUTS

#: Element-wise activations, each with its defaults, and some with parameters: those that are exact in binary.
FUSED = (
    "linear",
    "relu",
    "relu(max_value=6.0,negative_slope=0.5,threshold=1.0)",
    "relu(max_value=2.0)",
    "relu6",
    "leaky_relu",
    "leaky_relu(negative_slope=0.25)",
    "elu",
    "elu(alpha=0.5)",
    "selu",
    "celu",
    "celu(alpha=2.0)",
    "softplus",
    "softsign",
    "squareplus",
    "squareplus(b=1.0)",
    "soft_shrink",
    "hard_shrink",
    "hard_shrink(threshold=3.0)",
    "tanh_shrink",
    "sparse_plus",
    "silu",
    "gelu",
    "gelu(approximate=1.0)",
    "tanh",
    "sigmoid",
    "exponential",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "mish",
    "log_sigmoid",
    "sparse_sigmoid",
    "threshold(default_value=-1.0,threshold=0.5)",
)
#: Sizes of a group's channels or filters, as they stand to a vector.
WIDTHS = ("1", "few", "lanes-1", "lanes", "lanes+1", "two and some", "many")

_DTYPES = ("f32", "f64", "f16", "bf16", "mixed_float16", "mixed_bfloat16")


def runnable(wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The targets whose code runs here, and "host"; of those in `wanted`, if any are. Raises ValueError where none is
    left.
    """
    known = ("host", *(name for name, target in TARGETS.items() if runs_here(target)))
    chosen = tuple(name for name in known if not wanted or name in wanted)
    if not chosen:
        raise ValueError(f"None of these targets runs here: {', '.join(wanted)}. Those that do: {', '.join(known)}.")
    return chosen


def parameters(targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The classes of each parameter, by its name. bfloat16 is among them where `ml_dtypes` is installed."""
    has_bfloat16 = importlib.util.find_spec("ml_dtypes") is not None
    return {
        "activation": (*FUSED, *AFTERWARDS),
        "layout": ("last", "first"),
        "padding": ("valid", "same", "causal", "explicit", "one side", "wider than the kernel"),
        "dtype": tuple(dtype for dtype in _DTYPES if has_bfloat16 or "bf" not in dtype),
        "target": tuple(targets),
        "algorithm": ("auto", *ALGORITHMS),
        "accuracy": ("standard", "strict", "fast"),
        "threads": ("1", "2", "3"),
        "taps": ("1", "2", "3", "few", "many", "a chunk", "long"),
        "stride": ("1", "2", "few", "wider than the kernel"),
        "dilation": ("1", "2", "few", "wide"),
        "groups": ("1", "some", "depthwise", "multiplied"),
        "channels": (*WIDTHS, "more than a chunk"),
        "filters": WIDTHS,
        "bias": ("yes", "no"),
        "rank": ("3", "4", "5"),
        "batch": ("0", "1", "2", "several"),
        "length": (
            "0",
            "1",
            "short",
            "extent-1",
            "extent",
            "extent+1",
            "tile",
            "lanes",
            "block",
            "blocks",
            "page",
            "any",
        ),
        "input": INPUTS,
    }


def allowed(row: Mapping[str, str]) -> bool:
    """Whether these classes go together. A row may lack some parameters, about which nothing is said then."""
    algorithm, groups, target = row.get("algorithm"), row.get("groups"), row.get("target")
    if algorithm == "depthwise" and (groups in ("1", "some") or row.get("layout") == "first"):
        return False
    if algorithm == "cook_toom" and row.get("accuracy") == "strict":
        return False
    if groups in ("depthwise", "multiplied") and row.get("channels") in ("1", "more than a chunk"):
        return False  # so many groups: one group is no grouping
    if (
        groups in ("depthwise", "multiplied")
        and "filters" in row
        and (row["filters"] == "1") != (groups == "depthwise")
    ):
        return False
    dtype = {"mixed_float16": "f16"}.get(row.get("dtype", ""), row.get("dtype", ""))
    return target is None or resolve(target).converts(dtype)


#: The parameters that `allowed` looks at, in groups between which it sees nothing: all others go with anything.
CONSTRAINED = (("algorithm", "groups", "layout", "accuracy", "channels", "filters"), ("dtype", "target"))
