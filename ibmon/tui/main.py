"""The one screen with all its keys."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import work

from .charting import Charting
from .dialogs import Help, StopTraining
from .keys import KEYS, SCREENS, bindings, offered
from .look import SHADES
from .managing import Managing
from .replaying import Replaying
from .wearing import wear

if TYPE_CHECKING:
    from textual.binding import BindingType

    from ibmon.runs.directory import RunDirectory

_ACTIONS = frozenset(key.name for key in KEYS)


class MainScreen(Charting, Replaying, Managing):
    """The board with its keys: screens, the run and the terminal here, charts, time and lists in its bases.

    The actions are those of the table in ``keys.py``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the table offers on this screen."""
        if action not in _ACTIONS:
            return True
        there = offered(self.shown, read_only=self.read_only, states=self.states)
        return any(key.name == action for key in there)

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
            at = others.index(self.shown) + 1 if self.shown in others else 0
            self._turn_to(others[at % len(others)])

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

    # The run

    def action_open(self) -> None:
        if self.shown == "runs":
            chosen = self.runs.chosen
            if chosen is not None:
                if all(chosen != run for contender in self.contenders for run in contender.runs):
                    self.runs.unmark_all()
                    self.contenders = ()
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
        elif self.shown == "log" and self.log_page.searching:
            self.log_page.clear_search()
        elif self.shown == "runs" and (self.runs.filter_text or self.runs.has_marks or self.contenders):
            if self.runs.filter_text:
                self.runs.filter("")
            else:
                self.runs.unmark_all()
                self.compare_with(())
        elif self.timeline.held:
            self.action_live()
        elif self.shown != "overview" and self.run is not None:
            self._turn_to("overview")
        self.draw()

    def action_snapshot(self) -> None:
        if self._alive("a snapshot"):
            self._ask("snapshot", "a snapshot is taken after the current step")

    @work(group="stop")
    async def action_stop(self) -> None:
        if self.shown == "runs":
            self.stop_chosen()
        elif self._alive("a stop") and await self.app.push_screen_wait(StopTraining(self.look, self.run_name())):
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
            self.say(f"the training could not be asked: {error}", "error")
        else:
            self.say(said)

    def action_help(self) -> None:
        self.app.push_screen(Help(self.look, read_only=self.read_only, keymap=self.keymap))

    # The terminal

    def action_theme(self) -> None:
        shade = SHADES[(SHADES.index(self.look.shade) + 1) % len(SHADES)]
        wear(self.app, self, replace(self.look, shade=shade))
        self.notify({"contrast": "high contrast"}.get(shade, shade), markup=False, timeout=2)

    def action_colours(self) -> None:
        from ibmon.plot.palette import COLOUR_MAPS

        colours = COLOUR_MAPS[(COLOUR_MAPS.index(self.look.colours) + 1) % len(COLOUR_MAPS)]
        wear(self.app, self, replace(self.look, colours=colours))
        self.notify(f"colour map: {colours}", markup=False, timeout=2)

    def action_diagnostics(self) -> None:
        self.diagnostics.watch(not self.diagnostics.display)

    def action_detach(self) -> None:
        self.app.exit()
