"""Panels of text: what to say while there is nothing to draw, what went wrong, what the cursor points at, the latest values."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from .rows import Row, Rows, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibmon.figures.figure import Figure

    from .feed import Frame
    from .look import Look, Role
    from .readout import Words


def waiting(frame: Frame | None) -> list[tuple[str, Role]]:
    """What to say while a run has no figure yet, and what comes next."""
    if frame is None:
        return [("opening the run …", "text")]
    history, status = frame.history, frame.status
    if frame.loading:
        return [("reading the run …", "strong"), (frame.loading, "dim")]
    if status.state == "queued":
        return [(f"the run waits in a queue, as {status.detail}", "strong"), ("it is shown here as soon as it begins", "dim")]
    if status.state == "starting":
        return [
            ("the training is starting", "strong"),
            ("importing torch and building the model takes a few seconds", "dim"),
            ("the first measurement is that of the untrained network", "dim"),
        ]
    if status.over:
        words = {
            "failed": "the training failed before",
            "lost": "the training was lost before",
            "finished": "the training ended without",
        }
        return [(f"{words[status.state]} a measurement", "strong"), ("8 shows what it printed", "dim")]
    if history.captured:
        waits = f"{history.lag} snapshot{'s' if history.lag != 1 else ''} captured, the analysis is at work on the first"
        return [("no measurement yet", "strong"), (waits, "dim")]
    schedule = history.watch.schedule if history.watch is not None else history.run.schedule
    first = (
        f"the first comes with the first snapshot (schedule: {schedule})"
        if schedule
        else "the first comes with the first snapshot"
    )
    return [("no measurement yet", "strong"), (first, "dim")]


class Centre(Rows):
    """A few lines in the middle of the screen."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._lines: Sequence[tuple[str, Role]] = ()

    def show(self, lines: Sequence[tuple[str, Role]]) -> None:
        self._lines = lines
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        wrapped: list[tuple[str, Role]] = [
            (line, role) for text, role in self._lines for line in textwrap.wrap(text, max(10, width - 4))
        ]
        top = max(0, (height - len(wrapped)) // 2)
        rows: list[Row] = [[] for _ in range(top)]
        for text, role in wrapped:
            row = [self.piece(text, self.look.style(role, bold=role == "strong"))]
            rows.append([self.piece(" " * max(0, (width - width_of(row)) // 2), self.look.style()), *row])
        return rows + [[] for _ in range(height - len(rows))]


class Trouble(Rows):
    """Why a run failed or was lost, with the end of what it printed."""

    LINES = 11

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._heading = ""
        self._detail = ""
        self._tail: Sequence[str] = ()

    def show(self, frame: Frame | None, *, dismissed: bool, height: int) -> None:
        """Show itself where there is trouble, in at most a third of a screen so high."""
        over = frame is not None and frame.status.state in ("failed", "lost")
        if frame is None or not over or dismissed:
            self.display = False
            return
        self._heading = "the training failed" if frame.status.state == "failed" else "the training was lost"
        self._detail, self._tail = frame.status.detail, frame.console
        self.styles.height = max(4, min(self.LINES, height // 3, 4 + len(self._tail)))
        self.display = True
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        style = self.look.style
        inner = max(1, width - 4)
        body: list[tuple[str, Role]] = [(line, "strong") for line in textwrap.wrap(self._detail, inner)[:3]]
        tail = self._tail[len(self._tail) - max(0, height - 2 - len(body)) :]
        body.extend((line, "text") for line in tail)
        hint = " esc hide   8 log "
        top = f"╭─ {self._heading} "
        rows: list[Row] = [[self.piece(top + "─" * max(0, width - len(top) - 1) + "╮", style("bad", bold=True))]]
        for text, role in body[: height - 2]:
            row: Row = [self.piece("│ ", style("bad")), self.piece(text[:inner], style("strong" if role == "strong" else "text"))]
            gap = " " * max(0, width - 1 - width_of(row))
            rows.append([*row, self.piece(gap + "│", style("bad"))])
        while len(rows) < height - 1:
            rows.append([self.piece("│" + " " * (width - 2) + "│", style("bad"))])
        rows.append([self.piece("╰" + "─" * max(0, width - len(hint) - 3) + hint + "─╯", style("bad"))])
        return rows


class Readout(Rows):
    """What the cursor points at."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._words: Sequence[Words] = ()

    def show(self, words: Sequence[Words]) -> None:
        self._words = words
        self.display = bool(words)
        self.styles.height = max(1, len(words))
        self.update()

    def text(self) -> str:
        """What is shown, to be copied."""
        return "\n".join("".join(text for text, _ in words).strip() for words in self._words if words)

    def build(self, width: int, height: int) -> list[Row]:
        margin = [self.piece("  ", self.look.style("text", on="bar"))]
        rows = [
            [*margin, *(self.piece(text, self.look.style(role, on="bar", bold=role == "strong")) for text, role in words)]
            for words in self._words
        ]
        blank = self.look.style("text", on="bar")
        return [[*row, self.piece(" " * max(0, width - width_of(row)), blank)] for row in rows]


class Ticker(Rows):
    """The latest values of what has no room on the overview, in one line."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._figures: Sequence[Figure] = ()
        self._until: int | None = None

    def show(self, figures: Sequence[Figure], until: int | None) -> None:
        self._figures, self._until = figures, until
        self.display = bool(figures)
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        from ibmon.figures.figure import Curves, View
        from ibmon.figures.table import table
        from ibmon.figures.view import RUN_MARKS, runs_of

        style = self.look.style
        row: Row = [self.piece(" ", style())]
        for figure in self._figures:
            if not isinstance(figure, Curves):
                continue
            row.append(self.piece(f" {figure.title}", style("dim")))
            values = table(figure, View(until=self._until))
            named = values.columns.index("series")
            for line in values.rows[:8]:
                mark = RUN_MARKS[runs.index(line[0])] if (runs := runs_of(figure)) else ""
                row.append(self.piece(f" {mark}{line[named]} ", style("text")))
                row.append(self.piece(line[-1][:7], style("strong")))
            row.append(self.piece(" ", style()))
        return [row]


class Latest(Rows):
    """For terminals too small for a chart: the latest values as a table."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._figures: Sequence[Figure] = ()

    def show(self, figures: Sequence[Figure]) -> None:
        self._figures = figures
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        from ibmon.figures.table import table

        style = self.look.style
        rows: list[Row] = []
        for figure in self._figures:
            facts = table(figure)
            rows.append([self.piece(facts.title, style("strong", bold=True))])
            cells = [facts.columns, *facts.rows]
            sizes = [max(len(row[k]) for row in cells if k < len(row)) for k in range(len(facts.columns))]
            for number, row in enumerate(cells):
                text = "  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=False))
                rows.append([self.piece(f"  {text}", style("text" if number else "dim"))])
        if len(rows) > height > 0:
            rows = [*rows[: height - 1], [self.piece("… a larger window shows more", style("dim"))]]
        return rows + [[] for _ in range(height - len(rows))]
