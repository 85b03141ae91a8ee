"""Running text in cells, each word on the colour of its value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.passages import left_out, lines_of, row_names, scale_of, signs, window, words_of
from ibmon.figures.view import number, shorten

from .axes import EMPTY, Chart, blank_frame, message
from .canvas import Canvas, clean
from .palette import legible

if TYPE_CHECKING:
    from ibmon.figures.figure import Passage, View
    from ibmon.figures.passages import Scale

    from .palette import Palette
    from .scales import Frame

_BAR = 12
"""Cells of the line that says what colours mean."""
_FAINTEST = 0.25
"""Part of the range from which on one of 16 colours lies behind a word."""
_Cells = list[tuple[str, int, int]]
"""Pieces of a line, with their colour and what is behind them."""


def draw_passage(figure: Passage, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """The words from line to line, passage under passage; where not all have room, those around the cursor.

    With 16 colours and without any each word bears its value as a sign.
    """
    scale = scale_of(figure)
    if scale is None:
        return message(EMPTY, columns, rows, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    room = columns - 2  # at both sides one column for the brackets of the cursor
    many, count = scale.part.shape
    marks = _signs(scale, palette)
    longest = [max(len(row[k]) for row in marks) for k in range(count)]
    words = [shorten(clean(word, palette.ascii), room - mark) for word, mark in zip(words_of(figure), longest, strict=True)]
    widths = [len(word) + mark for word, mark in zip(words, longest, strict=True)]
    lines = lines_of(widths, room, 1)
    places = _places(lines, widths)
    cursor = view.cursor
    if cursor is not None and not (0 <= cursor[0] < many and 0 <= cursor[1] < count):
        cursor = None
    names = row_names(figure)
    row, line = (many - 1, 0) if cursor is None else (cursor[0], int(places[cursor[1], 1]))
    shown = window(many, len(lines), rows - 1, named=bool(names), row=row, line=line)

    _draw_scale(canvas, scale, figure.value_label, palette)
    behind = _grounds(scale.part, palette, centred=scale.centre is not None)
    inks = np.where(behind < 0, palette.role("text"), legible(behind))
    size = scale.part if scale.centre is None else np.abs(2 * scale.part - 1)
    top = 1
    for r in shown.rows:
        if names:
            current = cursor is not None and cursor[0] == r
            canvas.text(1, top, shorten(names[r], room), palette.role("strong" if current else "text"), bold=True)
            top += 1
        for at in shown.lines:
            if not palette.coarse:
                _join(canvas, top, lines[at], places, size[r], behind[r])
            for k in lines[at]:
                column, text = 1 + int(places[k, 0]), words[k] + marks[r][k]
                bold = bool(size[r, k] >= 0.5) and palette.coarse
                canvas.text(column, top, text, int(inks[r, k]), int(behind[r, k]), bold=bold)
                if cursor == (r, k):
                    _mark(canvas, column, top, text, palette)
            top += 1
        top += shown.between
    canvas.text(1, rows - 1, shorten(left_out(shown, lines, many), room), palette.role("reference"))
    return Chart(canvas.grid(), blank_frame(columns, rows), places)


def _signs(scale: Scale, palette: Palette) -> list[list[str]]:
    if palette.coarse:
        return signs(scale.part, centred=scale.centre is not None, plain=palette.ascii)
    return [[""] * scale.part.shape[1]] * len(scale.part)


def _places(lines: list[range], widths: list[int]) -> np.ndarray:
    """Column and line of every word ``(words, 2)``."""
    places = np.zeros((len(widths), 2), np.intp)
    for at, line in enumerate(lines):
        places[line.start : line.stop, 1] = at
        places[line.start + 1 : line.stop, 0] = np.cumsum([widths[k] + 1 for k in line[:-1]])
    return places


def _grounds(part: np.ndarray, palette: Palette, *, centred: bool) -> np.ndarray:
    """What lies behind words with these parts of the range, -1 where nothing does; with 16 colours only behind larger ones."""
    known, filled = np.isfinite(part), np.nan_to_num(part)
    if palette.depth == "none":
        return np.full(part.shape, -1, np.int32)
    ramp = palette.diverging() if centred else palette.heat()
    if palette.depth == "16":
        size = np.abs(2 * filled - 1) if centred else filled
        ramp, filled = (ramp, filled) if centred else (palette.ramp(), (filled - _FAINTEST) / (1 - _FAINTEST))
        known = known & (size >= _FAINTEST)
    levels = np.rint(np.clip(filled, 0.0, 1.0) * (len(ramp) - 1)).astype(np.intp)
    return np.where(known, ramp[levels], -1).astype(np.int32)


def _join(canvas: Canvas, row: int, line: range, places: np.ndarray, size: np.ndarray, behind: np.ndarray) -> None:
    """Between two words the colour of the lesser one, so that text without much in it is one area and not many."""
    left, right = np.arange(line.start, line.stop - 1), np.arange(line.start + 1, line.stop)
    lesser = np.where(size[left] <= size[right], left, right)
    known = (behind[left] >= 0) & (behind[right] >= 0)
    canvas.bg[row, places[right, 0]] = np.where(known, behind[lesser], -1)


def _mark(canvas: Canvas, column: int, row: int, text: str, palette: Palette) -> None:
    """The word under the cursor, in brackets and inverse."""
    ground = None if palette.depth == "none" else palette.role("strong")
    canvas.text(column - 1, row, f"[{text}]", palette.role("ground"), ground, bold=True)


def _draw_scale(canvas: Canvas, scale: Scale, label: str, palette: Palette) -> None:
    """What the colours mean, at the right end of the first line; before it, as far as there is room, what is measured."""
    cells = _bar(scale, palette)
    width = sum(len(text) for text, _, _ in cells)
    start = canvas.columns - 1 - width
    if start < 1:
        return
    canvas.text(1, 0, shorten(label, start - 3), palette.role("text"))
    for text, ink, ground in cells:
        canvas.text(start, 0, text, ink, ground)
        start += len(text)


def _bar(scale: Scale, palette: Palette) -> _Cells:
    """The colours or signs from the least value to the largest, with both and the centre between them."""
    centred = scale.centre is not None
    size = (20 if centred else 10) if palette.coarse else _BAR
    part = (np.arange(size) + 0.5)[None] / size
    grounds = _grounds(part, palette, centred=centred)[0]
    marks = _signs(replace(scale, part=part), palette)[0] if palette.coarse else [" "] * size
    if palette.coarse and palette.ascii:  # signs of two characters: those at the ends say enough
        marks = [mark if k in (0 if centred else 1, size - 1) else "" for k, mark in enumerate(marks)]
    text = palette.role("text")
    inks = np.where(grounds < 0, text, legible(grounds))
    cells = list(zip(marks, inks.tolist(), grounds.tolist(), strict=True))
    between = " " if scale.centre is None else f" {number(scale.centre, 3)} "
    middle = [(between, text, -1)] if centred or (palette.coarse and palette.ascii) else []
    low, high = (f"{number(scale.low, 3)} ", text, -1), (f" {number(scale.high, 3)}", text, -1)
    return [low, *cells[: size // 2], *middle, *cells[size // 2 :], high]
