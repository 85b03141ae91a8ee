"""From data to cells and back: limits of axes and the frame of a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.ticks import nice_step

from .canvas import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibmon.figures.figure import Axis, Scale

_LARGEST = 1e290
_STEPS = 5
"""Limits lie on half steps of an axis with about this many ticks, whatever its size in cells."""
_ROOMY = 0.55
"""Held limits are given up when the data fill less than this part of them."""


def forward(values: np.ndarray | Sequence[float] | float, scale: Scale) -> np.ndarray:
    """Values as the axis lays them out; NaN where it cannot show them."""
    array = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        if scale == "log":
            return np.where((array > 0) & (array < np.inf), np.log10(np.where(array > 0, array, 1.0)), np.nan)
        return np.where(np.abs(array) < _LARGEST, array, np.nan)


def _edges(limits: tuple[float, float], scale: Scale) -> tuple[float, float]:
    return (math.log10(limits[0]), math.log10(limits[1])) if scale == "log" else limits


def _backward(value: float, scale: Scale) -> float:
    return 10.0 ** min(max(value, -300.0), 300.0) if scale == "log" else value


def _range(data: np.ndarray) -> tuple[float, float] | None:
    data = data[np.isfinite(data)]
    return (float(data.min()), float(data.max())) if data.size else None


def fit_limits(
    data: np.ndarray,
    axis: Axis,
    scale: Scale,
    *,
    references: Sequence[float] = (),
    hold: tuple[float, float] | None = None,
    zoom: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Limits in data units that show all ``data`` (any shape), unless ``zoom`` says which.

    Limits the axis knows are kept where the data stay within; references are included where they are not far from the
    data; ``hold``, the limits used before, are used again while the data fit into them and fill most of them.
    """
    if zoom is not None:
        low, high = (float(v) for v in forward(sorted(zoom), scale))
        if high - low > max(1e-9 * max(abs(low), abs(high)), 1e-290):
            return _backward(low, scale), _backward(high, scale)
    laid = forward(data, scale)
    span = _range(laid)
    known = [float(forward(v, scale)) if v is not None else math.nan for v in axis.limits]
    if span is None:
        low, high = _widen(*(k if math.isfinite(k) else d for k, d in zip(known, (0.0, 1.0), strict=True)))
        return _backward(low, scale), _backward(high, scale)
    low, high = min(span[0], known[0]), max(span[1], known[1])  # in this order a NaN never wins
    for reference in forward(list(references), scale).tolist():
        reach = max(high - low, 1e-9 * max(abs(low), abs(high)), 1.0 if scale == "log" else 0.0)
        if low - reach <= reference <= high + reach:
            low, high = min(low, reference), max(high, reference)
    low, high = _widen(low, high)
    if hold is not None:
        held = _edges(hold, scale)
        if held[0] <= low and high <= held[1] and high - low >= _ROOMY * (held[1] - held[0]):
            return hold
    step = nice_step(high - low, _STEPS) / 2
    if scale == "log":
        step = min(step, 0.5)
    outer = math.floor(low / step + 1e-6) * step, math.ceil(high / step - 1e-6) * step
    if known[0] == low:
        outer = low, outer[1]
    if known[1] == high:
        outer = outer[0], high
    return _backward(outer[0], scale), _backward(outer[1], scale)


def _widen(low: float, high: float) -> tuple[float, float]:
    """Limits that are apart, also where all values are equal."""
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    middle, apart = (low + high) / 2, max(abs(low), abs(high)) * 0.1 or 0.5
    return middle - apart, middle + apart


@dataclass(frozen=True, slots=True)
class Frame:
    """The limits a chart was drawn with (data units) and where its plot area lies (cells)."""

    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    x_scale: Scale
    y_scale: Scale
    left: int
    top: int
    width: int
    height: int

    @property
    def box(self) -> Box:
        """The plot area."""
        return Box(self.left, self.top, self.width, self.height)

    def dots_x(self, x: np.ndarray | Sequence[float] | float) -> np.ndarray:
        """Positions in dots (two a cell) from the left edge of the chart, NaN where the scale has none."""
        return 2 * self.left + _place(x, self.x_limits, self.x_scale) * (2 * self.width - 1)

    def dots_y(self, y: np.ndarray | Sequence[float] | float) -> np.ndarray:
        """Positions in dots (four a cell) from the upper edge of the chart, NaN where the scale has none."""
        return 4 * self.top + (1 - _place(y, self.y_limits, self.y_scale)) * (4 * self.height - 1)

    def part_y(self, y: np.ndarray) -> np.ndarray:
        """Heights from 0 at the lower end of the y axis to 1 at its upper end, NaN where the scale has none."""
        return _place(y, self.y_limits, self.y_scale)

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """Column and row of the cell that shows a point; None outside the plot area."""
        column, row = self.column(x), self.row(y)
        return None if column is None or row is None else (column, row)

    def column(self, x: float) -> int | None:
        """The column that shows ``x``; None outside."""
        dot = float(self.dots_x(x))
        inside = 2 * self.left - 0.5 <= dot <= 2 * (self.left + self.width) - 0.5
        return min(round(dot) >> 1, self.left + self.width - 1) if inside else None

    def row(self, y: float) -> int | None:
        """The row that shows ``y``; None outside."""
        dot = float(self.dots_y(y))
        inside = 4 * self.top - 0.5 <= dot <= 4 * (self.top + self.height) - 0.5
        return min(round(dot) >> 2, self.top + self.height - 1) if inside else None

    def data(self, column: float, row: float) -> tuple[float, float]:
        """The values at the middle of a cell."""
        x = (2 * (column - self.left) + 0.5) / (2 * self.width - 1)
        y = 1 - (4 * (row - self.top) + 1.5) / (4 * self.height - 1)
        return _pick(x, self.x_limits, self.x_scale), _pick(y, self.y_limits, self.y_scale)


def _place(values: np.ndarray | Sequence[float] | float, limits: tuple[float, float], scale: Scale) -> np.ndarray:
    low, high = _edges(limits, scale)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.clip((forward(values, scale) - low) / (high - low), -1e6, 1e6)


def _pick(part: float, limits: tuple[float, float], scale: Scale) -> float:
    low, high = _edges(limits, scale)
    return _backward(low + part * (high - low), scale)
