"""Pictures of matrices, histograms, tables and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize

from .image_parts import COLOURS, draw_legend, draw_references, drawable, plain, say_empty, set_axis
from .table import pictures
from .view import number, shown_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as Side
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure as Drawing

    from .figure import Heatmap, Histogram, Image, Table, View

SMALL = 8
"""Matrices with at most so many rows and columns have their values in the cells."""
DIVERGING = ("#0B4A99", "#3F7FCC", "#9FC4F0", "#F7F7F2", "#F0B070", "#D07A2A", "#8F3D00")
"""Blue below and orange above the centre, as in the terminal."""
_ROW = 0.13
"""Inches that the name of a row needs."""
_NAMED = 24
"""Rows or columns up to which each is named."""
_GROUND = "#BFD0DE"
"""Between the parts of a picture: neither black nor white nor a grey."""


def square(figure: Heatmap) -> bool:
    """Whether the cells of a matrix are squares."""
    shape = np.atleast_2d(figure.values).shape
    return max(shape) < 3 * min(shape) and figure.steps is None


def draw_heatmaps(drawing: Drawing, panels: Sequence[tuple[Axes, Heatmap]], view: View, ramp: Colormap, across: int) -> None:
    """Matrices beside each other in the same colours, and what these mean at the right of each row."""
    figures = [figure for _, figure in panels]
    scale = _scale(figures)
    if any(figure.centre is not None for figure in figures):
        ramp = LinearSegmentedColormap.from_list("diverging", DIVERGING)
    for k, (axes, figure) in enumerate(panels):
        values = np.atleast_2d(drawable(figure.values, "linear")).copy()
        axes.set_xlabel(plain(figure.x.label))
        axes.set_ylabel(plain(figure.y.label) if k % across == 0 else "")
        if not np.isfinite(values).any():
            axes.set_axis_off()
            say_empty(axes)
            continue
        values[:, shown_columns(figure, view) :] = np.nan
        axes.imshow(values, cmap=ramp, norm=scale, aspect="auto", interpolation="nearest")
        _label_sides(axes, figure, values.shape)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if max(values.shape) <= SMALL:
            _write_values(axes, values, ramp(scale(values))[..., :3])
    bar = drawing.colorbar(ScalarMappable(scale, ramp), ax=[axes for axes, _ in panels], pad=0.02, aspect=24)
    bar.set_label(plain(figures[0].value_label))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    if square(figures[0]):
        _make_square(drawing, panels[0], -(-len(panels) // across))


def _make_square(drawing: Drawing, panel: tuple[Axes, Heatmap], down: int) -> None:
    """Makes the paper as high as square cells need, and names of rows; the layout leaves margins as they are."""
    rows, columns = np.atleast_2d(panel[1].values).shape
    drawing.draw_without_rendering()
    room = panel[0].get_window_extent()
    wanted = min(room.width * rows / columns, 1.5 * drawing.bbox.width)
    if panel[1].row_labels:
        wanted = max(wanted, _ROW * min(rows, _NAMED) * drawing.dpi)
    drawing.set_figheight(drawing.get_figheight() + down * (wanted - room.height) / drawing.dpi)


def _scale(figures: Sequence[Heatmap]) -> Normalize:
    """From the least to the largest value of all matrices, or as far on both sides of their centre."""
    values = np.concatenate([np.zeros(0), *(np.ravel(drawable(figure.values, "linear")) for figure in figures)])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    lows, highs = [figure.limits[0] for figure in figures], [figure.limits[1] for figure in figures]
    low = min((v for v in lows if v is not None), default=low)
    high = max((v for v in highs if v is not None), default=high)
    centre = next((figure.centre for figure in figures if figure.centre is not None), None)
    if centre is not None:
        half = max(abs(low - centre), abs(high - centre))
        low, high = centre - half, centre + half
    return Normalize(low, high) if high > low else Normalize(low - 0.5, low + 0.5)


def _label_sides(axes: Axes, figure: Heatmap, shape: tuple[int, ...]) -> None:
    """The names of rows and columns, or the steps of columns; as many as there is room for."""
    if figure.steps is not None:
        names = figure.column_labels or tuple(number(float(step), 6) for step in figure.steps)
        longest = max((len(name) for name in names), default=1)
        _name_ticks(axes.xaxis, names, shape[1], most=max(2, 30 // (longest + 1)))
    else:
        _name_ticks(axes.xaxis, figure.column_labels, shape[1])
        if sum(len(label) for label in figure.column_labels) > 40:
            axes.tick_params(axis="x", rotation=90)
    _name_ticks(axes.yaxis, figure.row_labels, shape[0])


def _name_ticks(side: Side, labels: Sequence[str], count: int, most: int = _NAMED) -> None:
    if labels:
        every = max(1, -(-count // most))
        side.set_ticks(range(0, min(count, len(labels)), every), [plain(label) for label in labels[:count:every]])
    side.set_tick_params(length=0 if labels else 3)


def _write_values(axes: Axes, values: np.ndarray, colours: np.ndarray) -> None:
    """The number of each cell, in black on light and in white on dark colours."""
    light = colours @ np.array([0.299, 0.587, 0.114]) > 0.5
    for (r, c), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "black" if light[r, c] else "white"
            axes.text(c, r, number(float(value), 2), ha="center", va="center", fontsize=6, color=ink)


def draw_histograms(drawing: Drawing, panels: Sequence[tuple[Axes, Histogram]], view: View) -> None:
    """Stacked counts beside each other with the same limits; groups of the same label in the same colour."""
    every, first = [axes for axes, _ in panels], panels[0][1]
    names = list(dict.fromkeys(label for _, figure in panels for label in figure.labels))
    entries: dict[str, dict[str, Any]] = {}
    for axes, figure in panels:
        counts = np.nan_to_num(np.atleast_2d(drawable(figure.counts, "linear")))
        edges = drawable(figure.edges, "linear")
        if len(edges) != counts.shape[1] + 1 or len(edges) < 2 or not np.isfinite(edges).all() or not counts.any():
            say_empty(axes)
            continue
        axes.margins(x=0)
        floor = np.zeros(counts.shape[1])
        for g, group in enumerate(counts):
            colour = COLOURS[(names.index(figure.labels[g]) if g < len(figure.labels) else g) % len(COLOURS)]
            axes.stairs(floor + group, edges, baseline=floor, fill=True, color=colour, alpha=0.85, lw=0)
            floor = floor + group
            if g < len(figure.labels):
                entries[figure.labels[g]] = {"color": colour, "marker": "s", "ms": 5, "ls": "none", "alpha": 0.85}
    draw_legend(drawing, entries if len(entries) > 1 else {})
    references = [reference for _, figure in panels for reference in figure.references]
    set_axis(every, "x", first.x, "linear", view.x_limits, references)
    set_axis(every, "y", first.y, "linear", None, references)
    for axes, figure in panels:
        draw_references(axes, figure.references, [], [])


def draw_table(axes: Axes, figure: Table, width: float) -> None:
    """Rules above, below the header and at the end, as in a book, in a picture ``width`` inches wide."""
    axes.set_axis_off()
    if not figure.columns or not figure.rows:
        say_empty(axes)
        return
    rows = (figure.columns, *figure.rows)
    widths = [max(3, *(len(row[k]) if k < len(row) else 0 for row in rows)) for k in range(len(figure.columns))]
    starts = np.concatenate([[0.0], np.cumsum(np.array(widths) + 2.0)])
    axes.set_xlim(0, starts[-1] - 2.0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    size = min(8.0, 72 * width / (0.58 * max(float(starts[-1]), 1.0)))
    for r, row in enumerate(rows):
        for k, cell in enumerate(row[: len(widths)]):
            axes.text(starts[k], r, plain(cell), fontsize=size, va="center", fontweight="bold" if r == 0 else "normal")
    for y, weight in ((-0.6, 0.8), (0.5, 0.5), (len(rows) - 0.4, 0.8)):
        axes.axhline(y, color="black", lw=weight, clip_on=False)


def montage(count: int) -> int:
    """How many pictures of a montage are in a row."""
    return min(count, int(np.ceil(np.sqrt(1.5 * count))))


def draw_image(drawing: Drawing, figure: Image) -> None:
    """One picture with its captions, or several with their labels above them; where there is no value lies a tinted ground."""
    values = drawable(pictures(figure), "linear")
    known = values[np.isfinite(values)]
    if values.ndim != 3 or not known.size:
        axes = drawing.add_subplot()
        axes.set_axis_off()
        say_empty(axes)
        return
    low = float(known.min()) if figure.limits[0] is None else figure.limits[0]
    high = float(known.max()) if figure.limits[1] is None else figure.limits[1]
    greys = colormaps["gray"].with_extremes(bad=_GROUND)
    across = montage(len(values))
    grid = drawing.subplots(-(-len(values) // across), across, squeeze=False)
    for k, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if k < len(values):
            axes.imshow(values[k], cmap=greys, vmin=low, vmax=high)
            if k < len(figure.labels):
                axes.set_title(plain(figure.labels[k]), fontsize=6, pad=2)
    if len(values) == 1:
        _caption(grid[0, 0], figure)


def _caption(axes: Axes, figure: Image) -> None:
    """Names the bands of a picture that is put together, where each begins."""
    for row, text in figure.row_captions:
        axes.text(-0.01, row - 0.5, plain(text), transform=axes.get_yaxis_transform(), ha="right", va="top", fontsize=6)
    for column, text in figure.column_captions:
        axes.text(column - 0.5, 1.01, plain(text), transform=axes.get_xaxis_transform(), ha="left", va="bottom", fontsize=6)
