"""A matrix as text: blocks of the 256 colours, or shades, with the names of rows and columns beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .view import number, shown_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figure import Heatmap, View

RAMP = (54, 60, 61, 67, 31, 37, 36, 35, 71, 112, 148, 226)
DIVERGING = (25, 32, 74, 117, 153, 255, 223, 215, 208, 166, 130)
_SHADES = "·░▒▓█"


def heatmap_lines(figure: Heatmap, view: View, columns: int, rows: int, colour: bool) -> list[str]:
    """At most ``rows`` lines of at most ``columns`` characters; none where nothing is measured or nothing has room.

    Of a matrix with more rows or columns than there is room for, some are shown, evenly spaced.
    """
    values = np.atleast_2d(np.asarray(figure.values, np.float64)).copy()
    values[~(np.abs(values) < 1e100)] = np.nan
    span = _span(figure, values)
    if span is None:
        return []
    values[:, shown_columns(figure, view) :] = np.nan
    names = [label[: columns // 4] for label in figure.row_labels] or [str(r) for r in range(len(values))]
    left = max(len(name) for name in names) + 1
    if columns - left < 8 or rows < 4:
        return []
    across, down = _some(values.shape[1], columns - left), _some(len(values), rows - 2)
    wide = min((columns - left) // len(across), 10)
    tall = max(1, min((rows - 2) // len(down), wide // 2))
    ramp = DIVERGING if figure.centre is not None else RAMP
    inks = [(f"\x1b[38;5;{ink}m", "█") for ink in ramp] if colour else [("", shade) for shade in _SHADES]
    part = (values / 2 - span[0] / 2) / (span[1] / 2 - span[0] / 2)
    level = np.where(np.isfinite(part), np.clip(np.nan_to_num(part) * len(inks), 0, len(inks) - 1).astype(int), -1)
    lines: list[str] = []
    for r in down.tolist():
        cells = "".join(_cell(inks, int(level[r, c]), wide) for c in across.tolist())
        name = names[r] if r < len(names) else ""
        lines += [f"{name.rjust(left - 1)} {cells}".rstrip(), *[" " * left + cells] * (tall - 1)]
    labels = figure.column_labels or tuple(
        number(float(v), 6) for v in (np.arange(values.shape[1]) if figure.steps is None else figure.steps)
    )
    axes = " × ".join(label for label in (figure.y.label, figure.x.label) if label)
    ends = f"{number(span[0], 3)} ", f" {number(span[1], 3)}"
    room = columns - len("".join(ends))
    key = "".join(_cell(inks, k, 1) for k in _some(len(inks), max(2, room)).tolist())
    said = "  ".join(part for part in (axes, figure.value_label) if part)[: max(0, room - len(inks) - 2)]
    return [f"{said}  {ends[0]}{key}{ends[1]}".lstrip(), *lines, _ruler(labels, across.tolist(), left, wide, columns)]


def _span(figure: Heatmap, values: np.ndarray) -> tuple[float, float] | None:
    """The values at the ends of the ramp."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low = float(known.min()) if figure.limits[0] is None else figure.limits[0]
    high = float(known.max()) if figure.limits[1] is None else figure.limits[1]
    if figure.centre is not None:
        half = max(abs(low - figure.centre), abs(high - figure.centre))
        low, high = figure.centre - half, figure.centre + half
    apart = max(abs(low) / 10, 0.5)
    return (low, high) if high - low > 1e-12 * apart else (low - apart, low + apart)


def _some(count: int, most: int) -> np.ndarray:
    """At most so many indices, evenly spaced."""
    return np.unique(np.rint(np.linspace(0, count - 1, min(count, most))).astype(np.intp))


def _cell(inks: Sequence[tuple[str, str]], level: int, wide: int) -> str:
    if level < 0:
        return " " * wide
    ink, block = inks[level]
    return f"{ink}{block * wide}\x1b[0m" if ink else block * wide


def _ruler(labels: Sequence[str], across: Sequence[int], left: int, wide: int, columns: int) -> str:
    """The names of columns below them, as many as do not touch."""
    line = ""
    for place, c in enumerate(across):
        label = labels[c] if c < len(labels) else ""
        start = left + place * wide + max(0, (wide - len(label)) // 2)
        if label and start >= len(line) + (1 if line else 0) and start + len(label) <= columns:
            line = line.ljust(start) + label
    return line
