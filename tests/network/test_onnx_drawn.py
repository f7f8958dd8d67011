"""Random ONNX models: each is read as what ONNX's reference computes, or refused."""

import os

from onnx import printer
from support.onnx_drawn import Drawing
from support.onnx_models import agrees

MODELS = int(os.environ.get("MODELS", "400"))  # more of them: MODELS=10000 pytest tests/network/test_onnx_drawn.py


def test_random_models() -> None:
    read = 0
    for seed in range(MODELS):
        model, feeds = Drawing(seed).model()
        try:
            agrees(model, feeds, tolerance=1e-3)
            read += 1
        except ValueError as error:
            if "no network here has" not in str(error):
                raise AssertionError(f"seed {seed}") from error
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{printer.to_text(model)}") from error
    assert read > MODELS // 2, f"{read} of {MODELS} models were read"
