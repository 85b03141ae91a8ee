"""Columns of anyone's file as a series: rows are moments, columns are nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ibmon.analysis.files import Column, Table, open_table
from ibmon.records import IbmonError, UsageError
from ibmon.runs.log import printable

from .series import Series

MOST_NODES = 512
"""Nodes beyond which the file was probably not meant: matrices and surrogates grow with their square."""


@dataclass(frozen=True, slots=True)
class Read:
    """A series of a file, and the names of the columns that were left out because they hold no numbers."""

    series: Series
    left_out: tuple[str, ...]


def read_series(
    path: Path,
    *,
    columns: str | None = None,
    groups: Sequence[str] = (),
    rows: str | None = None,
    delays: Sequence[str] = (),
) -> Read:
    """The series in a file (``ibmon.analysis.files``): the ``columns``, else those of the ``groups``, else all with numbers.

    ``columns`` and the right side of a group ``name=columns`` are a comma list of names and of ranges by position; ``rows`` is a
    range ``a:b``; ``delays`` are ``name=steps``, of a group or a node. Raises NotFoundError, UsageError and IbmonError.
    """
    table = open_table(path)
    grouped = dict(_assignment(text, "--groups", "name=columns") for text in groups)
    if len(grouped) < len(groups):
        raise UsageError("Each group needs a name of its own.")
    wanted = [table.take(choice) for choice in ([columns] if columns is not None else grouped.values())]
    everything = wanted or [table.take(f"0:{len(table.names)}")]
    taken = list({column.name: column for part in everything for column in part}.values())
    labels = tuple(column.name for column in taken if column.label)
    if wanted and labels:
        raise UsageError(f"{printable(labels[0])!r} in {path.name} holds text, and nodes are numbers.")
    kept = [column for column in taken if not column.label]
    if not kept:
        raise IbmonError(f"{path.name} has no columns of numbers.")
    names, values = _stacked(kept, path)
    members = {name: _members(table, choice, names) for name, choice in grouped.items()}
    try:
        series = Series.of(torch.from_numpy(_cut(values, rows)), names, members)
        shifts = [_assignment(text, "--delay", "name=steps") for text in delays]
        return Read(series.delayed({name: _steps(steps) for name, steps in shifts}) if shifts else series, labels)
    except ValueError as error:
        raise UsageError(printable(str(error), 300)) from error


def lags_of(text: str) -> tuple[int, ...]:
    """The lags that ``1:6`` (1 to 5), ``1,2,4`` or ``3`` mean. Raises UsageError."""
    try:
        if ":" in text:
            first, last = text.split(":")
            found = tuple(range(int(first), int(last)))
        else:
            found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise UsageError(f"{text!r} are no lags; say 1:6 for 1 to 5 rows, 1,2,4 for those, or 1.")
    return found


def _assignment(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise UsageError(f"{option} is {form}, not {text!r}.")
    return name.strip(), value.strip()


def _steps(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--delay is name=steps with a whole number of rows, not {text!r}.") from None


def _stacked(columns: Sequence[Column], path: Path) -> tuple[list[str], np.ndarray]:
    """The names of the nodes and their values (rows, nodes), refused where rows are missing or differ in number."""
    sizes = {len(column.values): column.name for column in columns}
    if len(sizes) > 1:
        raise UsageError(f"The columns differ in rows: {', '.join(f'{name} has {size}' for size, name in sizes.items())}.")
    missing = [column.name for column in columns if column.missing.any()]
    if missing:
        count = int(np.any([column.missing for column in columns], axis=0).sum())
        raise UsageError(
            f"{count} rows of {path.name} have no value in {', '.join(map(printable, missing[:5]))}; as rows follow each other "
            "in time none can be left out: fill them, or choose other --columns."
        )
    names = [printable(name) for column in columns for name in column.names]
    if len(names) > MOST_NODES:
        raise UsageError(
            f"{path.name} has {len(names)} columns of numbers, and {MOST_NODES} nodes are the most; say which with --columns."
        )
    return names, np.concatenate([column.values for column in columns], axis=1).astype(np.float64)


def _members(table: Table, choice: str, names: Sequence[str]) -> list[int]:
    wanted = [printable(name) for column in table.take(choice) for name in column.names]
    absent = [name for name in wanted if name not in names]
    if absent:
        raise UsageError(f"{absent[0]!r} is in --groups and not in --columns.")
    return [names.index(name) for name in wanted]


def _cut(values: np.ndarray, rows: str | None) -> np.ndarray:
    if rows is None:
        return values
    first, colon, last = rows.partition(":")
    if not colon or not all(part.strip().isdigit() or not part.strip() for part in (first, last)):
        raise UsageError(f"--rows is a range such as 0:5000, not {rows!r}.")
    return values[int(first or 0) : int(last) if last.strip() else None]
