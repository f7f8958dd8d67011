"""ONNX's own tests of operators: which pass, and why the others are refused, is in `tests/golden/onnx_nodes.txt`.

Their first input of floats is that of the network, or else all of them, and the others are weights.
`pytest --update-golden` writes the file anew.
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.onnx_models import Array, Run

from conv1d_codegen.network.readers.onnx_model import KNOWN

TABLE = "onnx_nodes.txt"
OTHERS = (
    "attention|flexattention|linear_attention|affine_grid|sce|nllloss|dynamicquantize|mvn|center_crop|cast"  # not read
)
FLOATS = ("float16", "bfloat16", "float32", "float64")


def cases() -> Iterator[Any]:
    """ONNX's tests of operators that are read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about numbers in them
        from onnx.backend.test.loader import load_model_tests

        found = load_model_tests(kind="node")
    named = [case for case in found if not re.match(f"test_({OTHERS})", case.name)]
    plain: list[Any] = [case for case in named if case.model is not None and _of_arrays(case)]
    return (case for case in plain if {node.op_type for node in case.model.graph.node} <= KNOWN)


def _of_arrays(case: Any) -> bool:
    """Whether all its data are arrays, and none of them is empty."""
    return all(getattr(value, "size", 0) for data in case.data_sets[0] for value in data)


def outcome(case: Any) -> str | None:
    """ "passes" with the operations, or "refused" with the reason; None without an input of floats. Raises AssertionError
    where the result is wrong.
    """
    inputs, outputs = case.data_sets[0]
    names = [value.name for value in case.model.graph.input]
    given = dict(zip(names, inputs, strict=False))
    floats = [name for name, value in given.items() if str(getattr(value, "dtype", "")) in FLOATS]
    reason = None
    for variable in [floats[:1], floats][: len(floats)]:
        try:
            run = Run(with_constants(case.model, given, variable))
        except ValueError as error:
            told = str(error).partition("has:\n")[2].partition("ONNX Runtime can")[0] or str(error)
            reason = reason or "refused: " + re.sub(r"\s+", " ", told)[:160].strip()
            continue
        with np.errstate(all="ignore"):
            made = run({name: given[name] for name in variable})
        for y, right in zip(made, outputs, strict=True):
            assert y.shape == right.shape, f"{case.name}: {y.shape} instead of {right.shape}"
            a, b = y.astype("float64"), right.astype("float64")
            np.testing.assert_allclose(a, b, max(case.rtol, 1e-3), 1e-4, err_msg=f"{case.name}\n{run.network.graph}")
        return f"passes: {', '.join(run.ops)}".rstrip(": ")
    return reason


def with_constants(model: Any, given: dict[str, Array], variable: list[str]) -> Any:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    kept = [value for value in made.graph.input if value.name in variable]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    made.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in given.items() if n not in variable)
    return made


def test_onnx_node_tests(request: pytest.FixtureRequest) -> None:
    """None is wrong, and each that passed still passes. Other versions of ONNX have some tests more or less."""
    made = {case.name: found for case in cases() if (found := outcome(case)) is not None}
    path = request.config.rootpath / "tests" / "golden" / TABLE
    if request.config.getoption("--update-golden"):
        counts = [sum(text.startswith(word) for text in made.values()) for word in ("passes", "refused")]
        lines = [f"{name} {text}\n" for name, text in sorted(made.items())]
        path.write_text(f"# {counts[0]} pass, {counts[1]} are refused\n" + "".join(lines), encoding="utf-8")
    known = dict(line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines()[1:])
    lost = {name: made[name] for name, text in known.items() if name in made and text[:6] != made[name][:6]}
    assert not lost, "\n".join(f"{name}: {text}, and before: {known[name]}" for name, text in lost.items())
    common = [name for name in known if name in made]
    assert len(common) > 300
    assert sum(made[name].startswith("passes") for name in common) > 200
