"""Histograms in eighth blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Axis
from ibmon.figures.view import shorten

from .axes import EMPTY, Chart, Header, Limits, draw_axes, draw_references, layout, message
from .canvas import Canvas
from .scales import Frame, fit_limits, forward

if TYPE_CHECKING:
    from ibmon.figures.figure import Histogram, View

    from .palette import Palette

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_FILLS = "█▓▒░"
_ASCII_FILLS = "#*+o=%x."


def draw_histogram(figure: Histogram, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Bars stacked by group, the first group at the bottom; the bin under the cursor stands out."""
    counts = np.nan_to_num(np.atleast_2d(np.asarray(figure.counts, np.float64)), nan=0.0, posinf=0.0, neginf=0.0)
    counts = np.clip(counts, 0.0, 1e200)
    edges = np.asarray(figure.edges, np.float64)
    if counts.shape[1] < 1 or len(edges) != counts.shape[1] + 1 or not (np.abs(edges) < 1e290).all() or not counts.any():
        return message(EMPTY, columns, rows, palette)
    if edges.max() <= edges.min():
        return message(EMPTY, columns, rows, palette)
    limits = _limits(figure, edges, counts, view, hold)
    frame = layout(columns, rows, limits, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    cursor = view.cursor
    if cursor is not None and not (0 <= cursor[0] < counts.shape[0] and 0 <= cursor[1] < counts.shape[1]):
        cursor = None
    _bars(canvas, frame, edges, counts, cursor, palette)
    header = Header()
    lost = int(counts.sum(axis=0)[~np.isfinite(forward(edges[:-1], limits.x_scale))].sum())
    if lost:
        header.add((f"{lost} not drawn", palette.role("warn")))
    if len(counts) > 1:
        for group, label in enumerate(figure.labels[: len(counts)]):
            header.add((f"{_fill(group, palette)} {shorten(label, 14)}", palette.series(group)))
    draw_references(canvas, frame, figure.references, palette)
    draw_axes(canvas, frame, figure.x, figure.y, palette, header)
    if cursor is not None:
        _mark(canvas, frame, edges, cursor[1], palette)
    return Chart(canvas.grid(), frame)


def _limits(figure: Histogram, edges: np.ndarray, counts: np.ndarray, view: View, hold: Frame | None) -> Limits:
    """All bins, as far as a logarithmic axis has them; an axis of counts starts at 0, or below the smallest bar."""
    x_scale, y_scale = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    laid = forward(edges, x_scale)
    if np.isfinite(laid).sum() < 2:
        x_scale, laid = "linear", edges
    known = edges[np.isfinite(laid)]
    bars = np.cumsum(counts, axis=0)
    heights = bars[bars > 0] if y_scale == "log" else np.array([0.0, bars.max()])
    if y_scale == "log":
        heights = np.append(heights, heights.min() / 2)
    same = hold is not None and (hold.x_scale, hold.y_scale) == (x_scale, y_scale)
    ends = Axis(limits=(float(known.min()), float(known.max())))
    y = fit_limits(heights, figure.y, y_scale, hold=hold.y_limits if same and hold else None, zoom=view.y_limits)
    if y_scale == "linear" and view.y_limits is None:
        y = 0.0, y[1]
    return Limits(fit_limits(known, ends, x_scale, zoom=view.x_limits), y, x_scale, y_scale)


def _fill(group: int, palette: Palette) -> str:
    """The character of a whole cell; only where colour cannot tell groups apart does it differ."""
    if palette.ascii:
        return _ASCII_FILLS[group % len(_ASCII_FILLS)]
    return _FILLS[group % len(_FILLS)] if palette.depth == "none" else "█"


def _bins(frame: Frame, edges: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The tallest of the bins that each column of cells shows; -1 where there is none."""
    laid = forward(edges, frame.x_scale)
    known = np.flatnonzero(np.isfinite(laid))
    low, high = (float(v) for v in forward(frame.x_limits, frame.x_scale))
    sides = low + (high - low) * np.arange(frame.width + 1) / frame.width
    slack = 1e-9 * (high - low)
    first = np.clip(np.searchsorted(laid[known], sides[:-1] + slack, side="right") - 1, 0, len(known) - 2)
    last = np.clip(np.searchsorted(laid[known], sides[1:] - slack, side="left") - 1, first, len(known) - 2)
    tallest = [a + int(total[known[0] + a : known[0] + b + 1].argmax()) for a, b in zip(first, last, strict=True)]
    middle = (sides[:-1] + sides[1:]) / 2
    inside = (middle >= laid[known[0]]) & (middle <= laid[known[-1]])
    return np.where(inside, known[0] + np.array(tallest, np.intp), -1)


def _heights(frame: Frame, bins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Tops of the stacked groups ``(groups, columns)`` in eighths of a cell."""
    stacked = np.cumsum(counts, axis=0)[:, bins] * (bins >= 0)
    part = np.nan_to_num(frame.part_y(stacked), nan=0.0)
    tops = np.rint(np.clip(part, 0.0, 1.0) * 8 * frame.height)
    return np.where((part > 0) & (tops < 1), 1, tops).astype(np.intp)


def _bars(
    canvas: Canvas, frame: Frame, edges: np.ndarray, counts: np.ndarray, cursor: tuple[int, int] | None, palette: Palette
) -> None:
    bins = _bins(frame, edges, counts.sum(axis=0))
    tops = _heights(frame, bins, counts)
    box = frame.box
    floor = 8 * np.arange(box.height - 1, -1, -1)[:, None]
    ch = np.full((box.height, box.width), ord(" "), np.uint32)
    fg = np.full((box.height, box.width), -1, np.int32)
    bg = np.full((box.height, box.width), -1, np.int32)
    partial = not palette.ascii and palette.depth != "none"
    eighths = np.array([ord(c) for c in _EIGHTHS], np.uint32)
    for group in range(len(counts) - 1, -1, -1):
        filled = np.clip(tops[group][None] - floor, 0, 8)
        marked = bins == cursor[1] if cursor is not None and cursor[0] == group else np.zeros(box.width, np.bool_)
        colour = np.broadcast_to(np.where(marked, palette.role("strong"), palette.series(group)), filled.shape)
        whole = filled == 8 if partial else filled >= 4
        if not partial and group == len(counts) - 1:
            whole |= (filled > 0) & (floor == 0)
        part = (filled > 0) & ~whole if partial else np.zeros_like(whole)
        # Where a group above reaches higher in the cell, its colour shows behind this one's part of it.
        higher = np.broadcast_to(tops[group:].max(axis=0) > tops[group], filled.shape)
        bg[part] = np.where((ch[part] != ord(" ")) & higher[part], fg[part], -1)
        ch[part], fg[part] = eighths[filled[part]], colour[part]
        ch[whole], fg[whole], bg[whole] = ord(_fill(group, palette)), colour[whole], -1
    at = (slice(box.top, box.bottom), slice(box.left, box.right))
    canvas.ch[at], canvas.fg[at], canvas.bg[at] = ch, fg, bg


def _mark(canvas: Canvas, frame: Frame, edges: np.ndarray, marked: int, palette: Palette) -> None:
    """A pointer on the axis beneath the bin under the cursor."""
    laid = forward(edges[marked : marked + 2], frame.x_scale)
    low, high = (float(v) for v in forward(frame.x_limits, frame.x_scale))
    place = float(laid.mean() - low) / (high - low)
    if 0 <= place <= 1:
        column = frame.left + min(int(place * frame.width), frame.width - 1)
        canvas.text(column, frame.box.bottom, "^" if palette.ascii else "▲", palette.role("strong"), bold=True)
