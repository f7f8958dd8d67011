"""ONNX models of which ONNX Runtime computes parts, and others run here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper
from support.onnx_models import model_of, numbers

n = helper.make_node
CONSTANTS = {
    "k": numbers(0, 4, 2, 3),
    "k2": numbers(1, 3, 4, 2),
    "k4": numbers(2, 4, 4, 1),
    "steps": np.array(2),
    "rest": np.array(3.0, "float32"),
}


def sums(name: str, made: str) -> Any:
    """A node that no network here has: sums of all steps so far."""
    return n("CumSum", [name, "steps"], [made])


def several(*more: Any, inputs: Any = None, outputs: Sequence[str] = ("y",), **constants: Any) -> Any:
    """A model of nodes, among them those of which parts are ours."""
    return model_of(list(more), inputs or {"x": ("N", 2, "T")}, outputs, {**CONSTANTS, **constants})


def alternating() -> Any:
    return several(
        n("Conv", ["x", "k"], ["a"], pads=[1, 1]),
        n("Relu", ["a"], ["b"]),
        sums("b", "c"),
        n("Mod", ["c", "rest"], ["d"], fmod=1),
        n("Conv", ["d", "k2"], ["e"]),
        sums("e", "f"),
        n("Add", ["f", "e"], ["y"]),
    )
