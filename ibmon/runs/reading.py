"""Tails the logs of a run directory and builds its history."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from ibmon.records import (
    Analyst,
    Captured,
    Disabled,
    Dropped,
    End,
    Measured,
    Notice,
    Progress,
    Result,
    RunInfo,
    Scalars,
    Segment,
    Value,
    Watch,
)

from .arrays import load_array
from .columns import Columns, Row
from .history import Coordinate, Failure, History, Series
from .log import LogReader, printable
from .numbers import Keys, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibmon.records import AnyRecord

    from .directory import RunDirectory


class _Key(NamedTuple):
    """What makes two values belong to one series; the order is that of the fields of ``Series``."""

    quantity: str
    unit: str = ""
    subject: tuple[tuple[str, str], ...] = ()
    evaluation: str = ""
    estimator: str = ""
    job: str = ""
    axes: tuple[tuple[str, tuple[Coordinate, ...]], ...] = ()


class HistoryReader:
    """Builds the history of a run directory by tailing its logs; call ``poll`` as often as you like."""

    def __init__(self, run: RunDirectory) -> None:
        self.directory = run
        self.info = _safe_info(run.info())
        self._readers: dict[Path, LogReader] = {}
        self._builders: dict[_Key, Columns] = {}
        self._known: dict[tuple[Any, ...], Columns] = {}
        self._scalars: dict[str, Columns] = {}
        self._measured: dict[int, Numbers] = {}
        self._jobs: list[str] = []
        self._options: dict[str, dict[str, Any]] = {}
        self._captured: dict[int, Numbers] = {}
        self._unreadable: set[Path] = set()
        self._both = 0
        self._steps: dict[Path, int] = {}
        self.keys = Keys()
        """The (segment, seq, job) that have been logged."""
        self._lists: dict[str, list[Any]] = {n: [] for n in ("segments", "notices", "dropped", "failures", "disabled")}
        self._watch: Watch | None = None
        self._progress: Progress | None = None
        self._end: End | None = None
        self._history: History | None = None

    def poll(self, budget: float | None = None) -> bool:
        """Read what is new, for at most ``budget`` seconds. True when there was something."""
        stop = None if budget is None else time.monotonic() + budget
        roles = [
            [self._readers.setdefault(path, LogReader(path)) for path in self.directory.logs(role)]
            for role in ("trainer", "analyst")
        ]
        fresh = False
        unreadable = self._unreadable
        unreadable.clear()
        while True:
            waiting = [next((r for r in readers if r.behind and r.path not in unreadable), None) for readers in roles]
            for reader in waiting:
                if reader is not None and not self._read(reader):
                    unreadable.add(reader.path)
            fresh = fresh or any(reader is not None and reader.path not in unreadable for reader in waiting)
            if not any(waiting) or (stop is not None and time.monotonic() > stop):
                break
        if fresh:
            self._history = None
        return fresh

    def _read(self, reader: LogReader) -> bool:
        """Take in a piece of a log: those of trainer and analyst by turns, so that both are known up to about one step."""
        before = reader.offset
        for record in reader.read(256 * 1024):
            self._take(record, reader.path)
        return reader.offset > before

    @property
    def complete(self) -> bool:
        """Whether everything written so far has been read."""
        return not any(reader.behind and reader.path not in self._unreadable for reader in self._readers.values())

    @property
    def offset(self) -> int:
        """Bytes of the logs that have been read."""
        return sum(reader.offset for reader in self._readers.values())

    def history(self) -> History:
        """What has been read so far, as an immutable view."""
        if self._history is None:
            jobs = tuple(self._jobs)
            self._history = History(
                run=self.info,
                series=tuple(self._series()),
                scalars={name: replace(_series(_Key(name), builder), seq=None) for name, builder in self._scalars.items()},
                watch=self._watch,
                progress=self._progress,
                end=self._end,
                jobs=jobs,
                options=dict(self._options),
                captured=sum(len(numbers) for numbers in self._captured.values()),
                measured=self._both,
                skipped=sum(r.skipped for r in self._readers.values()),
                **{name: tuple(items) for name, items in self._lists.items()},
            )
        return self._history

    def _series(self) -> Iterator[Series]:
        for key, builder in self._builders.items():
            if builder.size:
                yield _series(key, builder)

    def _take(self, record: AnyRecord, path: Path) -> None:
        if isinstance(record, Progress | Captured | Result):
            self._steps[path] = record.step
        match record:
            case Result():
                self._take_result(record)
            case Progress():
                self._progress = record
                self._push_scalar("training/loss", record.segment, record.step, record.epoch, record.loss)
            case Scalars():
                for name, value in record.values.items():
                    label = printable(f"{record.name}/{name}", 100)
                    self._push_scalar(label, record.segment, record.step, record.epoch, value)
            case Captured():
                self._count(record, self._captured, self._measured)
            case Measured():
                self._count(record, self._measured, self._captured)
            case Dropped():
                self._lists["dropped"].append(_safe(record, "reason"))
            case Notice():
                notice = _safe(record, "text", "source", "level")
                self._lists["notices"].append(msgspec.structs.replace(notice, step=self._steps.get(path)))
            case Disabled():
                self._lists["disabled"].append(_safe(record, "job", "reason", "source"))
            case Segment():
                self._lists["segments"].append(_safe(record, "host", "device", "torch", "python", "ibmon"))
                self._end = None
            case Watch():
                self._watch = record
            case End():
                self._end = _safe(record, "error", "status")
            case Analyst():
                self._jobs.extend(printable(j) for j in record.jobs if printable(j) not in self._jobs)
                for name, values in record.options.items():
                    safe = {printable(k): printable(v) if isinstance(v, str) else v for k, v in values.items()}
                    self._options[printable(name)] = safe

    def _count(self, record: Captured | Measured, kind: dict[int, Numbers], other: dict[int, Numbers]) -> None:
        """Note a snapshot as captured or as measured, and count those that are both."""
        if record.segment not in kind:
            kind[record.segment] = Numbers()
        fresh = kind[record.segment].add(record.seq)
        self._both += fresh and record.segment in other and record.seq in other[record.segment]

    def _take_result(self, record: Result) -> None:
        if not self.keys.add((record.segment, record.seq, record.job)):
            return
        if record.error:
            self._lists["failures"].append(Failure(printable(record.job), record.step, printable(record.error, 400)))
        for value in record.values:
            self._take_value(record, value)

    def _take_value(self, record: Result, entry: Value) -> None:
        # The same few series come again with every snapshot: their text is made printable once.
        axes = tuple([(name, tuple(points)) for name, points in entry.axes.items()]) if entry.axes else ()
        raw = (entry.quantity, entry.unit, *entry.subject.items(), record.evaluation, entry.estimator, record.job, axes)
        builder = self._known.get(raw)
        if builder is None:
            builder = self._known[raw] = self._builder(record, entry)
        row = _row(entry, builder.shape, self.directory)
        if row is None:
            self._lists["failures"].append(
                Failure(printable(record.job), record.step, f"{printable(entry.quantity)}: unreadable")
            )
            return
        builder.push((record.segment, record.seq), record.step, record.epoch, row)

    def _builder(self, record: Result, entry: Value) -> Columns:
        """The columns that a value belongs to."""
        axes = tuple((printable(name), tuple(_safe_text(c) for c in points)) for name, points in entry.axes.items())
        subject = tuple((printable(k), printable(v)) for k, v in entry.subject.items())
        named = (printable(entry.quantity), printable(entry.unit), subject, printable(record.evaluation))
        key = _Key(*named, printable(entry.estimator), printable(record.job), axes)
        return self._builders.setdefault(key, Columns(tuple(len(points) for _, points in axes)))

    def _push_scalar(self, name: str, segment: int, step: int, epoch: float | None, value: float | None) -> None:
        if value is None and name not in self._scalars:
            return
        if name not in self._scalars:
            self._scalars[name] = Columns(())
        builder = self._scalars[name]
        builder.push((segment, step), step, epoch, Row(np.nan if value is None else value))


def _series(key: _Key, builder: Columns) -> Series:
    named = key._replace(subject=(), axes=())._asdict()
    return Series(**{**named, "subject": dict(key.subject), "axes": dict(key.axes)}, **builder.columns())


def _row(entry: Value, shape: tuple[int, ...], run: RunDirectory) -> Row | None:
    """A value of the declared shape with all that is beside it, or None when the entry does not fit its own axes."""
    if not shape and entry.array is None:
        return _number_row(entry)
    try:
        flags = {printable(n): np.broadcast_to(np.asarray(f, bool), shape) for n, f in entry.flags.items()}
        names = [printable(name) for name in entry.details]
        if entry.array is not None:
            stacked = load_array(run.arrays, entry.array)
            if stacked.shape != (3 + len(names), *shape):
                return None
            return Row(stacked[0], stacked[1], stacked[2], flags, dict(zip(names, stacked[3:], strict=True)))
        listed = (entry.value, entry.lower, entry.upper, *entry.details.values())
        parts = [None if v is None else np.asarray(v, np.float64) for v in listed]
        if any(p is not None and p.shape != shape for p in parts):
            return None
        value, *parts = [np.full(shape, np.nan) if p is None else p for p in parts]
    except (ValueError, TypeError, OSError, OverflowError):
        return None
    return Row(value, parts[0], parts[1], flags, dict(zip(names, parts[2:], strict=True)))


def _number_row(entry: Value) -> Row | None:
    """The row of a single number, which most values are: without arrays in between."""
    value, lower, upper, flags, details = entry.value, entry.lower, entry.upper, entry.flags, entry.details
    if isinstance(value, list) or isinstance(lower, list) or isinstance(upper, list):
        return None
    for beside in (flags, details):
        for part in beside.values():
            if isinstance(part, list):
                return None
    if flags:
        flags = {printable(name): flag for name, flag in flags.items()}
    if details:
        details = {printable(name): detail for name, detail in details.items()}
    return Row(value, lower, upper, flags, details)


def _safe_text(text: Coordinate) -> Coordinate:
    return printable(text) if isinstance(text, str) else text


def _safe(record: Any, *fields: str) -> Any:
    return msgspec.structs.replace(record, **{name: printable(getattr(record, name), 400) for name in fields})


def _safe_info(info: RunInfo) -> RunInfo:
    parameters = {printable(k): printable(v) if isinstance(v, str) else v for k, v in info.parameters.items()}
    safe: RunInfo = _safe(info, "id", "name", "recipe", "target", "group", "note", "device", "host", "schedule")
    return msgspec.structs.replace(safe, parameters=parameters)
