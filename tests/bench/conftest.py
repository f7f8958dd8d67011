"""The fixture that several tests of the bench's run use."""

from __future__ import annotations

import pytest

from bench import measure, process


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run measures here, where tests can put things in the place of others, and does not
    measure the copy's bandwidth.
    """
    monkeypatch.setattr(measure, "copy_bandwidth", lambda: 1e9)
    monkeypatch.setattr(process, "events", lambda settings: measure.events(settings, []))
