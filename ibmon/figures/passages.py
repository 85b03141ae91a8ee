"""A passage as every renderer takes it: words that can be shown, their values, their lines, and signs that do without colour."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ibmon.runs.log import printable

from .spans import scaled, value_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figure import Passage

_ABOVE, _BELOW = "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"
_LARGEST = 1e290
_FEWEST_LINES = 3
"""Lines of a passage below which fewer passages are shown, rather than fewer lines of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What the colours of a passage mean: ``part`` ``(rows, words)`` from 0 at ``low`` to 1 at ``high``, NaN without a value.

    With a ``centre`` that is 0.5.
    """

    part: np.ndarray
    low: float
    high: float
    centre: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of a passage and the lines of each that have room, with so many blank lines ``between`` rows."""

    rows: range
    lines: range
    between: int


def words_of(figure: Passage) -> list[str]:
    """The words as they can be shown: without control characters and white space; an empty one is a blank."""
    return [word if _harmless(word) else _shown(word) for word in figure.words]


def _harmless(word: str) -> bool:
    return word.isascii() and word.isprintable() and 0 < len(word) <= 100 and " " not in word


def _shown(word: str) -> str:
    # Letters and their accents as one character, because what takes no cell of its own cannot be drawn in cells.
    return printable(" ".join(unicodedata.normalize("NFC", word).split()), 100) or " "


def values_of(figure: Passage) -> np.ndarray:
    """The values ``(rows, words)``; NaN where a word has none."""
    given = np.atleast_2d(np.asarray(figure.values, np.float64))
    values = np.full((len(given), len(figure.words)), np.nan)
    shared = min(given.shape[1], values.shape[1])
    values[:, :shared] = given[:, :shared]
    return values


def scale_of(figure: Passage) -> Scale | None:
    """The range of colours of all rows; None where no word has a value."""
    values = values_of(figure)
    values[~(np.abs(values) < _LARGEST)] = np.nan
    centre = figure.centre if figure.centre is not None and math.isfinite(figure.centre) else None
    span = value_range(values, figure.limits, centre)
    return None if span is None else Scale(scaled(values, span, centre), *span, centre)


def row_names(figure: Passage) -> list[str]:
    """A name for each row; none for a single row without a label."""
    rows = len(np.atleast_2d(figure.values))
    if rows == 1 and not figure.labels:
        return []
    return [printable(figure.labels[row]) if row < len(figure.labels) else str(row) for row in range(rows)]


def most_telling(figure: Passage) -> np.ndarray:
    """Indices of the words, those whose value in the last row is largest (or farthest from the centre) first."""
    scale = scale_of(figure)
    if scale is None:
        return np.arange(len(figure.words))
    size = scale.part[-1] if scale.centre is None else np.abs(scale.part[-1] - 0.5)
    return np.argsort(-np.nan_to_num(size, nan=-1.0), kind="stable")


def signs(part: np.ndarray, *, centred: bool, plain: bool = False) -> list[list[str]]:
    """Marks that stand for colours ``(rows, words)``: tenths of the range as small digits, lowered below a centre.

    A word in the lowest tenth, or next to the centre, has none. ``plain`` marks are ASCII: ``^7`` and ``_7``.
    """
    size = np.nan_to_num(np.abs(2 * part - 1) if centred else part)
    tenth = np.minimum((10 * size).astype(np.intp), 9)
    below = centred & (np.nan_to_num(part, nan=1.0) < 0.5)
    above_marks, below_marks = ([f"^{k}" for k in range(10)], [f"_{k}" for k in range(10)]) if plain else (_ABOVE, _BELOW)
    return [
        ["" if k == 0 else (below_marks if low else above_marks)[k] for k, low in zip(*row, strict=True)]
        for row in zip(tenth.tolist(), below.tolist(), strict=True)
    ]


def lines_of(widths: Sequence[float], room: float, gap: float) -> list[range]:
    """The words of each line: as many as go beside each other, ``gap`` apart, and at least one."""
    lines: list[range] = []
    start, end = 0, 0.0
    for k, width in enumerate(widths):
        if k > start and end + gap + width > room:
            lines.append(range(start, k))
            start, end = k, width
        else:
            end += width + (gap if k > start else 0)
    return [*lines, range(start, len(widths))] if len(widths) else lines


def window(rows: int, lines: int, room: int, *, named: bool, row: int = 0, line: int = 0) -> Window:
    """What of ``rows`` passages of ``lines`` lines each goes into ``room`` lines, around one line of one of them.

    Where not everything does, one line is left for saying so, and all passages show the same of their lines.
    """
    name = int(named)
    spare = room - rows * (name + lines)
    if spare >= 0:
        return Window(range(rows), range(lines), int(spare >= rows - 1))
    room = max(room - 1, 1)
    shown = max(1, min(rows, room // (name + min(lines, _FEWEST_LINES))))
    kept = max(1, min(lines, room // shown - name))
    first_row = max(0, min(row - shown // 2, rows - shown))
    first = max(0, min(line - kept // 2, lines - kept))
    return Window(range(first_row, first_row + shown), range(first, first + kept), 0)


def left_out(shown: Window, lines: Sequence[range], rows: int) -> str:
    """What a window leaves out, in words; nothing where it shows everything."""
    first, end, count = lines[shown.lines.start].start, lines[shown.lines.stop - 1].stop, lines[-1].stop
    said: list[str] = []
    if first > 0:
        said.append(f"words {first + 1}–{end} of {count}")
    elif end < count:
        said.append(f"… {count - end} more {'word' if count - end == 1 else 'words'}")
    if len(shown.rows) < rows:
        at = f"s {shown.rows.start + 1}–{shown.rows.stop}" if len(shown.rows) > 1 else f" {shown.rows.stop}"
        said.append(f"passage{at} of {rows}")
    return " · ".join(said)
