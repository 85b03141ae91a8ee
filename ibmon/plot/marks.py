"""Marks that tell series and runs apart beside their colours: at the heads of paths, along them, and in the header."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Plane
from ibmon.figures.view import RUN_MARKS, hues, marks_of, number, positions_of, runs_of, series_in, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibmon.figures.figure import Colour, Curves

    from .axes import Header
    from .canvas import Box, Canvas
    from .palette import Palette

ASCII_RUN_MARKS = "*+^v"
NAMED = 40
"""Series of a plane up to which every one is named."""
NAMED_POSITIONS = 12
"""The same for series that a ramp of colours tells apart."""
SOME = 5
"""How many are named where there are more."""
APART = (8, 4)
"""Columns and rows in which a run sets one mark."""
_ASIDE = sorted(
    ((dx, dy) for dx in range(-6, 7) for dy in range(-3, 4)), key=lambda o: (abs(o[0]) + 2.5 * abs(o[1]), -o[0], o[1])
)


def run_mark(run: int, palette: Palette) -> str:
    """The mark of a run; nothing for what belongs to none."""
    marks = ASCII_RUN_MARKS if palette.ascii else RUN_MARKS
    return marks[run % len(marks)] if run >= 0 else ""


def run_numbers(figure: Plane | Curves) -> list[int]:
    """The number of each series' run; -1 for all where no runs are compared."""
    runs = runs_of(figure)
    return [runs.index(one.run) if one.run and len(runs) > 1 else -1 for one in series_in(figure)]


def hues_by(figure: Plane | Curves, meaning: Colour) -> list[int]:
    """The hue of each series: one a run where colour means that, else one a series or group."""
    return [run % 8 for run in run_numbers(figure)] if meaning == "run" else hues(series_in(figure))


def subject_marks(figure: Plane) -> list[str]:
    """The mark of each trajectory: its position, else what tells its label from others; the same in every run."""
    labels = [t.label for t in figure.trajectories]
    if figure.positions is not None and np.isfinite(positions_of(figure)).any():
        positions = positions_of(figure).tolist()
        return [number(p) if math.isfinite(p) else shorten(label, 8) for p, label in zip(positions, labels, strict=True)]
    return marks_of(figure)


def named(figure: Plane | Curves, shown: Sequence[int]) -> list[int]:
    """Which of the shown series are named: all of them, or of many in each run the first, the last and some between."""
    runs, positions = run_numbers(figure), positions_of(figure).tolist()
    kept: list[int] = []
    for run in dict.fromkeys(runs[i] for i in shown):
        own = [i for i in shown if runs[i] == run]
        placed = {i for i in own if figure.positions is not None and math.isfinite(positions[i])}
        kept += _some(sorted(placed, key=lambda i: positions[i]), NAMED_POSITIONS)
        kept += _some([i for i in own if i not in placed], NAMED)
    return kept


def _some(series: list[int], most: int) -> list[int]:
    if len(series) <= most:
        return series
    return [series[k] for k in np.rint(np.linspace(0, len(series) - 1, SOME)).astype(np.intp).tolist()]


def add_runs(header: Header, figure: Plane | Curves, meaning: Colour, palette: Palette) -> None:
    """The mark and the name of every run that is compared."""
    runs = runs_of(figure)
    for number_, run in enumerate(runs if len(runs) > 1 else ()):
        colour = palette.series(number_) if meaning == "run" else palette.role("strong")
        header.add((f"{run_mark(number_, palette)} {shorten(run, 14)}", colour))


def set_marks(
    canvas: Canvas, box: Box, x: np.ndarray, y: np.ndarray, run: np.ndarray, colour: np.ndarray, palette: Palette
) -> None:
    """Sets the marks of runs at some of the points, given in dots: in each block of cells at the one nearest to its middle."""
    inside = (x >= 2 * box.left) & (x < 2 * box.right) & (y >= 4 * box.top) & (y < 4 * box.bottom) & (run >= 0)
    column, row = x[inside].astype(np.intp) >> 1, y[inside].astype(np.intp) >> 2
    run, colour = run[inside], colour[inside]
    wide, high = APART
    across, down = column + 3 * run, row + 2 * run  # blocks of other runs lie elsewhere, so that their marks rarely meet
    block = (run * (canvas.rows + 99) + down // high) * (canvas.columns + 99) + across // wide
    away = np.abs(across % wide - wide // 2) + 2 * np.abs(down % high - high // 2)
    order = np.lexsort((away, block))
    first = order[np.unique(block[order], return_index=True)[1]]
    marks = np.array([ord(run_mark(k, palette)) for k in range(len(RUN_MARKS))], np.uint32)
    canvas.ch[row[first], column[first]] = marks[run[first] % len(marks)]
    canvas.fg[row[first], column[first]] = colour[first]


def set_heads(canvas: Canvas, box: Box, heads: Sequence[tuple[int, int, str, int]]) -> None:
    """Texts ``(column, row, text, colour)`` in bold, each moved aside where another one is; what has no room is left out."""
    taken = np.zeros((canvas.rows, canvas.columns), np.bool_)
    for at, line, text, colour in heads:
        for dx, dy in _ASIDE:
            column, row = min(at + dx, box.right - len(text)), line + dy
            if column < box.left or not box.top <= row < box.bottom:
                continue
            if not taken[row, max(0, column - 1) : column + len(text) + 1].any():
                canvas.text(column, row, text, colour, bold=True)
                taken[row, column : column + len(text)] = True
                break
