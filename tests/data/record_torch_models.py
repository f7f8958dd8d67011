"""Records what modules of torch give, and the networks that are read of them: `PYTHONPATH=tests python
tests/data/record_torch_models.py`, with torch 2.13, by hand.

Writes `torch_models.npz` beside itself: of each network of `support/torch_networks.py`, the file that `save` writes of
it, an input and an output `(batch, steps, channels)`.
"""

import pathlib
import tempfile

import numpy as np
import torch
from support.torch_helpers import channels_last, drawn, randomised
from support.torch_networks import NETWORKS

import conv1d_codegen as cc

HERE = pathlib.Path(__file__).parent


def main() -> None:
    arrays = {"torch": np.array(torch.__version__)}
    for name, (make, shape, other, layout) in NETWORKS.items():
        module = randomised(make())
        network = cc.from_torch(module, torch.zeros(shape))
        (x,) = drawn([(*shape[:2], other)], "float32")
        with torch.no_grad():
            y = module(x)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "network")
            cc.save(network, path)
            arrays[f"{name}/network"] = np.frombuffer(path.read_bytes(), np.uint8)
        arrays[f"{name}/x"], arrays[f"{name}/y"] = channels_last(x, "nct"), channels_last(y, layout)
    np.savez_compressed(HERE / "torch_models.npz", **arrays)  # type: ignore[arg-type]
    print(f"{len(NETWORKS)} networks, {(HERE / 'torch_models.npz').stat().st_size} bytes")


if __name__ == "__main__":
    main()
