"""Any figure as a grid of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibmon.figures.figure import Curves, Figure, Graph, Heatmap, Histogram, Image, Passage, Plane, Table, View
from ibmon.figures.panels import apart

from .axes import SMALLEST, Chart, message, title_only
from .curves import draw_curves
from .graphs import draw_graph
from .heatmap import draw_heatmap
from .histogram import draw_histogram
from .images import draw_image
from .palette import Palette
from .panels import draw_panels
from .passages import draw_passage
from .plane import draw_plane
from .tables import draw_table

if TYPE_CHECKING:
    from .scales import Frame


def draw(
    figure: Figure,
    columns: int,
    rows: int,
    view: View | None = None,
    palette: Palette | None = None,
    hold: Frame | None = None,
) -> Chart:
    """Draws a figure into a rectangle of cells, without its title; below 20 × 6 cells nothing but its title.

    ``hold`` is the frame of the last drawing of this figure: its limits are used again while the data fit into them, so
    that axes do not move with every new point.
    """
    view, palette = view or View(), palette or Palette()
    columns, rows = max(columns, 0), max(rows, 0)
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        return title_only(figure.title, columns, rows, palette)
    if apart(figure, view):
        return draw_panels(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Plane):
        return draw_plane(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Curves):
        return draw_curves(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Heatmap):
        return draw_heatmap(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Histogram):
        return draw_histogram(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Table):
        return draw_table(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Image):
        return draw_image(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Passage):
        return draw_passage(figure, columns, rows, view, palette, hold)
    if isinstance(figure, Graph):
        return draw_graph(figure, columns, rows, view, palette, hold)
    return message(figure.title, columns, rows, palette)
