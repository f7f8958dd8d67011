"""The garbage fuzzer: whatever the arguments, an exception of a documented type with a message that says what is wrong,
or a right answer.

A case is a door of the public API and a seed, `layer 17`, from which the arguments are drawn. Crashes, hangs and
warnings are failures, as are exceptions that only a fault raises (KeyError, IndexError, ...). The short run is
`test_garbage_fuzzer.py`; the long one is

    python tests/garbage_fuzzer.py --seconds 3600 --seed 1 --jobs 2
    python tests/garbage_fuzzer.py --case "layer 17"
"""

import contextlib
import resource
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from support import fuzzing
from support.garbage import made, values
from support.helpers import expected
from support.type_helpers import Array

from conv1d_codegen import CompileOptions, Conv1D, Plan, Problem, activations, constraints, initializers, regularizers
from conv1d_codegen.errors import CompileError
from conv1d_codegen.layers.activations import fusable
from conv1d_codegen.problem import Activation, parse_case
from conv1d_codegen.selftest import worker
from conv1d_codegen.selftest.checks import Failed

COMMAND = (__file__, "--worker")
#: What the package's texts say that it raises; MemoryError is the system's, for sizes that it has no memory for.
DOCUMENTED = (ValueError, TypeError, CompileError, MemoryError)
_MEMORY = 6 << 30  # bytes of address space, so that large sizes are refused, and not tried
_SHORTEST = 8  # characters of a message that says something


def arguments(rng: np.random.Generator, base: Mapping[str, Any], least: int = 1, most: int = 3) -> dict[str, Any]:
    """Good arguments, of which one to three are replaced by something."""
    given = dict(base)
    for name in rng.choice(list(base), size=int(rng.integers(least, most + 1)), replace=False):
        given[str(name)] = values(rng)
    return given


LAYER = {
    "filters": 4,
    "kernel_size": 3,
    "strides": 1,
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": 1,
    "groups": 1,
    "activation": None,
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
    "options": None,
    "name": None,
    "dtype": None,
    "trainable": True,
    "autocast": True,
    "weights": None,
    "input_shape": None,
    "batch_size": None,
    "input_dim": None,
    "dynamic": False,
}
OPTIONS = {
    "algorithm": "auto",
    "accuracy": "standard",
    "num_threads": 1,
    "target": None,
    "plan": None,
    "strided_dilation": False,
    "explicit_padding": None,
}
PROBLEM = {
    "channels": 3,
    "filters": 4,
    "kernel_size": 3,
    "stride": 1,
    "dilation": 1,
    "groups": 1,
    "padding": "valid",
    "activation": Activation(),
    "dtype": "f32",
    "channels_first": False,
    "use_bias": True,
}
PLAN = {
    "algorithm": "direct",
    "lanes": "filters",
    "width": 8,
    "vectors": 2,
    "rows": (6, 1),
    "block": 48,
    "unroll": 2,
    "outputs": 0,
    "taps": 0,
}
TEXTS = (
    "c16_f32_k3_d2_causal_gelu_f32",
    "c1_f32_k80_s16_pad3x2_leaky_relu(negative_slope=0.1)_f32_nobias",
    "c8_f8_k3_s2_g4_same_linear_f64_first",
    "c64_f128_k3_causal_relu_f32@4x100",
    "direct lanes=filters 16x2 rows=13,12,4,1 block=104 unroll=4",
    "cook_toom F(4,3) lanes=filters 16x4 rows=6,5,2,1 block=96 unroll=4",
)


def call(layer: Conv1D, rng: np.random.Generator) -> None:
    """Call a layer that was made of whatever arguments, and hold what it gives against the reference."""
    x: Array = np.asarray(rng.integers(-3, 4, (2, 9, 3)), np.float32)
    if layer.data_format == "channels_first":
        x = np.ascontiguousarray(x.transpose(0, 2, 1))
    y = layer(x)
    p = layer.problem
    kernel, *bias = layer.get_weights()
    x, kernel, *bias = (np.asarray(a, y.dtype).astype(np.float64) for a in (x, kernel, *bias))
    if fusable(layer.activation) is not None and np.isfinite(kernel).all():
        right = expected(p, x, kernel, bias[0] if bias else None).astype(np.float64)
        scale = 1 + np.abs(right[np.isfinite(right)]).max(initial=0)
        if not np.allclose(y.astype(np.float64), right, rtol=0.02, atol=0.02 * scale, equal_nan=True):
            raise Failed(f"a wrong answer: {np.abs(y.astype(np.float64) - right).max()} off")


def a_layer(rng: np.random.Generator) -> None:
    call(Conv1D(**arguments(rng, LAYER)), rng)


def a_config(rng: np.random.Generator) -> None:
    config = Conv1D(4, 3).get_config()
    call(Conv1D.from_config(arguments(rng, config)), rng)


def an_input(rng: np.random.Generator) -> None:
    """Inputs of any make, and `out`."""
    layer = Conv1D(
        4, 3, padding=str(rng.choice(["valid", "same"])), dtype=str(rng.choice(["float32", "float64", "float16"]))
    )
    good = np.ones((2, 9, 3), layer.compute_dtype)
    layer(good)
    x = made(rng, good) if rng.random() < 0.8 else good
    out = None if rng.random() < 0.5 else made(rng, layer(good))
    before = layer(good).copy()
    with contextlib.suppress(*DOCUMENTED):
        layer(x) if out is None else layer(x, out=out)
    if layer(good).tobytes() != before.tobytes():
        raise Failed("the layer gives something else afterwards")
    layer(x) if out is None else layer(x, out=out)


def a_shape(rng: np.random.Generator) -> None:
    layer = Conv1D(4, 3)
    shape = (
        values(rng)
        if rng.random() < 0.5
        else tuple(values(rng) if rng.random() < 0.4 else 9 for _ in range(rng.integers(0, 5)))
    )
    ask = (layer.build, layer.compute_output_shape)[rng.integers(2)]
    ask(shape)


def some_weights(rng: np.random.Generator) -> None:
    layer = Conv1D(4, 3)
    x = np.ones((1, 9, 3), np.float32)
    before = layer(x)
    kernel, bias = layer.get_weights()
    given = (
        values(rng)
        if rng.random() < 0.3
        else [made(rng, kernel) if rng.random() < 0.7 else kernel, made(rng, bias) if rng.random() < 0.7 else bias]
    )
    way = rng.integers(3)
    try:
        if way == 0:
            layer.set_weights(given)
        elif way == 1:
            layer.kernel = made(rng, kernel)
        else:
            layer.bias = made(rng, bias)
    except Exception:
        if layer(x).tobytes() != before.tobytes():
            raise Failed("refused weights have changed the layer") from None
        raise
    call(layer, rng)


def some_options(rng: np.random.Generator) -> None:
    layer = Conv1D(4, 3, options=CompileOptions(**arguments(rng, OPTIONS)))
    call(layer, rng)


def a_problem(rng: np.random.Generator) -> None:
    str(Problem(**arguments(rng, PROBLEM)))


def a_plan(rng: np.random.Generator) -> None:
    plan = Plan(**arguments(rng, PLAN))
    if Plan.parse(str(plan)) != plan:
        raise Failed(f"its text form is of another plan: {plan}")


def a_text(rng: np.random.Generator) -> None:
    """A text form with some characters changed, read by whoever reads such texts."""
    text = list(TEXTS[rng.integers(len(TEXTS))])
    for _ in range(rng.integers(0, 4)):
        at = int(rng.integers(len(text)))
        text[at : at + int(rng.integers(2))] = (
            [str(rng.choice(list("0189xX_@=,.()-+ abfgkscd\n\0٣é")))] if rng.random() < 0.7 else []
        )
        text = text or ["c"]
    ((Problem.parse, parse_case, Plan.parse, Activation.parse)[rng.integers(4)])("".join(text))


def a_name(rng: np.random.Generator) -> None:
    module = (activations, initializers, regularizers, constraints)[rng.integers(4)]
    found = module.get(values(rng))
    if found is not None and module is not activations:
        module.serialize(found)


DOORS = {
    "layer": a_layer,
    "config": a_config,
    "input": an_input,
    "shape": a_shape,
    "weights": some_weights,
    "options": some_options,
    "problem": a_problem,
    "plan": a_plan,
    "text": a_text,
    "name": a_name,
}


def run(line: str) -> int:
    """One case: 1 where it was taken, 0 where it was refused as it should be."""
    door, seed = line.split()
    rng = np.random.default_rng((list(DOORS).index(door), int(seed)))
    try:
        DOORS[door](rng)
    except DOCUMENTED as error:
        if len(str(error)) < _SHORTEST and not isinstance(error, MemoryError):
            raise Failed(f"{type(error).__name__} says only {str(error)!r}") from error
        return 0
    except AttributeError as error:
        if "lower" not in str(error) and "build the layer" not in str(error):  # as in Keras: `padding` that is no text
            raise
        return 0
    return 1


def cases(seed: int, count: int | None = None) -> Iterator[str]:
    """All doors by turns."""
    return fuzzing.by_turns(list(DOORS), seed, count)


def main() -> int:
    options = fuzzing.options(__doc__)
    if options.worker:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        worker.serve(run)
        return 0
    drawn = taken = failed = 0
    for outcome in fuzzing.results(options, cases, COMMAND):
        drawn, taken, failed = drawn + 1, taken + (outcome.outputs > 0), failed + bool(outcome.failure)
    print(f"{drawn} cases, {taken} taken, {drawn - taken - failed} refused, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
