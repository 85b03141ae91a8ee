"""One figure in a frame of its own: drawn when it is visible, repainted where it changed."""

from __future__ import annotations

import textwrap
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from textual.strip import Strip
from textual.widget import Widget

from ibmon.figures.figure import Curves, Figure, Graph, Heatmap, Image, Passage, Plane, View
from ibmon.figures.view import meaning, shorten
from ibmon.plot import CellGrid, draw
from ibmon.plot.canvas import Canvas

from .cells import differing, strip
from .diagnostics import METER

if TYPE_CHECKING:
    from textual import events
    from textual.timer import Timer

    from ibmon.plot import Frame as ChartFrame

    from .look import Look

HEATMAP_SECONDS = 1.0
"""How often areas of colour and graphs, whose nodes move, are drawn anew while they change by themselves."""


class ChartPanel(Widget):
    """A figure with its title above and its note below. ``view`` is how the user looks at it, without time and filter."""

    ALLOW_SELECT = False

    def __init__(self, figure: Figure, look: Look) -> None:
        super().__init__()
        self.look = look
        self.figure = figure
        self.view = View()
        self.place = 0
        self.current = False
        self.counter = ""
        self.chart_frame: ChartFrame | None = None
        self.places: np.ndarray | None = None
        self.grid: CellGrid | None = None
        self._strips: list[Strip | None] = []
        self._until: int | None = None
        self._only: tuple[str, ...] = ()
        self._drawn_at = 0.0
        self._drawn: tuple[object, ...] = ()
        self._drawn_figure: Figure | None = None
        self._later: Timer | None = None

    @property
    def whole_view(self) -> View:
        """The view with the step it ends at and the layers it is limited to."""
        return replace(self.view, until=self._until, only=self._only)

    def show(self, figure: Figure, until: int | None, only: tuple[str, ...]) -> None:
        """Show the newest state of the figure; at most once a second where all of it moves by itself."""
        by_user = (until, only) != (self._until, self._only)
        self.figure, self._until, self._only = figure, until, only
        wait = HEATMAP_SECONDS - (time.monotonic() - self._drawn_at)
        if isinstance(figure, Heatmap | Image | Passage | Graph) and not by_user and wait > 0:
            if self._later is None and self.is_mounted:
                self._later = self.set_timer(wait, self.redraw)
            return
        self.redraw()

    def redraw(self) -> None:
        """Draw and repaint what differs from what is on the screen; nothing while it is hidden or the same as before."""
        self._later = None
        columns, rows = self.size
        if not self.display or columns < 3 or rows < 3:
            return
        asked = (self.whole_view, columns, rows, self.look, self.current, self.counter)
        if self._drawn_figure is self.figure and asked == self._drawn:
            return
        self._drawn_figure, self._drawn = self.figure, asked
        self._drawn_at = began = time.monotonic()
        old, new = self.grid, self._draw(columns, rows)
        METER.charts.append(time.monotonic() - began)
        self.grid = new
        if old is None or old.ch.shape != new.ch.shape:
            self._strips = [None] * rows
            self.refresh()
            return
        regions = differing(old, new)
        for region in regions:
            self._strips[region.y] = None
        if regions:
            self.refresh(*regions)

    def _draw(self, columns: int, rows: int) -> CellGrid:
        canvas = Canvas(columns, rows, ascii_only=self.look.ascii)
        self._border(canvas)
        try:
            chart = draw(self.figure, columns - 2, rows - 2, self.whole_view, self.look.palette(), self.chart_frame)
        except Exception as error:  # a figure of somebody else's plugin
            text = f"this chart could not be drawn: {type(error).__name__}: {error}"
            for row, line in enumerate(textwrap.wrap(text, max(10, columns - 4))[: rows - 2], start=1):
                canvas.text(2, row, line, self.look.colour("warn"))
            return canvas.grid()
        self.chart_frame, self.places = chart.frame, chart.places
        inside = np.s_[1 : rows - 1, 1 : columns - 1]
        for name in ("ch", "fg", "bg", "bold"):
            getattr(canvas, name)[inside] = getattr(chart.grid, name)
        return canvas.grid()

    def _border(self, canvas: Canvas) -> None:
        columns, rows = canvas.columns, canvas.rows
        line = self.look.colour("accent" if self.current else "border")
        corners, across, down = ("++++", "-", "|") if self.look.ascii else ("╭╮╰╯", "─", "│")
        canvas.text(0, 0, corners[0] + across * (columns - 2) + corners[1], line)
        canvas.text(0, rows - 1, corners[2] + across * (columns - 2) + corners[3], line)
        for row in range(1, rows - 1):
            canvas.text(0, row, down, line)
            canvas.text(columns - 1, row, down, line)
        title = shorten(self.figure.title, columns - 6)
        canvas.text(2, 0, f" {title} ", self.look.colour("strong" if self.current else "text"), bold=True)
        if self.counter and columns - len(title) - len(self.counter) > 12:
            canvas.text(columns - len(self.counter) - 4, 0, f" {self.counter} ", self.look.colour("dim"))
        note = self._note(columns - 6)
        if note:
            canvas.text(columns - len(note) - 4, rows - 1, f" {note} ", self.look.colour("dim"))

    def _note(self, room: int) -> str:
        """Estimator, meaning of the colours and what the user changed, as much as fits."""
        view, figure = self.view, self.figure
        parts: list[str] = []
        if isinstance(figure, Plane):
            parts.append(self._colours())
        if isinstance(figure, Plane | Curves):
            parts += [
                f"{view.x_scale} x" if view.x_scale and view.x_scale != figure.x.scale else "",
                f"{view.y_scale} y" if view.y_scale and view.y_scale != figure.y.scale else "",
                f"mean of {view.smooth}" if view.smooth > 1 and isinstance(figure, Curves) else "",
            ]
        parts += [f"only {' '.join(self._only)}" if self._only else "", "zoomed" if view.x_limits else ""]
        said = [part for part in parts if part]
        text = "   ".join([figure.note, *said] if figure.note else said)
        return shorten(text, room) if len(text) <= room or not said else shorten("   ".join(said), room)

    def _colours(self) -> str:
        """What colour means in a plane."""
        figure = self.figure
        colour = meaning(figure, self.view)
        if colour == "epoch":
            return "colour: epoch"
        if colour == "position":
            return f"colour: {_bare(figure.positions.label) if isinstance(figure, Plane) and figure.positions else 'position'}"
        return f"colour: {'run' if colour == 'run' else 'layer'}, fade: epoch"

    def repaint(self) -> None:
        """Draw everything anew: colours have changed."""
        self.grid, self._drawn = None, ()
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def on_show(self) -> None:
        self.redraw()

    def render_line(self, y: int) -> Strip:
        if self.grid is None or y >= len(self._strips) or self.grid.ch.shape[1] != self.size.width:
            return Strip.blank(self.size.width, self.look.style())
        drawn = self._strips[y]
        if drawn is None:
            drawn = self._strips[y] = strip(self.grid, y, self.look.colour("ground"))
        return drawn


def _bare(label: str) -> str:
    """A label without its unit."""
    return label.partition(" [")[0]
