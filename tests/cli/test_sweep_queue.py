"""Sweeps that are handed to a launcher with a queue of its own: what is submitted, what is recognised, what goes in again."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ibmon.records import End, IbmonError
from ibmon.runs import processes
from ibmon.runs.directory import RunDirectory, find_runs, status
from ibmon.runs.processes import Started, Submitted
from ibmon.sweeps.queues import Queues
from support import written

if TYPE_CHECKING:
    from conftest import Command

SLOPE = Path(__file__).parents[1] / "data" / "recipes" / "slope.py"
ASKED = ("sweep", SLOPE, "--seeds", "3", "--group", "g", "--on", "parking:lot=north")
pytestmark = pytest.mark.usefixtures("parking_plugin")


def _by_seed() -> dict[int | None, RunDirectory]:
    """The newest run of each seed."""
    return {run.info().seed: run for run in reversed(find_runs())}


def _job(run: RunDirectory) -> Path:
    """The file that is a run's job."""
    submitted = processes.read(run, Submitted)
    assert submitted is not None
    return Path(submitted.job)


def _ended(run: RunDirectory, how: str) -> None:
    """The job of a run began, and its trainer ended so."""
    processes.write(run, Started(host=""))
    written([End(segment=1, status=how, error="no luck")], run=run)


def test_runs_are_made_submitted_and_left_to_their_queue(command: Command, own_runs: Path) -> None:
    done = command(*ASKED, "--jobs", "2")
    assert done.code == 0, done.err
    runs = _by_seed()
    jobs = {seed: _job(run) for seed, run in runs.items()}
    assert done.out.splitlines()[0] == f"g: 3 runs submitted to parking as {jobs[0]} to {jobs[2]}"
    assert "ibmon watch RUN" in done.out and "ibmon compare g" in done.out
    assert {jobs[seed].read_text() for seed in runs} == {f"{run.path.resolve()} 2" for run in runs.values()}
    assert {job.parent for job in jobs.values()} == {own_runs.resolve() / ".jobs" / "north"}
    assert {status(run).state for run in runs.values()} == {"queued"}
    assert processes.read(runs[0], Submitted).launcher == "parking:lot=north"
    assert command("runs").out.count("queued (job") == 3
    assert "No run of g has finished: 3 queued" in command("compare", "g").err


def test_the_same_command_submits_only_what_neither_waits_nor_has_finished(command: Command) -> None:
    command(*ASKED)
    runs = _by_seed()
    assert "nothing to submit" in command(*ASKED).out
    assert len(find_runs()) == 3
    _ended(runs[0], "finished")
    _ended(runs[1], "failed")
    for run in runs.values():
        _job(run).unlink()  # so the third was cancelled in the queue
    said = command(*ASKED, "--dry-run")
    assert f"{runs[2].id} (lost)" in said.out and f"{runs[1].id} (failed)" in said.out and "2 to start" in said.out
    assert (status(runs[2]).state, "ended before the training began" in status(runs[2]).detail) == ("lost", True)
    done = command(*ASKED)
    assert "g: 2 runs submitted" in done.out
    assert {seed for seed, run in _by_seed().items() if run.id not in {r.id for r in runs.values()}} == {1, 2}


@pytest.mark.parametrize("how", ["stopped", ""])
def test_what_was_preempted_waits_as_long_as_its_job_does(command: Command, how: str) -> None:
    command(*ASKED)
    run = _by_seed()[1]
    processes.write(run, Started(host="" if how else "node7"))
    if how:
        written([End(segment=1, status=how)], run=run)
    else:
        run.heartbeat.touch()
        os.utime(run.heartbeat, (0.0, 0.0))
    assert status(run).over
    assert "nothing to submit" in command(*ASKED).out
    _job(run).unlink()
    assert "1 runs submitted" in command(*ASKED).out


def test_a_launcher_that_refuses_leaves_no_run_behind(command: Command) -> None:
    done = command(*ASKED[:-1], "parking:places=2")
    assert (done.code, done.err.splitlines()[-1]) == (1, "ibmon: There are 2 places.")
    assert not find_runs()


@pytest.mark.parametrize(
    ("on", "code", "words"),
    [
        ("slrum", 3, "did you mean 'slurm'?"),
        ("parking:lots=2", 2, "did you mean 'lot'?"),
        ("parking:places=few", 2, "places takes a int"),
        ("parking:places=0", 2, "parking: there is at least one place."),
        ("slurm:time=0", 2, "time is at least a minute"),
        ("slurm:more=reservation", 2, "option:value"),
    ],
)
def test_what_is_wrong_with_a_launcher_is_one_sentence_before_anything_is_made(command: Command, on, code, words) -> None:
    done = command(*ASKED[:-1], on)
    assert (done.code, words in done.err) == (code, True), done.err
    assert not find_runs()


def test_a_run_in_a_queue_stops_when_it_begins_and_one_whose_job_is_gone_is_lost(command: Command) -> None:
    command(*ASKED)
    runs = _by_seed()
    assert "stops as soon as it begins" in command("stop", runs[0].id).out
    assert (runs[0].control / "stop").exists()
    _job(runs[1]).unlink()
    done = command("stop", runs[1].id)
    assert (done.code, "it is lost" in done.err) == (1, True), done.err


class _Scheduler:
    """A launcher's answers, and how often it was asked."""

    def __init__(self, *alive: str) -> None:
        self.alive, self.asked = set(alive), 0

    def __call__(self, launcher: str, jobs: Sequence[str]) -> Collection[str]:
        self.asked += 1
        return self.alive.intersection(jobs)


def test_a_scheduler_is_asked_once_for_all_runs() -> None:
    runs = [written([]) for _ in range(20)]
    for number, run in enumerate(runs):
        processes.write(run, Submitted(launcher="slurm", job=f"7_{number}"))
    scheduler = _Scheduler(*(f"7_{number}" for number in range(10)))
    queues = Queues(scheduler)
    for run in runs:
        queues.expect(run)
    assert [queues.holds(run, status(run)) for run in runs] == [True] * 10 + [False] * 10
    assert scheduler.asked == 1
    assert [status(run).state for run in runs] == ["queued"] * 10 + ["lost"] * 10


def test_a_queue_that_cannot_be_asked_is_said_when_one_plans(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command(*ASKED)

    def fails(*_: object) -> Collection[str]:
        raise IbmonError("the lot is closed")

    import ibmon_parking

    monkeypatch.setattr(ibmon_parking.Parking, "alive", fails)
    done = command(*ASKED)
    assert (done.code, done.err.splitlines()[-1]) == (1, "ibmon: the lot is closed")
    assert len(find_runs()) == 3
