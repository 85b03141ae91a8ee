"""Trainings of other libraries' trainers in this process; nothing of them is analysed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ibmon import launch
from ibmon.capture.session import Session
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, create
from integrations.captured import Capture


@pytest.fixture
def capture(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Capture]]:
    """A run that the next Monitor of this process belongs to; what it captures stays in the spool."""
    monkeypatch.setattr(Session, "start_analyst", lambda self: None)
    made: list[RunDirectory] = []

    def make(**asked: Any) -> Capture:
        run = create(launch.describe_run(recipe="toy", target="toy", **{"lossless": True, **asked}))
        monkeypatch.setenv(launch.RUN_VARIABLE, str(run.path.resolve()))
        made.append(run)
        return Capture(run)

    yield make
    for run in made:
        locks.release(run.lock("trainer"))
