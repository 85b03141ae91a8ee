"""``ibmon analyse``: which runs, what remains, what is said, and the exit code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ibmon.analysis.again import Asked
from ibmon.records import Disabled, End
from ibmon.runs import processes
from ibmon.runs.directory import RunDirectory, write_info
from ibmon.runs.processes import Again, Submitted
from keeping import trained_run
from support import again, written

if TYPE_CHECKING:
    from conftest import Command

KDE = "kde:variance=0.5"
JOB = f"information-plane/{KDE}"
LACKING = "27 results to measure (jobs: 3, snapshots: 9 of 9)"


@pytest.fixture
def runs() -> list[RunDirectory]:
    """Two finished runs of a group, of nine kept snapshots each."""
    both = [trained_run(), trained_run()]
    for seed, run in enumerate(both):
        write_info(run, msgspec.structs.replace(run.info(), group="g", name=f"seed {seed}", parameters={"seed": seed}))
        written([End(segment=1, status="finished")], run=run)
    return both


def test_groups_and_runs_are_taken_once_and_what_remains_is_said(command: Command, runs: list[RunDirectory]) -> None:
    done = command("analyse", "g", "seed 1", runs[0].path, "-e", KDE, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert sorted(done.out.splitlines()[:2]) == sorted(f"{run.id}: {LACKING}" for run in runs)
    assert done.out.splitlines()[2:] == ["2 runs: 54 results to measure"]
    assert not any(run.logs("analyst") or run.lock("analyst").exists() for run in runs)


def test_what_was_measured_is_not_measured_again(command: Command, runs: list[RunDirectory]) -> None:
    for run in runs:
        assert again(run, Asked((KDE,))).new == 27
    logs = [run.logs("analyst") for run in runs]
    done = command("analyse", "g", "-e", KDE)
    assert (done.code, done.err) == (0, "")
    assert sorted(done.out.splitlines()) == sorted(f"{run.id}: 0 new results on 9 snapshots" for run in runs)
    assert [run.logs("analyst") for run in runs] == logs
    assert "nothing left to measure" in command("analyse", "seed 0", "-e", KDE, "--dry-run").out
    further = command("analyse", "seed 0", "-e", KDE, "-e", "kde:variance=0.25", "--dry-run")
    assert "9 results to measure (jobs: 1, snapshots: 9 of 9)" in further.out


def test_only_what_counts_of_a_group_is_taken(command: Command, runs: list[RunDirectory]) -> None:
    write_info(runs[1], msgspec.structs.replace(runs[1].info(), parameters={"seed": 0}))
    done = command("analyse", "g", "-e", KDE, "--dry-run")
    assert done.out.splitlines() == [f"{runs[1].id}: {LACKING}"]
    assert "of 2 runs of g 1 count; the others are older ones alike" in done.err


def test_runs_without_snapshots_are_named_and_the_others_measured(command: Command, runs: list[RunDirectory]) -> None:
    shutil.rmtree(runs[0].snapshots)
    done = command("analyse", "g", "-e", KDE, "--dry-run")
    assert done.code == 1
    assert done.err == f"ibmon: {runs[0].id} kept no snapshots; run it with --keep-snapshots to analyse it again later.\n"
    assert f"{runs[1].id}: {LACKING}" in done.out
    alone = command("analyse", "seed 0", "-e", KDE)
    assert (alone.code, alone.out) == (1, "") and "--keep-snapshots" in alone.err


def test_a_job_that_was_switched_off_is_not_done_and_not_forgotten(command: Command, runs: list[RunDirectory]) -> None:
    again(runs[0], Asked((KDE,)))
    for log in runs[0].logs("analyst"):
        log.unlink()
    written([Disabled(job=JOB, reason="it broke", source="ibmon-other 1.0")], role="analyst", run=runs[0])
    assert "18 results to measure (jobs: 2" in command("analyse", "seed 0", "-e", KDE, "--dry-run").out
    again(runs[0], Asked((KDE,)))
    done = command("analyse", "seed 0", "-e", KDE)
    assert done.code == 1
    assert done.err == f"ibmon: {runs[0].id}: {JOB} is switched off for this run: it broke\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-e", "ked"), 3, "did you mean 'kde'?"),
        (("-a", "flaw"), 3, "did you mean 'flow'?"),
        (("-e", "kde:varience=1"), 2, "did you mean 'variance'?"),
        (("--jobs", "0"), 2, "--jobs is at least 1"),
        (("--on", "local"), 1, "leave --on out"),
        (("--on", "slrum"), 3, "did you mean 'slurm'?"),
    ],
)
def test_wrong_commands_are_one_sentence(
    command: Command, runs: list[RunDirectory], arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = command("analyse", "seed 0", *arguments)
    assert (done.code, done.out) == (code, "") and words in done.err and done.err.count("\n") == 1
    assert not runs[0].logs("analyst")


@pytest.mark.usefixtures("parking_plugin")
def test_a_launcher_gets_a_job_for_each_run_that_lacks_something(
    command: Command, runs: list[RunDirectory], own_runs: Path
) -> None:
    again(runs[0], Asked((KDE,)))
    asked = ("analyse", "g", "-e", KDE, "--on", "parking", "--jobs", "3")
    done = command(*asked)
    assert (done.code, done.err) == (0, "")
    (place,) = [path for path in (own_runs / ".again").iterdir() if path.name.startswith(runs[1].id)]
    job = processes.read(RunDirectory(place), Submitted)
    assert job is not None and Path(job.job).read_text() == f"{place.resolve()} None"
    assert sorted(done.out.splitlines()) == sorted(
        [f"{runs[0].id}: nothing left to measure", f"{runs[1].id}: {LACKING}, submitted to parking as {job.job}"]
    )
    request = processes.read(RunDirectory(place), Again)
    assert request is not None
    assert (request.run, request.estimators, request.jobs) == (str(runs[1].path.resolve()), (KDE,), 3)
    assert f"submitted before as {job.job}" in command(*asked).out
    Path(job.job).unlink()
    assert f"submitted to parking as {job.job}" in command(*asked).out
