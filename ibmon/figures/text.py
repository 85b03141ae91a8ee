"""Figures as text for a plain standard output, through plotext: one shot, no cursor movements.

plotext keeps one figure for the whole process: it is cleared before and after, and used by one thread at a time. Its
kernel takes neither values that are not finite nor a logarithm of them: what it is given has been laid out here, between
limits that are set.
"""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import plotext

from .figure import Axis, Curves, Figure, Heatmap, Histogram, Passage, Plane, Reference, Scale, View
from .panels import apart, panels, shown_runs
from .passages import words_of
from .table import table
from .text_heatmap import heatmap_lines
from .text_passage import passage_lines
from .text_table import aligned, clean
from .ticks import ticks
from .view import (
    RUN_MARKS,
    chosen,
    hues,
    log_part,
    marks_of,
    meaning,
    number,
    positions_of,
    positive_range,
    runs_of,
    series_in,
    shown_length,
    shown_points,
    smoothed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = (33, 208, 35, 170, 99, 196, 142, 244)
"""Of the 256 colours; legible on dark and on light grounds."""
_RAMP = (61, 67, 31, 37, 35, 71, 112, 184)
"""Over epochs and positions."""
_GREY = 244
_LOCK = threading.Lock()
_MOST_POINTS = 4000
_MARKED = 6
"""Points of a series that have the mark of its run."""
_LEAST_PANEL = 10
"""Rows of a run in a panel of its own; with less room runs lie over each other, or all are one table."""
_MOST_HEADS = 12
"""Series up to which each has its mark where a ramp of colours tells them apart."""
_Span = tuple[float, float]


def render(figure: Figure, columns: int, rows: int, colour: bool, view: View | None = None) -> str:
    """A figure of at most ``columns`` × ``rows`` characters with its title and note, without a final newline.

    Planes, curves, heatmaps, histograms and passages are charts; everything else, and what has too little room, is a table.
    """
    view = view or View()
    if apart(figure, view) and columns >= 30 and (rows - 2) // len(shown_runs(figure, view)) >= _LEAST_PANEL:
        return _panels(figure, columns, rows, colour, view)
    if isinstance(figure, Plane | Curves):
        x, y = (replace(a, scale=s or a.scale) for a, s in ((figure.x, view.x_scale), (figure.y, view.y_scale)))
        figure = replace(figure, x=x, y=y)
    above = [clean(figure.title)[:columns]] if figure.title else []
    below = [clean(figure.note)[:columns]] if figure.note else []
    legend = _legend(figure, view, columns, 1 if rows < 20 else 3, colour)
    room = rows - len(above) - len(below)
    body: str | None = None
    if columns >= 30 and room - len(legend) >= 8:
        body = _chart(figure, columns, room - len(legend), colour, view)
    if body is None:
        body = aligned(table(figure, view), columns, max(room, 2))
    else:
        above += legend
    return "\n".join([*above, body, *below])


def _panels(figure: Figure, columns: int, rows: int, colour: bool, view: View) -> str:
    """The runs of a comparison below each other, each headed by its name, with the same limits and colours."""
    shown, every = panels(figure, view), runs_of(figure)
    above = [clean(figure.title)[:columns]] if figure.title else []
    below = [clean(figure.note)[:columns]] if figure.note else []
    room = (rows - len(above) - len(below)) // len(shown)
    headed = [replace(part, title=f"{RUN_MARKS[every.index(run)]} {run}", note="") for run, part in shown.items()]
    return "\n".join([*above, *(render(part, columns, room, colour, view) for part in headed), *below])


def _chart(figure: Figure, columns: int, rows: int, colour: bool, view: View) -> str | None:
    if isinstance(figure, Heatmap):
        if len(runs_of(figure)) > 1:
            return None  # a table says whose each row is
        if not colour and np.atleast_2d(figure.values).shape[1] * 6 < columns:
            return None  # its numbers say more than shades
        cleaned = replace(
            figure,
            x=replace(figure.x, label=clean(figure.x.label)),
            y=replace(figure.y, label=clean(figure.y.label)),
            value_label=clean(figure.value_label),
            row_labels=tuple(map(clean, figure.row_labels)),
            column_labels=tuple(map(clean, figure.column_labels)),
        )
        return "\n".join(heatmap_lines(cleaned, view, columns, rows, colour)) or None
    if isinstance(figure, Passage):
        words, labels = tuple(map(clean, words_of(figure))), tuple(map(clean, figure.labels))
        spelt = replace(figure, words=words, labels=labels, value_label=clean(figure.value_label))
        return "\n".join(passage_lines(spelt, columns, rows, colour)) or None
    with _LOCK:
        plotext.figure.clear()
        try:
            return _plotted(figure, columns, rows, colour, view)
        finally:
            plotext.figure.clear()


def _plotted(figure: Figure, columns: int, rows: int, colour: bool, view: View) -> str | None:
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
        return np.where(np.abs(values) < 1e99, values, np.nan)


def _ruler(axis: Axis, name: str, values: Sequence[np.ndarray], marks: Sequence[Reference]) -> _Span | None:
    """Sets the limits, ticks and label of an axis; None where there is nothing to show."""
    every = np.concatenate([np.zeros(0), *values])
    every = every[np.isfinite(every)]
    if not every.size:
        return None
    low, high = float(every.min()), float(every.max())
    known = [float(_laid(np.array(v), axis.scale)) for v in axis.limits if v is not None]
    low, high = min([low, *filter(math.isfinite, known)]), max([high, *filter(math.isfinite, known)])
    near = [float(_laid(np.array(r.value), axis.scale)) for r in marks if r.axis == name]
    reach = high - low
    for value in near:
        if low - reach <= value <= high + reach:
            low, high = min(low, value), max(high, value)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        apart = max(abs(low), abs(high)) * 0.1 or 0.5
        low, high = low - apart, high + apart
    ruler = plotext.figure.ruler(name, 0)
    ruler.lim(low, high)
    ends = (10.0**low, 10.0**high) if axis.scale == "log" else (low, high)
    shown = [(float(_laid(np.array(value), axis.scale)), label) for value, label in ticks(*ends, axis.scale, 5)]
    shown = [(at, label) for at, label in shown if math.isfinite(at)]
    if shown:
        ruler.ticks([at for at, _ in shown], [label for _, label in shown])
    if axis.label:
        plotext.figure.label(clean(axis.label), name, 0)
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
    colours, runs = _colours(figure, view), _run_marks(figure)
    epochs = {i: figure.trajectories[i].epoch[k] for i, k in shown.items()}
    span = positive_range(np.concatenate([np.zeros(0), *epochs.values()]))
    drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for i in kept:
        ok = np.isfinite(xs[i]) & np.isfinite(ys[i])
        drawn[i] = xs[i][ok], ys[i][ok]
        if meaning(figure, view) == "epoch":
            level = (log_part(epochs[i][ok], *span) * (len(_RAMP) - 1)).astype(np.intp)
            for k in np.unique(level).tolist():
                _points(xs[i][ok][level == k], ys[i][ok][level == k], _RAMP[k], lines=False)
        else:
            _points(*drawn[i], colours[i], lines=False)
        _mark_run(*drawn[i], runs[i], colours[i])
    return _heads(figure, view, drawn, x_span)


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
    colours, runs = _colours(figure, view), _run_marks(figure)
    drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for i in kept:
        ok = np.flatnonzero(np.isfinite(xs[i]))
        for part in np.split(ok, np.flatnonzero(np.diff(ok) > 1) + 1):
            _points(xs[i][part], ys[i][part], colours[i], lines=not figure.lines[i].dashed)
        _mark_run(xs[i][ok], ys[i][ok], runs[i], colours[i])
        drawn[i] = xs[i][ok], ys[i][ok]
    return _heads(figure, view, drawn, x_span)


def _points(x: np.ndarray, y: np.ndarray, colour: int, *, lines: bool, marker: str = "braille") -> None:
    """Adds points, thinned to what a terminal can show."""
    if not len(x):
        return
    stride = max(1, -(-len(x) // _MOST_POINTS))
    ink = plotext.marker(marker, pixel=plotext.pixel(colour))
    signal = plotext.figure.signal(x[::stride].tolist(), y[::stride].tolist(), marker=ink)
    if lines and len(x) > 1:
        signal.lines(True)
    plotext.figure.draw(signal)


def _mark_run(x: np.ndarray, y: np.ndarray, mark: str, colour: int) -> None:
    """Adds the mark of its run to some points of a series."""
    if mark and len(x):
        at = np.unique(np.linspace(0, len(x) - 1, _MARKED + 1).astype(np.intp))[:-1]
        _points(x[at], y[at], colour, lines=False, marker=mark)


def _heads(figure: Plane | Curves, view: View, drawn: dict[int, tuple[np.ndarray, np.ndarray]], span: _Span) -> bool:
    """Adds the mark of each series at its newest point; whether there is any point."""
    marks, runs = marks_of(figure), _run_marks(figure)
    known = [i for i, (x, _) in drawn.items() if len(x)]
    few = known if meaning(figure, view) != "position" or len(known) <= _MOST_HEADS else [known[0], known[-1]]
    for i in few:
        if i in _named(figure, view):
            x, y = (float(values[-1]) for values in drawn[i])
            side = "right" if x > span[0] + 0.9 * (span[1] - span[0]) else "left"
            plotext.figure.draw(plotext.figure.text(x, y, clean(runs[i] + marks[i]), alignment=side))
    return bool(known)


def _colours(figure: Plane | Curves, view: View) -> list[int]:
    """The colour of each series, one of the 256."""
    series, means = series_in(figure), meaning(figure, view)
    if means == "position":
        places = positions_of(figure)
        low, high = _position_ends(figure)
        part = np.nan_to_num((places - low) / ((high - low) or 1.0)) * (len(_RAMP) - 1)
        return [_RAMP[round(p)] if math.isfinite(at) else _GREY for p, at in zip(part.tolist(), places.tolist(), strict=True)]
    runs = runs_of(figure)
    numbers = [runs.index(one.run) if one.run else 0 for one in series] if means == "run" else hues(series)
    return [_COLOURS[n % len(_COLOURS)] for n in numbers]


def _run_marks(figure: Plane | Curves) -> list[str]:
    """The mark of each series' run; nothing where no runs are compared."""
    runs = runs_of(figure)
    return [RUN_MARKS[runs.index(one.run) % len(RUN_MARKS)] if one.run and len(runs) > 1 else "" for one in series_in(figure)]


def _named(figure: Plane | Curves, view: View) -> list[int]:
    """Indices of the series that legends name."""
    kept = chosen([one.label for one in series_in(figure)], view)
    return [i for i in kept if not (isinstance(figure, Curves) and figure.lines[i].unnamed)]


def _legend(figure: Figure, view: View, columns: int, most: int, colour: bool) -> list[str]:
    """The series' marks and names, and what a ramp of colours means, each in its colour; at most so many lines."""
    if not isinstance(figure, Plane | Curves):
        return []
    marks, runs, colours = marks_of(figure), _run_marks(figure), _colours(figure, view)
    parts: list[tuple[str, int]] = []
    means, series = meaning(figure, view), series_in(figure)
    ends = _ramp_ends(figure, view)
    if colour and ends is not None:
        parts += [(ends[0], _RAMP[0]), (f"… {ends[1]}", _RAMP[-1])]
    for i in _named(figure, view):
        if colour and means == "position" and series[i].position is not None:
            continue
        name = f"{series[i].run} · {series[i].label}" if runs[i] else series[i].label
        mark = runs[i] + marks[i]
        parts.append((name if name.endswith(mark) else f"{mark} {name}", colours[i] if means != "epoch" else _GREY))
    lines: list[str] = []
    room = 0
    for text, ink in parts:
        text = clean(text)
        if room < len(text) + 2:
            if len(lines) == most or len(text) > columns:
                if lines and room >= 3:
                    lines[-1] += "  …"
                break
            lines.append("")
            room = columns + 2
        lines[-1] += ("  " if lines[-1] else "") + (f"\x1b[38;5;{ink}m{text}\x1b[0m" if colour else text)
        room -= len(text) + 2
    return lines


def _position_ends(figure: Plane | Curves) -> tuple[float, float]:
    """The positions that the first and the last colour of the ramp mean: those of all series, or what their axis knows."""
    places = positions_of(figure)
    known = [v for v in figure.positions.limits if v is not None] if figure.positions is not None else []
    return min([float(np.nanmin(places)), *known]), max([float(np.nanmax(places)), *known])


def _ramp_ends(figure: Plane | Curves, view: View) -> tuple[str, str] | None:
    """What the first and the last colour of the ramp mean."""
    if meaning(figure, view) == "position" and figure.positions is not None:
        low, high = _position_ends(figure)
        return f"{figure.positions.label} {number(low)}", number(high)
    if meaning(figure, view) == "epoch" and isinstance(figure, Plane):
        shown = [t.epoch[shown_points(t, view)] for t in figure.trajectories]
        low, high = positive_range(np.concatenate([np.zeros(0), *shown]))
        return (f"epoch {number(low)}", number(high)) if high > low else None
    return None


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
            plotext.figure.label(clean(axis.label), name, 0)
    return True
