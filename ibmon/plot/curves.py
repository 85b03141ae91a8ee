"""Curves over one axis in cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.panels import references_of
from ibmon.figures.view import chosen, meaning, positions_of, shorten, shown_length, smoothed

from .axes import EMPTY, Chart, Header, Limits, Panel, draw_axes, draw_cursor, draw_references, fit_axes, layout, message, spread
from .canvas import Canvas
from .colourbar import Ramp, add_to_header, bar_width, draw_bar, position_ramp
from .marks import add_runs, hues_by, named, run_mark, run_numbers
from .scales import forward

if TYPE_CHECKING:
    from ibmon.figures.figure import Curves, Line, View

    from .palette import Palette
    from .scales import Frame

CROWDED = 4
"""Points a dot column above which only the extremes of each column are drawn."""
MARKS_APART = 16
"""Columns between two marks of a run on a curve."""


@dataclass(slots=True)
class _Curve:
    """A line as it is shown: cut at the view's step, smoothed, in its colours."""

    index: int
    hue: int
    run: int
    colour: int
    shadow: int
    line: Line
    x: np.ndarray
    y: np.ndarray
    lower: np.ndarray | None
    upper: np.ndarray | None
    usable: np.ndarray
    """Which points the axes can show."""
    shown: int
    """How many points the view's step leaves; the arrays keep all, so that limits do not move."""


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same line in dots with first, least, largest and last point of each dot column, and whose they are; gaps stay gaps."""
    column = np.where(np.isfinite(x) & np.isfinite(y), np.rint(x), np.nan)
    known = np.isfinite(column)
    changed = (np.diff(np.where(known, column, 0.0)) != 0) | (known[1:] != known[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
    ends = np.concatenate([starts[1:], [len(x)]]) - 1
    least, largest = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    four = np.stack([y[starts], least, largest, y[ends]], axis=1).ravel()
    return np.repeat(column[starts], 4), four, np.repeat(starts, 4)


@dataclass(frozen=True, slots=True)
class WholeCurves:
    """The curves of all runs, what their colours stand for where they stand for values, and limits for all of them."""

    curves: list[_Curve]
    ramp: Ramp | None
    limits: Limits


def draw_curves(
    figure: Curves,
    columns: int,
    rows: int,
    view: View,
    palette: Palette,
    hold: Frame | None = None,
    panel: Panel | None = None,
    whole: WholeCurves | None = None,
) -> Chart:
    """Braille lines with bands, references, and the names of the lines at their ends.

    Of a ``panel`` those of its run; ``whole`` is what it shares with the others.
    """
    means = meaning(figure, view)
    whole = whole or whole_curves(figure, view, palette, hold)
    curves, ramp = whole.curves, whole.ramp
    longest = max((len(c.line.label) for c in curves if not c.line.unnamed), default=0)
    if panel is not None:
        curves = [replace(curve, run=-1) for curve in curves if curve.line.run == panel.run]
    drawable = [c.usable[: c.shown] for c in curves]
    bar = bar_width(ramp, columns, rows, palette) if panel is None else panel.bar
    labels = [] if bar or (panel is not None and ramp is not None) else _end_labels(figure, curves, rows - 3, palette)
    direct = columns >= 40 and 0 < len(labels) <= rows - 3
    # In panels the plot areas are the same, whichever names one of them has.
    widest = min(max((len(text) for _, text in labels), default=0) if panel is None else longest, 16, columns // 4)
    frame = layout(columns, rows, whole.limits, palette, margin=bar or (widest + 2 if direct else 1))
    if not any(ok.any() for ok in drawable):
        return message(EMPTY, columns, rows, palette, frame)

    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    _bands(canvas, frame, curves)
    _draw_lines(canvas, frame, curves)
    _set_run_marks(canvas, frame, curves, palette)

    header = Header()
    lost = sum(int((~ok & np.isfinite(c.x[: c.shown])).sum()) for c, ok in zip(curves, drawable, strict=True))
    if lost:
        header.add((f"{lost} not drawn", palette.role("warn")))
    if panel is None:
        add_runs(header, figure, means, palette)
    if ramp is not None and bar:
        header.corner = ramp.label, palette.role("text")
        draw_bar(canvas, frame.box, ramp.labels(), palette.ramp(), palette)
    elif ramp is not None and (panel is None or panel.explains):
        add_to_header(header, ramp, palette)
    elif not direct:
        _name_series(header, curves, palette)
    draw_references(canvas, frame, figure.references if panel is None else references_of(figure, panel.run), palette)
    draw_axes(canvas, frame, figure.x, figure.y, palette, header)
    if direct:
        _set_end_labels(canvas, frame, labels, widest)
    _cursor(canvas, frame, curves, view, palette)
    return Chart(canvas.grid(), frame)


def whole_curves(figure: Curves, view: View, palette: Palette, hold: Frame | None = None) -> WholeCurves:
    """What all panels of curves share."""
    ramp = position_ramp(figure) if meaning(figure, view) == "position" else None
    curves = _curves(figure, view, ramp, palette)
    return WholeCurves(curves, ramp, _limits(figure, curves, view, hold))


def _curves(figure: Curves, view: View, ramp: Ramp | None, palette: Palette) -> list[_Curve]:
    x_scale, y_scale = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    hues, runs = hues_by(figure, meaning(figure, view)), run_numbers(figure)
    positions = positions_of(figure)
    curves: list[_Curve] = []
    for i in chosen([line.label for line in figure.lines], view):
        line = figure.lines[i]
        lower, upper = (None if b is None else smoothed(b, view.smooth) for b in (line.lower, line.upper))
        x, y = np.asarray(line.x, np.float64), smoothed(line.y, view.smooth)
        usable = np.isfinite(forward(x, x_scale)) & np.isfinite(forward(y, y_scale))
        if ramp is None:
            colour, shadow = palette.series(hues[i]), palette.shadow(hues[i])
        elif math.isnan(positions[i]):
            colour, shadow = palette.role("text"), palette.role("grid")
        else:
            level = int(ramp.levels(positions[i : i + 1])[0])
            colour, shadow = int(palette.ramp()[level]), int(palette.ramp(faint=True)[level])
        curves.append(_Curve(i, hues[i], runs[i], colour, shadow, line, x, y, lower, upper, usable, shown_length(line, view)))
    return curves


def _limits(figure: Curves, curves: list[_Curve], view: View, hold: Frame | None) -> Limits:
    xs: list[np.ndarray] = [np.zeros(0)]
    ys: list[np.ndarray] = [np.zeros(0)]
    for curve in curves:
        kept = curve.usable
        xs.append(curve.x[kept])
        ys.append(curve.y[kept])
        ys += [band[kept] for band in (curve.lower, curve.upper) if band is not None]
    return fit_axes(figure, np.concatenate(xs), np.concatenate(ys), view, hold)


def _draw_lines(canvas: Canvas, frame: Frame, curves: list[_Curve]) -> None:
    """All lines, later ones on top. Neighbours go down together: with hundreds of lines calls would cost more than dots."""
    layer = canvas.dots(frame.box)
    gap = np.array([np.nan])
    for dashed, together in groupby(curves, key=lambda curve: curve.line.dashed):
        lines = list(together)
        x = frame.dots_x(np.concatenate([part for c in lines for part in (c.x[: c.shown], gap)]))
        y = frame.dots_y(np.concatenate([part for c in lines for part in (c.y[: c.shown], gap)]))
        colour = np.repeat(np.array([c.colour for c in lines], np.int32), [c.shown + 1 for c in lines])
        if max(c.shown for c in lines) > CROWDED * 2 * frame.width:
            x, y, at = thinned(x, y)
            colour = colour[at]
        layer.polyline(x, y, colour, thin=dashed)
    canvas.stamp(layer)


def _bands(canvas: Canvas, frame: Frame, curves: list[_Curve]) -> None:
    """Every other dot between the bounds, in the faintest colour of the line."""
    layer = canvas.dots(frame.box)
    for curve in curves:
        if curve.lower is None or curve.upper is None or not curve.shown:
            continue
        x = frame.dots_x(curve.x[: curve.shown])
        low, high = frame.dots_y(curve.lower[: curve.shown]), frame.dots_y(curve.upper[: curve.shown])
        columns = np.arange(2 * frame.left, 2 * (frame.left + frame.width))
        top, bottom = _between(x, high, columns), _between(x, low, columns)
        heights = np.arange(4 * frame.top, 4 * (frame.top + frame.height))
        inside = (heights[:, None] >= top) & (heights[:, None] <= bottom)
        inside &= (heights[:, None] + 2 * columns[None]) % 4 == 0
        dot_y, dot_x = np.nonzero(inside)
        layer.points(columns[dot_x], heights[dot_y], curve.shadow)
    canvas.stamp(layer)


def _between(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Straight lines through the finite points, NaN outside and within gaps."""
    if len(x) < 2:
        return np.full(len(at), np.nan)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    end = int(np.isfinite(x).sum())
    x, y = x[:end], y[:end]
    if end < 2:
        return np.full(len(at), np.nan)
    right = np.clip(np.searchsorted(x, at), 1, end - 1)
    left = right - 1
    width = np.maximum(x[right] - x[left], 1e-12)
    value = y[left] + (y[right] - y[left]) * (at - x[left]) / width
    return np.where((at >= x[0] - 0.5) & (at <= x[-1] + 0.5), value, np.nan)


def _set_run_marks(canvas: Canvas, frame: Frame, curves: list[_Curve], palette: Palette) -> None:
    """The mark of its run on every curve now and then, those of different runs at different places."""
    for curve in curves:
        if curve.run < 0:
            continue
        columns = np.arange(frame.left + 2 + 4 * curve.run, frame.left + frame.width, MARKS_APART)
        x, y = frame.dots_x(curve.x[: curve.shown]), frame.dots_y(curve.y[: curve.shown])
        for column, height in zip(columns.tolist(), _between(x, y, 2 * columns + 0.5).tolist(), strict=True):
            if 4 * frame.top <= height < 4 * (frame.top + frame.height):
                canvas.text(column, int(height) // 4, run_mark(curve.run, palette), curve.colour)


def _end_labels(figure: Curves, curves: list[_Curve], room: int, palette: Palette) -> list[tuple[_Curve, str]]:
    """Which curves are named at their ends, and how; where not all have room, each hue is named once."""
    shown = {c.index: c for c in curves if c.line.label and not c.line.unnamed and c.usable[: c.shown].any()}
    labelled = [shown[i] for i in named(figure, list(shown))]
    if len(labelled) > room:
        labelled = list({c.hue: c for c in reversed(labelled)}.values())[::-1]
    return [(c, f"{run_mark(c.run, palette)} {c.line.label}".lstrip()) for c in labelled]


def _set_end_labels(canvas: Canvas, frame: Frame, labels: list[tuple[_Curve, str]], width: int) -> None:
    """Names at the height of the lines' ends, apart from each other and from the axes."""
    first, last = frame.top, frame.top + frame.height - 1
    wanted: list[float] = []
    for curve, _ in labels:
        newest = curve.y[np.flatnonzero(curve.usable[: curve.shown])[-1]]
        wanted.append(min(max((float(frame.dots_y(newest)) - 1.5) / 4, first), last))
    for (curve, text), row in zip(labels, spread(wanted, first, last), strict=True):
        canvas.text(frame.box.right + 1, row, shorten(text, width), curve.colour)


def _name_series(header: Header, curves: list[_Curve], palette: Palette) -> None:
    """The names of the lines in the header; of lines of several runs that share a colour the first one's."""
    seen: set[int] = set()
    for curve in curves:
        if curve.line.label and not curve.line.unnamed and not (curve.run >= 0 and curve.hue in seen):
            mark = "╌" if curve.line.dashed and not palette.ascii else "-" if palette.ascii else "━"
            header.add((f"{mark} {shorten(curve.line.label, 14)}", curve.colour))
        seen.add(curve.hue)


def _cursor(canvas: Canvas, frame: Frame, curves: list[_Curve], view: View, palette: Palette) -> None:
    if view.cursor is None:
        return
    for curve in curves:
        if curve.index == view.cursor[0] and 0 <= view.cursor[1] < len(curve.x):
            draw_cursor(canvas, frame, float(curve.x[view.cursor[1]]), float(curve.y[view.cursor[1]]), palette)
