"""What the training printed, all of it, beside what ibmon noticed: notices, drops, failures, disabled jobs."""

from __future__ import annotations

import re
import textwrap
import time
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from rich.cells import cell_len, chop_cells
from textual import work
from textual.worker import get_current_worker

from .rows import Row, Rows, fitted, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events

    from ibmon.runs.console import Console
    from ibmon.runs.directory import RunDirectory

    from .board import Board
    from .feed import Frame
    from .look import Look, Role

WIDE = 100
"""Columns from which on the two boxes stand beside each other."""
_LEVELS: dict[str, Role] = {"warning": "warn", "error": "bad"}
_TODAY, _BEFORE = "%H:%M:%S", "%d %b %H:%M"


@dataclass(frozen=True, slots=True)
class Printed:
    """A stretch of the console as it was read: lines from number ``first``, how many there are, which of them were found."""

    first: int = 0
    lines: Sequence[str] = ()
    total: int = 0
    found: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a box; ``here`` is the one to which a search has come."""

    text: str
    role: Role = "text"
    here: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time, and at a step where that is known."""

    time: float
    step: int | None
    text: str
    role: Role


_Match = tuple[Literal["console", "events"], int]


class LogPage(Rows):
    """Two boxes, one below the other where there is no room; the arrows scroll the console, which follows at its end.

    The console is read in threads, a screen or two around what is shown.
    """

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._run: RunDirectory | None = None
        self._reader: Console | None = None
        self._printed = Printed()
        self._top: int | None = None
        """The first line that is shown; None for the last ones, whatever comes."""
        self._events: list[tuple[str, Role]] = []
        self._word = ""
        self._pattern: re.Pattern[str] | None = None
        self._heard: list[int] = []
        self._match: _Match | None = None
        self._searching = False

    def show(self, frame: Frame | None) -> None:
        from ibmon.runs.console import Console

        run = cast("Board", self.screen).run
        if run != self._run:
            self._run, self._reader = run, Console(run.console) if run is not None else None
            self._printed, self._top = Printed(), None
        self._events = list(_events(frame)) if frame is not None else []
        self._hear()
        self._look()
        self.update()

    def on_resize(self, event: events.Resize) -> None:
        self._look()

    # Moving

    def scroll_by(self, lines: int) -> None:
        bottom = max(0, self._printed.total - self._room)
        top = max(0, (bottom if self._top is None else self._top) + lines)
        self._top = top if top < bottom else None
        self._look()
        self.update()

    def page_by(self, pages: int) -> None:
        self.scroll_by(pages * max(1, self._room - 1))

    @property
    def _room(self) -> int:
        """Lines of the console that are shown."""
        return max(1, _split(*self.content_size)[0][1] - 2)

    # Searching

    @property
    def searching(self) -> bool:
        return bool(self._word)

    def search(self, text: str) -> None:
        """Look for a text in all that was printed and noticed, and go to the last place before the end of what is shown."""
        self._word, self._match, self._printed = text, None, replace(self._printed, found=())
        self._pattern = re.compile(re.escape(text), re.IGNORECASE) if text else None
        self._searching = bool(text)
        self._hear()
        self._look()
        self.update()

    def clear_search(self) -> None:
        self.search("")

    def match(self, by: int) -> None:
        """Go to another place that was found; after the last comes the first."""
        found = self._printed.found
        count = len(found) + len(self._heard)
        if not count:
            return
        number = (self._number() + by) % count if self._match is not None else 0
        self._go(number)

    def _go(self, number: int) -> None:
        found = self._printed.found
        if number < len(found):
            line = found[number]
            self._match = "console", line
            bottom = max(0, self._printed.total - self._room)
            top = bottom if self._top is None else self._top
            if not top <= line < top + self._room:
                top = max(0, line - self._room // 2)
                self._top = top if top < bottom else None
        else:
            self._match = "events", self._heard[number - len(found)]
        self._look()
        self.update()

    def _number(self) -> int:
        """Where among all that was found the search stands; -1 before it stands anywhere."""
        found = self._printed.found
        if self._match is None:
            return -1
        if self._match[0] == "console":
            return bisect_left(found, self._match[1])
        return len(found) + bisect_left(self._heard, self._match[1])

    def _hear(self) -> None:
        pattern = self._pattern
        self._heard = [k for k, (text, _) in enumerate(self._events) if pattern.search(text)] if pattern is not None else []

    # Reading

    def _look(self) -> None:
        """Ask for what is to be shown, and a screen before and after it."""
        if self._reader is not None and self.display:
            room = self._room
            self._read(self._reader, None if self._top is None else max(0, self._top - room), 3 * room, self._pattern)

    @work(thread=True, exclusive=True, group="console")
    def _read(self, console: Console, first: int | None, count: int, pattern: re.Pattern[str] | None) -> None:
        console.poll()
        found = console.find(pattern) if pattern is not None else []
        total = len(console)
        first = max(0, total - count) if first is None else first
        printed = Printed(first, console.lines(first, count), total, found)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take, console, pattern, printed)

    def _take(self, console: Console, pattern: re.Pattern[str] | None, printed: Printed) -> None:
        if console is not self._reader or pattern != self._pattern:
            return
        self._printed = printed
        if self._searching:
            self._searching = False
            end = printed.total if self._top is None else self._top + self._room
            if printed.found or self._heard:
                self._go(max(0, bisect_left(printed.found, end) - 1))
        self.update()

    # Drawing

    def build(self, width: int, height: int) -> list[Row]:
        (across, down), (right, below) = _split(width, height)
        printed, noticed = self._draw_console(across, down), self._draw_events(right, below)
        if below == height:
            return [[*a, *b] for a, b in zip(printed, noticed, strict=True)]
        return printed + noticed

    def _draw_console(self, width: int, height: int) -> list[Row]:
        printed, room = self._printed, max(1, height - 2)
        bottom = max(0, printed.total - room)
        top = bottom if self._top is None else min(self._top, bottom)
        shown = range(top, min(top + room, printed.total))
        there = range(printed.first, printed.first + len(printed.lines))
        lines = [Line(printed.lines[k - printed.first] if k in there else "", here=self._match == ("console", k)) for k in shown]
        if not printed.total:
            lines = [Line("nothing printed yet", "dim")]
        note = ""
        if bottom:
            note = f"{shown.start + 1} to {shown.stop} of {printed.total}" + (", following" if self._top is None else "")
        return self._box("console.log", self._said_of_search(), lines, note, width, height)

    def _said_of_search(self) -> str:
        if not self._word:
            return ""
        if self._searching:
            return f"/ {self._word} …"
        count = len(self._printed.found) + len(self._heard)
        return f"/ {self._word}  " + (f"{self._number() + 1}/{count}" if count else "not found")

    def _draw_events(self, width: int, height: int) -> list[Row]:
        lines: list[Line] = []
        room, last = max(1, height - 2), None
        for k, (text, role) in enumerate(self._events):
            here = self._match == ("events", k)
            parts = _wrapped(text, max(10, width - 4))
            if here:
                last = len(lines) + min(len(parts), room)
            lines += [Line(part, role, here) for part in parts]
        end = len(lines) if last is None else min(len(lines), max(last, room))
        note = f"{end - room} lines above" if end > room else ""
        shown = lines[max(0, end - room) : end] or [Line("nothing to report", "dim")]
        return self._box("notices, drops, failures", "", shown, note, width, height)

    def _box(self, title: str, search: str, lines: Sequence[Line], note: str, width: int, height: int) -> list[Row]:
        style, line = self.look.style, self.look.style("border")
        head = [self.piece("╭─", line), self.piece(f" {title} ", style("text", bold=True))]
        if search:
            head.append(self.piece(f"─ {search} ", style("accent", bold=True)))
        head = fitted(head, width - 1)
        rows = [[*head, self.piece("─" * max(0, width - 1 - width_of(head)) + "╮", line)]]
        for one in [*lines, *[Line("")] * height][: height - 2]:
            row = [self.piece("▶" if one.here else "│", style("accent") if one.here else line), self.piece(" ", style())]
            row = fitted(row + self._highlighted(one, width - 4), width - 2)
            rows.append([*row, self.piece(" " * (width - 1 - width_of(row)), style()), self.piece("│", line)])
        foot = f" {note} " if note else ""
        left = self.piece("╰" + "─" * max(0, width - len(foot) - 3), line)
        rows.append([left, self.piece(foot, style("dim")), self.piece("─╯", line)])
        return rows[:height]

    def _highlighted(self, line: Line, width: int) -> Row:
        """A line with what was found in it; a long one from where that can be seen."""
        plain, found = self.look.style(line.role), self.look.style("strong", on="raised", bold=True)
        text, pattern = line.text, self._pattern
        if pattern is None:
            return [self.piece(_cut(text, width), plain)]
        first = pattern.search(text)
        if first is not None and cell_len(text[: first.end()]) > width - 1:
            text = "…" + text[max(0, first.start() - width // 3) :]
        row: Row = []
        end = 0
        text = _cut(text, width)
        for match in pattern.finditer(text):
            row += [self.piece(text[end : match.start()], plain), self.piece(match.group(), found)]
            end = match.end()
        return [*row, self.piece(text[end:], plain)]


def _split(width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of the console and of the events: beside each other, or one below the other."""
    if width >= WIDE:
        return (width * 3 // 5, height), (width - width * 3 // 5, height)
    below = max(4, height // 3)
    return (width, height - below), (width, below)


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else chop_cells(text, max(1, width - 1))[0] + "…"


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines; where characters are wide, words are not kept together."""
    return textwrap.wrap(text, width, subsequent_indent="  ") if cell_len(text) == len(text) else chop_cells(text, width)


def _events(frame: Frame) -> Iterator[tuple[str, Role]]:
    """Everything worth knowing in the order of time; what has no time comes last."""
    history = frame.history
    timed = [
        *(Event(n.time, n.step, n.text, _LEVELS.get(n.level, "text")) for n in history.notices),
        *(Event(d.time, d.step, f"snapshot dropped: {d.reason}", "warn") for d in history.dropped),
        *(Event(j.time, None, f"{j.job} was switched off: {j.reason}", "bad") for j in history.disabled),
    ]
    for event in sorted(timed, key=lambda event: event.time):
        yield f"{_clock(event.time)}{_at_step(event.step)}{event.text}", event.role
    for failure in history.failures:
        yield f"{_at_step(failure.step)}{failure.job} failed: {failure.error}", "bad"
    for sentence in frame.failures:
        yield sentence, "bad"
    if history.skipped:
        yield f"{history.skipped} lines of the logs could not be read and were skipped", "warn"


def _at_step(step: int | None) -> str:
    return f"step {step}: " if step is not None else ""


def _clock(at: float) -> str:
    """The time of day, with the day unless it is today's."""
    try:
        then, now = time.localtime(at), time.localtime()
        return time.strftime(_TODAY if then[:3] == now[:3] else _BEFORE, then) + " " if at else ""
    except (ValueError, OverflowError, OSError):
        return ""
