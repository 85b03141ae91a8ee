from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ibmon import Monitor, launch
from ibmon.analysis.loop import follow
from ibmon.capture.session import Session
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, create

Measured = Callable[..., RunDirectory]


@pytest.fixture
def measured(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Run a training under a Monitor in this process, then the analyst's loop over what it captured."""
    monkeypatch.setattr(Session, "start_analyst", lambda self: None)

    def run_it(train: Callable[[Monitor], None], **asked: Any) -> RunDirectory:
        run = create(launch.describe_run(recipe="toy", target="toy", **asked))
        monkeypatch.setenv(launch.RUN_VARIABLE, str(run.path.resolve()))
        with Monitor() as monitor:
            train(monitor)
        locks.release(run.lock("trainer"))
        follow(run)
        locks.release(run.lock("analyst"))
        return run

    return run_it
