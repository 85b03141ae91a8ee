"""One job on one snapshot, as it goes into the log."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from ibmon.records import Analyst, AnyRecord, Disabled, Notice, Result
from ibmon.runs.directory import RunDirectory
from ibmon.runs.log import LogWriter
from ibmon.spool import Group, StaticData, read_static
from ibmon.tensors import Snapshot

from .jobs import Job
from .values import logged

MOST_DEATHS = 2
"""Processes that may die in one job on one snapshot before the job is switched off."""


class AnalystLog:
    """A new analyst's log of a run, begun with what it is going to do."""

    def __init__(self, run: RunDirectory, jobs: Sequence[Job], device: str) -> None:
        self._log = LogWriter(run.new_log("analyst")[0])
        options = {name: values for job in jobs for name, values in job.options.items()}
        names = [job.name for job in jobs]
        self.append(Analyst(pid=os.getpid(), host=socket.gethostname(), device=device, jobs=names, options=options))

    def append(self, record: AnyRecord) -> None:
        """Append a record, stamped with the time. Raises OSError."""
        self._log.append(msgspec.structs.replace(record, time=round(time.time(), 3)))

    def close(self) -> None:
        self._log.close()


def measure(job: Job, group: Group, snapshot: Snapshot, run: RunDirectory, seed: int) -> tuple[Result, bool]:
    """The line of a job on a snapshot, and whether the job failed in a way that it will again: it is then to be switched off.

    Large arrays are written into the run. Never raises what a plugin raises: the line says it.
    """
    begin, broken = time.perf_counter(), False
    line = Result(
        segment=group.segment,
        seq=group.seq,
        job=job.name,
        step=snapshot.step,
        epoch=snapshot.epoch,
        evaluation=snapshot.evaluation,
    )
    try:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", f"{group.segment}-{group.seq}-{job.name}")[:150]
        values = [logged(m, run.arrays, f"{stem}-{i}") for i, m in enumerate(job.measure(snapshot, seed))]
        line = msgspec.structs.replace(line, values=values)
    except Exception as error:  # somebody else's plugin
        line = msgspec.structs.replace(line, error=f"{type(error).__name__}: {error}")
        broken = not isinstance(error, MemoryError) and type(error).__name__ != "OutOfMemoryError"
    return msgspec.structs.replace(line, seconds=round(time.perf_counter() - begin, 4)), broken


def switched_off(job: Job, reason: str) -> tuple[Disabled, Notice]:
    """What is logged where a job is switched off for the rest of its run."""
    text = f"{job.name} ({job.provider}) failed and is switched off for this run: {reason}"
    return (
        Disabled(job=job.name, reason=reason, source=job.provider),
        Notice(level="error", text=text, source=job.provider),
    )


def died() -> str:
    """The reason to switch off a job that processes died in."""
    return f"the analysis process died {MOST_DEATHS} times in it"


@lru_cache(maxsize=8)
def static_of(folder: Path, name: str) -> StaticData:
    """The fixed part of an evaluation set of a run, read once."""
    return read_static(folder, name)
