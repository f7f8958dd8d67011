"""Networks of torch's as people build them, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Module = Any


class Residual(nn.Module):  # type: ignore[misc]
    """Dilated convolutions with norms, each added to its input."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, channels, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(channels, channels, 3, padding="same", dilation=2**i, padding_mode="reflect"),
                nn.BatchNorm1d(channels),
                nn.ReLU(inplace=True),
                nn.Dropout(0.1),
                nn.Conv1d(channels, channels, 1),
            )
            for i in range(3)
        )
        self.head = nn.Conv1d(channels, 3, 1)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(F.relu(x))


class WaveNet(nn.Module):  # type: ignore[misc]
    """Gated causal convolutions with a path that skips."""

    def __init__(self, channels: int = 6, skipped: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, channels, 1)
        self.gates = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 2, dilation=2**i) for i in range(4))
        self.skips = nn.ModuleList(nn.Conv1d(channels, skipped, 1) for _ in range(4))
        self.backs = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(4))
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(skipped, 4, 1))

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        total: Any = 0
        for gate, skip, back in zip(self.gates, self.skips, self.backs, strict=True):
            a, b = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, dim=1)
            y = torch.tanh(a) * torch.sigmoid(b)
            total = total + skip(y)
            x = (x + back(y)) * 0.5**0.5
        return F.log_softmax(self.out(total), 1)


class UNet(nn.Module):  # type: ignore[misc]
    """Pools down, transposed convolutions up, and joins across."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = self._two(2, 4), self._two(4, 8), self._two(8, 12)
        self.up_b, self.up_a = nn.ConvTranspose1d(12, 8, 2, 2), nn.ConvTranspose1d(8, 4, 4, 2, 1)
        self.join_b, self.join_a = self._two(16, 8), self._two(8, 4)
        self.out = nn.Conv1d(4, 1, 1)

    @staticmethod
    def _two(channels: int, filters: int) -> Any:
        return nn.Sequential(
            nn.Conv1d(channels, filters, 3, padding=1),
            nn.GroupNorm(2, filters),
            nn.SiLU(),
            nn.Conv1d(filters, filters, 3, 1, 1),
        )

    def forward(self, x: Any) -> Any:
        a = self.a(x)
        b = self.b(F.max_pool1d(a, 2))
        c = self.c(F.avg_pool1d(b, 2))
        b = self.join_b(torch.cat([self.up_b(c), b], 1))
        return self.out(self.join_a(torch.cat([self.up_a(b), a], dim=1)))


class Tcn(nn.Module):  # type: ignore[misc]
    """Causal by padding at both ends and chomping, with weight norm; the last step is classified."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        sizes = [(3, 8), (8, 8), (8, 6)]
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(c, f, 3, padding=2 * 2**i, dilation=2**i)) for i, (c, f) in enumerate(sizes)
        )
        self.downs = nn.ModuleList(nn.Conv1d(c, f, 1) if c != f else nn.Identity() for c, f in sizes)
        self.dense = nn.Linear(6, 4)

    def forward(self, x: Any) -> Any:
        for conv, down in zip(self.convs, self.downs, strict=True):
            y = conv(x)[:, :, : -conv.padding[0]].contiguous()
            x = F.relu(F.relu(y) + down(x))
        return self.dense(x[:, :, -1])


class Inception(nn.Module):  # type: ignore[misc]
    """InceptionTime: kernels of several sizes beside a pool; the mean is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(self._part(c) for c in (3, 16))
        self.norms = nn.ModuleList(nn.BatchNorm1d(16) for _ in range(2))
        self.short = nn.Conv1d(3, 16, 1, bias=False)
        self.dense = nn.Linear(16, 5)

    @staticmethod
    def _part(channels: int) -> Any:
        return nn.ModuleDict(
            {
                "narrow": nn.Conv1d(channels, 4, 1, bias=False),
                "wide": nn.ModuleList(nn.Conv1d(4, 4, k, padding="same", bias=False) for k in (10, 5, 3)),
                "pooled": nn.Conv1d(channels, 4, 1, bias=False),
            }
        )

    def forward(self, x: Any) -> Any:
        first = x
        for part, norm in zip(self.parts, self.norms, strict=True):
            y = part["narrow"](x)
            wide = [conv(y) for conv in part["wide"]]
            x = F.relu(norm(torch.cat([*wide, part["pooled"](F.max_pool1d(x, 3, 1, 1))], 1)))
        x = F.relu(x + self.short(first))
        return self.dense(F.adaptive_avg_pool1d(x, 1).flatten(1))


class Separable(nn.Module):  # type: ignore[misc]
    """Depthwise convolutions, squeeze and excitation, ConvNeXt's layer norms and scales."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, 8, 4, stride=2)
        self.depth = nn.Conv1d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8)
        self.wide, self.back = nn.Linear(8, 16), nn.Linear(16, 8)
        self.scale = nn.Parameter(torch.ones(8))
        self.squeeze, self.excite = nn.Conv1d(8, 2, 1), nn.Conv1d(2, 8, 1)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        y = self.depth(x).permute(0, 2, 1)
        y = self.scale * self.back(F.gelu(self.wide(self.norm(y))))
        x = x + y.permute(0, 2, 1)
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean(-1, keepdim=True)))))


class Recurrent(nn.Module):  # type: ignore[misc]
    """Convolutions, then a recurrent layer in both directions whose last states are classified."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(3, 6, 5, 2, 2), nn.BatchNorm1d(6), nn.LeakyReLU(0.1))
        self.gru = nn.GRU(6, 7, 2, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(14, 4)

    def forward(self, x: Any) -> Any:
        _, h = self.gru(self.conv(x).transpose(1, 2))
        return self.dense(torch.cat([h[-2], h[-1]], dim=1))


class Generator(nn.Module):  # type: ignore[misc]
    """HiFi-GAN's: transposed convolutions with residual blocks of several sizes, all with weight norm."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.first = norm(nn.Conv1d(5, 16, 7, 1, 3))
        self.ups = nn.ModuleList(
            norm(nn.ConvTranspose1d(16 // 2**i, 8 // 2**i, 2 * s, s, s // 2)) for i, s in enumerate((4, 2))
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(norm(nn.Conv1d(8 // 2**i, 8 // 2**i, k, 1, d * (k - 1) // 2, d)) for d in (1, 3))
                for k in (3, 5)
            )
            for i in range(2)
        )
        self.last = norm(nn.Conv1d(4, 1, 7, 1, 3))

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            x = up(F.leaky_relu(x, 0.1))
            total: Any = None
            for block in blocks:
                y = x
                for conv in block:
                    y = conv(F.leaky_relu(y, 0.1)) + y
                total = y if total is None else total + y
            x = total / len(blocks)
        return torch.tanh(self.last(F.leaky_relu(x)))


#: Each with the shape of an input, another length, and the layout of its output.
NETWORKS: dict[str, tuple[Callable[[], Module], tuple[int, ...], int, str]] = {
    "residual": (Residual, (2, 2, 40), 33, "nct"),
    "wavenet": (WaveNet, (2, 1, 40), 9, "nct"),
    "unet": (UNet, (2, 2, 32), 20, "nct"),
    "tcn": (Tcn, (2, 3, 30), 17, "nc"),
    "inception": (Inception, (2, 3, 30), 21, "nc"),
    "separable": (Separable, (2, 2, 30), 23, "nct"),
    "recurrent": (Recurrent, (2, 3, 30), 23, "nc"),
    "generator": (Generator, (2, 5, 12), 7, "nct"),
}
