"""Pictures in half blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.spans import scaled, value_range
from ibmon.figures.table import pictures
from ibmon.figures.view import shorten

from .areas import paint, shrunk
from .axes import EMPTY, Chart, blank_frame, message
from .canvas import Box, Canvas
from .scales import forward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibmon.figures.figure import Image, View

    from .palette import Palette
    from .scales import Frame


def draw_image(figure: Image, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """One picture, or several beside each other, as grey half blocks with their labels beneath."""
    values = forward(pictures(figure), "linear")
    if values.ndim != 3 or not values.size or (span := value_range(values, figure.limits)) is None:
        return message(EMPTY, columns, rows, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    if len(values) == 1 and (figure.row_captions or figure.column_captions):
        _draw_parts(canvas, figure, scaled(values[0], span), palette)
        return Chart(canvas.grid(), blank_frame(columns, rows))
    labelled = 1 if any(figure.labels) else 0
    across, down, high, wide = _montage(values.shape, columns, rows, labelled)
    for k in range(min(len(values), across * down)):
        left, top = k % across * (wide + 1), k // across * (high + labelled)
        _paint(canvas, Box(left, top, wide, high), scaled(_resized(values[k], 2 * high, wide), span), palette)
        if labelled and k < len(figure.labels):
            canvas.text(left, top + high, shorten(figure.labels[k], wide), palette.role("text"))
    return Chart(canvas.grid(), blank_frame(columns, rows))


def _draw_parts(canvas: Canvas, figure: Image, part: np.ndarray, palette: Palette) -> None:
    """A picture with the names of its bands at its left and above it, as many as there is room for."""
    names = [(row, shorten(text, canvas.columns // 3)) for row, text in figure.row_captions]
    left = max((len(text) + 1 for _, text in names), default=0)
    top = 1 if figure.column_captions else 0
    _, _, high, wide = _montage((1, *part.shape), canvas.columns - left, canvas.rows - top, 0)
    _paint(canvas, Box(left, top, wide, high), _resized(part, 2 * high, wide), palette)
    free, text_colour = top, palette.role("text")
    for row, text in names:
        at = top + row * high // part.shape[0]
        if at >= free:
            canvas.text(left - 1 - len(text), at, text, text_colour)
            free = at + 1
    starts = [left + column * wide // part.shape[1] for column, _ in figure.column_captions]
    for k, (_, text) in enumerate(figure.column_captions):
        end = starts[k + 1] - 1 if k + 1 < len(starts) else canvas.columns
        canvas.text(starts[k], 0, shorten(text, end - starts[k]), text_colour)


def _paint(canvas: Canvas, box: Box, part: np.ndarray, palette: Palette) -> None:
    """Greys, and a ground that tells what has no value from black."""
    paint(canvas, box, part, palette.greys(), palette)
    if not palette.coarse:
        ground = canvas.bg[box.top : box.bottom, box.left : box.right]
        ground[ground < 0] = palette.role("grid")


def _montage(shape: Sequence[int], columns: int, rows: int, labelled: int) -> tuple[int, int, int, int]:
    """How many pictures go beside and below each other, and their height and width in cells."""
    count, height, width = shape
    best = (1, 1, max(1, rows - labelled), max(1, columns), 0)
    for across in range(1, count + 1):
        down = math.ceil(count / across)
        wide, high = (columns + 1) // across - 1, rows // down - labelled
        if wide < 1 or high < 1:
            continue
        scale = min(wide / width, 2 * high / height)
        wide, high = max(1, int(width * scale)), max(1, math.ceil(height * scale / 2))
        high = min(high, rows // down - labelled)
        if wide * high > best[4]:
            best = (across, down, high, wide, wide * high)
    if best[4] == 0:  # more pictures than cells: as many as go
        across = max(1, min(count, (columns + 1) // 5))
        return across, max(1, rows // (2 + labelled)), min(2, max(1, rows - labelled)), max(1, min(4, columns))
    return best[:4]


def _resized(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Means of neighbours, or repeated; where most of them have no value there is none, so that gaps between parts last."""
    known = shrunk(np.isfinite(values).astype(np.float64), height, width)
    small = np.where(known > 0.5, shrunk(values, height, width), np.nan)
    rows = np.arange(height) * small.shape[0] // height
    columns = np.arange(width) * small.shape[1] // width
    return small[rows][:, columns]
