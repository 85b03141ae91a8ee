"""Time series: one column of a file with a header, at equal intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from ibmon.records import IbmonError, NotFoundError

from . import delimited
from .store import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

JFK_TEMPERATURE = "HOURLYDRYBULBTEMPF"
_TIMES = ("date", "time", "datetime", "timestamp")
"""What a column of times is called, in any case."""


@dataclass(frozen=True, slots=True, eq=False)
class TimeSeries:
    """A quantity at equal intervals: ``values`` ``(moments,)`` float64, all finite, oldest first.

    ``times`` ``(moments,)`` datetime64[s] are those of the file, in UTC where it names a zone; None where it has none. ``name``
    is that of the column, ``unit`` is empty where it is not known.
    """

    values: np.ndarray
    times: np.ndarray | None
    name: str
    unit: str = ""


def jfk_weather(column: str = JFK_TEMPERATURE) -> TimeSeries:
    """The temperature at JFK airport in °F, or another column of ``jfk-weather``, in each of 75 119 hours from 2010 on.

    Raises NotFoundError for a column that is not there, and IbmonError as ``files`` does.
    """
    (path,) = files("jfk-weather")
    found = time_series(path, column, times="DATE")
    return replace(found, unit="°F") if column.upper().endswith("TEMPF") else found


def time_series(path: Path, column: str, *, times: str | None = None) -> TimeSeries:
    """A column of a file of numbers, ``.csv`` or tab-separated ``.tsv``, whose first line gives the names of the columns.

    ``times`` names the column of times as ISO 8601 has them; without it that is the first one called date, time, datetime or
    timestamp, where its first value is such a time. Where there are times, they are at equal intervals.
    Raises NotFoundError for a file or a column that is not there, and IbmonError for a cell that is no number, for a gap in time,
    for a blank line before the last row, and for fewer than two rows.
    """
    rows = _rows(path)
    names = [name.strip() for name in next(rows, (0, []))[1]]
    value_at = _position(names, column, path)
    time_at = _position(names, times, path) if times is not None else _times_of(names)
    lines: list[int] = []
    values: list[float] = []
    moments: list[datetime] = []
    for line, row in rows:
        if len(row) != len(names):
            raise IbmonError(f"Line {line} of {path.name} has {len(row)} values, and the first line {len(names)} names.")
        lines.append(line)
        values.append(_number(row[value_at], line, column, path))
        if time_at is None:
            continue
        moment = _moment(row[time_at])
        if moment is not None:
            moments.append(moment)
        elif times is None and not moments:
            time_at = None
        else:
            raise IbmonError(f"Line {line} of {path.name} has {row[time_at][:40]!r} in {names[time_at]!r}, which is no time.")
    if len(values) < 2:
        raise IbmonError(f"{path.name} has {'one row' if values else 'no row'} of values; a series has two or more.")
    at = None if time_at is None else np.array(moments, "datetime64[s]")
    if at is not None:
        _refuse_gaps(at, lines, path)
    return TimeSeries(np.array(values), at, column)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """See ``delimited.rows``; whatever cannot be read is an IbmonError."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.")
    try:
        yield from delimited.rows(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    except OSError as error:
        raise IbmonError(f"{path} cannot be read: {error.strerror}.") from error


def _position(names: Sequence[str], name: str, path: Path) -> int:
    if name in names:
        return names.index(name)
    near = get_close_matches(name, names, n=1) or [n for n in names if n.lower() == name.lower()]
    some = ", ".join(map(repr, names[:10])) + (" …" if len(names) > 10 else "")
    hint = f"did you mean {near[0]!r}?" if near else f"it has {some or 'none'}."
    raise NotFoundError(f"There is no column {name!r} in {path.name}; {hint}")


def _times_of(names: Sequence[str]) -> int | None:
    return next((i for i, name in enumerate(names) if name.lower() in _TIMES), None)


def _number(cell: str, line: int, column: str, path: Path) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise IbmonError(f"Line {line} of {path.name} has {cell[:40]!r} in {column!r}, which is no number.")
    return value


def _moment(cell: str) -> datetime | None:
    """The time that a cell says, without a zone; None where it says none."""
    try:
        moment = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _refuse_gaps(times: np.ndarray, lines: Sequence[int], path: Path) -> None:
    steps, counts = np.unique(np.diff(times), return_counts=True)
    if len(steps) == 1 and steps[0] > np.timedelta64(0):
        return
    usual = steps[counts.argmax()]
    first = int((np.diff(times) != usual).argmax()) + 1 if len(steps) > 1 else 1
    raise IbmonError(
        f"Line {lines[first]} of {path.name} is at {times[first]}, after {times[first - 1]}: "
        "a series has equal steps forward in time, so fill the gap or cut the file there."
    )
