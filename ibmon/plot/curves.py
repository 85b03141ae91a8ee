"""Curves over one axis in cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.view import chosen, hues, shown_length, smoothed

from .axes import EMPTY, Chart, Header, Limits, draw_axes, draw_cursor, draw_references, layout, message, spread
from .canvas import Canvas, shorten
from .scales import fit_limits, forward

if TYPE_CHECKING:
    from ibmon.figures.figure import Curves, Line, Scale, View

    from .palette import Palette
    from .scales import Frame

CROWDED = 4
"""Points a dot column above which only the extremes of each column are drawn."""


@dataclass(slots=True)
class _Curve:
    """A line as it is shown: cut at the view's step, smoothed, in the colour ``hue``."""

    index: int
    hue: int
    line: Line
    x: np.ndarray
    y: np.ndarray
    lower: np.ndarray | None
    upper: np.ndarray | None
    usable: np.ndarray
    """Which points the axes can show."""
    shown: int
    """How many points the view's step leaves; the arrays keep all, so that limits do not move."""


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same line in dots with first, least, largest and last point of each dot column; gaps stay gaps."""
    column = np.where(np.isfinite(x) & np.isfinite(y), np.rint(x), np.nan)
    known = np.isfinite(column)
    changed = (np.diff(np.where(known, column, 0.0)) != 0) | (known[1:] != known[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
    ends = np.concatenate([starts[1:], [len(x)]]) - 1
    least, largest = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    four = np.stack([y[starts], least, largest, y[ends]], axis=1).ravel()
    return np.repeat(column[starts], 4), four


def draw_curves(figure: Curves, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Braille lines with bands, references, and the names of the lines at their ends."""
    x_scale, y_scale = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    colours = hues(figure.lines)
    kept = chosen([line.label for line in figure.lines], view)
    curves = [_curve(i, colours[i], figure.lines[i], view, x_scale, y_scale) for i in kept]
    limits = _limits(figure, curves, x_scale, y_scale, view, hold)
    labels = [c.line.label for c in curves if c.line.label and not c.line.unnamed]
    room = rows - 3
    direct = columns >= 40 and 0 < len(labels) <= room
    widest = min(max((len(label) for label in labels), default=0), 16, columns // 5)
    frame = layout(columns, rows, limits, palette, margin=widest + 2 if direct else 1)
    drawable = [c.usable[: c.shown] for c in curves]
    if not any(ok.any() for ok in drawable):
        return message(EMPTY, columns, rows, palette, frame)

    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    _bands(canvas, frame, curves, palette)
    layer = canvas.dots(frame.box)
    for curve in curves:
        x, y = frame.dots_x(curve.x[: curve.shown]), frame.dots_y(curve.y[: curve.shown])
        if len(x) > CROWDED * 2 * frame.width:
            x, y = thinned(x, y)
        layer.polyline(x, y, palette.series(curve.hue), thin=curve.line.dashed)
    canvas.stamp(layer)

    header = Header()
    lost = sum(int((~ok & np.isfinite(c.x[: c.shown])).sum()) for c, ok in zip(curves, drawable, strict=True))
    if lost:
        header.add((f"{lost} not drawn", palette.role("warn")))
    if not direct:
        for curve in curves:
            if curve.line.label and not curve.line.unnamed:
                mark = "╌" if curve.line.dashed and not palette.ascii else "-" if palette.ascii else "━"
                header.add((f"{mark} {shorten(curve.line.label, 14)}", palette.series(curve.hue)))
    draw_references(canvas, frame, figure.references, palette)
    draw_axes(canvas, frame, figure.x, figure.y, palette, header)
    if direct:
        _end_labels(canvas, frame, curves, drawable, widest, palette)
    _cursor(canvas, frame, curves, view, palette)
    return Chart(canvas.grid(), frame)


def _curve(index: int, hue: int, line: Line, view: View, x_scale: Scale, y_scale: Scale) -> _Curve:
    lower, upper = (None if b is None else smoothed(b, view.smooth) for b in (line.lower, line.upper))
    x, y = np.asarray(line.x, np.float64), smoothed(line.y, view.smooth)
    usable = np.isfinite(forward(x, x_scale)) & np.isfinite(forward(y, y_scale))
    return _Curve(index, hue, line, x, y, lower, upper, usable, shown_length(line, view))


def _limits(figure: Curves, curves: list[_Curve], x_scale: Scale, y_scale: Scale, view: View, hold: Frame | None) -> Limits:
    xs: list[np.ndarray] = [np.zeros(0)]
    ys: list[np.ndarray] = [np.zeros(0)]
    for curve in curves:
        kept = curve.usable
        xs.append(curve.x[kept])
        ys.append(curve.y[kept])
        ys += [band[kept] for band in (curve.lower, curve.upper) if band is not None]
    same = hold is not None and (hold.x_scale, hold.y_scale) == (x_scale, y_scale)
    return Limits(
        fit_limits(
            np.concatenate(xs),
            figure.x,
            x_scale,
            references=[r.value for r in figure.references if r.axis == "x"],
            hold=hold.x_limits if same and hold else None,
            zoom=view.x_limits,
        ),
        fit_limits(
            np.concatenate(ys),
            figure.y,
            y_scale,
            references=[r.value for r in figure.references if r.axis == "y"],
            hold=hold.y_limits if same and hold else None,
            zoom=view.y_limits,
        ),
        x_scale,
        y_scale,
    )


def _bands(canvas: Canvas, frame: Frame, curves: list[_Curve], palette: Palette) -> None:
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
        layer.points(columns[dot_x], heights[dot_y], palette.shadow(curve.hue))
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


def _end_labels(
    canvas: Canvas, frame: Frame, curves: list[_Curve], drawable: list[np.ndarray], width: int, palette: Palette
) -> None:
    """Names at the height of the lines' ends, apart from each other and from the axes."""
    named = [
        (c, np.flatnonzero(ok))
        for c, ok in zip(curves, drawable, strict=True)
        if ok.any() and c.line.label and not c.line.unnamed
    ]
    wanted: list[float] = []
    for curve, ok in named:
        dot = float(frame.dots_y(curve.y[ok[-1]]))
        wanted.append(min(max((dot - 1.5) / 4, frame.top), frame.top + frame.height - 1))
    for (curve, _), row in zip(named, spread(wanted, frame.top, frame.top + frame.height - 1), strict=True):
        canvas.text(frame.box.right + 1, row, shorten(curve.line.label, width), palette.series(curve.hue))


def _cursor(canvas: Canvas, frame: Frame, curves: list[_Curve], view: View, palette: Palette) -> None:
    if view.cursor is None:
        return
    for curve in curves:
        if curve.index == view.cursor[0] and 0 <= view.cursor[1] < len(curve.x):
            draw_cursor(canvas, frame, float(curve.x[view.cursor[1]]), float(curve.y[view.cursor[1]]), palette)
