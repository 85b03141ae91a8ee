"""From the cells of a chart to the lines of a terminal, and which of them changed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip

from .look import rich_style

if TYPE_CHECKING:
    from ibmon.plot import CellGrid

_APART = 16
"""Columns between two changes of a line from which on it is cheaper to address both of them."""


def strip(grid: CellGrid, row: int, ground: int) -> Strip:
    """One row on a background: a segment for each run of cells that look the same."""
    fg, bold = grid.fg[row], grid.bold[row]
    bg = np.where(grid.bg[row] < 0, ground, grid.bg[row])
    width = len(fg)
    if not width:
        return Strip([], 0)
    # The colour of a blank is of no matter, unless its background is.
    blank = grid.ch[row] == 32
    fg = np.where(blank, _carried(fg, blank), fg)
    breaks = (fg[1:] != fg[:-1]) | (bg[1:] != bg[:-1]) | (bold[1:] != bold[:-1])
    starts = [0, *(np.flatnonzero(breaks) + 1).tolist(), width]
    text = grid.ch[row].astype("<u4").tobytes().decode("utf-32-le")
    segments = [Segment(text[a:b], rich_style(int(fg[a]), int(bg[a]), bool(bold[a]))) for a, b in pairwise(starts)]
    return Strip(segments, width)


def _carried(fg: np.ndarray, blank: np.ndarray) -> np.ndarray:
    """The colour of the last cell that is not blank."""
    at = np.maximum.accumulate(np.where(blank, 0, np.arange(len(fg))))
    return fg[at]


def differing(old: CellGrid, new: CellGrid) -> list[Region]:
    """The regions in which two grids of one shape differ, each within one row."""
    differs = (old.ch != new.ch) | (old.fg != new.fg) | (old.bg != new.bg) | (old.bold != new.bold)
    regions: list[Region] = []
    for y in np.flatnonzero(differs.any(axis=1)).tolist():
        columns = np.flatnonzero(differs[y])
        cuts = np.flatnonzero(np.diff(columns) > _APART)
        firsts = columns[np.concatenate(([0], cuts + 1))].tolist()
        lasts = columns[np.concatenate((cuts, [len(columns) - 1]))].tolist()
        regions += [Region(a, y, b - a + 1, 1) for a, b in zip(firsts, lasts, strict=True)]
    return regions
