"""What was measured is never lost or doubled, whichever process is killed; what was not measured is visible as such."""

from __future__ import annotations

import math
import os
import random
import signal
import time

import pytest

from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.history import History
from support import finished, history_of, results_in, started, wait_for

pytestmark = pytest.mark.long
EPOCHS = 200


def _run() -> RunDirectory:
    parameters = {"epochs": EPOCHS, "seed": 2}
    return started(parameters=parameters, seed=2, schedule="every:4epochs", estimators=["binning", "kde"])


def _values(history: History) -> dict[tuple[str, ...], dict[int, float | None]]:
    """Every value by series and step; None for what is no number, which would not equal itself."""
    out: dict[tuple[str, ...], dict[int, float | None]] = {}
    for s in history.series:
        key = (s.job, s.quantity, *s.subject.values())
        values = [value if math.isfinite(value) else None for value in s.value.tolist()]
        out[key] = dict(zip(s.step.tolist(), values, strict=True))
    return out


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], dict[int, float | None]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IBMON_RUNS", str(tmp_path_factory.mktemp("undisturbed")))
        run = _run()
        wait_for(lambda: finished(run))
    history = history_of(run)
    assert not history.dropped
    return _values(history)


def test_killing_the_analyst_again_and_again_loses_and_doubles_nothing(
    undisturbed: dict[tuple[str, ...], dict[int, float | None]],
) -> None:
    rng = random.Random(0)
    run = _run()
    kills = 0
    while not finished(run):
        pid = locks.holder(run.lock("analyst"))
        if pid is not None and kills < 12:
            before = sum(p.stat().st_size for p in run.logs("analyst"))
            moment = time.monotonic() + rng.uniform(0.0, 1.5)
            # Not twice in the same job: that is how a plugin that kills the process would look.
            wait_for(
                lambda seen=before, when=moment: (
                    finished(run)
                    or (time.monotonic() > when and sum(p.stat().st_size for p in run.logs("analyst")) > seen + 4000)
                )
            )
            if locks.holder(run.lock("analyst")) == pid:
                os.kill(pid, signal.SIGKILL)
                kills += 1
        time.sleep(0.05)
    assert kills >= 4
    history = history_of(run)
    assert set(results_in(run).values()) == {1}, "a measurement was logged twice"
    assert _values(history) == undisturbed
    assert history.captured == history.measured
    assert not history.disabled and not history.dropped


def test_killing_the_trainer_keeps_all_that_was_captured(undisturbed: dict[tuple[str, ...], dict[int, float | None]]) -> None:
    for seed in range(4):
        run = _run()
        wait_for(lambda r=run: history_of(r).captured > 3)
        time.sleep(random.Random(seed).uniform(0.0, 0.6))
        pid = locks.holder(run.lock("trainer"))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda r=run: status(r).state == "lost", seconds=5)
        wait_for(lambda r=run: finished(r))
        history = history_of(run)
        assert set(results_in(run).values()) == {1}
        for key, values in _values(history).items():
            expected = undisturbed[key]
            assert values == {step: expected[step] for step in values}
            assert key[0] == "gradient-snr" or len(values) >= history.captured
        assert "killed by signal 9" in status(run).detail


def test_a_restart_goes_on_as_a_new_segment_after_everything_that_was_seen() -> None:
    from ibmon import launch

    run = _run()
    wait_for(lambda: history_of(run).captured > 3)
    pid = locks.holder(run.lock("trainer"))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: finished(run))
    before = {key[:2] for key in results_in(run)}
    launch.start(run)
    wait_for(lambda: len(run.logs("trainer")) == 2 and finished(run))
    after = {key[:2] for key in results_in(run)} - before
    assert {segment for segment, _ in after} == {2}
    assert min(seq for _, seq in after) > max(seq for _, seq in before)
    assert set(results_in(run).values()) == {1}
    assert status(run).state == "finished"


def test_a_stop_takes_the_last_network_and_ends_in_order() -> None:
    run = started(parameters={"epochs": 100_000}, schedule="every:50epochs", estimators=["binning"])
    wait_for(lambda: history_of(run).captured > 2)
    run.ask("stop")
    wait_for(lambda: finished(run))
    history = history_of(run)
    assert (status(run).state, status(run).detail) == ("finished", "stopped")
    assert history.end is not None and history.steps[-1] == history.end.step


def test_a_snapshot_now_is_taken_when_asked() -> None:
    run = started(parameters={"epochs": 100_000}, schedule="at:1epochs", estimators=["binning"])
    wait_for(lambda: history_of(run).measured == 2)
    run.ask("snapshot")
    wait_for(lambda: history_of(run).measured == 3)
    run.ask("stop")
    wait_for(lambda: finished(run))


def test_a_plugin_that_kills_the_analyst_is_switched_off_by_name(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plugin"
    information = folder / "ibmon_deadly-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ibmon-deadly\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[ibmon]\ndeadly = ibmon_deadly\n")
    (folder / "ibmon_deadly.py").write_text(
        "from ibmon import AnalysisSpec, hookimpl\n"
        "@hookimpl\n"
        "def ibmon_analyses():\n"
        "    yield AnalysisSpec(name='deadly', target='ibmon_deadly_parts:Deadly', per_estimator=False)\n"
    )
    (folder / "ibmon_deadly_parts.py").write_text(
        "import os\n"
        "class Deadly:\n"
        "    def measure(self, snapshot, estimators):\n"
        "        if snapshot.step >= 14: os.abort()\n"
        "        return []\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    run = started(parameters={"epochs": 30}, schedule="every:1epochs", estimators=["binning"])
    wait_for(lambda: finished(run))
    history = history_of(run)
    (disabled,) = history.disabled
    assert (disabled.job, disabled.source) == ("deadly", "ibmon-deadly 1.0")
    assert "died 2 times" in disabled.reason
    assert history.captured == history.measured == 31
    assert set(results_in(run).values()) == {1}
    assert len(history.select("I(X;T)", layer="1")[0].value) == 31
