"""What the project is measured by: the convolutions of shapes.json, taken from real models and from other libraries'
benchmarks, as named cases with bias and relu.
"""

from __future__ import annotations

import json
from pathlib import Path

from conv1d_codegen.benchmark.cases import Case
from conv1d_codegen.problem import Activation, Problem

_FILE = Path(__file__).with_name("shapes.json")


def load(channels_first: bool = False, dtype: str = "f32", text: str = "") -> list[Case]:
    """The cases whose name, class or problem contains a text, in the file's order, in float32
    ("f32") or float64 ("f64").
    """
    cases = []
    for shape in json.loads(_FILE.read_text(encoding="utf-8")):
        left, right = shape["padding"]
        problem = Problem(
            channels=shape["cin"],
            filters=shape["cout"],
            kernel_size=shape["kernel"],
            stride=shape["stride"],
            dilation=shape["dilation"],
            groups=shape["groups"],
            padding=(left, right) if left or right else "valid",
            activation=Activation("relu"),
            dtype=dtype,
            channels_first=channels_first,
        )
        cases.append(Case(shape["name"], shape["class"], shape["batch"], shape["length"], problem))
    return [case for case in cases if text in f"{case.name} {case.kind} {case.problem}"]
