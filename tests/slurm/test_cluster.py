"""Sweeps on a real SLURM: arrays to their end, jobs that are cancelled, jobs that are put back into the queue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibmon.runs import locks, processes
from ibmon.runs.directory import RunDirectory, find_runs, status
from ibmon.runs.processes import Submitted
from slurm.conftest import said
from support import finished, history_of, ibmon, wait_for

pytestmark = pytest.mark.long
SLOPE = Path(__file__).parents[1] / "data" / "recipes" / "slope.py"
ON = ("--group", "g", "--on", "slurm:partition=main,time=30,cpus_per_task=1")


@pytest.fixture(autouse=True)
def empty_queue(cluster: None) -> Iterator[None]:
    """No test leaves a job to the next."""
    yield
    said("scancel", "--user=root")
    wait_for(lambda: not said("squeue", "--noheader"), "for the last job")


def _sweep(*asked: str) -> subprocess.CompletedProcess[str]:
    return ibmon("sweep", str(SLOPE), *asked, *ON, OMP_NUM_THREADS="1")


def _job(run: RunDirectory) -> str:
    submitted = processes.read(run, Submitted)
    assert submitted is not None
    return submitted.job


def _is_queued(job: str) -> bool:
    return said("squeue", "--noheader", f"--jobs={job}", "--states=PENDING") != ""


def _run_of(seed: int) -> RunDirectory:
    """The newest run of a seed."""
    return next(run for run in find_runs() if run.info().seed == seed)


def _trains(run: RunDirectory) -> bool:
    return status(run).state == "live" and history_of(run).captured > 2


def test_an_array_of_four_finishes_and_is_compared() -> None:
    done = _sweep("--set", "lr=0.1,0.01", "--seeds", "2", "--epochs", "4", "--wait")
    assert done.returncode == 0, done.stderr
    runs = find_runs()
    first = _job(runs[-1]).partition("_")[0]
    assert {_job(run) for run in runs} == {f"{first}_{k}" for k in range(4)}
    assert f"g: 4 runs submitted to slurm as {first}_0 to {first}_3" in done.stdout
    assert "g: 4 of 4 runs finished" in done.stdout
    assert all(history_of(run).captured == history_of(run).measured > 0 for run in runs)
    compared = ibmon("compare", "g", "--json")
    assert [(part["name"], len(part["runs"])) for part in json.loads(compared.stdout)["compared"]] == [
        ("lr=0.1", 2),
        ("lr=0.01", 2),
    ]
    again = _sweep("--set", "lr=0.1,0.01", "--seeds", "2", "--epochs", "4")
    assert "nothing to submit" in again.stdout and len(find_runs()) == 4


def test_what_was_cancelled_or_killed_is_known_and_submitted_again() -> None:
    asked = ("--seeds", "3", "--epochs", "100000", "--seconds", "0.05", "--jobs", "2")
    assert _sweep(*asked).returncode == 0
    runs = [_run_of(seed) for seed in range(3)]
    wait_for(lambda: all(map(_trains, runs[:2])))
    assert status(runs[2]).state == "queued"
    said("scancel", _job(runs[2]))
    said("scancel", _job(runs[0]))
    killed = locks.holder(runs[1].lock("trainer"))
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: status(runs[0]).over and "signal 9" in status(runs[1]).detail)
    # It is stopped in order, unless it takes longer than SLURM waits.
    assert (status(runs[0]).state, status(runs[0]).detail) == ("finished", "stopped") or status(runs[0]).state == "lost"
    assert status(runs[1]).state == "lost"
    assert status(runs[2]).state == "queued"  # nobody has asked the queue yet
    wait_for(lambda: not said("squeue", "--noheader"))
    again = _sweep(*asked)
    assert "g: 3 runs submitted" in again.stdout, again.stderr
    assert status(runs[2]).detail == f"job {_job(runs[2])} of slurm ended before the training began"


def test_a_job_that_is_put_back_into_the_queue_trains_anew_as_a_further_segment() -> None:
    asked = ("--seeds", "1", "--epochs", "60", "--seconds", "0.2")
    assert _sweep(*asked).returncode == 0
    (run,) = find_runs()
    wait_for(lambda: _trains(run))
    job = _job(run)
    said("scontrol", "requeue", job)
    wait_for(lambda: _is_queued(job))
    assert status(run).over
    assert "nothing to submit" in _sweep(*asked).stdout
    said("scontrol", "update", f"JobId={job}", "StartTime=now")
    wait_for(lambda: len(run.logs("trainer")) == 2 and finished(run))
    assert (status(run).state, status(run).detail) == ("finished", "")
    history = history_of(run)
    assert [segment.segment for segment in history.segments] == [1, 2]
    (series, *_) = history.select("I(X;T)")
    assert set(series.segment.tolist()) == {2} and series.step.tolist()[-1] == 60
    assert all(a < b for a, b in zip(series.step, series.step[1:], strict=False))
    assert len(find_runs()) == 1
