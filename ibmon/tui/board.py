"""The one screen: state, screens, charts, time and keys, fed by one thread and drawn from immutable frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on, work
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen

from .bars import KeyBar, Scrubber, StatusBar, TabBar
from .diagnostics import Diagnostics
from .feed import SLOW_PERIOD, Contender, Feed, contenders_of, told_apart
from .keys import SCREENS
from .log_page import LogPage
from .messages import Centre, Latest, Readout, Ticker, Trouble, waiting
from .runs_page import RunsPage
from .scanning import scan
from .timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.geometry import Size
    from textual.timer import Timer

    from ibmon.figures.figure import Figure
    from ibmon.runs.directory import RunDirectory, Status

    from .chart import ChartPanel
    from .deck import Deck
    from .feed import Frame
    from .keys import State
    from .look import Look, Role
    from .runs_page import Mark

    Severity = Literal["information", "warning", "error"]

SMALLEST = (60, 18)
"""Columns and rows below which a table of the latest values takes the place of the charts."""
WIDE = 104
"""Columns from which on charts stand beside each other."""
RUNS_SECONDS = 3.0
PLAY_SECONDS = 0.2


class Arrived(Message):
    """A new frame; only the newest one matters."""

    def __init__(self, frame: Frame, run: RunDirectory) -> None:
        super().__init__()
        self.frame, self.run = frame, run

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Arrived)


class Unreadable(Message):
    """The run cannot be read, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class Board(Screen[None]):
    """Shows one run, or the list of runs; what the keys do is in ``MainScreen``."""

    AUTO_FOCUS: ClassVar[str | None] = None

    def __init__(
        self,
        run: RunDirectory | None,
        look: Look,
        *,
        root: Path,
        read_only: bool = False,
        low_bandwidth: bool = False,
        screen: str | None = None,
        keymap: Mapping[str, str] | None = None,
        compared: Sequence[RunDirectory] = (),
    ) -> None:
        super().__init__()
        self.run, self.look, self.root = run, look, root
        self.read_only, self.low_bandwidth = read_only, low_bandwidth
        self.keymap = dict(keymap or {})
        self.timeline = Timeline()
        self.feed: Feed | None = None
        self.shown = screen or ("overview" if run is not None else "runs")
        self.deck: Deck | None = None
        self.reason = ""
        self.dismissed = False
        self.contenders: tuple[Contender, ...] = contenders_of(run, compared)
        self.player: Timer | None = None
        self.listed = False
        self._runs_timer: Timer | None = None
        self._sized: Size | None = None

    def compose(self) -> ComposeResult:
        yield StatusBar(self.look, id="status")
        yield TabBar(self.look, id="tabs")
        with Container(id="body"):
            yield Centre(self.look, id="centre")
            yield Latest(self.look, id="latest")
            yield RunsPage(self.look, id="runs")
            yield LogPage(self.look, id="log")
        yield Trouble(self.look, id="trouble")
        yield Ticker(self.look, id="ticker")
        yield Readout(self.look, id="readout")
        yield Scrubber(self.look, id="scrubber")
        yield KeyBar(self.look, id="keys")
        yield Diagnostics(self.look, id="diagnostics")

    def on_mount(self) -> None:
        self.status = self.query_one(StatusBar)
        self.tab_bar = self.query_one(TabBar)
        self.centre = self.query_one(Centre)
        self.latest = self.query_one(Latest)
        self.runs = self.query_one(RunsPage)
        self.log_page = self.query_one(LogPage)
        self.trouble = self.query_one(Trouble)
        self.readout = self.query_one(Readout)
        self.ticker = self.query_one(Ticker)
        self.scrubber = self.query_one(Scrubber)
        self.key_bar = self.query_one(KeyBar)
        self.diagnostics = self.query_one(Diagnostics)
        pace = SLOW_PERIOD if self.low_bandwidth else PLAY_SECONDS
        self.player = self.set_interval(pace, lambda: self.pass_time(pace), pause=True)
        self.set_interval(SLOW_PERIOD if self.low_bandwidth else 1.0, self.status.update)  # a silence grows by itself
        self._mark_compared()
        self._runs_timer = self.set_interval(RUNS_SECONDS, self.list_runs, pause=self.shown != "runs")
        if self.shown == "runs":
            self.list_runs()
        self.draw()
        if self.run is not None:
            self.call_after_refresh(self.open_run, self.run)

    def _mark_compared(self) -> None:
        """Mark in the list what is compared from the start. Where a run of another folder is among it, none is marked: the list
        does not have that run, and the glyphs of the others would not be those of the charts."""
        runs = [run for contender in self.contenders for run in contender.runs]
        if all(run.path.resolve() == (self.root / run.id).resolve() for run in runs):
            self.runs.mark(runs)

    @property
    def complete(self) -> bool:
        """Whether all of the run, or the list of runs, is on the screen."""
        if self.run is None:
            return self.listed
        frame = self.timeline.newest
        read = frame is not None and not frame.loading and len(frame.contenders) == len(self.contenders)
        return read and (self.charts is None or self.charts.drawn)

    def pass_time(self, seconds: float) -> None:
        """What the clock does while a run is played; see ``Replaying``."""

    def open_run(self, run: RunDirectory) -> None:
        """Show a run from now on."""
        if self.feed is not None:
            self.feed.stop()
        if self.deck is not None:
            self.deck.clear()
        self.run, self.timeline, self.reason, self.dismissed = run, Timeline(), "", False
        self.feed = Feed(
            run,
            lambda frame: self._post(Arrived(frame, run)),
            lambda reason: self._post(Unreadable(reason)),
            low_bandwidth=self.low_bandwidth,
        )
        self.feed.compare(self.contenders)
        self.feed.start()
        self.draw()

    def compare_with(self, marks: Sequence[Mark]) -> None:
        """Lay the figures of the marked runs over each other; a single one over those of the open run."""
        chosen = [Contender(mark.name, mark.runs) for mark in marks]
        paths = {run.path for contender in chosen for run in contender.runs}
        if len(chosen) == 1 and self.run is not None and self.run.path not in paths:
            chosen.append(Contender(self.run_name(), (self.run,)))  # last: marks keep the glyphs of the list
        if len(chosen) == 1 and len(chosen[0].runs) == 1:
            chosen = []
        self.contenders = told_apart(chosen)
        if chosen and (self.run is None or self.run.path not in {r.path for c in chosen for r in c.runs}):
            self.open_run(chosen[0].runs[0])
        elif self.feed is not None:
            self.feed.compare(self.contenders)

    def _post(self, message: Message) -> None:
        """Called from the feed's thread, which may outlive the screen."""
        if self.is_running:
            self.post_message(message)

    def on_unmount(self) -> None:
        if self.feed is not None:
            self.feed.stop()

    @on(Arrived)
    def take_frame(self, message: Arrived) -> None:
        if message.run is self.run:
            self.reason = ""
            before = self.timeline.newest
            self.timeline.take(message.frame)
            self._tell_connection("" if before is None else before.status.trouble, message.frame.status)
            self.draw()

    def _tell_connection(self, before: str, now: Status) -> None:
        """Say it once when a run on another host cannot be reached any more, and when it can again."""
        if now.trouble and now.trouble != before:
            self.notify(now.trouble, severity="warning", markup=False, timeout=15)
        elif before and not now.trouble:
            self.notify(f"connected to {now.via} again", markup=False)

    @on(Unreadable)
    def take_failure(self, message: Unreadable) -> None:
        self.reason = message.reason
        if self.timeline.newest is not None:
            self.notify(message.reason, title="the run cannot be read", severity="error", markup=False)
        self.draw()

    def on_resize(self, event: events.Resize) -> None:
        if event.size == self._sized:  # another size for a moment: Textual saw no change, the terminal lost some of the picture
            self.app.screen.refresh()
        self._sized = event.size
        if self.is_mounted and hasattr(self, "key_bar"):
            self.call_after_refresh(self.draw)

    def screens(self) -> list[str]:
        """The screens that have something to show, in the order of their numbers."""
        frame = self.timeline.newest
        named = {figure.screen for figure in frame.figures} if frame is not None else set[str]()
        tabs = [s for s in SCREENS if s in named or (s in ("overview", "log") and self.run is not None) or s == "runs"]
        seen: list[str] = []
        for figure in frame.figures if frame is not None else ():
            if figure.screen and figure.screen not in SCREENS and figure.screen not in seen:
                seen.append(figure.screen)
        return tabs + seen

    @property
    def list_page(self) -> RunsPage | LogPage | None:
        """The list that the arrows move in, where one is shown."""
        return {"runs": self.runs, "log": self.log_page}.get(self.shown)

    @property
    def states(self) -> frozenset[State]:
        """What some keys wait for."""
        newest = self.timeline.newest
        there: dict[State, bool] = {
            "inspecting": self.charts is not None and self.charts.inspecting,
            "networks": newest is not None and bool(newest.replicas),
            "comparing": self.charts is not None and self.charts.comparing,
        }
        return frozenset(state for state, holds in there.items() if holds)

    @property
    def charts(self) -> Deck | None:
        """The charts, where they are what is shown."""
        return self.deck if self.deck is not None and self.deck.display else None

    def draw(self) -> None:
        """Bring every part in line with the newest frame; each repaints only what differs."""
        newest, timeline = self.timeline.newest, self.timeline
        figures = (*timeline.figures(), *self._failed_panels())
        small = self.size.width < SMALLEST[0] or self.size.height < SMALLEST[1]
        page = self.shown if self.shown in ("runs", "log") else "charts"
        if page == "charts" and not self._any(figures):
            page = "centre"
        elif page == "charts" and small:
            page = "latest"
        if page == "charts" and self.deck is None:
            from .deck import Deck

            self.deck = Deck(self.look, self.draw_ticker, id="deck")
            self.query_one("#body").mount(self.deck)
        for name, widget in (("centre", self.centre), ("latest", self.latest), ("runs", self.runs), ("log", self.log_page)):
            widget.display = page == name
        if self.deck is not None:
            self.deck.display = page == "charts"
            if page == "charts":
                self.deck.show(figures, self.shown, timeline.until)
        if page == "centre":
            self.centre.show(self._instead(bool(figures)))
        elif page == "latest":
            from .deck import on_screen

            self.latest.show(on_screen(figures, self.shown))
        elif page == "log":
            self.log_page.show(newest)
        self.status.show(self.run_name(), newest, held=timeline.held, read_only=self.read_only)
        hint = f"only {' '.join(self.deck.only)}" if self.deck is not None and self.deck.only else ""
        self.tab_bar.show(self.screens(), self.shown, hint)
        self.trouble.show(newest, dismissed=self.dismissed or page in ("runs", "log"), height=self.size.height)
        self.draw_ticker()
        self.draw_readout()
        self.scrubber.display = self.run is not None and page != "runs"
        self.scrubber.show(timeline)
        over = newest is not None and newest.status.over
        self.key_bar.show(self.shown, read_only=self.read_only, over=over, states=self.states, keymap=self.keymap)
        self.diagnostics.show(newest)

    def _any(self, figures: Sequence[Figure]) -> bool:
        """Whether the screen that was asked for has a figure."""
        if not figures:
            return False
        from .deck import on_screen

        return bool(on_screen(figures, self.shown))

    def _instead(self, elsewhere: bool) -> list[tuple[str, Role]]:
        """What to say where there is no chart."""
        if self.reason:
            return [("this run cannot be read", "bad"), (self.reason, "text")]
        if elsewhere:
            return [(f"nothing for the {self.shown} screen yet", "strong"), ("1 is the overview", "dim")]
        return waiting(self.timeline.newest)

    def draw_ticker(self) -> None:
        """In narrow terminals, one line for what the overview has no room for."""
        narrow = self.charts is not None and self.shown == "overview" and self.size.width < WIDE
        self.ticker.show(self.charts.hidden() if narrow and self.charts is not None else [], self.timeline.until)

    def draw_readout(self) -> None:
        deck = self.charts
        panel = deck.current if deck is not None and deck.inspecting else None
        if panel is None:
            self.readout.show([])
            return
        from .readout import readout

        self.readout.show(readout(panel.figure, panel.whole_view, self._epoch_at(panel)))

    def _epoch_at(self, panel: ChartPanel) -> float | None:
        from ibmon.figures.figure import Curves

        frame = self.timeline.shown
        if frame is None or panel.view.cursor is None:
            return None
        i, k = panel.view.cursor
        step = panel.figure.lines[i].step if isinstance(panel.figure, Curves) and i < len(panel.figure.lines) else None
        return None if step is None or k >= len(step) else frame.history.epoch_of(int(step[k]))

    def _failed_panels(self) -> list[Figure]:
        """What stands where an analysis could not draw its figures."""
        frame = self.timeline.shown
        if frame is None or not frame.failures:
            return []
        import textwrap

        from ibmon.figures.figure import Table

        return [
            Table(
                name=f"failed-{number}",
                title="figures that could not be built",
                screen="overview",
                columns=("an analysis failed to draw; the others go on",),
                rows=tuple((line,) for line in textwrap.wrap(sentence, 56)),
            )
            for number, sentence in enumerate(frame.failures)
        ]

    def run_name(self) -> str:
        if self.run is None:
            return ""
        newest = self.timeline.newest
        if newest is None:
            from ibmon.runs.log import printable

            return printable(self.run.path.resolve().name, 60)
        info = newest.history.run
        name = f"{info.name} · {info.id[-4:]}" if info.name and info.name != info.id else info.id
        return f"{newest.status.via}: {name}" if newest.status.via else name

    @work(thread=True, exclusive=True, group="runs")
    def list_runs(self) -> None:
        """Look for runs in a thread of its own: it reads a file or two of each."""
        entries = scan(self.root)
        home, root = Path.home(), self.root.resolve()
        said = f"~/{root.relative_to(home)}" if root.is_relative_to(home) else str(root)
        self.app.call_from_thread(self.runs.show, entries, said, self.run)
        self.listed = True

    def say(self, text: str, severity: Severity = "information") -> None:
        """A notification from another thread."""
        self.app.call_from_thread(self.notify, text, severity=severity, markup=False, timeout=8)
