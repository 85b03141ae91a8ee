"""Histories as one tidy table: a row for every number, a column for each thing that is known of it; numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .history import Coordinate, History, Series

    Block = dict[str, NDArray[Any]]

Kind = Literal["text", "integer", "number"]

ROWS = 65_536
"""Rows of a block: what is in memory beside the histories."""
_FIRST: dict[str, Kind] = {
    "run": "text",
    "segment": "integer",
    "seq": "integer",
    "step": "integer",
    "epoch": "number",
    "analysis": "text",
    "job": "text",
    "estimator": "text",
    "quantity": "text",
    "evaluation": "text",
}
_VALUES: dict[str, Kind] = {"value": "number", "lower": "number", "upper": "number", "unit": "text", "flags": "text"}
_WHOLE = 2**53
"""Up to here every integer is a float as well."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a table in order, by kind, and which of them are those of subjects, of axes and of details.

    A name that a column has already is said with what it is: a subject called ``step`` is the column ``subject.step``.
    """

    kinds: Mapping[str, Kind]
    subjects: Mapping[str, str]
    axes: Mapping[str, str]
    details: Mapping[str, str]


def all_series(history: History) -> tuple[Series, ...]:
    """What was measured, then what was logged."""
    return (*history.series, *history.scalars.values())


def header(histories: Sequence[History]) -> Header:
    """The columns that the histories need, in one table."""
    every = [series for history in histories for series in all_series(history)]
    taken = {*_FIRST, *_VALUES}
    subjects = _columns("subject", (name for s in every for name in s.subject), taken)
    axes = _columns("axis", (name for s in every for name in s.axes), taken)
    details = _columns("detail", (name for s in every for name in s.details), taken)
    points = {name: {s.axes[name] for s in every if name in s.axes} for name in axes}
    kinds = _FIRST.copy()
    kinds.update((column, "text") for column in subjects.values())
    kinds.update((column, _kind(c for axis in points[name] for c in axis)) for name, column in axes.items())
    kinds |= _VALUES
    kinds.update((column, "number") for column in details.values())
    return Header(kinds=kinds, subjects=subjects, axes=axes, details=details)


def _columns(what: str, names: Iterable[str], taken: set[str]) -> dict[str, str]:
    """The column of each name, none of which is ``taken``; from now on they are."""
    columns: dict[str, str] = {}
    for name in dict.fromkeys(names):
        column = name
        while column in taken:
            column = f"{what}.{column}"
        taken.add(column)
        columns[name] = column
    return columns


def _kind(coordinates: Iterable[Coordinate]) -> Kind:
    kind: Kind = "integer"
    for coordinate in coordinates:
        if isinstance(coordinate, str) or abs(coordinate) > _WHOLE:
            return "text"
        if isinstance(coordinate, float):
            kind = "number"
    return kind


def blocks(histories: Sequence[History], columns: Header, rows: int = ROWS) -> Iterator[Block]:
    """The table in pieces of about ``rows``: column -> ``(rows,)``.

    Rows are series after series, each in the order of training, the last axis fastest; what was logged comes last. Text is an
    array of ``str``, empty where there is none; all else is ``float64``, NaN where there is none.
    """
    waiting: list[dict[str, Any]] = []
    count = 0
    for history in histories:
        for series in all_series(history):
            points = len(series.step)
            at_once = max(1, rows // max(1, series.value.size // max(1, points)))
            for first in range(0, points, at_once):
                waiting.append(_part(history.run.id, series, columns, slice(first, first + at_once)))
                count += waiting[-1]["value"].size
                if count >= rows:
                    yield _joined(waiting, columns)
                    waiting, count = [], 0
    if count:
        yield _joined(waiting, columns)


def _part(run: str, series: Series, columns: Header, points: slice) -> dict[str, Any]:
    """Some rows of a series: arrays, single values for what is the same in all of them, and nothing for what it has not."""
    value = series.value[points]
    cells = value.size // max(1, len(value))
    part: dict[str, Any] = {
        "run": run,
        "step": np.repeat(series.step[points], cells),
        "epoch": np.repeat(series.epoch[points], cells),
        "analysis": series.analysis,
        "job": series.job,
        "estimator": series.estimator,
        "quantity": series.quantity,
        "evaluation": series.evaluation,
        "value": value.reshape(-1),
        "lower": series.lower[points].reshape(-1),
        "upper": series.upper[points].reshape(-1),
        "unit": series.unit,
        "flags": _flags(series.flags, points, value.size),
    }
    for name, counted in (("segment", series.segment), ("seq", series.seq)):
        if counted is not None:
            part[name] = np.repeat(counted[points], cells)
    part |= {columns.subjects[name]: text for name, text in series.subject.items()}
    for place, (name, axis) in enumerate(series.axes.items(), start=1):
        column = columns.axes[name]
        text = columns.kinds[column] == "text"
        said = np.array([str(c) for c in axis], object) if text else np.array(axis, np.float64)
        along = said.reshape([-1 if k == place else 1 for k in range(value.ndim)])
        part[column] = np.broadcast_to(along, value.shape).reshape(-1)
    return part | {columns.details[name]: detail[points].reshape(-1) for name, detail in series.details.items()}


def _flags(flags: Mapping[str, NDArray[np.bool_]], points: slice, rows: int) -> Any:
    """The names of the flags that are raised, row by row, with blanks between them."""
    raised = {name: column[points].reshape(-1) for name, column in flags.items()}
    raised = {name: column for name, column in raised.items() if column.any()}
    if not raised:
        return ""
    said = np.full(rows, "", object)
    for name, column in raised.items():
        said[column] = [f"{before} {name}".lstrip() for before in said[column]]
    return said


def _joined(parts: Sequence[Mapping[str, Any]], columns: Header) -> Block:
    ends = np.cumsum([part["value"].size for part in parts]).tolist()
    block: Block = {}
    for name, kind in columns.kinds.items():
        block[name] = np.full(ends[-1], "", object) if kind == "text" else np.full(ends[-1], np.nan)
        for first, end, part in zip([0, *ends], ends, parts, strict=False):
            if name in part:
                block[name][first:end] = part[name]
    return block


def frame(histories: Sequence[History]) -> Block:
    """The whole table, column -> ``(rows,)``, as ``pandas.DataFrame`` and ``polars.DataFrame`` take it.

    Text is an array of ``str``, empty where there is none. Integers that some rows have not are floats with NaN, as in pandas.
    """
    columns = header(histories)
    rows = sum(series.value.size for history in histories for series in all_series(history))
    whole: Block = {name: np.empty(rows, object if kind == "text" else np.float64) for name, kind in columns.kinds.items()}
    first = 0
    for block in blocks(histories, columns):
        end = first + len(block["value"])
        for name, column in block.items():
            whole[name][first:end] = column
        first = end
    for name, kind in columns.kinds.items():
        if kind == "integer" and not np.isnan(whole[name]).any():
            whole[name] = whole[name].astype(np.int64)
    return whole
