"""Kept snapshots measured again by real processes that are killed: nothing is lost, doubled or forgotten."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ibmon.analysis.again import Asked, lacking, taken
from ibmon.analysis.crew import Crew, Workers
from ibmon.runs import locks, processes
from ibmon.runs.directory import RunDirectory
from ibmon.runs.processes import Again
from keeping import trained_run
from support import again, finish, history_of, ibmon, results_in, wait_for

pytestmark = pytest.mark.long
JOB = "slow"
PLUGIN = """
import os, time
from ibmon import AnalysisSpec, Measurement, hookimpl

@hookimpl
def ibmon_analyses():
    for name in ("slow", "deadly", "failing"):
        yield AnalysisSpec(name=name, target=f"ibmon_odd:{name.title()}", per_estimator=False, default=False)

class Slow:
    def measure(self, snapshot, estimators):
        time.sleep(float(os.environ.get("SLOW", "0.3")))
        yield Measurement(quantity="step", unit="", value=float(snapshot.step))

class Deadly:
    def measure(self, snapshot, estimators):
        if snapshot.step >= 4:
            os.abort()
        return []

class Failing:
    def measure(self, snapshot, estimators):
        if snapshot.step >= 4:
            raise RuntimeError("no luck")
        return []
"""


@pytest.fixture(autouse=True)
def odd_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyses that take their time, kill their process, or fail."""
    folder = tmp_path / "plugin"
    information = folder / "ibmon_odd-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ibmon-odd\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[ibmon]\nodd = ibmon_odd\n")
    (folder / "ibmon_odd.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_killing_workers_again_and_again_loses_and_doubles_nothing() -> None:
    runs, asked = [trained_run(), trained_run()], Asked(("kde:variance=0.5",), (JOB,))
    works = [taken(run, asked) for run in runs]
    crew = Crew(works, asked, Workers(2, 1))
    rng, killed = random.Random(0), set[tuple[str, str]]()

    def kill() -> None:
        for hand in crew.hands:
            if hand.given is None or hand.job != JOB or len(killed) >= 4 or rng.random() < 0.5:
                continue
            key = (hand.given[0].run.id, hand.given[1].group.folder.name)
            if key not in killed:  # not twice in the same job: that is how a plugin that kills the process would look
                killed.add(key)
                os.kill(hand.pid, signal.SIGKILL)

    finish(crew, kill)
    assert len(killed) == 4
    for run, work in zip(runs, works, strict=True):
        assert set(results_in(run).values()) == {1}
        assert len([seq for _, seq, job in results_in(run) if job == JOB]) == 9
        assert work.outcome().problems == ()
        assert work.outcome().new == work.results == crew.done[run]
        assert not history_of(run).disabled


def test_a_job_that_kills_or_fails_is_switched_off_by_name_and_the_rest_is_measured() -> None:
    run = trained_run()
    done = ibmon("analyse", run.id, "-e", "kde:variance=0.5", "-a", "deadly", "-a", "failing", "--jobs", "2")
    assert done.returncode == 1
    assert "deadly is switched off for this run: the analysis process died 2 times in it" in done.stderr
    assert "failing is switched off for this run: RuntimeError: no luck" in done.stderr
    assert "missing" not in done.stderr and "Traceback" not in done.stderr
    history = history_of(run)
    assert sorted((d.job, d.source) for d in history.disabled) == [("deadly", "ibmon-odd 1.0"), ("failing", "ibmon-odd 1.0")]
    assert set(results_in(run).values()) == {1}
    assert len(history.select("I(X;T)", layer="hidden", estimator="kde:variance=0.5")[0].value) == 9


def test_ctrl_c_keeps_what_was_measured_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOW", "3")
    run = trained_run()
    command = [sys.executable, "-m", "ibmon", "analyse", run.id, "-a", JOB, "--jobs", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: any(job == JOB for _, _, job in results_in(run)))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == f"ibmon: What has been measured is kept; go on with: ibmon analyse {run.id} -a {JOB} --jobs 2\n"
    wait_for(lambda: locks.holder(run.lock("analyst")) is None)
    before = sum(results_in(run).values())
    monkeypatch.setenv("SLOW", "0")
    done = again(run, Asked((), (JOB,)))
    assert done.new > 0 and done.problems == ()
    assert set(results_in(run).values()) == {1} and sum(results_in(run).values()) == before + done.new


def test_workers_end_after_their_job_where_who_hands_out_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOW", "3")
    run = trained_run()
    process = subprocess.Popen([sys.executable, "-m", "ibmon", "analyse", run.id, "-a", JOB, "--jobs", "2"])
    wait_for(lambda: any(job == JOB for _, _, job in results_in(run)))
    process.kill()
    process.wait()
    assert locks.holder(run.lock("analyst")) is not None  # nobody else begins while they are at it
    wait_for(lambda: locks.holder(run.lock("analyst")) is None)
    before = results_in(run)
    time.sleep(1.0)
    assert results_in(run) == before and set(before.values()) == {1}
    assert lacking(run, Asked((), (JOB,))).results > 0


def test_the_job_of_a_request_is_to_measure_its_run(own_runs: Path) -> None:
    run = trained_run()
    place = RunDirectory(own_runs / ".again" / "request")
    place.path.mkdir(parents=True)
    processes.write(place, Again(run=str(run.path), estimators=("kde:variance=0.5",), jobs=1))
    done = subprocess.run([sys.executable, "-m", "ibmon.launch", str(place.path)], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert place.console_tail() == [f"{run.id}: 27 new results on 9 snapshots"]
    assert lacking(run, Asked(("kde:variance=0.5",))).items == ()
