"""The trainer's side of a run directory: log, spool, analyst, heartbeat and commands. Nothing here knows of models."""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch

import ibmon
from ibmon import launch
from ibmon.records import (
    AnyRecord,
    Captured,
    Dropped,
    End,
    Measured,
    Notice,
    Result,
    RunInfo,
    Segment,
)
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, create
from ibmon.runs.log import LogReader, LogWriter
from ibmon.runs.mounts import default_bound, spool_folder
from ibmon.spool import SpoolWriter, next_seq

if TYPE_CHECKING:
    from ibmon.tensors import Snapshot

KEEP_SECONDS = 0.5
_opened: dict[str, int] = {}
"""Runs that were opened here, with the process: a fork has what its parent remembers."""
_made: set[str] = set()
"""Those of them that no launcher made."""


class Session:
    """One segment of a run: opened once by the Monitor of the process that trains.

    The training thread touches no file: records and snapshots are handed to threads that write them, commands are looked for
    by one. A disk that is slow, full or far away delays what is known of the training, never the training.
    """

    def __init__(self, run: RunDirectory, info: RunInfo) -> None:
        self.run, self.info = run, info
        path, self.segment = run.new_log("trainer")
        self._log = LogWriter(path)
        self._broken = False
        self._outbox: queue.SimpleQueue[AnyRecord | None] = queue.SimpleQueue()
        self._commands: queue.SimpleQueue[str] = queue.SimpleQueue()
        folder = spool_folder(run)
        outside = "" if folder.parent == run.path else str(folder)
        self.append(
            Segment(
                segment=self.segment,
                pid=os.getpid(),
                host=socket.gethostname(),
                ibmon=ibmon.__version__,
                python=platform.python_version(),
                torch=str(torch.__version__),
                device=str(device_of(info.device)),
                spool=outside,
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        first = next_seq([folder, *run.spools(), run.snapshots], _last_seq(run))
        bound = info.spool_bytes or default_bound(folder)
        self.spool = SpoolWriter(folder, self.segment, first, bound, self._captured, self._dropped)
        self._closing = threading.Event()
        self._analyst: launch.Analyst | None = None
        self._keeper = threading.Thread(target=self._keep, name="ibmon-keeper", daemon=True)
        self._keeper.start()

    @classmethod
    def open(cls) -> Session | None:
        """The session of this process: of the run that the launcher made, else of a new one.

        A further Monitor of a process without a launcher has a run of its own, or each training of a loop over seeds would
        take the place of the one before it.

        None when another process of the run already has it (a data-loader worker, another rank). Raises IbmonError when no run
        directory can be made.
        """
        given = os.environ.get(launch.RUN_VARIABLE)
        if given in _made and _opened.get(given) == os.getpid():
            given = None
        if given:
            run = RunDirectory(Path(given))
        else:
            info = launch.describe_run(recipe=Path(sys.argv[0] or "script").stem or "script", target=sys.argv[0] or "")
            run = create(info)
        if not locks.acquire(run.lock("trainer")):
            print(f"ibmon: another process already monitors {run.path}; this one is not monitored.", file=sys.stderr)
            return None
        if not given:
            # Children of this process (workers, torchrun) must not each make a run of their own.
            os.environ[launch.RUN_VARIABLE] = str(run.path.resolve())
            _made.add(str(run.path.resolve()))
            print(f"ibmon: watch this run with: ibmon watch {run.path}", file=sys.stderr)
        run = RunDirectory(run.path.resolve())  # wherever the training changes to
        again = _opened.get(str(run.path)) == os.getpid()
        _opened[str(run.path)] = os.getpid()
        session = cls(run, run.info())
        if again:
            session.notice(
                "A further Monitor of this process goes on in the same run: of what was measured before, only what lies before "
                "its first step counts. `ibmon sweep`, or a process for each, gives trainings runs of their own."
            )
        return session

    def append(self, record: AnyRecord) -> None:
        """Log a record, stamped with the time. Returns at once."""
        self._outbox.put(msgspec.structs.replace(record, time=round(time.time(), 3)))

    def _write(self, record: AnyRecord) -> None:
        """A full disk is said once on stderr; the next record that fits goes on."""
        try:
            self._log.append(record)
            self._broken = False
        except OSError as error:
            if not self._broken:
                print(f"ibmon: {self.run.path} cannot be written ({error.strerror}); the training goes on.", file=sys.stderr)
            self._broken = True

    def notice(self, text: str, level: str = "info") -> None:
        self.append(Notice(text=text, level=level, source="monitor"))

    def offer(self, snapshot: Snapshot, *, patient: bool) -> None:
        """Hand a snapshot to the spool; ``patient`` waits for room (--lossless) as long as somebody analyses."""
        self.spool.offer(snapshot, self._may_wait if patient else None)

    def _may_wait(self) -> bool:
        return not self._closing.is_set() and (self._analyst is None or not self._analyst.given_up)

    def _captured(self, seq: int, snapshot: Snapshot, size: int) -> None:
        self.append(
            Captured(
                segment=self.segment,
                seq=seq,
                step=snapshot.step,
                epoch=snapshot.epoch,
                evaluation=snapshot.evaluation,
                bytes=size,
            )
        )

    def _dropped(self, seq: int, snapshot: Snapshot, reason: str) -> None:
        self.drop(snapshot.step, snapshot.epoch, snapshot.evaluation, reason, seq)

    def drop(self, step: int, epoch: float | None, evaluation: str, reason: str, seq: int | None = None) -> None:
        """Record a snapshot that was not taken or not kept."""
        self.append(Dropped(segment=self.segment, seq=seq, step=step, epoch=epoch, evaluation=evaluation, reason=reason))

    def start_analyst(self) -> None:
        self._analyst = launch.Analyst(self.run, self.info.analyst_device)
        self._analyst.keep(self.notice)

    def commands(self) -> set[str]:
        """Commands left for this trainer since the last call."""
        found: set[str] = set()
        with contextlib.suppress(queue.Empty):
            while True:
                found.add(self._commands.get_nowait())
        return found

    def _keep(self) -> None:
        """Write records as they come; twice a second look for commands, at the analyst, and give a sign of life."""
        due = 0.0
        while True:
            try:
                record = self._outbox.get(timeout=KEEP_SECONDS)
            except queue.Empty:
                pass
            else:
                if record is None:
                    return
                self._write(record)
            if time.monotonic() >= due and not self._closing.is_set():
                due = time.monotonic() + KEEP_SECONDS
                self._look_around()

    def _look_around(self) -> None:
        with contextlib.suppress(OSError):
            self.run.heartbeat.touch()
            for command in ("stop", "snapshot"):
                path = self.run.control / command
                if path.exists():
                    path.unlink(missing_ok=True)
                    self._commands.put(command)
        if self._analyst is not None:
            self._analyst.keep(self.notice)

    def close(self, status: str, step: int, epoch: float | None, error: str = "") -> None:
        """Write what waits in the spool, then the last word. The analyst finishes by itself."""
        self.spool.close()
        self._closing.set()
        self.append(End(segment=self.segment, status=status, step=step, epoch=epoch, error=error))
        self._outbox.put(None)
        self._keeper.join(60.0)
        self._log.close()


def device_of(asked: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda[:N]`` means here: the GPU, where there is one."""
    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(asked)


def _last_seq(run: RunDirectory) -> int:
    """The last seq that any log of the run mentions; -1 without one."""
    last = -1
    for path in (*run.logs("trainer"), *run.logs("analyst")):
        reader = LogReader(path)
        while reader.behind:
            before = reader.offset
            for record in reader.read():
                if isinstance(record, Captured | Dropped | Result | Measured) and record.seq is not None:
                    last = max(last, record.seq)
            if reader.offset == before:
                break
    return last
