"""Areas of colour in half blocks, two values a cell; in shades, digits and letters where there are too few colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .canvas import Box, Canvas
    from .palette import Palette

_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:-=+*#%@"
_DIGITS = "0123456789"
_LETTERS = "0abcdefghi"


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


def paint(canvas: Canvas, box: Box, part: np.ndarray, ramp: np.ndarray, palette: Palette, *, centred: bool = False) -> None:
    """Fills ``box`` with values from 0 to 1, ``(2 × box.height, box.width)``; NaN stays empty.

    Where there are too few colours, the distance from the middle of a ``centred`` ramp is a shade, and its colour tells the
    side; without any colour it is a digit above the middle and a letter below it.
    """
    if palette.coarse or palette.ascii:
        _paint_coarsely(canvas, box, part, ramp, palette, centred)
        return
    at = (slice(box.top, box.bottom), slice(box.left, box.right))
    colour = np.where(np.isfinite(part), ramp[_levels(part, ramp)], -1).astype(np.int32)
    upper, lower = colour[0::2], colour[1::2]
    same, top_empty, low_empty = upper == lower, upper < 0, lower < 0
    canvas.ch[at] = np.where(same, ord(" "), np.where(top_empty, ord("▄"), ord("▀")))
    canvas.fg[at] = np.where(same, -1, np.where(top_empty, lower, upper))
    canvas.bg[at] = np.where(same, upper, np.where(top_empty | low_empty, -1, lower))


def _levels(part: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    return np.rint(np.nan_to_num(part) * (len(ramp) - 1)).astype(np.intp)


def _paint_coarsely(canvas: Canvas, box: Box, part: np.ndarray, ramp: np.ndarray, palette: Palette, centred: bool) -> None:
    """One value a cell, the mean of the two."""
    at = (slice(box.top, box.bottom), slice(box.left, box.right))
    pair = np.stack([part[0::2], part[1::2]])
    finite = np.isfinite(pair)
    known = finite.any(axis=0)
    cell = np.where(finite, pair, 0.0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    if not palette.coarse:
        canvas.bg[at] = np.where(known, ramp[_levels(cell, ramp)], -1)
        return
    below = cell < 0.5 if centred else np.zeros_like(known)
    size = np.abs(2 * cell - 1) if centred else cell
    shades = _DIGITS if palette.depth == "none" else _ASCII_SHADES if palette.ascii else _SHADES
    table = np.array([[ord(c) for c in marks] for marks in (shades, _LETTERS if palette.depth == "none" else shades)], np.uint32)
    level = np.minimum((size * len(shades)).astype(np.intp), len(shades) - 1)
    canvas.ch[at] = np.where(known, table[below.astype(np.intp), level], ord(" "))
    canvas.fg[at] = np.where(below, ramp[0], ramp[-1])
