"""Matrices and pictures in half blocks: two rows of values a row of cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.table import pictures
from ibmon.figures.view import number

from .axes import EMPTY, Chart, Header, blank_frame, message
from .canvas import Box, Canvas, shorten
from .scales import Frame, forward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibmon.figures.figure import Heatmap, Image, View

    from .palette import Palette

_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:-=+*#%@"


def value_range(values: np.ndarray, limits: tuple[float | None, float | None]) -> tuple[float, float] | None:
    """The values that the ends of the colour bar stand for; None where nothing is finite."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low = float(finite.min()) if limits[0] is None else float(limits[0])
    high = float(finite.max()) if limits[1] is None else float(limits[1])
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def scaled(values: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """From 0 to 1 between the limits; NaN stays NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        half = np.clip((values / 2 - span[0] / 2) / (span[1] / 2 - span[0] / 2), 0.0, 1.0)
    return np.where(np.isfinite(values), half, np.nan)


def shrunk(values: np.ndarray, most_rows: int, most_columns: int) -> np.ndarray:
    """Means over neighbouring values so that no more rows and columns are left than there is room for."""
    for axis, most in ((0, most_rows), (1, most_columns)):
        count = values.shape[axis]
        if count > most:
            edges = np.arange(most) * count // most
            finite = np.isfinite(values)
            total = np.add.reduceat(np.where(finite, values, 0.0), edges, axis=axis)
            kept = np.add.reduceat(finite.astype(np.float64), edges, axis=axis)
            values = np.where(kept > 0, total / np.maximum(kept, 1.0), np.nan)
    return values


def paint(canvas: Canvas, box: Box, part: np.ndarray, ramp: np.ndarray, palette: Palette) -> None:
    """Fills ``box`` with values from 0 to 1, ``(2 × box.height, box.width)``; NaN stays empty."""
    at = (slice(box.top, box.bottom), slice(box.left, box.right))
    if palette.depth in ("16", "none") or palette.ascii:
        pair = np.stack([part[0::2], part[1::2]])
        known = np.isfinite(pair)
        cell = np.where(known, pair, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        if palette.ascii and palette.depth in ("true", "256"):
            colour = ramp[np.rint(cell * (len(ramp) - 1)).astype(np.intp)]
            canvas.bg[at] = np.where(known.any(axis=0), colour, -1)
            return
        shades = "0123456789" if palette.depth == "none" else _ASCII_SHADES if palette.ascii else _SHADES
        table = np.array([ord(c) for c in shades], np.uint32)
        level = np.minimum((cell * len(shades)).astype(np.intp), len(shades) - 1)
        canvas.ch[at] = np.where(known.any(axis=0), table[level], ord(" "))
        canvas.fg[at] = palette.role("text")
        return
    colour = np.where(np.isfinite(part), ramp[np.rint(np.nan_to_num(part) * (len(ramp) - 1)).astype(np.intp)], -1).astype(
        np.int32
    )
    upper, lower = colour[0::2], colour[1::2]
    same, top_empty, low_empty = upper == lower, upper < 0, lower < 0
    canvas.ch[at] = np.where(same, ord(" "), np.where(top_empty, ord("▄"), ord("▀")))
    canvas.fg[at] = np.where(same, -1, np.where(top_empty, lower, upper))
    canvas.bg[at] = np.where(same, upper, np.where(top_empty | low_empty, -1, lower))


def draw_heatmap(figure: Heatmap, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """A matrix with its labels and a colour bar, each value a whole number of cells wide and high."""
    values = forward(np.atleast_2d(figure.values), "linear")
    span = value_range(values, figure.limits)
    if span is None or values.ndim != 2:
        return message(EMPTY, columns, rows, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    text = palette.role("text")

    bar_labels = [number(v, 3) for v in (span[1], (span[0] + span[1]) / 2, span[0])]
    bar = max(len(label) for label in bar_labels) + 4 if columns >= 30 else 0
    names = [shorten(label, min(14, columns // 4)) for label in figure.row_labels] or [str(i) for i in range(values.shape[0])]
    left = max((len(name) for name in names), default=0) + 1
    top, below = 1, 1
    room = Box(left, top, max(1, columns - left - bar), max(1, rows - top - below))
    small = shrunk(values, 2 * room.height, room.width)
    box, high, wide = _fitted(small, room, halves=palette.depth in ("true", "256") and not palette.ascii)
    part = np.repeat(np.repeat(scaled(small, span), high, axis=0), wide, axis=1)
    if len(part) % 2:
        part = np.vstack([part, np.full((1, part.shape[1]), np.nan)])
    paint(canvas, box, part, palette.heat(), palette)

    used = -1
    for i, name in enumerate(names[: values.shape[0]]):
        row = box.top + int((i + 0.5) * len(small) / values.shape[0] * high / 2)
        if row > used and row < box.bottom:
            canvas.text(left - 1 - len(name), row, name, text)
            used = row
    _column_labels(canvas, figure, box, values.shape[1], small.shape[1] * wide, text)
    if bar:
        _bar(canvas, Box(box.right + 1, box.top, 2, box.height), bar_labels, palette)
    header = Header()
    header.add((shorten(figure.value_label, columns // 2), text))
    label = figure.y.label if not figure.x.label else f"{figure.y.label} × {figure.x.label}" if figure.y.label else figure.x.label
    label = shorten(label, columns)
    canvas.text(min(box.left, columns - len(label)), 0, label, text)
    header.draw(canvas, min(box.left, columns - len(label)) + len(label) + 2)
    frame = Frame(
        (-0.5, values.shape[1] - 0.5), (values.shape[0] - 0.5, -0.5), "linear", "linear", box.left, box.top, box.width, box.height
    )
    _mark(canvas, box, view, values.shape, (len(small) * high / 2, small.shape[1] * wide), palette)
    return Chart(canvas.grid(), frame)


def _fitted(values: np.ndarray, room: Box, *, halves: bool) -> tuple[Box, int, int]:
    """Where the matrix goes, and how many half rows and columns each of its values takes."""
    high = max(1, 2 * room.height // values.shape[0])
    wide = max(1, room.width // values.shape[1])
    high, wide = min(high, 2 * wide), min(wide, 4 * high)
    if not halves and high > 1:
        high -= high % 2
    height = -(-values.shape[0] * high // 2)
    return Box(room.left, room.top, values.shape[1] * wide, min(height, room.height)), high, wide


def _column_labels(canvas: Canvas, figure: Heatmap, box: Box, count: int, width: int, colour: int) -> None:
    free = box.left
    for i in range(count):
        name = figure.column_labels[i] if i < len(figure.column_labels) else str(i)
        name = shorten(name, max(3, width // count - 1))
        start = box.left + int((i + 0.5) * width / count - len(name) / 2 + 0.25)
        if start >= free and start + len(name) <= box.right + 1 and (figure.column_labels or _round(i, count, width)):
            canvas.text(start, box.bottom, name, colour)
            free = start + len(name) + 1


def _round(i: int, count: int, width: int) -> bool:
    """Whether the number of a column is one to be shown: every one, or every 2, 5, 10, ... of them."""
    stride = next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if s * width >= 5 * count), 5000)
    return i % stride == 0


def _bar(canvas: Canvas, box: Box, labels: list[str], palette: Palette) -> None:
    part = np.repeat(np.linspace(1.0, 0.0, 2 * box.height)[:, None], box.width, axis=1)
    paint(canvas, box, part, palette.heat(), palette)
    places = (box.top, box.top + (box.height - 1) // 2, box.bottom - 1)
    for k, (row, label) in enumerate(zip(places, labels, strict=True)):
        if k in (0, 2) or box.height >= 7:
            canvas.text(box.right + 1, row, label, palette.role("text"))


def _mark(canvas: Canvas, box: Box, view: View, shape: tuple[int, ...], drawn: tuple[float, float], palette: Palette) -> None:
    """Marks the (row, column) under the cursor."""
    if view.cursor is None or not (0 <= view.cursor[0] < shape[0] and 0 <= view.cursor[1] < shape[1]):
        return
    row = min(box.top + int((view.cursor[0] + 0.5) * drawn[0] / shape[0]), box.bottom - 1)
    column = min(box.left + int((view.cursor[1] + 0.5) * drawn[1] / shape[1]), box.right - 1)
    canvas.text(column, row, "◉" if not palette.ascii else "@", palette.role("ground"), palette.role("strong"), bold=True)


def draw_image(figure: Image, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """One picture, or several beside each other, as grey half blocks with their labels beneath."""
    values = forward(pictures(figure), "linear")
    if values.ndim != 3 or not values.size or (span := value_range(values, figure.limits)) is None:
        return message(EMPTY, columns, rows, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    labelled = 1 if any(figure.labels) else 0
    across, down, high, wide = _montage(values.shape, columns, rows, labelled)
    for k in range(min(len(values), across * down)):
        left, top = k % across * (wide + 1), k // across * (high + labelled)
        part = scaled(_resized(values[k], 2 * high, wide), span)
        paint(canvas, Box(left, top, wide, high), part, palette.greys(), palette)
        if labelled and k < len(figure.labels):
            canvas.text(left, top + high, shorten(figure.labels[k], wide), palette.role("text"))
    return Chart(canvas.grid(), blank_frame(columns, rows))


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
    small = shrunk(values, height, width)
    rows = np.arange(height) * small.shape[0] // height
    columns = np.arange(width) * small.shape[1] // width
    return small[rows][:, columns]
