"""The fixture that several tests of the bench's run use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bench import network_measure, scale_measure
from conv1d_codegen.benchmark import measure, process


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run measures here, where tests can put things in the place of others, and does not
    measure the copy's bandwidth.
    """
    monkeypatch.setattr(measure, "copy_bandwidth", lambda: 1e9)

    def events(
        settings: measure.Settings | network_measure.Settings | scale_measure.Settings,
    ) -> Iterator[dict[str, Any]]:
        if isinstance(settings, measure.Settings):
            return measure.events(settings, [])
        if isinstance(settings, scale_measure.Settings):
            return scale_measure.events(settings, [])
        return network_measure.events(settings, [])

    monkeypatch.setattr(process, "events", events)
