"""The keys of charts: which one, how it is looked at, what a value says, and saving it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from .board import Board
from .dialogs import Asking, Choose

if TYPE_CHECKING:
    from ibmon.figures.figure import Figure, View
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.history import Coordinate

_FORMATS = (
    ("p", "png", "PNG, for a slide or a paper"),
    ("s", "svg", "SVG, to edit"),
    ("f", "pdf", "PDF, for a paper"),
    ("c", "csv", "CSV, its numbers"),
)


class Charting(Board):
    """What is done to the chart that is current."""

    def action_chart(self, by: int) -> None:
        if self.charts is not None:
            self.charts.turn(by)
            self.draw()

    def action_full(self) -> None:
        if self.charts is not None:
            self.charts.full = not self.charts.full
            self.draw()

    def action_look(self, how: str) -> None:
        if self.charts is not None:
            self.charts.look_at(how)
            self.draw_readout()

    def action_zoom(self, factor: float) -> None:
        if self.charts is not None:
            self.charts.zoom(factor)

    @work(group="filter")
    async def action_filter(self) -> None:
        if self.charts is None:
            return
        words = await self.app.push_screen_wait(
            Asking("show layers whose name contains one of these words; empty shows all", " ".join(self.charts.only))
        )
        if words is not None and self.deck is not None:
            self.deck.only = tuple(words.split())
            self.draw()

    def action_inspect(self) -> None:
        if self.charts is not None:
            self.charts.inspect()
            self.draw()

    def action_move(self, dx: int, dy: int) -> None:
        page = self.list_page
        if page is not None:
            page.scroll_by(dy)
        elif self.charts is not None:
            self.charts.move(dx, dy)
            self.draw()

    def action_network(self, by: int) -> None:
        """Show the next network by itself, or all of them again."""
        newest = self.timeline.newest
        if newest is None or self.feed is None:
            return
        stops, last = (None, *newest.replicas), self.feed.replica  # not the one that is shown: keys may be faster than frames
        at = stops.index(last) if last in stops else 0
        self.feed.pick(stops[(at + by) % len(stops)])

    def action_page(self, pages: int) -> None:
        page = self.list_page
        if page is not None:
            page.page_by(pages)
        elif self.charts is not None:
            self.charts.move(0, 10 * pages)
            self.draw()

    def action_copy(self) -> None:
        """Put what the readout says into the clipboard of the terminal, however far away that is."""
        from .clipboard import copy

        text = self.readout.text()
        if text:
            copy(self.app, text)
            self.notify("copied, if the terminal allows it (OSC 52)", markup=False, timeout=3)

    @work(group="export")
    async def action_export(self) -> None:
        """Save the current chart as it is seen; matplotlib is imported when this is asked for, in a thread."""
        panel = self.charts.current if self.charts is not None else None
        if panel is None or self.run is None:
            self.notify("there is no chart to save here", markup=False)
            return
        kind = await self.app.push_screen_wait(Choose(self.look, f"save {panel.figure.title} as", _FORMATS))
        if kind is None:
            return
        self.notify(f"saving {panel.figure.title} …", markup=False, timeout=2)
        frame = self.timeline.shown
        self._save(self.run, panel.figure, panel.whole_view, kind, frame.replica if frame is not None else None)

    @work(thread=True, group="save")
    def _save(self, run: RunDirectory, figure: Figure, view: View, kind: str, replica: Coordinate | None) -> None:
        from .export import export

        try:
            path = export(run, figure, view, kind, self.look.colours, replica)
        except Exception as error:  # a full disk, or a figure that cannot be drawn: the screen goes on
            self.say(f"{figure.name} could not be saved: {error}", "error")
        else:
            self.say(f"saved {path}")
