"""Launchers as they are asked for, and the runs that wait in their queues."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import msgspec

from ibmon.records import IbmonError, UsageError
from ibmon.registry import discover
from ibmon.runs import processes
from ibmon.runs.directory import RunDirectory, Status, status
from ibmon.runs.processes import Submitted
from ibmon.signatures import Request
from ibmon.specs import Launcher, LauncherSpec

from .groups import Member, member_of

JOBS = ".jobs"
"""The folder beside the runs where launchers keep what they have to write."""
_PERIOD = 10.0
"""Seconds that an answer of a queue is good for: schedulers do not like to be asked often."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A launcher as it was asked for; ``text`` names it and its options in records."""

    text: str
    spec: LauncherSpec
    launcher: Launcher


def chosen(text: str) -> Chosen:
    """The launcher that ``slurm:partition=main,time=60`` means. Raises NotFoundError or UsageError."""
    request = Request.parse(text)
    spec = discover().launcher(request.name)
    options, canonical = request.resolve(spec.target)
    try:
        return Chosen(canonical, spec, spec.load()(**options))
    except ValueError as error:  # options out of their domain
        raise UsageError(f"{request.name}: {error}.") from error


def start(launcher: Chosen, run: RunDirectory) -> RunDirectory:
    """Have a launcher without a queue start a run now. Raises IbmonError."""
    launcher.launcher.submit([run.path.resolve()], folder=run.path.resolve().parent / JOBS, at_once=None)
    return run


def submit(launcher: Chosen, runs: Sequence[RunDirectory], at_once: int | None) -> list[str]:
    """Hand new runs to the queue of a launcher and write into each what its job is; returns the jobs.

    Raises IbmonError where the launcher does not take them; their directories are then gone again.
    """
    if not runs:
        return []
    try:
        for run in runs:  # a job may begin before its name is known here
            processes.write(run, Submitted(launcher=launcher.text, job=""))
        folder = runs[0].path.resolve().parent / JOBS
        jobs = launcher.launcher.submit([run.path.resolve() for run in runs], folder=folder, at_once=at_once)
    except (IbmonError, OSError) as error:
        for run in runs:
            shutil.rmtree(run.path, ignore_errors=True)
        if isinstance(error, IbmonError):
            raise
        raise IbmonError(f"The runs cannot be submitted: {error}.") from error
    for run, job in zip(runs, jobs, strict=True):
        processes.write(run, Submitted(launcher=launcher.text, job=job))
    return list(jobs)


def _alive(launcher: str, jobs: Sequence[str]) -> Collection[str]:
    return chosen(launcher).launcher.alive(jobs)


class Queues:
    """Which runs wait in a queue: as their directories say, and the launchers, which are asked every few seconds at most.

    ``alive`` gives those of some jobs that a launcher still has.
    """

    def __init__(self, alive: Callable[[str, Sequence[str]], Collection[str]] = _alive) -> None:
        self._ask = alive
        self._jobs: dict[str, set[str]] = {}
        self._answers: dict[str, tuple[float, Collection[str]]] = {}

    def expect(self, run: RunDirectory) -> None:
        """Ask about this run's job, too, when its launcher is asked next."""
        submitted = processes.read(run, Submitted)
        if submitted is not None and submitted.job not in self._jobs.setdefault(submitted.launcher, set()):
            self._jobs[submitted.launcher].add(submitted.job)
            self._answers.pop(submitted.launcher, None)

    def holds(self, run: RunDirectory, now: Status) -> bool:
        """Whether a run that does not run will: its job waits, or was put back into the queue. Raises IbmonError.

        That a job ended before it began is written into the run's directory, where everybody else looks.
        """
        submitted = processes.read(run, Submitted)
        if submitted is None or submitted.gone or now.state not in _DOUBTFUL or _is_finished(now):
            return False
        if self._has(submitted):
            return True
        if now.state == "queued" and status(run).state == "queued":
            processes.write(run, msgspec.structs.replace(submitted, gone=True))
        return False

    def _has(self, submitted: Submitted) -> bool:
        asked, held = self._answers.get(submitted.launcher, (-math.inf, ()))
        if time.monotonic() - asked > _PERIOD:
            held = self._ask(submitted.launcher, sorted(self._jobs.get(submitted.launcher, {submitted.job})))
            self._answers[submitted.launcher] = time.monotonic(), held
        return submitted.job in held


_DOUBTFUL = ("queued", "lost", "finished")
"""States of a run whose job may still be in a queue: ``finished`` where it was stopped."""


def _is_finished(now: Status) -> bool:
    return now.state == "finished" and now.detail != "stopped"


def as_queued(members: Sequence[Member], queues: Queues) -> list[Member]:
    """Members as their queues know them: what was preempted waits again, and what was cancelled in the queue is lost.

    Raises IbmonError where a launcher cannot be asked.
    """
    for member in members:
        queues.expect(member.run)
    return [_as_queued(member, queues) for member in members]


def _as_queued(member: Member, queues: Queues) -> Member:
    if member.state not in ("queued", "lost", "stopped"):
        return member
    if queues.holds(member.run, status(member.run, member.info)):
        return replace(member, state="queued", detail="")
    return member_of(member.run, member.info)
