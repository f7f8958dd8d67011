"""The voice detector of the package silero-vad, where that is installed: conditions, reflected edges, an LSTM with states."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from support.onnx_models import numbers
from support.silero import model

from conv1d_codegen import load

MODELS = ("silero_vad.onnx", "silero_vad_16k_op15.onnx", "silero_vad_half.onnx", "silero_vad_op18_ifless.onnx")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("rate", "steps"), [(16000, 576), (8000, 288)])
def test_silero_vad(name: str, rate: int, steps: int) -> None:
    if rate == 8000 and "16k" in name:
        pytest.skip("a model of 16 kHz")
    path = model(name)
    parsed = onnx.load(path)
    rates = {"sr": np.array(rate)} if "sr" in [value.name for value in parsed.graph.input] else {}
    if rate == 8000 and not rates:
        pytest.skip("a model of 16 kHz")
    network = load(path, inputs={**rates, "input": (None, steps)})
    x, state = numbers(0, 3, steps) * np.float32(0.1), numbers(1, 2, 3, 128)
    chance, after = network({"input": x[:, :, None], "state": state.transpose(1, 0, 2)})
    right: Any = ReferenceEvaluator(parsed).run(None, {"input": x, "state": state, **rates})
    np.testing.assert_allclose(chance.reshape(right[0].shape), right[0], 1e-4, 1e-5)
    np.testing.assert_allclose(after.transpose(1, 0, 2), right[1], 1e-4, 1e-5)
