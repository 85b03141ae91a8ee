"""The analyst's loop: every snapshot, every job, exactly once, whatever dies in between.

The line that holds a job's measurements is appended before the snapshot is removed, and a job whose line is already there is
skipped: a crash repeats work, never a measurement.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ibmon import registry as plugins
from ibmon.records import AnyRecord, IbmonError, Measured, Notice, Watch
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.log import LogReader
from ibmon.runs.numbers import Keys
from ibmon.runs.reading import HistoryReader
from ibmon.spool import Group, StaticData, groups, read_group, remove_group
from ibmon.tensors import Snapshot

from .jobs import Job, plan
from .measuring import MOST_DEATHS, AnalystLog, died, measure, static_of, switched_off

IDLE_SECONDS = 0.1
STATUS_SECONDS = 0.5
"""How often the processes of the run are looked at; the spool is looked at all the time."""


class Note(msgspec.Struct, frozen=True):
    """What the analyst is at: written before each job, so that its successor knows where it died."""

    segment: int
    seq: int
    job: str
    deaths: int = 0


@dataclass(slots=True)
class Loop:
    """One analyst process at work on one run."""

    run: RunDirectory
    jobs: list[Job]
    device: str = "cpu"
    keep: bool = False
    seed: int = 0
    _log: AnalystLog = field(init=False)
    _done: Keys = field(init=False)
    _deaths: Note | None = None

    def __post_init__(self) -> None:
        reader = HistoryReader(self.run)
        reader.poll()
        self._done = reader.keys
        disabled = {d.job for d in reader.history().disabled}
        self.jobs = [job for job in self.jobs if job.name not in disabled]
        self._log = AnalystLog(self.run, self.jobs, self.device)
        self._learn_from_death()

    def append(self, record: AnyRecord) -> None:
        self._log.append(record)

    def take(self, group: Group) -> None:
        """Do every job on a snapshot that was not done yet, then let go of it."""
        try:
            snapshot = read_group(group, self._static, self.device)
        except IbmonError as error:
            self.append(Notice(level="error", text=str(error), source="analyst"))
            snapshot = None
        if snapshot is not None:
            for job in list(self.jobs):
                if (*group.key, job.name) not in self._done and job.fits(snapshot):
                    self._do(job, group, snapshot)
        self.append(Measured(segment=group.segment, seq=group.seq))
        if self.keep and snapshot is not None:
            self.run.snapshots.mkdir(exist_ok=True)
            target = self.run.snapshots / group.folder.name
            if not target.exists():
                shutil.move(group.folder, target)
                return
        remove_group(group)

    def _do(self, job: Job, group: Group, snapshot: Snapshot) -> None:
        deaths = self._deaths.deaths if self._deaths and _same(self._deaths, group, job) else 0
        self._note(Note(group.segment, group.seq, job.name, deaths))
        line, broken = measure(job, group, snapshot, self.run, self.seed)
        if broken:  # everything else goes on
            self._disable(job, line.error)
        self.append(line)
        self._done.add((*group.key, job.name))

    def _disable(self, job: Job, reason: str) -> None:
        self.jobs.remove(job)
        for record in switched_off(job, reason):
            self.append(record)

    def _static(self, name: str) -> StaticData:
        return static_of(self.run.evaluation, name)

    @property
    def _note_file(self) -> Path:
        return self.run.path / "analyst.json"

    def _note(self, note: Note) -> None:
        temporary = self._note_file.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(note))
        temporary.rename(self._note_file)

    def _learn_from_death(self) -> None:
        """A job that two analysts died in is switched off."""
        try:
            note = msgspec.json.decode(self._note_file.read_bytes(), type=Note)
        except (OSError, msgspec.MsgspecError):
            return
        if (note.segment, note.seq, note.job) in self._done:
            return
        self._deaths = msgspec.structs.replace(note, deaths=note.deaths + 1)
        self._note(self._deaths)
        if self._deaths.deaths >= MOST_DEATHS:
            for job in [j for j in self.jobs if j.name == note.job]:
                self._disable(job, died())

    def close(self) -> None:
        self._note_file.unlink(missing_ok=True)
        self._log.close()


def _same(note: Note, group: Group, job: Job) -> bool:
    return (note.segment, note.seq, note.job) == (group.segment, group.seq, job.name)


def follow(run: RunDirectory) -> None:
    """Analyse a run until its trainer is gone and its spool is empty. Returns at once when another analyst is at work."""
    if not locks.acquire(run.lock("analyst")):
        return
    info = run.info()
    loop: Loop | None = None
    segment = -1
    over, looked, spools = False, -STATUS_SECONDS, run.spools()
    while True:
        if time.monotonic() - looked > STATUS_SECONDS:
            over, looked, spools = status(run, info).over, time.monotonic(), run.spools()
        waiting = [group for folder in spools for group in groups(folder)]
        for group in waiting:
            if loop is None or group.segment > segment:
                if not over and segment_watch(run, group.segment) is None:
                    time.sleep(IDLE_SECONDS)  # a thread writes it: a snapshot may overtake it
                    break
                if loop is not None:
                    loop.close()
                segment = group.segment
                loop = _prepare(run, segment)
            loop.take(group)
        if not waiting:
            if over:
                break
            time.sleep(IDLE_SECONDS)
    if loop is not None:
        loop.close()


def _prepare(run: RunDirectory, segment: int) -> Loop:
    """The loop for a segment's snapshots, as its Watch record asks."""
    info = run.info()
    watch = segment_watch(run, segment)
    registry = plugins.discover()
    estimators = watch.estimators if watch else info.estimators
    analyses = watch.analyses if watch else info.analyses
    jobs, problems = plan(registry, estimators, analyses)
    loop = Loop(run, jobs, info.analyst_device, info.keep_snapshots, info.seed or 0)
    for problem in problems:
        source = f" ({problem.provider})" if problem.provider else ""
        text = f"{problem.job}{source} is switched off: {problem.error}"
        loop.append(Notice(level="error", text=text, source=problem.provider or "analyst"))
    for failure in registry.failures:
        text = f"The plugin {failure.plugin} of {failure.provider} was not loaded: {failure.error}"
        loop.append(Notice(level="warning", text=text, source=str(failure.provider)))
    return loop


def segment_watch(run: RunDirectory, segment: int) -> Watch | None:
    """What the trainer of a segment said is watched; None while its line is still on the way."""
    reader = LogReader(run.path / f"trainer-{segment}.jsonl")
    return next((record for record in reader.read() if isinstance(record, Watch)), None)
