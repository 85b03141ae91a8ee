"""What can be told of a run from its directory alone, whichever machine trains it."""

from __future__ import annotations

import os
import time

import pytest

from ibmon.records import End, Segment
from ibmon.runs import locks, processes
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.processes import Exit, Started, Submitted
from support import written


def _elsewhere(*records: Segment | End, heard: float = 1.0) -> RunDirectory:
    """A run that another host trains and that was heard of so many seconds ago."""
    run = written([])
    run.logs("trainer")[0].unlink()
    processes.write(run, Started(host="node7"))
    if records:
        written(records, run=run)
    run.heartbeat.touch()
    os.utime(run.heartbeat, (time.time() - heard,) * 2)
    return run


SEGMENT = Segment(segment=1, pid=1, host="node7")


def test_a_run_that_was_submitted_is_queued_until_its_job_begins() -> None:
    run = written([])
    processes.write(run, Submitted(launcher="slurm:partition=main", job="12_3"))
    assert (status(run).state, status(run).detail, status(run).over) == ("queued", "job 12_3 of slurm", False)
    processes.begin(run)
    assert status(run).state != "queued"


def test_a_run_whose_job_is_gone_is_lost() -> None:
    run = written([])
    processes.write(run, Submitted(launcher="slurm", job="12", gone=True))
    assert (status(run).state, status(run).detail) == ("lost", "job 12 of slurm ended before the training began")


@pytest.mark.parametrize(
    ("records", "heard", "state"),
    [((), 1.0, "starting"), ((SEGMENT,), 8.0, "live"), ((SEGMENT,), 100.0, "lost"), ((), 100.0, "lost")],
)
def test_on_another_host_the_heartbeat_tells_who_lives(records, heard, state) -> None:
    now = status(_elsewhere(*records, heard=heard))
    assert (now.state, now.detail) == (state, f"last heard {heard:.0f} s ago")


def test_on_another_host_the_analysis_is_under_way_until_its_supervisor_says_that_nothing_waits() -> None:
    run = _elsewhere(SEGMENT, End(segment=1, status="finished"))
    assert (status(run).state, status(run).analysing) == ("finished", True)
    processes.write(run, Exit(code=0))
    assert status(run).analysing
    processes.write(run, Exit(code=0, drained=True))
    assert not status(run).analysing
    assert not status(_elsewhere(SEGMENT, End(segment=1, status="finished"), heard=100.0)).analysing


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (7, "failed"), (-9, "lost")])
def test_an_exit_code_says_how_a_training_elsewhere_ended(code: int, state: str) -> None:
    run = _elsewhere(SEGMENT)
    processes.write(run, Exit(code=code))
    assert status(run).state == state


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (7, "failed"), (-6, "finished")])
def test_a_training_that_finished_in_a_script_that_failed_did_not_succeed(code: int, state: str) -> None:
    run = written([SEGMENT, End(segment=1, status="finished")])
    processes.write(run, Exit(code=code))  # a library may abort when all is over
    assert status(run).state == state


def test_what_begins_again_is_told_by_its_new_trainer_alone() -> None:
    run = written([SEGMENT, End(segment=1, status="stopped")])
    processes.write(run, Exit(code=-15))
    assert status(run).detail == "stopped"
    assert locks.acquire(run.lock("supervisor"))
    processes.begin(run)
    assert status(run).state == "starting"
    locks.release(run.lock("supervisor"))
    written([Segment(segment=2, pid=1, host="node7"), End(segment=2, status="finished")], run=run)
    assert (status(run).state, status(run).detail) == ("finished", "")


def test_a_damaged_file_is_as_good_as_none() -> None:
    run = written([])
    for name in ("submitted", "started", "exit"):
        (run.path / f"{name}.json").write_text('{"job": 3')
    assert status(run).state == "lost"
