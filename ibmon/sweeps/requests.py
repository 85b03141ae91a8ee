"""Runs whose kept snapshots a launcher is asked to measure again: a request is a folder beside the runs, given as a run's is."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ibmon.records import IbmonError
from ibmon.runs import processes
from ibmon.runs.directory import RunDirectory
from ibmon.runs.processes import Again, Submitted

from .queues import Chosen, chosen, submit

FOLDER = ".again"
"""Where the folders of requests are, beside the runs."""


@dataclass(frozen=True, slots=True)
class Requested:
    """The jobs that were submitted, and those that had been and still wait or run, by the path of the run."""

    submitted: Mapping[Path, str]
    waiting: Mapping[Path, str]


def submit_again(on: str, runs: Sequence[RunDirectory], asked: Again) -> Requested:
    """Have a launcher measure what is asked of the kept snapshots of runs, a job for each run.

    What waits or runs for the same request is left alone. Raises NotFoundError, UsageError, and IbmonError where the launcher
    does not take them.
    """
    launcher = chosen(on)
    places = {run.path.resolve(): _place(run, asked) for run in runs}
    waiting = _waiting(places)
    fresh = {path: place for path, place in places.items() if path not in waiting}
    try:
        for path, place in fresh.items():
            place.path.mkdir(parents=True, exist_ok=True)
            processes.write(place, Again(run=str(path), estimators=asked.estimators, analyses=asked.analyses, jobs=asked.jobs))
    except OSError as error:
        raise IbmonError(f"The requests cannot be written: {error}.") from error
    return Requested(dict(zip(fresh, _submitted(launcher, list(fresh.values())), strict=True)), waiting)


def _submitted(launcher: Chosen, places: Sequence[RunDirectory]) -> list[str]:
    if launcher.spec.queues:
        return submit(launcher, places, None)
    raise IbmonError(f"{launcher.spec.name} has no queue: leave --on out, and the runs are measured here.")


def _place(run: RunDirectory, asked: Again) -> RunDirectory:
    """The folder of a request: the same for the same run and question."""
    said = "\n".join([*asked.estimators, "", *asked.analyses])
    path = run.path.resolve()
    return RunDirectory(path.parent / FOLDER / f"{run.id}-{zlib.crc32(said.encode()):08x}")


def _waiting(places: Mapping[Path, RunDirectory]) -> dict[Path, str]:
    """The jobs of requests that their launchers still have."""
    known = {path: fact for path, place in places.items() if (fact := processes.read(place, Submitted)) is not None}
    alive: dict[str, set[str]] = {}
    for launcher in {fact.launcher for fact in known.values()}:
        jobs = [fact.job for fact in known.values() if fact.launcher == launcher]
        alive[launcher] = set(chosen(launcher).launcher.alive(jobs))
    return {path: fact.job for path, fact in known.items() if fact.job in alive[fact.launcher]}
