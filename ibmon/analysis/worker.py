"""A process that measures the kept snapshots it is told to: tasks come by standard input, and the measurements go into logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ibmon.records import IbmonError
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory
from ibmon.spool import Group, read_group

from .again import Asked, jobs_of
from .measuring import AnalystLog, measure, static_of
from .messages import Began, Ended, Message, Ready, Task, decode


def work(
    asked: Asked, tasks: Iterable[bytes], say: Callable[[Message], None], begin: Callable[[RunDirectory], None] = lambda run: None
) -> None:
    """Do task after task until there are none any more; ``begin`` is told each run that is begun with.

    Raises what ``say`` does where nobody listens, and IbmonError where somebody else analyses a run.
    """
    desk: _Desk | None = None
    say(Ready())
    for line in tasks:
        task = decode(line)
        assert isinstance(task, Task)
        if desk is None or desk.run.path != Path(task.run):
            if desk is not None:
                desk.close()
            begin(RunDirectory(Path(task.run)))
            desk = _Desk(RunDirectory(Path(task.run)), asked)
        say(Ready(problem=desk.take(task, say)))
    if desk is not None:
        desk.close()


class _Desk:
    """A run that is being worked at: its jobs by name, and a log of its own in it.

    Raises IbmonError where somebody else analyses the run, which nobody does unless who gives the tasks is gone.
    """

    def __init__(self, run: RunDirectory, asked: Asked) -> None:
        if not locks.share(run.lock("analyst")):
            raise IbmonError(f"{run.id} is being analysed by somebody else.")
        self.run = run
        info = run.info()
        self._device, self._seed = info.analyst_device, info.seed or 0
        self._jobs = {job.name: job for job in jobs_of(run, asked)[0]}
        self._log: AnalystLog | None = None

    def take(self, task: Task, say: Callable[[Message], None]) -> str:
        """Do the jobs of a task; returns why there are no measurements where the snapshot cannot be read."""
        segment, _, seq = task.snapshot.partition("-")
        group = Group(self.run.snapshots / task.snapshot, int(segment), int(seq))
        try:
            snapshot = read_group(group, partial(static_of, self.run.evaluation), self._device)
        except IbmonError as error:
            return str(error)
        if self._log is None:
            self._log = AnalystLog(self.run, list(self._jobs.values()), self._device)
        for name in task.jobs:
            say(Began(job=name))
            line, broken = measure(self._jobs[name], group, snapshot, self.run, self._seed)
            self._log.append(line)
            say(Ended(job=name, broken=line.error if broken else ""))
        return ""

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
        locks.release(self.run.lock("analyst"))
