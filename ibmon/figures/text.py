"""Figures as text for a plain standard output, through plotext: one shot, no cursor movements.

plotext keeps one figure for the whole process: it is cleared before and after, and used by one thread at a time. Its
kernel takes neither values that are not finite nor a logarithm of them: what it is given has been laid out here, between
limits that are set.
"""

from __future__ import annotations

import math
import threading
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import plotext

from .figure import Axis, Curves, Figure, Heatmap, Histogram, Plane, Reference, Scale, Table, View
from .table import table
from .ticks import ticks
from .view import chosen, hues, short_labels, shown_length, shown_points, smoothed

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = (33, 208, 35, 170, 99, 196, 142, 244)
"""Of the 256 colours; legible on dark and on light grounds."""
_GREY = 244
_LOCK = threading.Lock()
_MOST_POINTS = 4000
_Span = tuple[float, float]


def render(figure: Figure, columns: int, rows: int, colour: bool, view: View | None = None) -> str:
    """A figure of at most ``columns`` × ``rows`` characters with its title and note, without a final newline.

    Planes, curves, heatmaps and histograms are charts; everything else, and what has too little room, is a table.
    """
    view = view or View()
    if isinstance(figure, Plane | Curves):
        x, y = (replace(a, scale=s or a.scale) for a, s in ((figure.x, view.x_scale), (figure.y, view.y_scale)))
        figure = replace(figure, x=x, y=y)
    above = [_clean(figure.title)[:columns]] if figure.title else []
    below = [_clean(figure.note)[:columns]] if figure.note else []
    legend = _legend(figure, view, columns, colour)
    room = rows - len(above) - len(below)
    body: str | None = None
    if columns >= 30 and room - bool(legend) >= 8:
        with _LOCK:
            plotext.figure.clear()
            try:
                body = _chart(figure, columns, room - bool(legend), colour, view)
            finally:
                plotext.figure.clear()
    if body is None:
        body = _aligned(table(figure, view), columns, max(room, 2))
    elif legend:
        above.append(legend)
    return "\n".join([*above, body, *below])


def _chart(figure: Figure, columns: int, rows: int, colour: bool, view: View) -> str | None:
    plot = plotext.figure
    plot.plot_size(columns, rows)
    plot.theme("colorless")
    plot.canvas("default")
    drawn = False
    if isinstance(figure, Plane):
        drawn = _plane(figure, view)
    elif isinstance(figure, Curves):
        drawn = _curves(figure, view)
    elif isinstance(figure, Histogram):
        drawn = _histogram(figure)
    elif isinstance(figure, Heatmap) and colour:
        drawn = _heatmap(figure)
    if not drawn:
        return None
    text = str(plot.build().string(not colour))
    return "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n"))


def _laid(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Values as an axis lays them out; NaN where it cannot show them, or where they are beyond all that is measured."""
    values = np.asarray(values, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            laid = np.log10(np.where(values > 0, values, np.nan))
            return np.where(np.abs(laid) < 200, laid, np.nan)
        return np.where(np.abs(values) < 1e100, values, np.nan)


def _ruler(axis: Axis, name: str, values: Sequence[np.ndarray], marks: Sequence[Reference]) -> _Span | None:
    """Sets the limits, ticks and label of an axis; None where there is nothing to show."""
    every = np.concatenate([np.zeros(0), *values])
    every = every[np.isfinite(every)]
    if not every.size:
        return None
    low, high = float(every.min()), float(every.max())
    known = [float(_laid(np.array(v), axis.scale)) for v in axis.limits if v is not None]
    near = [float(_laid(np.array(r.value), axis.scale)) for r in marks if r.axis == name]
    reach = high - low
    for value in [*known, *(v for v in near if low - reach <= v <= high + reach)]:
        if math.isfinite(value):
            low, high = min(low, value), max(high, value)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        apart = max(abs(low), abs(high)) * 0.1 or 0.5
        low, high = low - apart, high + apart
    ruler = plotext.figure.ruler(name, 0)
    ruler.lim(low, high)
    ends = (10.0**low, 10.0**high) if axis.scale == "log" else (low, high)
    shown = ticks(*ends, axis.scale, 5)
    if shown:
        ruler.ticks(_laid(np.array([value for value, _ in shown]), axis.scale).tolist(), [label for _, label in shown])
    if axis.label:
        plotext.figure.label(_clean(axis.label), name, 0)
    return low, high


def _plane(figure: Plane, view: View) -> bool:
    kept = chosen([t.label for t in figure.trajectories], view)
    shown = {i: shown_points(figure.trajectories[i], view) for i in kept}
    xs = {i: _laid(figure.trajectories[i].x[k], figure.x.scale) for i, k in shown.items()}
    ys = {i: _laid(figure.trajectories[i].y[k], figure.y.scale) for i, k in shown.items()}
    x_span = _ruler(figure.x, "x", list(xs.values()), figure.references)
    y_span = _ruler(figure.y, "y", list(ys.values()), figure.references)
    if x_span is None or y_span is None:
        return False
    _references(figure.references, figure.x, figure.y, (x_span, y_span))
    marks = short_labels([t.label for t in figure.trajectories])
    heads: list[tuple[float, float, str]] = []
    for i in kept:
        ok = np.isfinite(xs[i]) & np.isfinite(ys[i])
        if ok.any():
            _points(xs[i][ok], ys[i][ok], i, lines=False)
            heads.append((float(xs[i][ok][-1]), float(ys[i][ok][-1]), marks[i]))
    _marks(heads)
    return bool(heads)


def _curves(figure: Curves, view: View) -> bool:
    kept = chosen([line.label for line in figure.lines], view)
    xs: dict[int, np.ndarray] = {}
    ys: dict[int, np.ndarray] = {}
    for i in kept:
        line = figure.lines[i]
        end = shown_length(line, view)
        xs[i] = _laid(line.x[:end], figure.x.scale)
        ys[i] = _laid(smoothed(line.y, view.smooth)[:end], figure.y.scale)
        xs[i] = np.where(np.isfinite(ys[i]), xs[i], np.nan)
        ys[i] = np.where(np.isfinite(xs[i]), ys[i], np.nan)
    x_span = _ruler(figure.x, "x", list(xs.values()), figure.references)
    y_span = _ruler(figure.y, "y", list(ys.values()), figure.references)
    if x_span is None or y_span is None:
        return False
    _references(figure.references, figure.x, figure.y, (x_span, y_span))
    colours = hues(figure.lines)
    marks = short_labels([line.label for line in figure.lines])
    heads: list[tuple[float, float, str]] = []
    for i in kept:
        ok = np.flatnonzero(np.isfinite(xs[i]))
        if not len(ok):
            continue
        for run in np.split(ok, np.flatnonzero(np.diff(ok) > 1) + 1):
            _points(xs[i][run], ys[i][run], colours[i], lines=not figure.lines[i].dashed)
        heads.append((float(xs[i][ok[-1]]), float(ys[i][ok[-1]]), marks[i]))
    _marks(heads)
    return bool(heads)


def _points(x: np.ndarray, y: np.ndarray, colour: int, *, lines: bool) -> None:
    """Adds points, thinned to what a terminal can show."""
    stride = max(1, -(-len(x) // _MOST_POINTS))
    marker = plotext.marker("braille", pixel=plotext.pixel(_COLOURS[colour % len(_COLOURS)]))
    signal = plotext.figure.signal(x[::stride].tolist(), y[::stride].tolist(), marker=marker)
    if lines and len(x) > 1:
        signal.lines(True)
    plotext.figure.draw(signal)


def _marks(heads: Sequence[tuple[float, float, str]]) -> None:
    for x, y, mark in heads:
        plotext.figure.draw(plotext.figure.text(x, y, _clean(mark)))


def _legend(figure: Figure, view: View, columns: int, colour: bool) -> str:
    """The series' marks and names in one line, each in its colour."""
    if isinstance(figure, Plane):
        labels = [t.label for t in figure.trajectories]
        colours = list(range(len(labels)))
    elif isinstance(figure, Curves):
        labels, colours = [line.label for line in figure.lines], hues(figure.lines)
    else:
        return ""
    marks = short_labels(labels)
    parts: list[str] = []
    room = columns
    for i in chosen(labels, view):
        label = _clean(labels[i] if labels[i].endswith(marks[i]) else f"{marks[i]} {labels[i]}")
        room -= len(label) + 2
        if room < 2:
            parts.append("…")
            break
        parts.append(f"\x1b[38;5;{_COLOURS[colours[i] % len(_COLOURS)]}m{label}\x1b[0m" if colour else label)
    return "  ".join(parts)


def _references(references: Sequence[Reference], x: Axis, y: Axis, limits: tuple[_Span, _Span]) -> None:
    for reference in references:
        across = reference.axis == "y"
        value = float(_laid(np.array(reference.value), (y if across else x).scale))
        low, high = limits[across]
        if low <= value <= high:
            along = np.linspace(*limits[not across], 400).tolist()
            there = [value] * len(along)
            marker = plotext.marker("╌" if across else "╎", pixel=plotext.pixel(_GREY))
            xs, ys = (along, there) if across else (there, along)
            plotext.figure.draw(plotext.figure.signal(xs, ys, marker=marker))


def _histogram(figure: Histogram) -> bool:
    counts = np.nan_to_num(np.atleast_2d(_laid(figure.counts, "linear")))
    edges = _laid(figure.edges, "linear")
    if len(edges) != counts.shape[1] + 1 or len(edges) < 2 or not np.isfinite(edges).all() or not counts.any():
        return False
    middle = ((edges[:-1] + edges[1:]) / 2).tolist()
    if len(counts) > 1:
        plotext.figure.draw(plotext.figure.bar(middle, counts.tolist(), width=1, stacked=True))
    else:
        plotext.figure.draw(plotext.figure.bar(middle, counts[0].tolist(), width=1))
    for axis, name in ((figure.x, "x"), (figure.y, "y")):
        if axis.label:
            plotext.figure.label(_clean(axis.label), name, 0)
    return True


def _heatmap(figure: Heatmap) -> bool:
    values = np.atleast_2d(_laid(figure.values, "linear"))
    known = values[np.isfinite(values)]
    if not known.size:
        return False
    filled = np.where(np.isfinite(values), values, known.min())
    plotext.figure.draw(plotext.figure.heatmap(filled.tolist(), map="viridis", fill=True))
    for axis, name in ((figure.x, "x"), (figure.y, "y")):
        if axis.label:
            plotext.figure.label(_clean(axis.label), name, 0)
    return True


def _aligned(figure: Table, columns: int, rows: int) -> str:
    """A table with columns two spaces apart, cut where there is no room."""
    if not figure.columns or not figure.rows:
        return "no measurement yet"
    kept = figure.rows if len(figure.rows) < rows else figure.rows[: max(rows - 2, 1)]
    cells = [[_clean(row[k]) if k < len(row) else "" for k in range(len(figure.columns))] for row in (figure.columns, *kept)]
    widths = [min(max(len(row[k]) for row in cells), max(12, columns // 2)) for k in range(len(figure.columns))]
    right = [all(_numeric(row[k]) for row in cells[1:] if row[k]) for k in range(len(widths))]
    lines: list[str] = []
    for row in cells:
        parts = [c[:w].rjust(w) if r else c[:w].ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(parts).rstrip()[:columns])
    if len(kept) < len(figure.rows):
        lines.append(f"… {len(figure.rows) - len(kept)} more"[:columns])
    return "\n".join(lines)


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "–"
    return True


def _clean(text: str) -> str:
    """Without control characters, and without those that take no cell or two."""
    return "".join(
        c if c.isprintable() and unicodedata.category(c)[0] != "M" and unicodedata.east_asian_width(c) not in "WF" else "?"
        for c in text
    )
