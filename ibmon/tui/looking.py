"""How a key changes the view of a chart, and what the cursor says. Pure functions; a chart's frame has its limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ibmon.figures.figure import Curves, Figure, Heatmap, Plane, Table, View
from ibmon.figures.view import chosen, number, shown_length, shown_points

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibmon.figures.figure import Axis, Scale
    from ibmon.plot import Frame as ChartFrame

    from .look import Role

_DETAIL_WORDS = {"error": "±", "null": "null", "p_value": "p", "raw": "raw", "limit": "at most"}
SMOOTHING = (1, 5, 15, 45)
Words = list[tuple[str, "Role"]]


def recoloured(view: View) -> View:
    return replace(view, colour="epoch" if view.colour == "series" else "series")


def smoother(view: View) -> View:
    at = SMOOTHING.index(view.smooth) if view.smooth in SMOOTHING else 0
    return replace(view, smooth=SMOOTHING[(at + 1) % len(SMOOTHING)])


def rescaled(view: View, figure: Figure, axis: Literal["x", "y"]) -> View:
    """The other scale for an axis; a zoom along it is given up."""
    if not isinstance(figure, Plane | Curves):
        return view
    if axis == "x":
        return replace(view, x_scale=_other(view.x_scale or figure.x.scale), x_limits=None)
    return replace(view, y_scale=_other(view.y_scale or figure.y.scale), y_limits=None)


def _other(scale: Scale) -> Scale:
    return "linear" if scale == "log" else "log"


def zoomed(view: View, frame: ChartFrame, factor: float, at: tuple[float, float] | None = None) -> View:
    """The limits narrowed (a factor below 1) or widened around a point or the middle; a factor of 0 shows everything."""
    if factor <= 0:
        return replace(view, x_limits=None, y_limits=None)
    return replace(
        view,
        x_limits=_narrowed(frame.x_limits, frame.x_scale, factor, at[0] if at else None),
        y_limits=_narrowed(frame.y_limits, frame.y_scale, factor, at[1] if at else None),
    )


def _narrowed(limits: tuple[float, float], scale: Scale, factor: float, at: float | None) -> tuple[float, float]:
    low, high = _laid(limits[0], scale), _laid(limits[1], scale)
    middle = (low + high) / 2 if at is None or not math.isfinite(_laid(at, scale)) else _laid(at, scale)
    half = (high - low) / 2 * factor
    return _unlaid(middle - half, scale), _unlaid(middle + half, scale)


def panned(view: View, frame: ChartFrame, dx: int, dy: int) -> View:
    """A zoomed view moved by a tenth of what it shows."""
    return replace(
        view,
        x_limits=_moved(frame.x_limits, frame.x_scale, 0.1 * dx),
        y_limits=_moved(frame.y_limits, frame.y_scale, -0.1 * dy),
    )


def _moved(limits: tuple[float, float], scale: Scale, part: float) -> tuple[float, float]:
    low, high = _laid(limits[0], scale), _laid(limits[1], scale)
    shift = part * (high - low)
    return _unlaid(low + shift, scale), _unlaid(high + shift, scale)


def _laid(value: float, scale: Scale) -> float:
    if scale == "linear":
        return value
    return math.log10(value) if value > 0 else math.nan


def _unlaid(value: float, scale: Scale) -> float:
    return 10.0 ** max(-300.0, min(300.0, value)) if scale == "log" else value


def points(figure: Figure, series: int, view: View) -> np.ndarray:
    """Indices of the points of a series at which the cursor can stand."""
    if isinstance(figure, Plane):
        return shown_points(figure.trajectories[series], view)
    if isinstance(figure, Curves):
        line = figure.lines[series]
        end = shown_length(line, view)
        return np.flatnonzero(np.isfinite(line.x[:end]) & np.isfinite(line.y[:end]))
    if isinstance(figure, Heatmap):
        return np.arange(np.atleast_2d(figure.values).shape[1])
    return np.arange(1)


def series_of(figure: Figure, view: View) -> list[int]:
    """The series among which the cursor moves up and down: those shown that have a point."""
    if isinstance(figure, Plane):
        kept = chosen([t.label for t in figure.trajectories], view)
    elif isinstance(figure, Curves):
        kept = chosen([line.label for line in figure.lines], view)
    elif isinstance(figure, Heatmap):
        kept = list(range(np.atleast_2d(figure.values).shape[0]))
    elif isinstance(figure, Table):
        kept = list(range(len(figure.rows)))
    else:
        kept = []
    return [i for i in kept if len(points(figure, i, view))]


def pointed(figure: Figure, view: View) -> View:
    """The view with a cursor that stands on a point: where it stood, else on the newest point of the first series."""
    series = series_of(figure, view)
    if not series:
        return replace(view, cursor=None)
    at = view.cursor if view.cursor is not None and view.cursor[0] in series else (series[0], 10**9)
    return replace(view, cursor=(at[0], _nearest(points(figure, at[0], view), at[1])))


def moved(figure: Figure, view: View, dx: int, dy: int) -> View:
    """The cursor moved along its series and to others, where it keeps its step."""
    view = pointed(figure, view)
    if view.cursor is None:
        return view
    series = series_of(figure, view)
    i, k = view.cursor
    if dy:
        j = series[(series.index(i) + dy) % len(series)]
        step = _step(figure, i, k)
        there = points(figure, j, view)
        steps = [_step(figure, j, int(p)) for p in there]
        if step is not None and None not in steps:
            k = int(there[int(np.argmin([abs((s or 0) - step) for s in steps]))])
        i, k = j, _nearest(there, k)
    if dx:
        here = points(figure, i, view)
        at = int(np.searchsorted(here, k))
        k = int(here[max(0, min(at + dx, len(here) - 1))])
    return replace(view, cursor=(i, k))


def _nearest(there: np.ndarray, k: int) -> int:
    return int(there[int(np.argmin(np.abs(there - k)))])


def _step(figure: Figure, i: int, k: int) -> int | None:
    if isinstance(figure, Plane):
        return int(figure.trajectories[i].step[k])
    if isinstance(figure, Curves):
        steps = figure.lines[i].step
        return None if steps is None else int(steps[k])
    return None


def where(figure: Figure, view: View) -> tuple[float, float] | None:
    """The coordinates under the cursor."""
    if view.cursor is None:
        return None
    i, k = view.cursor
    if isinstance(figure, Plane):
        return float(figure.trajectories[i].x[k]), float(figure.trajectories[i].y[k])
    if isinstance(figure, Curves):
        return float(figure.lines[i].x[k]), float(figure.lines[i].y[k])
    return None


def readout(figure: Figure, view: View, epoch: float | None = None) -> list[Words]:
    """What the cursor points at, line by line: which point, its value with all that the estimate says, estimator and flags."""
    if view.cursor is None or view.cursor[0] not in series_of(figure, view):
        return [[("nothing to inspect in this chart", "dim")]]
    i, k = view.cursor
    if isinstance(figure, Plane):
        t = figure.trajectories[i]
        flags = t.flags[k] if k < len(t.flags) else ()
        if t.hollow is not None and bool(t.hollow[k]) and not flags:
            flags = ("saturated",)
        return [
            _point(t.label, len(t.x), k, float(t.epoch[k]), int(t.step[k])),
            [*_value(figure.x, float(t.x[k]), _at(t.x_lower, k), _at(t.x_upper, k)), *_beside(t.x_details, k, float(t.x[k]))],
            [*_value(figure.y, float(t.y[k]), _at(t.y_lower, k), _at(t.y_upper, k)), *_beside(t.y_details, k, float(t.y[k]))],
            _origin(t.estimator or figure.note, flags),
        ]
    if isinstance(figure, Curves):
        line = figure.lines[i]
        step = None if line.step is None else int(line.step[k])
        band = _at(line.lower, k), _at(line.upper, k)
        unit = _name(figure.x)[0]
        at: Words = [("   ", "text"), (f"{unit or 'x'} {number(float(line.x[k]), 6)}", "text")]
        known = float(line.x[k]) if unit.startswith("epoch") else epoch
        return [
            _point(line.label, len(line.x), k, known, step) + (at if not unit.startswith(("epoch", "step")) else []),
            [*_value(figure.y, float(line.y[k]), *band, words="band"), *_beside(line.details, k, float(line.y[k]))],
            _origin(line.estimator or figure.note, line.flags[k] if k < len(line.flags) else ()),
        ]
    if isinstance(figure, Heatmap):
        row = figure.row_labels[i] if i < len(figure.row_labels) else str(i)
        column = figure.column_labels[k] if k < len(figure.column_labels) else str(k)
        value = float(np.atleast_2d(figure.values)[i, k])
        return [
            [(f"{figure.y.label or 'row'} {row}   {figure.x.label or 'column'} {column}", "strong")],
            [(figure.value_label or "value", "dim"), (f" {number(value)}", "strong")],
            _origin(figure.note, ()),
        ]
    if isinstance(figure, Table):
        return [[("  ".join(figure.rows[i]), "strong")], [], _origin(figure.note, ())]
    return [[("nothing to inspect in this chart", "dim")]]


def _point(label: str, count: int, k: int, epoch: float | None, step: int | None) -> Words:
    words: Words = [(label or "point", "strong")]
    if epoch is not None and math.isfinite(epoch):
        words.extend((("   epoch ", "dim"), (number(epoch, 6), "text")))
    if step is not None:
        words.extend((("   step ", "dim"), (str(step), "text")))
    return [*words, (f"   point {k + 1} of {count}", "dim")]


def _value(axis: Axis, value: float, low: float, high: float, words: str = "bounds") -> Words:
    name, unit = _name(axis)
    said: Words = [(f"{name or 'value'} ", "dim"), (f"{number(value)}{' ' + unit if unit else ''}", "strong")]
    if math.isfinite(low) or math.isfinite(high):
        return [*said, (f"  {words} ", "dim"), (f"{number(low)} to {number(high)}", "text")]
    return [*said, ("  no bounds", "dim")] if words == "bounds" else said


def _beside(details: Mapping[str, np.ndarray], k: int, value: float) -> Words:
    """What an estimate says beside its value; the raw value only where clipping changed it."""
    said: Words = []
    for name, word in _DETAIL_WORDS.items():
        detail = _at(details.get(name), k)
        if math.isfinite(detail) and not (name == "raw" and math.isclose(detail, value, abs_tol=1e-9)):
            said.extend(((f"  {word} ", "dim"), (number(detail), "text")))
    return said


def _origin(estimator: str, flags: tuple[str, ...]) -> Words:
    known: Words = [("estimator ", "dim"), (estimator, "text")]
    words: Words = known if estimator else [("not an estimate", "dim")]
    if flags:
        return [*words, ("   flags ", "dim"), (", ".join(flags), "warn")]
    return [*words, ("   no flags", "dim")]


def _name(axis: Axis) -> tuple[str, str]:
    name, _, unit = axis.label.partition(" [")
    return name, unit.rstrip("]")


def _at(values: np.ndarray | None, k: int) -> float:
    return math.nan if values is None else float(values[k])
