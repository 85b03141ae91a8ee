"""What the training printed, beside what ibmon noticed: notices, drops, failures, disabled jobs."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

from .rows import Row, Rows, fitted, width_of

if TYPE_CHECKING:
    from .feed import Frame
    from .look import Look, Role

_LEVELS: dict[str, Role] = {"warning": "warn", "error": "bad"}


class LogPage(Rows):
    """Two columns, one below the other where there is no room; the arrows scroll the console."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._frame: Frame | None = None
        self._back = 0

    def show(self, frame: Frame | None) -> None:
        self._frame = frame
        self.update()

    def scroll_by(self, lines: int) -> None:
        self._back = max(0, self._back - lines)
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        if self._frame is None:
            return [[] for _ in range(height)]
        beside = width >= 100
        if beside:
            split = width * 3 // 5
            left, right = self._printed(split, height), self._events(width - split, height)
            return [_beside(a, b, split, self) for a, b in zip(left, right, strict=True)]
        below = max(4, height // 3)
        return self._printed(width, height - below) + self._events(width, below)

    def _printed(self, width: int, height: int) -> list[Row]:
        lines = self._frame.console if self._frame is not None else ()
        room = max(1, height - 2)
        self._back = min(self._back, max(0, len(lines) - room))
        stop = len(lines) - self._back
        texts: list[tuple[str, Role]] = [(line, "text") for line in lines[max(0, stop - room) : stop]]
        more = f"{self._back} more below" if self._back else "↑ earlier" if len(lines) > room else ""
        return self._box("console.log", texts or [("nothing printed", "dim")], more, width, height)

    def _events(self, width: int, height: int) -> list[Row]:
        said = [line for text, role in _events(self._frame) for line in _wrapped(text, role, width - 4)] if self._frame else []
        room = max(1, height - 2)
        return self._box("notices, drops, failures", said[-room:] or [("nothing to report", "dim")], "", width, height)

    def _box(self, title: str, lines: list[tuple[str, Role]], note: str, width: int, height: int) -> list[Row]:
        style = self.look.style
        line = style("border")
        rows: list[Row] = [
            [
                self.piece("╭─", line),
                self.piece(f" {title} ", style("text", bold=True)),
                self.piece("─" * max(0, width - len(title) - 5) + "╮", line),
            ]
        ]
        for text, role in [*lines, *[("", "text")] * height][: height - 2]:
            row = fitted([self.piece("│ ", line), self.piece(text, style(role))], width - 1)  # pyright: ignore[reportArgumentType]
            rows.append([*row, self.piece(" " * (width - 1 - width_of(row)) + "│", line)])
        foot = f" {note} " if note else ""
        rows.append([self.piece("╰" + "─" * max(0, width - len(foot) - 3) + foot + "─╯", line)])
        return rows[:height]


def _beside(left: Row, right: Row, split: int, page: LogPage) -> Row:
    return [*left, page.piece(" " * max(0, split - width_of(left)), page.look.style()), *right]


def _wrapped(text: str, role: Role, width: int) -> list[tuple[str, Role]]:
    return [(line, role) for line in textwrap.wrap(text, max(10, width), subsequent_indent="  ")]


def _events(frame: Frame) -> list[tuple[str, Role]]:
    """Everything worth knowing in the order of time; what has no time comes last."""
    history = frame.history
    timed: list[tuple[float, str, Role]] = [(n.time, n.text, _LEVELS.get(n.level, "text")) for n in history.notices]
    timed.extend((d.time, f"step {d.step}: snapshot dropped: {d.reason}", "warn") for d in history.dropped)
    timed.extend((j.time, f"{j.job} was switched off: {j.reason}", "bad") for j in history.disabled)
    timed.sort(key=lambda entry: entry[0])
    said: list[tuple[str, Role]] = [(f"{_clock(at)} {text}", role) for at, text, role in timed]
    said.extend((f"step {f.step}: {f.job} failed: {f.error}", "bad") for f in history.failures[-50:])
    said.extend((sentence, "bad") for sentence in frame.failures)
    if history.skipped:
        said.append((f"{history.skipped} lines of the logs could not be read and were skipped", "warn"))
    return said


def _clock(at: float) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(at)) if at else ""
    except (ValueError, OverflowError, OSError):
        return ""
