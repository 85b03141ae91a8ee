"""Matrices in cells, with their labels, their colour bar and their values where there is room for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.spans import scaled, value_range
from ibmon.figures.view import number, short_labels, shorten, shown_columns

from .areas import paint, shrunk
from .axes import EMPTY, Chart, Header, message
from .canvas import Box, Canvas
from .colourbar import draw_bar
from .palette import legible
from .scales import Frame, forward
from .tables import numeric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibmon.figures.figure import Heatmap, View

    from .axes import Panel
    from .palette import Palette

LEAST_WITH_BAR = 30
"""Columns below which a matrix has no colour bar."""
MOST_WRITTEN = 20
"""Rows and columns up to which values are written into the cells."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where a matrix of ``rows`` × ``columns`` lies: each drawn value takes ``high`` half rows and ``wide`` columns of cells."""

    box: Box
    rows: int
    columns: int
    drawn_rows: int
    drawn_columns: int
    high: int
    wide: int

    def row(self, i: float) -> int:
        """The row of cells at the middle of row ``i`` of the matrix."""
        return min(self.box.top + int((i + 0.5) * self.drawn_rows / self.rows * self.high / 2), self.box.bottom - 1)

    def middle(self, k: int) -> float:
        """The middle of column ``k`` of the matrix, in columns of cells."""
        return self.box.left + (k + 0.5) * self.drawn_columns * self.wide / self.columns


def heatmap_bar(figure: Heatmap, columns: int) -> int:
    """Columns that the colour bar of a matrix takes; 0 where there is no room for one."""
    span = _span(figure)
    if span is None or columns < LEAST_WITH_BAR:
        return 0
    return max(len(label) for _, label in _bar_labels(span, _centre(figure))) + 4


def draw_heatmap(
    figure: Heatmap,
    columns: int,
    rows: int,
    view: View,
    palette: Palette,
    hold: Frame | None = None,
    panel: Panel | None = None,
) -> Chart:
    """A matrix with its labels and a colour bar, each value a whole number of cells wide and high."""
    values = forward(np.atleast_2d(figure.values), "linear")
    centre, span = _centre(figure), _span(figure)
    if span is None or values.ndim != 2:
        return message(EMPTY, columns, rows, palette)
    shown = shown_columns(figure, view)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    text = palette.role("text")

    bar = heatmap_bar(figure, columns) if panel is None else panel.bar
    names = [shorten(label, min(14, columns // 4)) for label in figure.row_labels] or [str(i) for i in range(values.shape[0])]
    left = max(len(name) for name in names) + 1
    room = Box(left, 1, max(1, columns - left - bar), max(1, rows - 2))
    halves = not palette.coarse and not palette.ascii
    most_rows = 2 * room.height if halves else room.height
    small = shrunk(np.where(np.arange(values.shape[1]) < shown, values, np.nan), most_rows, room.width)
    grid = _fitted(values.shape, small.shape, room, halves=halves)
    part = scaled(small, span, centre)
    ramp = palette.heat() if centre is None else palette.diverging()
    written = _written(values, shown, grid)
    if not written or palette.depth != "none":
        paint(canvas, grid.box, _enlarged(part, grid), ramp, palette, centred=centre is not None)
    cursor = view.cursor
    if cursor is not None and not (0 <= cursor[0] < grid.rows and 0 <= cursor[1] < grid.columns):
        cursor = None
    if written:
        _write(canvas, grid, written, part, ramp, palette)
    if cursor is not None:
        _mark(canvas, grid, cursor, written, palette)
    _label_rows(canvas, grid, names, None if cursor is None else cursor[0], palette)
    _label_columns(canvas, grid, figure.column_labels, None if cursor is None else cursor[1], palette)
    if bar:
        draw_bar(canvas, grid.box, _bar_labels(span, centre), ramp, palette, centred=centre is not None)

    explains = panel is None or bar > 0 or panel.explains
    header = Header(corner=(shorten(figure.value_label, columns // 2), text) if explains else None)
    if small.shape != values.shape:
        header.add((f"mean of {_ratio(values, small, 0)}×{_ratio(values, small, 1)}", text))
    label = shorten(" × ".join(name for name in (figure.y.label, figure.x.label) if name), columns)
    start = min(grid.box.left, columns - len(label))
    canvas.text(start, 0, label, text)
    header.draw(canvas, start + len(label) + 2)
    return Chart(canvas.grid(), _frame(grid))


def _centre(figure: Heatmap) -> float | None:
    return figure.centre if figure.centre is not None and math.isfinite(figure.centre) else None


def _span(figure: Heatmap) -> tuple[float, float] | None:
    """What the ends of the colours stand for; None where nothing is measured."""
    return value_range(forward(np.atleast_2d(figure.values), "linear"), figure.limits, _centre(figure))


def _bar_labels(span: tuple[float, float], centre: float | None) -> list[tuple[float, str]]:
    middle = sum(span) / 2 if centre is None else centre
    return [(1.0, number(span[1], 3)), (0.5, number(middle, 3)), (0.0, number(span[0], 3))]


def _frame(grid: _Grid) -> Frame:
    box, x_limits, y_limits = grid.box, (-0.5, grid.columns - 0.5), (grid.rows - 0.5, -0.5)
    return Frame(x_limits, y_limits, "linear", "linear", box.left, box.top, box.width, box.height)


def _ratio(values: np.ndarray, small: np.ndarray, axis: int) -> str:
    return number(round(values.shape[axis] / small.shape[axis], 1))


def _fitted(shape: Sequence[int], drawn: Sequence[int], room: Box, *, halves: bool) -> _Grid:
    """Where the matrix goes, and how many half rows and columns each drawn value takes."""
    high = max(1, 2 * room.height // drawn[0])
    wide = max(1, room.width // drawn[1])
    high, wide = min(high, 2 * wide), min(wide, 4 * high)
    if not halves:
        high -= high % 2
    height = min(-(-drawn[0] * high // 2), room.height)
    return _Grid(Box(room.left, room.top, drawn[1] * wide, height), shape[0], shape[1], drawn[0], drawn[1], high, wide)


def _enlarged(part: np.ndarray, grid: _Grid) -> np.ndarray:
    large = np.repeat(np.repeat(part, grid.high, axis=0), grid.wide, axis=1)
    return np.vstack([large, np.full((1, large.shape[1]), np.nan)]) if len(large) % 2 else large


def _written(values: np.ndarray, shown: int, grid: _Grid) -> list[list[str]]:
    """The values of the columns that are shown in one format, where every cell has room for its own; else nothing."""
    if max(values.shape) > MOST_WRITTEN or values.shape != (grid.drawn_rows, grid.drawn_columns) or grid.high < 2:
        return []
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    if not finite.size or largest >= 1e6:
        return []
    whole = bool((finite == np.rint(finite)).all())
    decimals = 0 if whole or largest >= 100 else 1 if largest >= 10 else 2
    texts = [[f"{v:.{decimals}f}" if math.isfinite(v) else "" for v in row] for row in values.tolist()]
    if max(len(text) for row in texts for text in row) >= grid.wide:
        return []
    return [[text if k < shown else "" for k, text in enumerate(row)] for row in texts]


def _write(canvas: Canvas, grid: _Grid, written: list[list[str]], part: np.ndarray, ramp: np.ndarray, palette: Palette) -> None:
    """The values in the middle of their cells, black or white on their colour."""
    grounds = ramp[np.rint(np.nan_to_num(part) * (len(ramp) - 1)).astype(np.intp)]
    colours = np.full(part.shape, palette.role("strong")) if palette.coarse else legible(grounds)
    for i, texts in enumerate(written):
        for k, text in enumerate(texts):
            apart = text.center(min(len(text) + 2, grid.wide)) if palette.coarse and text else text
            _write_one(canvas, grid, i, k, apart, int(colours[i, k]), None)


def _write_one(canvas: Canvas, grid: _Grid, i: int, k: int, text: str, colour: int, ground: int | None) -> None:
    start = grid.box.left + k * grid.wide + (grid.wide - len(text)) // 2
    canvas.text(start, grid.row(i), text, colour, ground, bold=ground is not None)


def _mark(canvas: Canvas, grid: _Grid, cursor: tuple[int, int], written: list[list[str]], palette: Palette) -> None:
    """Marks the cell under the cursor: its value, where it is written, else a dot."""
    i, k = cursor
    colours = palette.role("ground"), palette.role("strong")
    text = written[i][k] if written else ""
    if text and palette.depth != "none":
        _write_one(canvas, grid, i, k, text, *colours)
        return
    column = grid.box.left + k * grid.wide if text else min(int(grid.middle(k)), grid.box.right - 1)
    canvas.text(column, grid.row(i), "@" if palette.ascii else "◉", *colours, bold=True)


def _label_rows(canvas: Canvas, grid: _Grid, names: list[str], marked: int | None, palette: Palette) -> None:
    """Names beside the rows: all of them, or some at even steps; the marked one in any case."""
    each = grid.high * grid.drawn_rows / 2 / grid.rows
    stride = 1 if each >= 1 else _stride(each, 2)
    free = np.ones(canvas.rows, np.bool_)
    for i in _order(names[: grid.rows], stride, marked):
        row = grid.row(i)
        if i < len(names) and free[row]:
            strong = i == marked
            canvas.text(
                grid.box.left - 1 - len(names[i]), row, names[i], palette.role("strong" if strong else "text"), bold=strong
            )
            free[row] = False


def _label_columns(canvas: Canvas, grid: _Grid, given: tuple[str, ...], marked: int | None, palette: Palette) -> None:
    """Names beneath the columns, as those of rows; words in short where they have no room."""
    each = grid.wide * grid.drawn_columns / grid.columns
    names = [given[k] if k < len(given) else str(k) for k in range(grid.columns)]
    if max(len(name) for name in names) >= each and not all(numeric(name) for name in names):
        names = [shorten(name, max(3, int(each) - 1)) for name in short_labels(names, max(2, int(each) - 1))]
    stride = _stride(each, max(len(name) for name in names) + 1)
    free = np.ones(canvas.columns + 2, np.bool_)
    for k in _order(names, stride, marked):
        name, strong = names[k], k == marked
        last = min(grid.box.right + 1, canvas.columns) - len(name)
        start = max(0, min(int(grid.middle(k) - len(name) / 2 + 0.25), last))
        if free[start : start + len(name) + 2].all():
            canvas.text(start, grid.box.bottom, name, palette.role("strong" if strong else "text"), bold=strong)
            free[start + 1 : start + len(name) + 1] = False


def _stride(each: float, wanted: float) -> int:
    """Every 1st, 2nd, 5th, 10th, ... of labels that are ``each`` cells apart, so that one has the room wanted."""
    return next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if s * each >= wanted), 5000)


def _order(names: Sequence[str], stride: int, marked: int | None) -> list[int]:
    """Which are to be shown, at round numbers where they count; the marked one first, so that it has its place."""
    start = next((i for i, name in enumerate(names[:stride]) if name.isdecimal() and int(name) % stride == 0), 0)
    indices = range(start, len(names), stride)
    return list(indices) if marked is None else [marked, *(i for i in indices if i != marked)]
