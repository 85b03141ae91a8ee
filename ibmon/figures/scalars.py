"""What was logged, as papers tabulate it: a row for each kind of run, a column for each scalar, mean and spread over seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from .figure import Table
from .view import number

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ibmon.runs.history import Series

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was asked and what it logged: ``parameters`` with the seed, and scalars by name."""

    parameters: Mapping[str, Hashable]
    scalars: Mapping[str, Series]


@dataclass(frozen=True, slots=True)
class Cell:
    """The newest ``values`` of a scalar in the runs of a row.

    ``difference`` is the mean over ``pairs`` of runs of their value less that of the run of the first row that is alike but for
    what parts the rows: the seed and all else is the same. ``interval`` are its 2.5 and 97.5 % in 10 000 resamples of the
    pairs, from two on; NaN where there is none.
    """

    values: tuple[float, ...]
    difference: float = np.nan
    interval: tuple[float, float] = (np.nan, np.nan)
    pairs: int = 0

    @property
    def mean(self) -> float:
        return float(np.mean(self.values)) if self.values else np.nan

    @property
    def deviation(self) -> float:
        """Standard deviation over the runs, of N − 1; NaN for a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else np.nan


@dataclass(frozen=True, slots=True)
class Scalars:
    """A table of ``names`` (columns) and rows by name, each with a cell for every column."""

    names: tuple[str, ...]
    rows: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict[str, tuple[Cell, ...]])


def tabulated(parts: Mapping[str, Sequence[Run]], wanted: Sequence[str]) -> Scalars:
    """The scalars whose names fit one of the globs ``wanted``, in the order in which they were first logged.

    A value that is not finite counts for nothing. Differences of a row are those from the first, in pairs.
    """
    there = dict.fromkeys(name for runs in parts.values() for run in runs for name in run.scalars)
    names = tuple(name for name in there if any(fnmatchcase(name, glob) for glob in wanted))
    alike = _alike(parts)
    rows: dict[str, tuple[Cell, ...]] = {}
    first: list[dict[Hashable, float]] = []
    for part, runs in parts.items():
        found = [_newest(runs, name, alike) for name in names]
        first = first or found
        rows[part] = tuple(
            _cell(runs, name, own, None if own is base else base) for name, own, base in zip(names, found, first, strict=True)
        )
    return Scalars(names, rows)


def table(scalars: Scalars) -> Table:
    """The table in words: mean ± deviation, and under each row but the first what it is more than the first."""
    reference = next(iter(scalars.rows), "")
    rows: list[tuple[str, ...]] = []
    for part, cells in scalars.rows.items():
        rows.append((part, *(_said(cell) for cell in cells)))
        if any(cell.pairs for cell in cells):
            rows.append((f"  − {reference}", *(_difference(cell) for cell in cells)))
    several = any(len(cell.values) > 1 for cells in scalars.rows.values() for cell in cells)
    paired = any(cell.pairs > 1 for cells in scalars.rows.values() for cell in cells)
    notes = ["newest values"]
    notes += ["mean ± standard deviation over the runs, in brackets how many"] if several else []
    notes += ["differences in pairs of runs of one seed, with 95 % of resampled pairs"] if paired else []
    return Table(
        name="scalars", title="scalars", screen="compare", note="; ".join(notes), columns=("", *scalars.names), rows=tuple(rows)
    )


def tidy(scalars: Scalars) -> Table:
    """The table with a row for each cell, for CSV."""
    columns = ("row", "scalar", "runs", "mean", "deviation", "difference", "lower", "upper", "pairs")
    rows = [
        (part, name, str(len(c.values)), *(_exact(v) for v in (c.mean, c.deviation, c.difference, *c.interval)), str(c.pairs))
        for part, cells in scalars.rows.items()
        for name, c in zip(scalars.names, cells, strict=True)
    ]
    return Table(name="scalars", title="scalars", columns=columns, rows=tuple(rows))


def _alike(parts: Mapping[str, Sequence[Run]]) -> list[str]:
    """The parameters that runs of all rows share values of, and the seed: what makes two runs a pair."""
    names = dict.fromkeys(name for runs in parts.values() for run in runs for name in run.parameters)
    values = {name: [{run.parameters.get(name) for run in runs} for runs in parts.values()] for name in names}
    return [name for name, sets in values.items() if name == "seed" or set.intersection(*sets)]


def _newest(runs: Sequence[Run], name: str, alike: Sequence[str]) -> dict[Hashable, float]:
    """The newest value of each run that logged one; of several runs alike their mean."""
    found: dict[Hashable, list[float]] = {}
    for run in runs:
        value = _value(run, name)
        if np.isfinite(value):
            found.setdefault(tuple(run.parameters.get(one) for one in alike), []).append(value)
    return {key: float(np.mean(each)) for key, each in found.items()}


def _value(run: Run, name: str) -> float:
    series = run.scalars.get(name)
    return float(series.value[-1]) if series is not None and len(series.value) else np.nan


def _cell(runs: Sequence[Run], name: str, own: Mapping[Hashable, float], base: Mapping[Hashable, float] | None) -> Cell:
    values = tuple(value for run in runs if np.isfinite(value := _value(run, name)))
    both = [key for key in own if key in base] if base is not None else []
    if base is None or not both:
        return Cell(values)
    apart = np.array([own[key] - base[key] for key in both])
    if len(apart) < 2:
        return Cell(values, float(apart[0]), pairs=1)
    drawn = np.random.default_rng(0).integers(len(apart), size=(RESAMPLES, len(apart)))
    lower, upper = np.percentile(apart[drawn].mean(1), (2.5, 97.5)).tolist()
    return Cell(values, float(apart.mean()), (lower, upper), len(apart))


def _said(cell: Cell) -> str:
    if len(cell.values) < 2:
        return number(cell.mean)
    return f"{number(cell.mean)} ± {number(cell.deviation, 2)} ({len(cell.values)})"


def _difference(cell: Cell) -> str:
    if not cell.pairs:
        return "–"
    between = f" ({cell.interval[0]:+.2g} to {cell.interval[1]:+.2g})" if cell.pairs > 1 else ""
    return f"{cell.difference:+.3g}{between}"


def _exact(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""
