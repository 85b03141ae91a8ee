"""Reading the runs of a folder again and again: of what was read before, only what grew."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from ibmon.records import AnyRecord, RunInfo
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.log import LogReader

State = Literal["live", "starting", "queued", "lost", "failed", "finished", "damaged"]
SECONDS = 1.0
"""How long one look at a folder may read logs and sizes; what is left waits for the next."""
SIZE_SECONDS = 30.0
"""How often the size of a run is asked for that is trained or measured."""
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Best:
    """The best value of a metric: the largest accuracy or the least loss."""

    label: str
    value: float
    accuracy: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the list; all text is safe to show. While ``reading``, ``best`` is that of a part and ``size`` may be old."""

    run: RunDirectory
    id: str
    name: str
    state: State
    detail: str = ""
    recipe: str = ""
    group: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    created: float = 0.0
    size: int | None = None
    best: Best | None = None
    reading: bool = False


class Scanner:
    """Looks at every run of a folder. Reads files: not for the thread that draws."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, _Index] = {}
        self._guard = threading.Lock()

    def scan(self, seconds: float = SECONDS) -> list[Entry]:
        """All runs, newest first. The newest logs are read first, and no longer than for so many seconds."""
        from ibmon.runs.directory import RunDirectory

        with self._guard:
            end = time.monotonic() + seconds
            names: list[str] = []
            with suppress(OSError):
                names = [path.parent.name for path in self._root.glob("*/run.json")]
            self._known = {name: self._known.get(name) or _Index(RunDirectory(self._root / name)) for name in names}
            for index in self._known.values():
                index.look()
            indices = sorted(self._known.values(), key=lambda index: -index.entry.created)
            for index in indices:
                index.read(end)
            return [index.entry for index in indices]


_scanner = lru_cache(1)(Scanner)


def scan(root: Path) -> list[Entry]:
    """Every run of a folder, newest first; the same folder is read from where it was left."""
    return _scanner(root).scan()


class _Index:
    """One run, and what was read of it so far."""

    def __init__(self, run: RunDirectory) -> None:
        from ibmon.runs.log import printable

        self._run = run
        name = printable(run.id, 100)
        self.entry = Entry(run, name, name, "damaged", reading=True)
        self._files: dict[str, tuple[int, int]] = {}
        self._settled = False
        self._analysing = False
        self._info: RunInfo | None = None
        self._logs: dict[str, LogReader] = {}
        self._metrics: dict[tuple[str, bool], float] = {}
        self._sized: float | None = None

    def look(self) -> None:
        """What the directory says without its logs; nothing where it is over, was read and did not change."""
        from ibmon.records import IbmonError
        from ibmon.runs.directory import status
        from ibmon.runs.log import printable

        files = _files(self._run.path)
        if self._settled and files == self._files:
            return
        if any(reader.offset > files.get(name, (0, 0))[0] for name, reader in self._logs.items()):
            self._logs, self._metrics = {}, {}  # another run of the same name
        if files.get("run.json") != self._files.get("run.json"):
            self._info = None
        self._files, self._settled = files, False
        try:
            self._info = self._info or self._run.info()
            now = status(self._run, self._info)
        except (IbmonError, OSError) as error:
            self.entry = replace(self.entry, state="damaged", detail=printable(str(error)))
        else:
            self._analysing = now.analysing
            self.entry = _described(self.entry, self._info, now.state, now.detail)

    def read(self, end: float) -> None:
        """What the logs have come to say, and the size, as far as there is time."""
        if self._settled:
            return
        over = self.entry.state not in ("live", "starting", "queued") and not self._analysing
        complete = self._read_logs(end)
        due = self._sized is None or over or time.monotonic() - self._sized >= SIZE_SECONDS
        if complete and due and time.monotonic() < end:
            self._sized = time.monotonic()
            self.entry = replace(self.entry, size=self._size())
        self.entry = replace(self.entry, best=best(self._metrics), reading=not complete or self._sized is None)
        self._settled = over and not self.entry.reading and time.monotonic() < end

    def _read_logs(self, end: float) -> bool:
        from ibmon.runs.log import LogReader

        for path in self._run.logs("trainer"):
            reader = self._logs.setdefault(path.name, LogReader(path))
            while reader.behind:
                if time.monotonic() >= end:
                    return False
                before = reader.offset
                for record in reader.read(_CHUNK):
                    note(self._metrics, record)
                if reader.offset == before:
                    break
        return True

    def _size(self) -> int:
        from ibmon.runs.listing import size_of

        return sum(size_of(folder) for folder in (self._run.path, *self._run.spools()[1:]))


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of all that lies in a run directory: what tells whether anything in it moved."""
    found: dict[str, tuple[int, int]] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                facts = entry.stat(follow_symlinks=False)
                found[entry.name] = facts.st_size, facts.st_mtime_ns
    return found


def _described(entry: Entry, info: RunInfo, state: State, detail: str) -> Entry:
    from ibmon.runs.log import printable

    asked = {**info.parameters, **({} if info.seed is None else {"seed": info.seed})}
    return replace(
        entry,
        name=printable(info.name, 60) or entry.id,
        state=state,
        detail=detail,
        recipe=printable(info.recipe, 30),
        group=printable(info.group, 60),
        parameters=tuple((printable(k, 30), printable(str(v), 30)) for k, v in asked.items()),
        created=info.created,
    )


def note(metrics: dict[tuple[str, bool], float], record: AnyRecord) -> None:
    """Keep the best of each metric that a record speaks of: (label, whether it is an accuracy) -> value."""
    from ibmon.records import Progress, Scalars

    if isinstance(record, Progress) and record.loss is not None:
        _keep(metrics, ("training loss", False), record.loss)
    elif isinstance(record, Scalars):
        for key, value in record.values.items():
            if value is not None and ("acc" in key.lower() or "loss" in key.lower()):
                _keep(metrics, (f"{record.name} {key}", "acc" in key.lower()), value)


def _keep(metrics: dict[tuple[str, bool], float], metric: tuple[str, bool], value: float) -> None:
    before = metrics.get(metric, value)
    metrics[metric] = max(before, value) if metric[1] else min(before, value)


def best(metrics: dict[tuple[str, bool], float]) -> Best | None:
    """The largest accuracy, else the least loss; what was not seen in training counts before what was."""
    from ibmon.runs.log import printable

    def rank(item: tuple[tuple[str, bool], float]) -> tuple[bool, bool, float]:
        (label, accuracy), value = item
        return accuracy, not label.lower().startswith("train"), value if accuracy else -value

    if not metrics:
        return None
    (label, accuracy), value = max(metrics.items(), key=rank)
    return Best(printable(label, 40), value, accuracy)
