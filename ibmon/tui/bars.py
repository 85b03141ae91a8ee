"""The lines above and below the charts: the run's state, the screens, the time, the keys."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment

from .keys import SCREENS, Key, State, offered
from .marks import moments
from .rows import Row, Rows, spread, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from .feed import Frame
    from .look import Look, Role
    from .timeline import Timeline

STALE_SECONDS = 20.0
"""A live trainer that said nothing for so long is shown in amber."""
_STATES: dict[str, tuple[str, str, Role]] = {
    "queued": ("◌", "queued", "warn"),
    "starting": ("◐", "starting", "warn"),
    "live": ("●", "live", "good"),
    "lost": ("✖", "lost", "bad"),
    "finished": ("✔", "finished", "good"),
    "failed": ("✖", "failed", "bad"),
    "held": ("‖", "held", "accent"),
    "opening": ("◐", "opening", "warn"),
}


def short_number(value: float) -> str:
    """46800 as 46.8k."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.1f}{unit}"
    return f"{value:g}"


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of the status line; the least important ones (high ``rank``) go first where room is short."""

    text: str
    role: Role
    rank: int
    label: str = ""
    bold: bool = False


class StatusBar(Rows):
    """Which run, what it does, how far it is, and what the monitor costs."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._frame: Frame | None = None
        self._run_name = ""
        self._held = False
        self._read_only = False

    def show(self, name: str, frame: Frame | None, *, held: bool, read_only: bool) -> None:
        self._run_name, self._frame, self._held, self._read_only = name, frame, held, read_only
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        items = self._items(time.time())
        while True:
            row: Row = [self.piece(" ibmon ", self.look.style("accent", on="bar", bold=True))]
            for item in items:
                row.append(self.piece("  ", self.look.style("text", on="bar")))
                if item.label:
                    row.append(self.piece(item.label, self.look.style("dim", on="bar")))
                row.append(self.piece(item.text, self.look.style(item.role, on="bar", bold=item.bold)))
            if width_of(row) <= width or len(items) <= 1:
                break
            items.remove(max(items, key=lambda item: item.rank))
        return [spread(row, [], width, self.look.style("text", on="bar"))]

    def _items(self, now: float) -> list[_Item]:
        frame = self._frame
        name = _Item(self._run_name, "strong", 0, bold=True)
        if frame is None:
            return [name, _Item("◐ opening", "warn", 1)] if self._run_name else [_Item("no run is open", "dim", 0)]
        items = [name, *self._compared(frame), *self._networks(frame), *self._state(frame, now)]
        if frame.loading:
            items.append(_Item(f"reading {frame.loading}", "warn", 2))
        progress = frame.history.progress
        if progress is not None:
            items.append(_Item(short_number(progress.step), "text", 5, "step "))
            if progress.epoch is not None:
                of = f"/{progress.epochs}" if progress.epochs else ""
                items.append(_Item(f"{math.floor(progress.epoch)}{of}", "text", 3, "ep "))
        lag = frame.history.lag
        if lag and not frame.status.analysing:
            items.append(_Item(f"{lag}, nobody at work on them", "warn", 4, "MI lag "))
        else:
            items.append(_Item(str(lag), "warn" if lag > 3 else "text", 4, "MI lag "))
        dropped = len(frame.history.dropped)
        items.append(_Item(str(dropped), "warn" if dropped else "text", 6 if dropped else 8, "dropped "))
        if progress is not None and progress.overhead is not None:
            budget = frame.history.run.budget
            role: Role = "warn" if progress.overhead > budget and not frame.status.over else "text"
            items.append(_Item(f"{100 * progress.overhead:.1f} %", role, 7, "overhead "))
        if frame.history.failures or frame.failures:
            items.append(_Item(f"{len(frame.history.failures) + len(frame.failures)} failures: 8", "warn", 6))
        if self._read_only:
            items.append(_Item("read only", "dim", 9))
        return items

    def _compared(self, frame: Frame) -> list[_Item]:
        if not frame.contenders:
            return []
        from ibmon.figures.view import RUN_MARKS

        names = "  ".join(f"{mark} {name}" for mark, name in zip(RUN_MARKS, frame.contenders, strict=False))
        return [_Item(names, "text", 2, "shows ")]

    def _networks(self, frame: Frame) -> list[_Item]:
        count = len(frame.replicas)
        if frame.replica is not None:
            return [_Item(f"network {frame.replica} of {count}", "accent", 2, bold=True)]
        return [_Item(f"all {count} networks", "text", 6)] if count else []

    def _state(self, frame: Frame, now: float) -> list[_Item]:
        status = frame.status
        glyph, word, role = _STATES["held" if self._held and not status.over else status.state]
        if status.state == "finished" and status.detail:
            word = status.detail
        items: list[_Item] = []
        progress = frame.history.progress
        if status.heard is not None:
            items.append(_Item(f"last heard {status.heard:.0f} s ago", "warn" if status.heard > 10 else "dim", 2))
        elif status.state == "live" and progress is not None and progress.time and now - progress.time > STALE_SECONDS:
            role = "warn"
            items.append(_Item(f"silent for {now - progress.time:.0f} s", "warn", 2))
        return [_Item(f"{glyph} {word}", role, 1, bold=True), *items]


class TabBar(Rows):
    """The screens that have something to show, with their numbers."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._tabs: Sequence[str] = ()
        self._active = ""
        self._hint = ""

    def show(self, tabs: Sequence[str], active: str, hint: str) -> None:
        self._tabs, self._active, self._hint = tabs, active, hint
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        for cut in (20, 6, 4):
            row: Row = [self.piece(" ", self.look.style())]
            for tab in self._tabs:
                name = tab if tab == self._active else tab[:cut]
                number = _number(tab)
                if tab == self._active:
                    row.append(
                        self.piece(
                            f" {number} {name.upper()} ".replace("  ", " "), self.look.style("strong", on="raised", bold=True)
                        )
                    )
                else:
                    row.append(self.piece(f" {number}".rstrip() + " ", self.look.style("accent")))
                    row.append(self.piece(f"{name} ", self.look.style("text")))
                row.append(self.piece(" ", self.look.style()))
            if width_of(row) <= width:
                break
        hint: Row = [self.piece(self._hint + " ", self.look.style("dim"))] if self._hint else []
        return [spread(row, hint, width, self.look.style())]


def _number(tab: str) -> str:
    """The key of a screen: those without a number of their own share the last one, which goes round them."""
    return str(SCREENS.index(tab) + 1) if tab in SCREENS else "9"


class Scrubber(Rows):
    """Which epoch is shown, where it lies among all measurements, and whether that is now."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._timeline: Timeline | None = None

    def show(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        timeline, style = self._timeline, self.look.style
        frame = timeline.shown if timeline is not None else None
        if timeline is None or frame is None:
            return [[]]
        count = 0 if frame.steps is None else len(frame.steps)
        position = timeline.position()
        over = timeline.newest is not None and timeline.newest.status.over
        word, glyph = ("‖ HELD", "‖") if timeline.held else ("■ END", "■") if over else ("● LIVE", "▶")
        if timeline.playing:
            word, glyph = f"▶ {timeline.speed}×", "▶"
        role: Role = "accent" if timeline.held else "dim" if over else "good"
        left: Row = [
            self.piece(f" {glyph} ", style(role, bold=True)),
            *(self.piece(text, style(kind)) for text, kind in self._words(timeline, frame)),
            self.piece("  ", style()),
        ]
        right: Row = [self.piece(f"  {word} ", style(role, bold=True))]
        room = width - width_of(left) - width_of(right)
        return [[*left, *self._bar(timeline, frame, position, count, room), *right]] if room > 4 else [[*left, *right]]

    def _words(self, timeline: Timeline, frame: Frame) -> list[tuple[str, Role]]:
        epoch, progress = timeline.epoch(), frame.history.progress
        if timeline.until is not None:
            where = f"epoch {epoch:g}" if epoch is not None and math.isfinite(epoch) else f"step {timeline.until}"
            return [(where, "strong"), (f" of {_last(frame)}", "dim")]
        if progress is None:
            return [("not begun", "dim")]
        if progress.epoch is None:
            return [(f"step {progress.step}", "strong")]
        of = f"/{progress.epochs}" if progress.epochs else ""
        return [(f"epoch {math.floor(progress.epoch)}{of}", "strong")]

    def _bar(self, timeline: Timeline, frame: Frame, position: int, count: int, room: int) -> Row:
        style = self.look.style
        if count < 2:
            return [self.piece("─" * room, style("border"))]
        at = round(position / (count - 1) * (room - 1))
        cells = [("━", "accent") if k <= at else ("─", "border") for k in range(room)]
        assert frame.steps is not None
        for moment in moments(frame):
            index = min(int(frame.steps.searchsorted(moment.step)), count - 1)
            cells[round(index / (count - 1) * (room - 1))] = (moment.glyph, moment.role)
        if timeline.held:
            cells[at] = ("●", "strong")
        row: Row = []
        for glyph, role in cells:
            piece = self.piece(glyph, style(role))  # pyright: ignore[reportArgumentType]
            if row and row[-1].style == piece.style:
                row[-1] = Segment(row[-1].text + piece.text, piece.style)
            else:
                row.append(piece)
        return row


def _last(frame: Frame) -> str:
    """The last measured epoch or step."""
    if frame.steps is None or not len(frame.steps):
        return "?"
    epoch = frame.history.epoch_of(int(frame.steps[-1]))
    return f"{epoch:g}" if epoch is not None else str(int(frame.steps[-1]))


class KeyBar(Rows):
    """The keys that matter here; as many as fit, help and leaving always."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._screen = "overview"
        self._read_only = self._over = False
        self._states: AbstractSet[State] = frozenset()
        self._keymap: dict[str, str] = {}

    def show(self, screen: str, *, read_only: bool, over: bool, states: AbstractSet[State], keymap: dict[str, str]) -> None:
        self._screen, self._read_only, self._over, self._states = screen, read_only, over, states
        self._keymap = keymap
        self.update()

    def _fits(self, key: Key) -> bool:
        """Whether a key is worth naming: some are those of lists, some of runs that train."""
        if key.id in ("open", "up"):
            return self._screen == "runs" or (self._screen == "log" and key.id == "up")
        if key.id in ("snapshot", "export", "back") and self._screen in ("runs", "log"):
            return False
        return not (key.id in ("snapshot", "live") and self._over and self._screen != "runs")

    def build(self, width: int, height: int) -> list[Row]:
        there = offered(self._screen, read_only=self._read_only, states=self._states)
        keys = [k for k in there if k.rank and self._fits(k)]
        while True:
            row: Row = [self.piece(" ", self.look.style("text", on="bar"))]
            for key in keys:
                shown = _BAR_KEYS.get(key.id, key.show)
                row.append(self.piece(self._keymap.get(key.id, shown), self.look.style("accent", on="bar", bold=True)))
                row.append(self.piece(f" {key.short}  ", self.look.style("text", on="bar")))
            if width_of(row) <= width or len(keys) <= 2:
                break
            keys.remove(max(keys, key=lambda k: k.rank))
        return [spread(row, [], width, self.look.style("text", on="bar"))]


_BAR_KEYS = {"chart-next": "tab", "up": "↑↓", "step-back": ", .", "zoom-in": "+ - 0", "next-mark": "n N", "next-match": "n N"}
"""Keys that stand for several of the table in the short line."""
