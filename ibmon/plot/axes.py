"""What charts with two axes have in common: margins, ticks, grid, references, labels that keep out of each other's way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.ticks import ticks
from ibmon.figures.view import shorten

from .canvas import Canvas, CellGrid
from .scales import Frame, fit_limits

if TYPE_CHECKING:
    from ibmon.figures.figure import Axis, Curves, Plane, Reference, Scale, View

    from .palette import Palette

EMPTY = "no measurement yet"
SMALLEST = (20, 6)
"""Columns and rows below which a chart shows its title only."""


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A drawn figure and the frame to hold for the next drawing of it.

    ``places`` ``(points, 2)`` are column and line of every point of a series, seen or not, in charts that run on in lines.
    """

    grid: CellGrid
    frame: Frame
    places: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """The panel of one run of a comparison: limits and colours are those of all runs.

    ``bar`` is how many columns of this panel the bar of colours takes; of panels without room for a bar one ``explains`` in its
    header what colours mean.
    """

    run: str
    bar: int = 0
    explains: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What both axes show."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_scale: Scale
    y_scale: Scale


_Parts = Sequence[tuple[str, int]]


@dataclass(slots=True)
class Header:
    """The row above the plot area: the label of the y axis at the left, pieces of a legend at the right.

    ``corner`` is the label of the colour bar, above it at the right end.
    """

    pieces: list[tuple[_Parts, _Parts]] = field(default_factory=list[tuple[_Parts, _Parts]])
    corner: tuple[str, int] | None = None

    def add(self, *parts: tuple[str, int], short: _Parts = ()) -> None:
        """A piece of one or several coloured parts, and what to show where it does not fit; the first are the most important."""
        self.pieces.append((parts, short))

    def draw(self, canvas: Canvas, start: int) -> None:
        """Draws as many pieces as there is room for right of column ``start``."""
        end = canvas.columns
        if self.corner is not None and self.corner[0]:
            text, colour = self.corner
            text = shorten(text, end - start)
            canvas.text(end - len(text), 0, text, colour)
            end -= len(text) + 2
        room = end - start
        kept: list[_Parts] = []
        for whole, short in self.pieces:
            piece = whole if _width(whole) + 2 <= room or not short else short
            if _width(piece) + 2 <= room:
                kept.append(piece)
                room -= _width(piece) + 2
            elif room > 2 and kept:
                kept.append([("…", piece[0][1])])
                break
        column = end - sum(_width(piece) for piece in kept) - 2 * max(len(kept) - 1, 0)
        for piece in kept:
            for text, colour in piece:
                canvas.text(column, 0, text, colour)
                column += len(text)
            column += 2


def _width(parts: _Parts) -> int:
    return sum(len(text) for text, _ in parts)


def fit_axes(figure: Plane | Curves, x: np.ndarray, y: np.ndarray, view: View, hold: Frame | None) -> Limits:
    """Limits that show all ``x`` and ``y`` and the references nearby, held while they fit."""
    x_scale, y_scale = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    if hold is not None and (hold.x_scale, hold.y_scale) != (x_scale, y_scale):
        hold = None
    beside = {axis: [r.value for r in figure.references if r.axis == axis] for axis in ("x", "y")}
    held = (hold.x_limits, hold.y_limits) if hold else (None, None)
    return Limits(
        fit_limits(x, figure.x, x_scale, references=beside["x"], hold=held[0], zoom=view.x_limits),
        fit_limits(y, figure.y, y_scale, references=beside["y"], hold=held[1], zoom=view.y_limits),
        x_scale,
        y_scale,
    )


def layout(columns: int, rows: int, limits: Limits, palette: Palette, *, margin: int = 1) -> Frame:
    """The frame of a chart with a header, two rows for the x axis and ``margin`` columns free at the right."""
    height = max(1, rows - 3)
    width = max((len(label) for _, label in _y_ticks(limits, height, palette)), default=0)
    left = min(width + 1, columns // 3)
    return Frame(
        x_limits=limits.x,
        y_limits=limits.y,
        x_scale=limits.x_scale,
        y_scale=limits.y_scale,
        left=left + 1,
        top=1,
        width=max(1, columns - left - 1 - margin),
        height=height,
    )


def _y_ticks(limits: Limits, height: int, palette: Palette) -> list[tuple[float, str]]:
    count = max(1, min(6, height // 3))
    return ticks(*limits.y, limits.y_scale, count, ascii_only=palette.ascii)


def _x_ticks(frame: Frame, palette: Palette) -> list[tuple[float, str]]:
    """As many ticks as have room beside each other."""
    chosen: list[tuple[float, str]] = []
    for count in range(max(1, min(8, frame.width // 8)), 0, -1):
        chosen = ticks(*frame.x_limits, frame.x_scale, count, ascii_only=palette.ascii)
        if sum(len(label) + 3 for _, label in chosen) <= frame.width:
            break
    return chosen


def draw_axes(canvas: Canvas, frame: Frame, x: Axis, y: Axis, palette: Palette, header: Header) -> None:
    """Axis lines, ticks, labels and the dotted grid; the grid only where nothing was drawn before."""
    line, text = palette.role("axis"), palette.role("text")
    vertical, tick_y, corner, horizontal = "|++-" if palette.ascii else "│┤└─"
    box = frame.box
    for row in range(box.top, box.bottom):
        canvas.text(box.left - 1, row, vertical, line)
    canvas.text(box.left - 1, box.bottom, corner + horizontal * box.width, line)

    grid = np.zeros((canvas.rows, canvas.columns), np.bool_)
    limits = Limits(frame.x_limits, frame.y_limits, frame.x_scale, frame.y_scale)
    for value, label in _y_ticks(limits, box.height, palette):
        row = frame.row(value)
        if row is None:
            continue
        canvas.text(box.left - 1, row, tick_y, line)
        short = shorten(label, box.left - 1)
        canvas.text(box.left - 1 - len(short), row, short, text)
        grid[row, box.left + 3 : box.right : 4] = True

    _draw_scale(canvas, frame, x, palette)
    if not palette.ascii:
        canvas.under(grid, "·", palette.role("grid"))

    title = shorten(y.label, canvas.columns - 1)
    start = min(box.left, canvas.columns - len(title)) if len(title) > canvas.columns - box.left else box.left
    canvas.text(start, 0, title, text)
    header.draw(canvas, start + len(title) + 2)


def draw_across(canvas: Canvas, frame: Frame, x: Axis, palette: Palette) -> None:
    """The x axis alone: its line, ticks and label, for what has nothing to say upwards."""
    box = frame.box
    canvas.text(box.left, box.bottom, ("-" if palette.ascii else "─") * box.width, palette.role("axis"))
    _draw_scale(canvas, frame, x, palette)


def _draw_scale(canvas: Canvas, frame: Frame, x: Axis, palette: Palette) -> None:
    """Ticks and label on the line of the x axis."""
    box, line, text = frame.box, palette.role("axis"), palette.role("text")
    tick = "+" if palette.ascii else "┬"
    free = 0
    for value, label in _x_ticks(frame, palette):
        column = frame.column(value)
        if column is None:
            continue
        canvas.text(column, box.bottom, tick, line)
        start = max(0, min(column - len(label) // 2, canvas.columns - len(label)))
        if start >= free:
            canvas.text(start, box.bottom + 1, label, text)
            free = start + len(label) + 1
    name = shorten(x.label if len(x.label) <= box.width - 4 else x.label.split(" [")[0], box.width - 4)
    if name:
        canvas.text(box.right - len(name) - 1, box.bottom, f" {name}", text)


def draw_references(canvas: Canvas, frame: Frame, references: Sequence[Reference], palette: Palette) -> None:
    """Dashed lines behind everything that is drawn, each with its label where there is room."""
    colour, box = palette.role("reference"), frame.box
    across, down = ("-", ":") if palette.ascii else ("╌", "╎")
    for reference in references:
        cells = np.zeros((canvas.rows, canvas.columns), np.bool_)
        row = frame.row(reference.value) if reference.axis == "y" else None
        column = frame.column(reference.value) if reference.axis == "x" else None
        label = shorten(reference.label, box.width // 2)
        if row is not None:
            cells[row, box.left : box.right] = True
            near = [row + d for d in (-1, 1, 0) if box.top <= row + d < box.bottom]
            places = [(start, r) for r in near for start in (box.right - len(label) - 1, box.left + 1)]
        elif column is not None:
            cells[box.top : box.bottom, column] = True
            starts = (column + 1, column - len(label))
            places = [(start, r) for r in (*range(box.bottom - 1, box.top, -1), box.top) for start in starts]
        else:
            continue
        canvas.under(cells, across if row is not None else down, colour)
        for start, r in places if label else ():
            if start < box.left or start + len(label) > box.right:
                continue
            if (canvas.ch[r, start : start + len(label)] == ord(" ")).all():
                canvas.text(start, r, label, colour)
                break


def draw_cursor(canvas: Canvas, frame: Frame, x: float, y: float, palette: Palette) -> None:
    """A crosshair in blank cells, and the point itself inverse."""
    colour, box = palette.role("text"), frame.box
    column, row = frame.column(x), frame.row(y)
    cells = np.zeros((canvas.rows, canvas.columns), np.bool_)
    if row is not None:
        cells[row, box.left : box.right] = True
        canvas.under(cells, "-" if palette.ascii else "─", palette.role("axis"))
    if column is not None:
        cells[:] = False
        cells[box.top : box.bottom, column] = True
        canvas.under(cells, ":" if palette.ascii else "│", palette.role("axis"))
    if row is not None and column is not None:
        mark = "@" if palette.ascii else "◉"
        if palette.depth == "none":
            canvas.text(column, row, mark, colour, bold=True)
        else:
            canvas.text(column, row, mark, palette.role("ground"), palette.role("strong"), bold=True)


def spread(wanted: Sequence[float], low: int, high: int) -> list[int]:
    """Distinct rows in ``low`` to ``high`` (inclusive), as near to the wanted ones as their order allows.

    There must be at least as many rows as there are wanted.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed: list[int] = []
    for i in order:
        placed.append(max(low, round(wanted[i]), placed[-1] + 1 if placed else low))
    limit = high
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], limit)
        limit = placed[k] - 1
    # Pull blocks that were only pushed down back up to where their middle belongs.
    start = 0
    while start < len(placed):
        stop = start + 1
        while stop < len(placed) and placed[stop] == placed[stop - 1] + 1:
            stop += 1
        shift = math.floor(sum(wanted[order[k]] - placed[k] for k in range(start, stop)) / (stop - start) + 0.5)
        floor = placed[start - 1] + 1 if start else low
        shift = max(min(shift, 0), floor - placed[start])
        for k in range(start, stop):
            placed[k] += shift
        start = stop
    rows = [0] * len(wanted)
    for k, i in enumerate(order):
        rows[i] = placed[k]
    return rows


def title_only(title: str, columns: int, rows: int, palette: Palette) -> Chart:
    """What is left of a chart that has no room."""
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    canvas.text(0, 0, shorten(title, columns), palette.role("text"))
    return Chart(canvas.grid(), blank_frame(columns, rows))


def message(text: str, columns: int, rows: int, palette: Palette, frame: Frame | None = None) -> Chart:
    """One line in the middle of nothing."""
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    text = shorten(text, columns)
    canvas.text((columns - len(text)) // 2, rows // 2, text, palette.role("text"))
    return Chart(canvas.grid(), frame or blank_frame(columns, rows))


def blank_frame(columns: int, rows: int) -> Frame:
    """The frame of what has no axes."""
    return Frame((0.0, 1.0), (0.0, 1.0), "linear", "linear", 0, 0, max(columns, 1), max(rows, 1))
