"""What several tests need: runs made by real processes, and runs written by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ibmon import launch
from ibmon.records import AnyRecord, Result, RunInfo
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, create, status
from ibmon.runs.history import History
from ibmon.runs.log import LogReader, LogWriter
from ibmon.runs.reading import HistoryReader

if TYPE_CHECKING:
    from ibmon.analysis.again import Asked, Outcome
    from ibmon.analysis.crew import Crew

PATIENCE = 300.0
"""Seconds after which what has not come is taken never to come; a busy machine has let tests wait for ninety."""


def ibmon(*arguments: str, cwd: Path | None = None, timeout: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ibmon", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def history_of(run: RunDirectory) -> History:
    reader = HistoryReader(run)
    reader.poll()
    return reader.history()


def wait_for(condition: Callable[[], bool], what: str = "", *, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain {what}"
        time.sleep(0.02)


def finished(run: RunDirectory) -> bool:
    now = status(run)
    return now.over and not now.analysing and not launch.undrained(run)


def started(recipe: str = "tishby", target: str = "ibmon_recipes.tishby:train", **asked: object) -> RunDirectory:
    """A run of a recipe in the background, as ``ibmon watch`` starts it."""
    run = create(launch.describe_run(recipe=recipe, target=target, **asked))
    launch.start(run)
    return run


def written(records: Iterable[AnyRecord], *, role: str = "trainer", run: RunDirectory | None = None) -> RunDirectory:
    """A run directory whose log holds these records."""
    run = run or create(RunInfo(format=1, id=f"hand-{time.monotonic_ns()}", created=time.time() - 60, recipe="hand"))
    path, _ = run.new_log(role)
    log = LogWriter(path)
    for record in records:
        log.append(record)
    log.close()
    return run


def results_in(run: RunDirectory) -> Counter[tuple[int, int, str]]:
    """How often each (segment, seq, job) stands in the logs."""
    logs = run.logs("analyst")
    return Counter((r.segment, r.seq, r.job) for path in logs for r in LogReader(path).read(2**28) if isinstance(r, Result))


def finish(crew: Crew, each: Callable[[], None] = lambda: None) -> None:
    """Let processes measure to their end."""
    try:
        while crew.turn():
            each()
    finally:
        crew.close()


def again(run: RunDirectory, asked: Asked) -> Outcome:
    """Measure the kept snapshots of a run again in this process, as a worker does."""
    from ibmon.analysis.again import taken
    from ibmon.analysis.messages import Task, encode
    from ibmon.analysis.worker import work

    todo = taken(run, asked)
    try:
        tasks = [Task(run=str(run.path), snapshot=item.group.folder.name, jobs=item.jobs) for item in todo.items]
        work(asked, [encode(task) for task in tasks], lambda message: None)
        return todo.outcome()
    finally:
        locks.release(run.lock("analyst"))
