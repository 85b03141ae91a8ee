"""What the colours of a chart stand for: values on a ramp, as a bar beside the plot area or as a line above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.view import log_part, number, positions_of, positive_range

from .areas import paint
from .canvas import Box
from .palette import LEVELS

if TYPE_CHECKING:
    from ibmon.figures.figure import Curves, Plane, Scale

    from .axes import Header
    from .canvas import Canvas
    from .palette import Palette

SMALLEST = (60, 10)
"""Columns and rows below which a chart has no room for a bar."""
Labels = list[tuple[float, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Ramp:
    """Values that are shown as colours: their name, their ends, and the one in the middle."""

    label: str
    low: float
    middle: float
    high: float
    scale: Scale = "linear"

    def part(self, values: np.ndarray) -> np.ndarray:
        """Where values lie between the ends, from 0 to 1; 1 where the ends are equal."""
        if not self.low < self.high:
            return np.ones(values.shape)
        if self.scale == "log":
            return log_part(values, self.low, self.high)
        with np.errstate(all="ignore"):
            return np.clip(np.nan_to_num((values - self.low) / (self.high - self.low)), 0.0, 1.0)

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Indices of the colours of values in a palette's ramp."""
        return np.rint(self.part(values) * (LEVELS - 1)).astype(np.intp)

    def labels(self) -> Labels:
        """The values at the ends and in the middle, with their places from 0 to 1."""
        values = dict.fromkeys((self.high, self.middle, self.low))
        return [(float(self.part(np.array(value))), number(value, 6)) for value in values]


def position_ramp(figure: Plane | Curves) -> Ramp | None:
    """The positions of all series of a figure, whichever are shown; None where it has none."""
    positions = positions_of(figure)
    positions = positions[np.isfinite(positions)]
    if figure.positions is None or not positions.size:
        return None
    return _ramp(figure.positions.label, positions, figure.positions.scale)


def epoch_ramp(epochs: np.ndarray) -> Ramp:
    """Epochs, spaced as they are measured: evenly in their logarithm."""
    return _ramp("epoch", epochs, "log")


def _ramp(label: str, values: np.ndarray, scale: Scale) -> Ramp:
    low, high = positive_range(values) if scale == "log" else (float(values.min()), float(values.max()))
    ends = Ramp(label, low, low, high, scale)
    inside = values[(values >= low) & (values <= high)]
    middle = float(inside[np.abs(ends.part(inside) - 0.5).argmin()]) if inside.size else low
    return Ramp(label, low, middle, high, scale)


def bar_width(ramp: Ramp | None, columns: int, rows: int, palette: Palette) -> int:
    """Columns that a bar with its labels takes at the right of the plot area; 0 where there is none."""
    if ramp is None or palette.coarse or not ramp.low < ramp.high or columns < SMALLEST[0] or rows < SMALLEST[1]:
        return 0
    return max(len(text) for _, text in ramp.labels()) + 4


def draw_bar(canvas: Canvas, plot: Box, labels: Labels, colours: np.ndarray, palette: Palette, *, centred: bool = False) -> None:
    """A bar of two columns beside the plot area, its largest value at the top."""
    box = Box(plot.right + 1, plot.top, 2, plot.height)
    part = np.repeat(np.linspace(1.0, 0.0, 2 * box.height)[:, None], box.width, axis=1)
    paint(canvas, box, part, colours, palette, centred=centred)
    for place, text in labels:
        row = box.top + round((1 - place) * (box.height - 1))
        if place in (0.0, 1.0) or box.top + 1 < row < box.bottom - 2:
            canvas.text(box.right + 1, row, text, palette.role("text"))


def add_to_header(header: Header, ramp: Ramp, palette: Palette) -> None:
    """The ramp as a line between its ends, for charts that have no room for a bar; without its name where there is little."""
    text = palette.role("text")
    if not ramp.low < ramp.high:
        return
    low, high = number(ramp.low, 6), number(ramp.high, 6)
    if palette.depth == "none" or palette.ascii:
        line = [(f"{low} to {high}", text)]
    else:
        line = [(f"{low} ", text), *(("━", colour) for colour in palette.ramp()[1::2].tolist()), (f" {high}", text)]
    header.add((f"{ramp.label} ".lstrip(), text), *line, short=line)
