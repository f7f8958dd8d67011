"""The voice detector of the package silero-vad over a minute of something like speech, beside ONNX Runtime.

Its state is carried over 1,875 chunks, and with it what is rounded. The largest differences of probabilities, printed by
`pytest -s`, from the same in float64: ours 8e-7, ONNX Runtime's 2.7e-6; and 2.6e-6 lie between ONNX Runtime with its
optimisations and without them. So ours are held to 1e-6 of float64, and to no more from ONNX Runtime than it is off itself.

The weights of `silero_vad_16k.safetensors` are others than those of `silero_vad.onnx`: ONNX Runtime gets a model of them.
"""

from typing import Any

import numpy as np
import pytest

onnxruntime: Any = pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402
from support.onnx_models import model_of  # noqa: E402
from support.silero import CHUNK, CONTEXT, WIDE, model, packaged, silero_by_hand  # noqa: E402

from conv1d_codegen import load  # noqa: E402
from conv1d_codegen.network.readers import safetensors  # noqa: E402
from conv1d_codegen.network.reference import run  # noqa: E402

pytestmark = pytest.mark.slow
RATE, SECONDS = 16000, 60
Array = Any  # of NumPy


def speech(seed: int) -> Array:
    """Syllables: pulses of a changing pitch through three resonances, hisses, and pauses, with a little noise all along."""
    rng = np.random.default_rng(seed)
    length = RATE * SECONDS
    sound = rng.standard_normal(length) * 1e-3
    at = 0
    while at < length:
        size = int(RATE * rng.uniform(0.08, 0.35))
        kind = rng.choice(["voice", "voice", "voice", "hiss", "pause"])
        t = np.arange(min(size, length - at))
        envelope = np.sin(np.pi * (t + 0.5) / len(t)) ** 0.5 * rng.uniform(0.05, 0.5)
        if kind == "voice":
            first, last = rng.uniform(90, 240, 2)
            pitch = np.linspace(first, last, len(t))
            phase = 2 * np.pi * np.cumsum(pitch) / RATE
            formants = rng.uniform((300, 900, 2200), (900, 2000, 3200))
            harmonics = np.arange(1, 30)[:, None]
            strength = sum(1 / (1 + ((harmonics * pitch - f) / (60 + f / 15)) ** 2) for f in formants)
            sound[at : at + len(t)] += envelope * (strength * np.sin(harmonics * phase)).sum(0) / 3
        elif kind == "hiss":
            sound[at : at + len(t)] += envelope * np.diff(rng.standard_normal(len(t) + 1)) / 4
        at += size
    return np.clip(sound, -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def chunks() -> Array:
    """All chunks, each after the samples that come before it."""
    whole = np.concatenate([np.zeros(CONTEXT, np.float32), speech(0)])
    return np.lib.stride_tricks.sliding_window_view(whole, CONTEXT + CHUNK)[::CHUNK].copy()


@pytest.fixture(scope="module")
def of_the_file(chunks: Array) -> Array:
    """What ONNX Runtime makes of the file."""
    return by_runtime(model("silero_vad.onnx"), chunks, {"sr": np.array(RATE)})


def by_runtime(source: Any, chunks: Array, also: dict[str, Array]) -> Array:
    """The probabilities by ONNX Runtime, chunk after chunk."""
    session = onnxruntime.InferenceSession(source)
    state, found = np.zeros((2, 1, WIDE), np.float32), []
    for chunk in chunks:
        y, state = session.run(None, {"input": chunk[None], "state": state, **also})
        found.append(float(y.ravel()[0]))
    return np.array(found)


def exact(arrays: dict[str, Array], chunks: Array) -> Array:
    """The probabilities in float64: all chunks in one call for the features, and then in one sequence."""
    x = chunks[..., None].astype(float)
    for network in silero_by_hand(arrays):
        wide = {name: weight.astype(float) for name, weight in network.weights.items()}
        (source,), (output,) = network.graph.sources, network.graph.outputs
        x = run(network.graph, wide, {source.name: x})[output].reshape(1, len(chunks), -1)
    return x.ravel()


def check(what: str, made: Array, runtime: Array, right: Array) -> None:
    own, theirs, between = (np.abs(a - b).max() for a, b in ((made, right), (runtime, right), (made, runtime)))
    print(f"\n{what}: from float64 {own:.2g}, ONNX Runtime {theirs:.2g}; between them {between:.2g}")
    assert own < max(1e-6, 1.5 * theirs)


def test_the_signal_is_taken_for_speech(of_the_file: Array) -> None:
    """And for none: else the comparison would say little."""
    assert len(of_the_file) == RATE * SECONDS // CHUNK
    assert (of_the_file > 0.5).mean() > 0.05
    assert (of_the_file < 0.1).mean() > 0.05


def arrays_in(network: Any) -> dict[str, Array]:
    """The weights that were read from the ONNX file, as the safetensors file names them."""
    given = iter(network.weights.values())
    names = ["stft_conv.weight", *(f"conv{n}.{part}" for n in range(1, 5) for part in ("weight", "bias"))]
    found = {name: next(given) for name in names}
    kernel, recurrent, bias = (next(given) for _ in range(3))
    found |= {"lstm_cell.weight_ih": kernel.T, "lstm_cell.weight_hh": recurrent.T}
    found |= {"lstm_cell.bias_ih": bias, "lstm_cell.bias_hh": np.zeros_like(bias)}
    found |= {"final_conv.weight": next(given), "final_conv.bias": next(given)}
    return {name: array.transpose(2, 1, 0) if array.ndim == 3 else array for name, array in found.items()}


def test_the_onnx_file(chunks: Array, of_the_file: Array) -> None:
    """Chunk after chunk, each with the state that the one before it left."""
    inputs = {"sr": np.array(RATE), "input": (None, CONTEXT + CHUNK)}
    network = load(model("silero_vad.onnx"), inputs=inputs)
    right = exact(arrays_in(network), chunks)
    for each, what in ((network, ""), (network.with_options({"accuracy": "strict"}), ", strict")):
        state, found = np.zeros((1, 2, WIDE), np.float32), []
        for chunk in chunks:
            y, state = each({"input": chunk[None, :, None], "state": state})
            found.append(float(y.ravel()[0]))
        check(f"silero_vad.onnx{what}", np.array(found), of_the_file, right)


def definition(arrays: dict[str, Array]) -> bytes:
    """The model of the arrays of the safetensors file, as ONNX."""
    n = helper.make_node
    nodes = [
        n("Pad", ["input", "around"], ["padded"], mode="reflect"),
        n("Unsqueeze", ["padded", "one"], ["row"]),
        n("Conv", ["row", "stft_conv.weight"], ["both"], strides=[128]),
        n("Split", ["both"], ["real", "imaginary"], axis=1, num_outputs=2),
        n("Mul", ["real", "real"], ["a"]),
        n("Mul", ["imaginary", "imaginary"], ["b"]),
        n("Add", ["a", "b"], ["power"]),
        n("Sqrt", ["power"], ["y0"]),
    ]
    for number, stride in enumerate((1, 2, 2, 1), 1):
        own = [f"conv{number}.weight", f"conv{number}.bias"]
        nodes.append(n("Conv", [f"y{number - 1}", *own], [f"c{number}"], pads=[1, 1], strides=[stride]))
        nodes.append(n("Relu", [f"c{number}"], [f"y{number}"]))
    nodes += [
        n("Transpose", ["y4"], ["steps"], perm=[2, 0, 1]),
        n("Split", ["state"], ["h", "c"], axis=0, num_outputs=2),
        n("LSTM", ["steps", "w", "r", "bias", "", "h", "c"], ["", "new_h", "new_c"], hidden_size=WIDE),
        n("Concat", ["new_h", "new_c"], ["new_state"], axis=0),
        n("Relu", ["new_h"], ["positive"]),
        n("Transpose", ["positive"], ["last"], perm=[1, 2, 0]),
        n("Conv", ["last", "final_conv.weight", "final_conv.bias"], ["final"]),
        n("Sigmoid", ["final"], ["output"]),
    ]
    order = [0, 3, 1, 2]  # of the gates: torch has i, f, g, o and ONNX i, o, f, c

    def turned(name: str) -> Array:
        return arrays[name].reshape(4, WIDE, -1)[order].reshape(1, 4 * WIDE, -1)

    constants = {
        **{name: array for name, array in arrays.items() if not name.startswith("lstm")},
        "w": turned("lstm_cell.weight_ih"),
        "r": turned("lstm_cell.weight_hh"),
        "bias": np.concatenate([turned(f"lstm_cell.bias_{part}")[..., 0] for part in ("ih", "hh")], 1),
        "around": np.array([0, 0, 0, 64]),
        "one": np.array([1]),
    }
    inputs = {"input": ("N", CONTEXT + CHUNK), "state": (2, "N", WIDE)}
    made: bytes = model_of(nodes, inputs, ["output", "new_state"], constants, opset=18).SerializeToString()
    return made


def test_the_safetensors_file(chunks: Array) -> None:
    """All chunks in one call for the features, and in one sequence for the probabilities."""
    arrays = safetensors.read(packaged("silero_vad", "data", "silero_vad_16k.safetensors"))
    features, probabilities = silero_by_hand(arrays)
    found = probabilities(features(chunks[..., None]).reshape(1, len(chunks), WIDE)).ravel()
    check("silero_vad_16k.safetensors", found, by_runtime(definition(arrays), chunks, {}), exact(arrays, chunks))
