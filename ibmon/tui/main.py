"""What every key does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar

from textual import work

from .board import Board
from .dialogs import Asking, Help, StopTraining
from .keys import KEYS, SCREENS, bindings, offered
from .log_page import LogPage
from .runs_page import RunsPage

if TYPE_CHECKING:
    from textual.binding import BindingType

    from ibmon.figures.figure import Figure, View
    from ibmon.runs.directory import RunDirectory

_ACTIONS = frozenset(key.name for key in KEYS)


class MainScreen(Board):
    """The board with its keys; the actions are those of the table in ``keys.py``."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the table offers on this screen."""
        if action not in _ACTIONS:
            return True
        return any(key.name == action for key in offered(self.shown, read_only=self.read_only))

    # Screens

    def action_go(self, name: str) -> None:
        if name in self.screens():
            self._turn_to(name)
        elif self.run is None:
            self.notify("open a run first: choose one and press enter", markup=False)
        else:
            self.notify(f"this run has nothing for the {name} screen", markup=False)

    def action_go_other(self) -> None:
        others = [name for name in self.screens() if name not in SCREENS]
        if others:
            self._turn_to(others[0])

    def action_beside(self, by: int) -> None:
        names = self.screens()
        at = names.index(self.shown) if self.shown in names else 0
        self._turn_to(names[(at + by) % len(names)])

    def _turn_to(self, name: str) -> None:
        self.shown = name
        if self._runs_timer is not None:
            if name == "runs":
                self.list_runs()
                self._runs_timer.resume()
            else:
                self._runs_timer.pause()
        self.draw()

    # Charts

    def action_chart(self, by: int) -> None:
        if self.charts is not None:
            self.charts.turn(by)
            self.draw()

    def action_full(self) -> None:
        if self.charts is not None:
            self.charts.full = not self.charts.full
            self.draw()

    def action_open(self) -> None:
        if self.shown == "runs":
            chosen = self.runs.chosen
            if chosen is not None:
                self.open_run(chosen)
                self._turn_to("overview")
                if not self.read_only:
                    self._resume(chosen)
        else:
            self.action_full()

    @work(thread=True, group="resume")
    def _resume(self, run: RunDirectory) -> None:
        """See to it that snapshots left over by a run that ended are measured."""
        from ibmon.launch import resume_analysis
        from ibmon.records import IbmonError

        with contextlib.suppress(IbmonError, OSError):
            resume_analysis(run)

    def action_back(self) -> None:
        """Leave the innermost of what was entered."""
        deck = self.charts
        if deck is not None and deck.inspecting:
            deck.stop_inspecting()
        elif deck is not None and deck.full:
            deck.full = False
        elif deck is not None and deck.only:
            deck.only = ()
        elif self.trouble.display:
            self.dismissed = True
        elif self.timeline.held:
            self.timeline.live()
        elif self.shown != "overview" and self.run is not None:
            self._turn_to("overview")
        self.draw()

    def action_look(self, how: str) -> None:
        if self.charts is not None:
            self.charts.look_at(how)

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
        page = self._list()
        if page is not None:
            page.scroll_by(dy)
        elif self.charts is not None:
            self.charts.move(dx, dy)
            self._draw_readout()

    def _list(self) -> RunsPage | LogPage | None:
        return {"runs": self.runs, "log": self.log_page}.get(self.shown)

    # Time

    def action_step(self, by: int) -> None:
        page = self._list()
        if page is not None:
            page.scroll_by(by)
            return
        self.timeline.move(by)
        self._seek()

    def action_hold(self) -> None:
        self.timeline.hold()
        self._seek()

    def action_live(self) -> None:
        self.timeline.live()
        self._seek()

    def _seek(self) -> None:
        if self.feed is not None:
            self.feed.seek(self.timeline.until)
        self.draw()

    # The run

    def action_snapshot(self) -> None:
        if self._alive("a snapshot"):
            self._ask("snapshot", "a snapshot is taken after the current step")

    @work(group="stop")
    async def action_stop(self) -> None:
        if self._alive("a stop") and await self.app.push_screen_wait(StopTraining(self.look, self.run_name())):
            self._ask("stop", "the training stops after its current step")

    def _alive(self, what: str) -> bool:
        newest = self.timeline.newest
        if newest is None or newest.status.over:
            self.notify(f"there is no training that could be asked for {what}", markup=False)
            return False
        return True

    @work(thread=True, group="ask")
    def _ask(self, command: str, said: str) -> None:
        assert self.run is not None
        try:
            self.run.ask(command)
        except OSError as error:
            self._say(f"the training could not be asked: {error}", "error")
        else:
            self._say(said)

    def action_export(self) -> None:
        """Save the current chart; matplotlib is imported when this is asked for, in a thread."""
        panel = self.charts.current if self.charts is not None else None
        if panel is None or self.run is None:
            self.notify("there is no chart to save here", markup=False)
            return
        self.notify(f"saving {panel.figure.title} …", markup=False, timeout=2)
        self._export(self.run, panel.figure, panel.whole_view)

    @work(thread=True, group="export")
    def _export(self, run: RunDirectory, figure: Figure, view: View) -> None:
        from .export import export

        try:
            path = export(run, figure, view)
        except Exception as error:  # a full disk, or a figure that cannot be drawn: the screen goes on
            self._say(f"{figure.name} could not be saved: {error}", "error")
        else:
            self._say(f"saved {path}")

    def _say(self, text: str, severity: str = "information") -> None:
        self.app.call_from_thread(
            self.notify,
            text,
            severity="error" if severity == "error" else "information",
            markup=False,
            timeout=8,
        )

    def action_help(self) -> None:
        self.app.push_screen(Help(self.look, read_only=self.read_only, keymap=self.keymap))

    def action_detach(self) -> None:
        self.app.exit()
