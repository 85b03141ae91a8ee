"""Compared runs in panels of their own: which figures are shown so, and what stands in each panel.

A comparison is one figure, whatever its layout: a panel is the part of it that belongs to a run, and what it shares with the
others (limits, colours, positions) comes from the whole.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .figure import Curves, Heatmap, Histogram, Plane
from .spans import value_range
from .view import positions_of, runs_of, series_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figure import Axis, Figure, Layout, Line, Reference, Trajectory, View

MANY = 4
"""Positions of a run up to which its series are laid over those of others: with more of them, marks and colours of two runs
cover each other."""
Cursor = tuple[int, int]


def layouts(figure: Figure) -> tuple[Layout, ...]:
    """How the runs that a figure compares can be laid out, as it is by itself first; nothing where it compares none.

    Matrices cover each other and are always in panels.
    """
    runs = runs_of(figure)
    if len(runs) < 2:
        return ()
    if isinstance(figure, Heatmap):
        return ("panels",)
    return ("panels", "overlay") if _most_positions(figure, runs) > MANY else ("overlay", "panels")


def apart(figure: Figure, view: View) -> bool:
    """Whether the runs of a figure are in panels of their own as it is looked at."""
    there = layouts(figure)
    if not there:
        return False
    return _alone(figure, view) or (view.layout if view.layout in there else there[0]) == "panels"


def shown_runs(figure: Figure, view: View) -> list[str]:
    """The runs that have a panel."""
    return [view.alone] if _alone(figure, view) else runs_of(figure)


def panels(figure: Figure, view: View) -> dict[str, Figure]:
    """What stands in the panel of each run, with the limits of all of them; the whole by itself where runs are not apart."""
    if not apart(figure, view):
        return {"": figure}
    if isinstance(figure, Plane | Curves):
        figure = _with_limits(figure, view)
    return {run: of_run(figure, run) for run in shown_runs(figure, view)}


def of_run(figure: Figure, run: str) -> Figure:
    """The part of a comparison that belongs to a run; colours and positions mean what they mean in the whole."""
    if isinstance(figure, Plane):
        own = tuple(t for t in figure.trajectories if t.run == run)
        return replace(figure, trajectories=own, references=references_of(figure, run))
    if isinstance(figure, Curves):
        lines = tuple(line for line in figure.lines if line.run == run)
        return replace(figure, lines=lines, references=references_of(figure, run))
    if isinstance(figure, Heatmap):
        return _matrix_of(figure, run)
    if isinstance(figure, Histogram):
        return _counts_of(figure, run)
    return figure


def owners(figure: Figure) -> tuple[str, ...]:
    """The run of each series, row or group of a figure."""
    if isinstance(figure, Heatmap | Histogram):
        return figure.row_runs if isinstance(figure, Heatmap) else figure.group_runs
    return tuple(one.run for one in series_in(figure))


def rows_of(figure: Heatmap | Histogram, run: str) -> list[int]:
    """The rows of a matrix, or the groups of a histogram, that belong to a run."""
    return [r for r, one in enumerate(owners(figure)) if one == run]


def columns_of(figure: Heatmap, run: str) -> np.ndarray:
    """Indices of the columns of a matrix that a run has, where they are steps: others were measured in another run only."""
    values = np.atleast_2d(figure.values)
    if figure.steps is None:
        return np.arange(values.shape[1])
    return np.flatnonzero(np.isfinite(values[rows_of(figure, run)]).any(axis=0))


def references_of(figure: Plane | Curves | Histogram, run: str) -> tuple[Reference, ...]:
    """The reference lines that a run has; none names its run."""
    kept = [r for r in figure.references if not r.runs or run in r.runs]
    return tuple(replace(r, label=r.label.removeprefix(f"{', '.join(r.runs)} · "), runs=()) if r.runs else r for r in kept)


def twin(figure: Figure, cursor: Cursor, run: str) -> Cursor | None:
    """Where a cursor stands in another run: in the series or row of the same name, at the nearest step, or place on the axis."""
    i, k = cursor
    if isinstance(figure, Heatmap | Histogram):
        return _twin_cell(figure, i, k, run)
    series = series_in(figure)
    if not 0 <= i < len(series) or not 0 <= k < len(series[i].x):
        return None
    if series[i].run == run:
        return cursor
    alike = [j for j, one in enumerate(series) if (one.label, one.position) == (series[i].label, series[i].position)]
    place = sum(series[j].run == series[i].run for j in alike if j < i)
    own = [j for j in alike if series[j].run == run][place : place + 1]
    for j in own:
        there = _nearest(series[i], series[j], k)
        if there is not None:
            return j, there
    return None


def _alone(figure: Figure, view: View) -> bool:
    return bool(view.alone) and view.alone in runs_of(figure)


def _most_positions(figure: Figure, runs: Sequence[str]) -> int:
    """The largest number of positions that one of the runs has."""
    if not isinstance(figure, Plane | Curves) or figure.positions is None:
        return 0
    places, owners = positions_of(figure), np.array([one.run for one in series_in(figure)])
    return max((len(np.unique(places[(owners == run) & np.isfinite(places)])) for run in runs), default=0)


def _with_limits(figure: Plane | Curves, view: View) -> Plane | Curves:
    """Axes that say what all runs need: a renderer that draws one of them leaves room for the others."""
    across, up = (_values(figure, axis) for axis in ("x", "y"))
    scales = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    positions = figure.positions and _widened(figure.positions, positions_of(figure), figure.positions.scale)
    x, y = _widened(figure.x, across, scales[0]), _widened(figure.y, up, scales[1])
    return replace(figure, x=x, y=y, positions=positions)


def _values(figure: Plane | Curves, axis: str) -> np.ndarray:
    """Everything that is drawn along an axis."""
    if isinstance(figure, Plane):
        members = [(t.members_x if axis == "x" else t.members_y) for t in figure.trajectories]
        arrays = [(t.x if axis == "x" else t.y) for t in figure.trajectories] + [m for m in members if m is not None]
    elif axis == "x":
        arrays = [line.x for line in figure.lines]
    else:
        arrays = [a for line in figure.lines for a in (line.y, line.lower, line.upper) if a is not None]
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(a, np.float64)) for a in arrays)])


def _widened(axis: Axis, values: np.ndarray, scale: str) -> Axis:
    """The axis with limits that leave room for all values that it can show."""
    with np.errstate(invalid="ignore"):
        kept = values[(np.abs(values) < 1e290) & ((values > 0) | (scale != "log"))]
    if not kept.size:
        return axis
    low, high = axis.limits
    least, most = float(kept.min()), float(kept.max())
    return replace(axis, limits=(least if low is None else min(low, least), most if high is None else max(high, most)))


def _matrix_of(figure: Heatmap, run: str) -> Heatmap:
    rows, columns = rows_of(figure, run), columns_of(figure, run)
    values = np.atleast_2d(np.asarray(figure.values, np.float64))
    return replace(
        figure,
        values=values[np.ix_(rows, columns.tolist())],
        row_labels=tuple(figure.row_labels[r] for r in rows if r < len(figure.row_labels)),
        column_labels=tuple(figure.column_labels[c] for c in columns.tolist() if c < len(figure.column_labels)),
        limits=_range(values, figure),
        steps=None if figure.steps is None else figure.steps[columns],
        row_runs=(run,) * len(rows),
    )


def _range(values: np.ndarray, figure: Heatmap) -> tuple[float | None, float | None]:
    """The values that colours mean in all panels."""
    centre = figure.centre if figure.centre is not None and math.isfinite(figure.centre) else None
    return value_range(values[np.abs(values) < 1e290], figure.limits, centre) or figure.limits


def _counts_of(figure: Histogram, run: str) -> Histogram:
    counts = np.atleast_2d(np.asarray(figure.counts, np.float64))
    stacked = [np.nansum(counts[rows_of(figure, one)], axis=0) for one in runs_of(figure)]
    rows = rows_of(figure, run)
    return replace(
        figure,
        counts=counts[rows],
        labels=tuple(_row_name(figure, g) for g in rows) if figure.labels else (),
        y=_widened(figure.y, np.concatenate([np.zeros(0), *stacked]), figure.y.scale),
        references=references_of(figure, run),
        group_runs=(run,) * len(rows),
    )


def _twin_cell(figure: Heatmap | Histogram, i: int, k: int, run: str) -> Cursor | None:
    named = owners(figure)
    if not 0 <= i < len(named) or named[i] == run:
        return (i, k) if 0 <= i < len(named) else None
    name = _row_name(figure, i)
    row = next((r for r in rows_of(figure, run) if _row_name(figure, r) == name), None)
    if row is None or isinstance(figure, Histogram):
        return None if row is None else (row, k)
    columns = columns_of(figure, run)
    places = np.arange(np.atleast_2d(figure.values).shape[1]) if figure.steps is None else np.asarray(figure.steps)
    if not columns.size or not 0 <= k < len(places):
        return None
    return row, int(columns[np.abs(places[columns] - places[k]).argmin()])


def _row_name(figure: Heatmap | Histogram, row: int) -> str:
    """What a row or group is called within its run."""
    labels = figure.row_labels if isinstance(figure, Heatmap) else figure.labels
    run = owners(figure)[row]
    return labels[row].removeprefix(f"{run} · ") if row < len(labels) else str(rows_of(figure, run).index(row))


def _nearest(one: Line | Trajectory, other: Line | Trajectory, k: int) -> int | None:
    """The point of another series that is nearest in training, or along the axis where training is none."""
    known = np.flatnonzero(np.isfinite(other.x) & np.isfinite(other.y))
    here, there = (one.step, other.step) if one.step is not None and other.step is not None else (one.x, other.x)
    if not known.size or not math.isfinite(float(here[k])):
        return None
    return int(known[np.abs(np.asarray(there, np.float64)[known] - float(here[k])).argmin()])
