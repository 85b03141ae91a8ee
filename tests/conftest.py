from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

from ibmon import Monitor, launch
from ibmon.analysis.loop import follow
from ibmon.capture.session import Session
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, create

# How long an example takes says more about what else the machine does than about ibmon.
settings.register_profile("ibmon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ibmon")

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a runs root of its own and belongs to no run."""
    root = tmp_path / "runs"
    monkeypatch.setenv("IBMON_RUNS", str(root))
    for name in ("IBMON_RUN", "IBMON_PLUGINS", "RANK", "NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The problems of tests are small: threads would only wait for each other, and for whatever else the machine does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def measured(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunDirectory]:
    """Run a training under a Monitor in this process, then the analyst's loop over what it captured.

    Nothing is dropped, unless ``lossless=False`` is asked for: on a busy machine the disk may be slower than these trainings.
    """
    monkeypatch.setattr(Session, "start_analyst", lambda self: None)

    def run_it(train: Callable[[Monitor], None], **asked: Any) -> RunDirectory:
        run = create(launch.describe_run(recipe="toy", target="toy", **{"lossless": True, **asked}))
        monkeypatch.setenv(launch.RUN_VARIABLE, str(run.path.resolve()))
        with Monitor() as monitor:
            train(monitor)
        locks.release(run.lock("trainer"))
        follow(run)
        locks.release(run.lock("analyst"))
        return run

    return run_it


@pytest.fixture
def data_folder() -> Path:
    """Real data: ``$IBMON_DATA``, or ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("IBMON_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}: set IBMON_DATA to a folder with szt12/var_u.mat to run this")
    return folder


@pytest.fixture
def toy_plugin(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third party's distribution, on the path of this process and of those it starts."""
    return _install("toy", monkeypatch)


@pytest.fixture
def parking_plugin(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A launcher with a queue of its own that starts nothing."""
    return _install("parking", monkeypatch)


@pytest.fixture
def broken_plugin(monkeypatch: pytest.MonkeyPatch) -> Path:
    return _install("broken", monkeypatch)


def _install(name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = DATA / name
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    return folder
