"""The charts of a screen: which of them are shown, which one the keys act on, and where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from . import looking
from .chart import ChartPanel
from .layout import Tiles, capacity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.layout import Layout

    from ibmon.figures.figure import Figure

    from .look import Look


def on_screen(figures: Sequence[Figure], screen: str) -> list[Figure]:
    """The figures of a screen, the plane first; the overview has the important ones of all screens, or else everything."""
    from ibmon.figures.figure import Plane

    if screen == "overview":
        important = [f for f in figures if f.important or f.screen == "overview"]
        return sorted(important or figures, key=lambda f: not isinstance(f, Plane))
    return [f for f in figures if f.screen == screen]


class Deck(Widget):
    """Holds a panel for every figure that was ever shown, so that each keeps its zoom and its scales.

    ``changed`` is called when a new size changed which charts have room.
    """

    def __init__(self, look: Look, changed: Callable[[], None], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._changed = changed
        self._tiles = Tiles()
        self.look = look
        self.screen_name = "overview"
        self.full = False
        self.inspecting = False
        self.only: tuple[str, ...] = ()
        self.panels: dict[str, ChartPanel] = {}
        self._figures: list[Figure] = []
        self._until: int | None = None
        self._current: dict[str, str] = {}
        self._visible: list[str] = []

    @property
    def layout(self) -> Layout:
        """Not a style: Textual's styles know only its own layouts."""
        return self._tiles

    @property
    def current(self) -> ChartPanel | None:
        """The panel the keys act on."""
        return self.panels.get(self._figures[self._index()].name) if self._figures else None

    @property
    def comparing(self) -> bool:
        """Whether the current chart shows several runs."""
        from ibmon.figures.view import runs_of

        return self.current is not None and len(runs_of(self.current.figure)) > 1

    def _index(self) -> int:
        names = [f.name for f in self._figures]
        wanted = self._current.get(self.screen_name)
        return names.index(wanted) if wanted in names else 0

    def show(self, figures: Sequence[Figure], screen: str, until: int | None) -> None:
        """Show a screen's figures as they are up to a step."""
        if screen != self.screen_name:
            self.full = False
            self.stop_inspecting()
        self.screen_name, self._until = screen, until
        self._figures = on_screen(figures, screen)
        self.settle()

    def clear(self) -> None:
        """Forget everything: another run is opened."""
        for panel in self.panels.values():
            panel.remove()
        self.panels, self._figures, self._visible, self._current = {}, [], [], {}
        self.full = self.inspecting = False
        self.only = ()

    def settle(self) -> None:
        """Bring the panels in line with the figures, the room and the current chart."""
        room = 1 if self.full else capacity(*self.size)
        index, count = self._index(), len(self._figures)
        start = index // room * room if count > room else 0
        start = min(start, max(0, count - room))
        chosen = self._figures[start : start + room]
        fresh: list[ChartPanel] = []
        for figure in chosen:
            if figure.name not in self.panels:
                self.panels[figure.name] = ChartPanel(figure, self.look)
                fresh.append(self.panels[figure.name])
        names = [f.name for f in chosen]
        for name, panel in self.panels.items():
            panel.display = name in names
        for place, figure in enumerate(chosen):
            panel = self.panels[figure.name]
            panel.place = place
            panel.current = count > 1 and start + place == index and not self.full
            panel.counter = f"{start + place + 1}/{count}" if count > len(chosen) else ""
            if self.inspecting and start + place == index:
                panel.show(figure, self._until, self.only)
                panel.view = looking.pointed(figure, panel.whole_view)
            panel.show(figure, self._until, self.only)
        if fresh:
            self.mount(*fresh)
        if names != self._visible:
            self._visible = names
            self.refresh(layout=True)

    @property
    def drawn(self) -> bool:
        """Whether every chart that has room has been drawn in its size."""
        panels = [self.panels[name] for name in self._visible]
        return bool(panels) and all(p.grid is not None and p.grid.ch.shape == (p.size.height, p.size.width) for p in panels)

    def hidden(self) -> list[Figure]:
        """The figures of the screen that have no room beside the one shown."""
        return [f for f in self._figures if f.name not in self._visible] if not self.full else []

    def on_resize(self, event: events.Resize) -> None:
        self.settle()
        self._changed()

    def wear(self, look: Look) -> None:
        """Draw everything in other colours."""
        self.look = look
        for panel in self.panels.values():
            panel.look = look
            panel.repaint()

    def turn(self, by: int) -> None:
        """Make the next chart the current one."""
        if self._figures:
            inspecting = self.inspecting
            self.stop_inspecting()
            self._current[self.screen_name] = self._figures[(self._index() + by) % len(self._figures)].name
            self.inspecting = inspecting
            self.settle()

    def look_at(self, how: str) -> None:
        """Change the view of the current chart: ``colour``, ``x``, ``y``, ``smooth``, ``layout`` or ``layout-back``."""
        panel = self.current
        if panel is None:
            return
        if how == "colour":
            panel.view = looking.recoloured(panel.view, panel.figure)
        elif how == "smooth":
            panel.view = looking.smoother(panel.view)
        elif how in ("layout", "layout-back"):
            panel.view = looking.relaid(panel.view, panel.figure, 1 if how == "layout" else -1)
            if self.inspecting:
                panel.view = looking.pointed(panel.figure, panel.whole_view)
        elif how in ("x", "y"):
            panel.view = looking.rescaled(panel.view, panel.figure, "x" if how == "x" else "y")
        panel.redraw()

    def zoom(self, factor: float) -> None:
        panel = self.current
        if panel is not None and panel.chart_frame is not None:
            panel.view = looking.zoomed(panel.view, panel.chart_frame, factor, looking.where(panel.figure, panel.view))
            panel.redraw()

    def move(self, dx: int, dy: int) -> None:
        """Move the cursor; without one move what a zoom shows, or set the cursor."""
        panel = self.current
        if panel is None or panel.chart_frame is None:
            return
        if self.inspecting:
            panel.view = looking.moved(panel.figure, panel.whole_view, dx, dy, panel.places)
        elif panel.view.x_limits is not None:
            panel.view = looking.panned(panel.view, panel.chart_frame, dx, dy)
        else:
            self.inspect()
        panel.redraw()

    def inspect(self) -> None:
        """Put a cursor on the current chart, or take it away."""
        if self.inspecting:
            self.stop_inspecting()
            return
        self.inspecting = True
        self.settle()

    def stop_inspecting(self) -> None:
        from dataclasses import replace

        self.inspecting = False
        for panel in self.panels.values():
            if panel.view.cursor is not None:
                panel.view = replace(panel.view, cursor=None)
                panel.redraw()
