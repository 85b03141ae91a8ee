"""How a key changes the view of a chart and where its cursor goes. Pure functions; a chart's frame has its limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ibmon.figures.figure import Curves, Figure, Graph, Heatmap, Histogram, Image, Passage, Plane, Table, View
from ibmon.figures.graphs import places as places_of
from ibmon.figures.graphs import shown_nodes
from ibmon.figures.panels import columns_of, layouts, owners, shown_runs
from ibmon.figures.table import pictures
from ibmon.figures.view import chosen, meaning, meanings, runs_of, shown_columns, shown_length, shown_points

if TYPE_CHECKING:
    from ibmon.figures.figure import Scale
    from ibmon.plot import Frame as ChartFrame

SMOOTHING = (1, 5, 15, 45)


def recoloured(view: View, figure: Figure) -> View:
    """The next thing that colour can mean in the figure."""
    found = meanings(figure)
    return replace(view, colour=found[(found.index(meaning(figure, view)) + 1) % len(found)])


def relaid(view: View, figure: Figure, by: int = 1) -> View:
    """The next way to see the runs that are compared: as they can be laid out, then each alone, then as the figure has it."""
    ways = layouts(figure)
    if not ways:
        return view
    runs = runs_of(figure)
    stops = [*(replace(view, layout=way, alone="") for way in ways), *(replace(view, layout=None, alone=run) for run in runs)]
    now = replace(view, layout=view.layout or ways[0], alone="") if view.alone not in runs else replace(view, layout=None)
    at = stops.index(now) if now in stops else 0
    return stops[(at + by) % len(stops)]


def smoother(view: View) -> View:
    at = SMOOTHING.index(view.smooth) if view.smooth in SMOOTHING else 0
    return replace(view, smooth=SMOOTHING[(at + 1) % len(SMOOTHING)])


def rescaled(view: View, figure: Figure, axis: Literal["x", "y"]) -> View:
    """The other scale for an axis; a zoom along it is given up."""
    if not isinstance(figure, Plane | Curves | Histogram):
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
        shown = shown_columns(figure, view)
        if not figure.row_runs:
            return np.arange(shown)
        own = columns_of(figure, figure.row_runs[series])
        return own[own < shown]
    if isinstance(figure, Histogram):
        return np.arange(np.atleast_2d(figure.counts).shape[1])
    if isinstance(figure, Passage):
        return np.arange(len(figure.words))
    return np.arange(1)


def series_of(figure: Figure, view: View) -> list[int]:
    """The series among which the cursor moves up and down: those shown that have a point."""
    if isinstance(figure, Plane):
        kept = chosen([t.label for t in figure.trajectories], view)
    elif isinstance(figure, Curves):
        kept = chosen([line.label for line in figure.lines], view)
    elif isinstance(figure, Heatmap):
        kept = list(range(np.atleast_2d(figure.values).shape[0]))
    elif isinstance(figure, Histogram):
        kept = list(range(np.atleast_2d(figure.counts).shape[0]))
    elif isinstance(figure, Table):
        kept = list(range(len(figure.rows)))
    elif isinstance(figure, Image):
        kept = list(range(len(pictures(figure))))
    elif isinstance(figure, Passage):
        kept = list(range(len(np.atleast_2d(figure.values))))
    elif isinstance(figure, Graph):
        kept = shown_nodes(figure, view)
    else:
        kept = []
    if len(runs_of(figure)) > 1:
        runs, named = shown_runs(figure, view), owners(figure)
        kept = [i for i in kept if named[i] in runs]
    return [i for i in kept if len(points(figure, i, view))]


def pointed(figure: Figure, view: View) -> View:
    """The view with a cursor that stands on a point: where it stood, else on the first word, or the newest of a series."""
    series = series_of(figure, view)
    if not series:
        return replace(view, cursor=None)
    start = 0 if isinstance(figure, Passage) else 10**9
    at = view.cursor if view.cursor is not None and view.cursor[0] in series else (series[0], start)
    return replace(view, cursor=(at[0], _nearest(points(figure, at[0], view), at[1])))


def moved(figure: Figure, view: View, dx: int, dy: int, places: np.ndarray | None = None) -> View:
    """The cursor moved along its series and to others, where it keeps its step.

    In running text, of which a chart says the ``places`` of the words, up and down go from line to line. In a graph left and
    right go through all nodes in the order of their levels, up and down to the nearest node there.
    """
    view = pointed(figure, view)
    if view.cursor is None:
        return view
    series = series_of(figure, view)
    i, k = view.cursor
    if isinstance(figure, Graph):
        return replace(view, cursor=(_to_node(figure, series, i, dx, dy), 0))
    if dy and places is not None and len(places) == len(points(figure, i, view)):
        i, k = _lines_away(places, series, i, k, dy)
    elif dy:
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


def _lines_away(places: np.ndarray, series: list[int], i: int, k: int, lines: int) -> tuple[int, int]:
    """The word above or below a word, at the end of one passage in the next; ``places`` as in a ``Chart``."""
    each = int(places[-1, 1]) + 1
    at = max(0, min(series.index(i) * each + int(places[k, 1]) + lines, len(series) * each - 1))
    there = np.flatnonzero(places[:, 1] == at % each)
    return series[at // each], int(there[np.abs(places[there, 0] - places[k, 0]).argmin()])


def _to_node(figure: Graph, nodes: list[int], i: int, dx: int, dy: int) -> int:
    """The next node in the order of ``nodes``, or the nearest one in a row above or below; at an end the same."""
    if dy:
        at = places_of(figure)
        there = [j for j in nodes if (at.y[j] - at.y[i]) * -dy > 0]
        if not there:
            return i
        width = float(np.ptp(at.x[nodes])) or 1.0
        return min(there, key=lambda j: np.hypot((at.x[j] - at.x[i]) / width, at.y[j] - at.y[i]))
    return nodes[max(0, min(nodes.index(i) + dx, len(nodes) - 1))]


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
    if isinstance(figure, Histogram):
        return float(figure.edges[k] + figure.edges[k + 1]) / 2, float(np.atleast_2d(figure.counts)[i, k])
    if isinstance(figure, Graph):
        at = places_of(figure)
        return float(at.x[i]), float(at.y[i])
    return None
