"""The analyst's loop: every snapshot, every job, exactly once, whatever dies in between.

The line that holds a job's measurements is appended before the snapshot is removed, and a job whose line is already there is
skipped: a crash repeats work, never a measurement.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec

from ibmon import registry as plugins
from ibmon.records import Analyst, AnyRecord, Disabled, IbmonError, Measured, Notice, Result, Watch
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.log import LogReader, LogWriter
from ibmon.runs.numbers import Keys
from ibmon.runs.reading import HistoryReader
from ibmon.spool import Group, groups, read_group, read_static, remove_group
from ibmon.tensors import Snapshot

from .jobs import Job, plan
from .values import logged

IDLE_SECONDS = 0.1
STATUS_SECONDS = 0.5
"""How often the processes of the run are looked at; the spool is looked at all the time."""
MOST_DEATHS = 2


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
    _log: LogWriter = field(init=False)
    _done: Keys = field(init=False)
    _deaths: Note | None = None

    def __post_init__(self) -> None:
        reader = HistoryReader(self.run)
        reader.poll()
        self._done = reader.keys
        disabled = {d.job for d in reader.history().disabled}
        self.jobs = [job for job in self.jobs if job.name not in disabled]
        path, _ = self.run.new_log("analyst")
        self._log = LogWriter(path)
        options = {name: values for job in self.jobs for name, values in job.options.items()}
        names = [job.name for job in self.jobs]
        self.append(Analyst(pid=os.getpid(), host=socket.gethostname(), device=self.device, jobs=names, options=options))
        self._learn_from_death()

    def append(self, record: AnyRecord) -> None:
        self._log.append(msgspec.structs.replace(record, time=round(time.time(), 3)))

    def take(self, group: Group, *, remove: bool = True) -> None:
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
        if not remove:
            return
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
        begin = time.perf_counter()
        line = Result(
            segment=group.segment,
            seq=group.seq,
            job=job.name,
            step=snapshot.step,
            epoch=snapshot.epoch,
            evaluation=snapshot.evaluation,
        )
        try:
            measured = job.measure(snapshot, self.seed)
            stem = re.sub(r"[^A-Za-z0-9._-]", "_", f"{group.segment}-{group.seq}-{job.name}")[:150]
            values = [logged(m, self.run.arrays, f"{stem}-{i}") for i, m in enumerate(measured)]
            line = msgspec.structs.replace(line, values=values)
        except Exception as error:  # somebody else's plugin: it is switched off, everything else goes on
            said = f"{type(error).__name__}: {error}"
            line = msgspec.structs.replace(line, error=said)
            if not isinstance(error, MemoryError) and type(error).__name__ != "OutOfMemoryError":
                self._disable(job, said)
        self.append(msgspec.structs.replace(line, seconds=round(time.perf_counter() - begin, 4)))
        self._done.add((*group.key, job.name))

    def _disable(self, job: Job, reason: str) -> None:
        self.jobs.remove(job)
        self.append(Disabled(job=job.name, reason=reason, source=job.provider))
        text = f"{job.name} ({job.provider}) failed and is switched off for this run: {reason}"
        self.append(Notice(level="error", text=text, source=job.provider))

    def _static(self, name: str):
        return _static_of(self.run.evaluation, name)

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
                self._disable(job, f"the analysis process died {MOST_DEATHS} times in it")

    def close(self) -> None:
        self._note_file.unlink(missing_ok=True)
        self._log.close()


def _same(note: Note, group: Group, job: Job) -> bool:
    return (note.segment, note.seq, note.job) == (group.segment, group.seq, job.name)


@lru_cache(maxsize=8)
def _static_of(folder: Path, name: str):
    return read_static(folder, name)


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
                if not over and _watch_of(run, group.segment) is None:
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
    watch = _watch_of(run, segment)
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


def _watch_of(run: RunDirectory, segment: int) -> Watch | None:
    """What the trainer of a segment said is watched; None while its line is still on the way."""
    reader = LogReader(run.path / f"trainer-{segment}.jsonl")
    return next((record for record in reader.read() if isinstance(record, Watch)), None)


def again(run: RunDirectory, estimators: Sequence[str], analyses: Sequence[str]) -> tuple[int, int, list[str]]:
    """Measure the kept snapshots of a run with further estimators and analyses.

    Returns the number of snapshots, of new results, and what went wrong. Raises IbmonError when there are no snapshots or the run
    is being analysed.
    """
    kept = groups(run.snapshots)
    if not kept:
        raise IbmonError(f"{run.id} kept no snapshots; run it with --keep-snapshots to analyse it again later.")
    if not locks.acquire(run.lock("analyst")):
        raise IbmonError(f"{run.id} is being analysed right now; wait until it has finished.")
    info = run.info()
    try:
        watch = _watch_of(run, kept[-1].segment)
        wanted = estimators or (watch.estimators if watch else ())
        jobs, problems = plan(plugins.discover(), wanted, analyses)
        if estimators and problems:
            raise IbmonError(problems[0].error)
        loop = Loop(run, jobs, info.analyst_device, seed=info.seed or 0)
        before = len(loop._done)  # pyright: ignore[reportPrivateUsage]
        with contextlib.suppress(KeyboardInterrupt):
            for group in kept:
                loop.take(group, remove=False)
        new = len(loop._done) - before  # pyright: ignore[reportPrivateUsage]
        loop.close()
    finally:
        locks.release(run.lock("analyst"))
    return len(kept), new, [p.error for p in problems]
