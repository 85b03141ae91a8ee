"""Histograms in eighth blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Axis

from .axes import EMPTY, Chart, Header, Limits, draw_axes, draw_references, layout, message
from .canvas import Canvas, shorten
from .scales import Frame, fit_limits

if TYPE_CHECKING:
    from ibmon.figures.figure import Histogram, View

    from .palette import Palette

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_FILLS = "█▓▒░"
_ASCII_FILLS = "#*+o=%x."


def draw_histogram(figure: Histogram, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Bars stacked by group, the first group at the bottom."""
    counts = np.nan_to_num(np.atleast_2d(np.asarray(figure.counts, np.float64)), nan=0.0, posinf=0.0, neginf=0.0)
    counts = np.clip(counts, 0.0, 1e200)
    edges = np.asarray(figure.edges, np.float64)
    if counts.shape[1] < 1 or len(edges) != counts.shape[1] + 1 or not (np.abs(edges) < 1e290).all() or not counts.any():
        return message(EMPTY, columns, rows, palette)
    same = hold is not None and hold.x_scale == "linear" == hold.y_scale
    total = counts.sum(axis=0)
    y_limits = fit_limits(np.array([0.0, total.max()]), figure.y, "linear", hold=hold.y_limits if same and hold else None)
    x_limits = (float(edges.min()), float(edges.max()))
    if x_limits[1] <= x_limits[0]:
        return message(EMPTY, columns, rows, palette)
    x_limits = fit_limits(edges, Axis(limits=x_limits), "linear", zoom=view.x_limits)
    limits = Limits(x_limits, (0.0, y_limits[1]), "linear", "linear")
    frame = layout(columns, rows, limits, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    _bars(canvas, frame, edges, counts, palette)
    header = Header()
    if len(counts) > 1:
        for group, label in enumerate(figure.labels[: len(counts)]):
            header.add((f"{_fill(group, palette)} {shorten(label, 14)}", palette.series(group)))
    draw_references(canvas, frame, figure.references, palette)
    draw_axes(canvas, frame, figure.x, figure.y, palette, header)
    return Chart(canvas.grid(), frame)


def _fill(group: int, palette: Palette) -> str:
    """The character of a whole cell; only where colour cannot tell groups apart does it differ."""
    if palette.ascii:
        return _ASCII_FILLS[group % len(_ASCII_FILLS)]
    return _FILLS[group % len(_FILLS)] if palette.depth == "none" else "█"


def _heights(frame: Frame, edges: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Tops of the stacked groups ``(groups, columns)`` in eighths of a cell: the tallest bin that a column shows."""
    low, high = frame.x_limits
    sides = low + (high - low) * np.arange(frame.width + 1) / frame.width
    bins = np.clip(np.searchsorted(edges, sides[:-1] + 1e-9 * (high - low), side="right") - 1, 0, counts.shape[1] - 1)
    last = np.clip(np.searchsorted(edges, sides[1:] - 1e-9 * (high - low), side="left") - 1, bins, counts.shape[1] - 1)
    total = counts.sum(axis=0)
    shown = np.array([a + int(total[a : b + 1].argmax()) for a, b in zip(bins, last, strict=True)], np.intp)
    middle = (sides[:-1] + sides[1:]) / 2
    inside = (middle >= edges[0]) & (middle <= edges[-1])
    stacked = np.cumsum(counts, axis=0)[:, shown] * inside
    tops = np.rint(stacked / frame.y_limits[1] * 8 * frame.height)
    tops = np.where((stacked > 0) & (tops < 1), 1, tops)
    return np.minimum(tops, 8 * frame.height).astype(np.intp)


def _bars(canvas: Canvas, frame: Frame, edges: np.ndarray, counts: np.ndarray, palette: Palette) -> None:
    tops = _heights(frame, edges, counts)
    box = frame.box
    floor = 8 * np.arange(box.height - 1, -1, -1)[:, None]
    ch = np.full((box.height, box.width), ord(" "), np.uint32)
    fg = np.full((box.height, box.width), -1, np.int32)
    bg = np.full((box.height, box.width), -1, np.int32)
    partial = not palette.ascii and palette.depth != "none"
    eighths = np.array([ord(c) for c in _EIGHTHS], np.uint32)
    for group in range(len(counts) - 1, -1, -1):
        filled = np.clip(tops[group][None] - floor, 0, 8)
        colour = palette.series(group)
        whole = filled == 8 if partial else filled >= 4
        if not partial and group == len(counts) - 1:
            whole |= (filled > 0) & (floor == 0)
        part = (filled > 0) & ~whole if partial else np.zeros_like(whole)
        # Where a group above reaches into the cell, its colour shows behind this one's part of it.
        bg[part] = np.where(ch[part] != ord(" "), fg[part], -1)
        ch[part], fg[part] = eighths[filled[part]], colour
        ch[whole], fg[whole], bg[whole] = ord(_fill(group, palette)), colour, -1
    at = (slice(box.top, box.bottom), slice(box.left, box.right))
    canvas.ch[at], canvas.fg[at], canvas.bg[at] = ch, fg, bg
