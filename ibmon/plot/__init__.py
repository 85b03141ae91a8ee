"""The terminal's raster: figures as cells, with numpy alone.

``draw`` turns a figure into a ``Chart`` of ``CellGrid`` and ``Frame``; ``table`` turns it into a table of its newest
values for terminals too small for a chart.
"""

from ibmon.figures.table import table

from .axes import Chart
from .canvas import CellGrid
from .charts import draw
from .palette import COLOUR_MAPS, Palette
from .scales import Frame

__all__ = ["COLOUR_MAPS", "CellGrid", "Chart", "Frame", "Palette", "draw", "table"]
