"""Kept snapshots measured again: what was asked for, and what of it a run still lacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from ibmon import registry as plugins
from ibmon.records import IbmonError, UsageError
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.log import printable
from ibmon.runs.numbers import Keys
from ibmon.runs.reading import HistoryReader
from ibmon.signatures import Request
from ibmon.spool import Group, groups, read_group

from .jobs import Job, Problem, plan
from .loop import segment_watch
from .measuring import static_of


@dataclass(frozen=True, slots=True)
class Asked:
    """Estimators and analyses, as they were asked for; without estimators those of the run."""

    estimators: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A kept snapshot, and the names of the jobs that are to be done on it."""

    group: Group
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many results of a run are new, and sentences about everything that was asked for and is not there."""

    new: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What a run lacks. ``before`` is the number of results it has; ``unmeasured`` says in sentences what cannot be measured."""

    run: RunDirectory
    device: str
    snapshots: int
    jobs: tuple[Job, ...]
    items: tuple[Item, ...]
    before: int
    unmeasured: list[str] = field(default_factory=list[str])

    @property
    def results(self) -> int:
        """Results that are to come."""
        return sum(len(item.jobs) for item in self.items)

    def left(self, item: Item) -> tuple[str, ...]:
        """The jobs of an item that are in no log yet."""
        return _left(item, _read(self.run).keys)

    def outcome(self) -> Outcome:
        """What the logs say now."""
        reader = _read(self.run)
        history, named = reader.history(), {printable(job.name) for job in self.jobs}
        off = {d.job: d.reason for d in history.disabled if d.job in named}
        failed: dict[str, list[str]] = {}
        for failure in history.failures:
            if failure.job in named and failure.job not in off:
                failed.setdefault(failure.job, []).append(failure.error)
        missing = sum(printable(job) not in off for item in self.items for job in _left(item, reader.keys))
        problems = [
            *self.unmeasured,
            *(f"{job} is switched off for this run: {reason}" for job, reason in off.items()),
            *(f"{job} failed on {len(errors)} of its snapshots: {errors[0]}" for job, errors in failed.items()),
            *([f"{missing} results are missing"] if missing else []),
        ]
        return Outcome(len(reader.keys) - self.before, tuple(problems))


def _read(run: RunDirectory) -> HistoryReader:
    reader = HistoryReader(run)
    reader.poll()
    return reader


def _left(item: Item, keys: Keys) -> tuple[str, ...]:
    return tuple(job for job in item.jobs if (*item.group.key, job) not in keys)


def jobs_of(run: RunDirectory, asked: Asked) -> tuple[list[Job], list[Problem]]:
    """The jobs that were asked for, of a run that kept snapshots, and the plugins that cannot become any."""
    kept = groups(run.snapshots)
    watch = segment_watch(run, kept[-1].segment) if kept else None
    return plan(plugins.discover(), asked.estimators or (watch.estimators if watch else ()), asked.analyses)


def lacking(run: RunDirectory, asked: Asked) -> Work:
    """What of the asked a run lacks, its snapshots in the order they were taken.

    Raises IbmonError when it kept no snapshots, and UsageError for what was asked for by name and no run can measure.
    """
    kept = groups(run.snapshots)
    if not kept:
        raise IbmonError(f"{run.id} kept no snapshots; run it with --keep-snapshots to analyse it again later.")
    device = run.info().analyst_device
    jobs, problems = jobs_of(run, asked)
    named = {Request.parse(text).name for text in (*asked.estimators, *asked.analyses)}
    for problem in problems:
        if problem.job.partition(":")[0] in named:
            raise UsageError(problem.error)
    reader = _read(run)
    off = {d.job for d in reader.history().disabled}
    on = [job.name for job in jobs if printable(job.name) not in off]
    unmeasured = [problem.error for problem in problems]
    items: list[Item] = []
    for group in kept:
        left = _left(Item(group, tuple(on)), reader.keys)
        if not left:
            continue
        try:
            snapshot = read_group(group, partial(static_of, run.evaluation), device)
        except IbmonError as error:
            unmeasured.append(printable(str(error), 300))
            continue
        fitting = tuple(job.name for job in jobs if job.name in left and job.fits(snapshot))
        items += [Item(group, fitting)] if fitting else []
    return Work(run, device, len(kept), tuple(jobs), tuple(items), len(reader.keys), unmeasured)


def taken(run: RunDirectory, asked: Asked) -> Work:
    """What a run lacks, with the analyst's lock of it, which workers may share.

    Raises what ``lacking`` does, and IbmonError for a run that is not over or is being analysed.
    """
    if not status(run).over:  # whoever has the lock keeps its own analyst out
        raise IbmonError(f"{run.id} is not over yet; wait until its training has finished.")
    lock = run.lock("analyst")
    if not locks.acquire(lock):
        raise IbmonError(f"{run.id} is being analysed right now; wait until it has finished.")
    try:
        work = lacking(run, asked)
    except IbmonError:
        locks.release(lock)
        raise
    locks.share(lock)
    return work
