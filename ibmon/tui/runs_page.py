"""The runs of a folder: which live, what they were asked, how well they do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import set_cell_size

from .rows import Row, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ibmon.records import RunInfo
    from ibmon.runs.directory import RunDirectory

    from .look import Look, Role

_GLYPHS: dict[str, tuple[str, Role]] = {
    "live": ("● live", "good"),
    "starting": ("◐ starting", "warn"),
    "lost": ("✖ lost", "bad"),
    "failed": ("✖ failed", "bad"),
    "finished": ("✔ finished", "text"),
    "damaged": ("✖ damaged", "bad"),
}
_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the list; all text is safe to show."""

    run: RunDirectory
    name: str
    state: str
    recipe: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    created: float = 0.0
    metric: str = ""


def scan(root: Path) -> list[Entry]:
    """Every run of a folder, newest first. Reads files: not for the thread that draws."""
    from ibmon.records import IbmonError
    from ibmon.runs.directory import find_runs, status
    from ibmon.runs.log import printable

    entries: list[Entry] = []
    for run in find_runs(root):
        try:
            info = run.info()
            state = status(run, info).state
            parameters = {**info.parameters, **({} if info.seed is None else {"seed": info.seed})}
            entries.append(
                Entry(
                    run,
                    printable(info.name or info.id, 60),
                    state,
                    printable(info.recipe, 30),
                    tuple((printable(k, 30), printable(str(v), 30)) for k, v in parameters.items()),
                    info.created,
                    _metric(run, info),
                )
            )
        except (IbmonError, OSError):
            entries.append(Entry(run, printable(run.id, 60), "damaged"))
    return entries


def _metric(run: RunDirectory, info: RunInfo) -> str:
    """The best accuracy or else the last loss among the newest lines of the log."""
    from ibmon.records import Progress, Scalars
    from ibmon.runs.log import LogReader, printable

    logs = run.logs("trainer")
    if not logs:
        return ""
    best: tuple[float, str] | None = None
    loss: tuple[float, str] | None = None
    for record in LogReader(logs[-1], offset=max(0, logs[-1].stat().st_size - _TAIL)).read(_TAIL + 4096):
        if isinstance(record, Progress) and record.loss is not None:
            loss = (record.loss, "loss")
        elif isinstance(record, Scalars):
            for key, value in record.values.items():
                if value is not None and "acc" in key.lower() and (best is None or value > best[0]):
                    best = (value, f"{record.name} {key}")
    found = best or loss
    return printable(f"{found[1]} {found[0]:.4g}", 40) if found else ""


def differing(entries: Sequence[Entry]) -> set[str]:
    """The parameters in which the runs of one recipe are not all alike."""
    seen: dict[tuple[str, str], set[str | None]] = {}
    for entry in entries:
        mine = dict(entry.parameters)
        for other in entries:
            if other.recipe == entry.recipe:
                for name, _ in other.parameters:
                    seen.setdefault((entry.recipe, name), set()).add(mine.get(name))
    return {name for (_, name), values in seen.items() if len(values) > 1}


def age(seconds: float) -> str:
    """How long ago, in one unit."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


class RunsPage(Rows):
    """A list to choose from; the open run is marked."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._entries: Sequence[Entry] | None = None
        self._chosen = 0
        self._open: RunDirectory | None = None
        self._root = ""

    def show(self, entries: Sequence[Entry], root: str, opened: RunDirectory | None) -> None:
        """Show the runs; the one that was chosen stays chosen."""
        before = self.chosen
        self._entries, self._root, self._open = entries, root, opened
        wanted = before or opened
        ids = [e.run.path.name for e in entries]
        self._chosen = ids.index(wanted.path.name) if wanted is not None and wanted.path.name in ids else 0
        self.update()

    @property
    def chosen(self) -> RunDirectory | None:
        return self._entries[self._chosen].run if self._entries else None

    def scroll_by(self, lines: int) -> None:
        if self._entries:
            self._chosen = max(0, min(self._chosen + lines, len(self._entries) - 1))
            self.update()

    def build(self, width: int, height: int) -> list[Row]:
        style, entries = self.look.style, self._entries
        blank: Row = []
        if not entries:
            text = "looking for runs …" if entries is None else f"no run in {self._root} yet; start one with: ibmon watch tishby"
            return [blank, [self.piece(f"  {text}", style("dim"))], *[blank] * (height - 2)]
        differ = differing(entries)
        wide = width >= 100
        sizes = (12, 30 if wide else 24, 12 if wide else 0, 8, 26 if wide else 18)
        rest = max(0, width - sum(sizes) - 3)
        heads = ("state", "run", "recipe", "age", "best or last", "parameters that differ")
        titles = "".join(set_cell_size(text, size) for text, size in zip(heads, (*sizes, rest), strict=True))
        rows: list[Row] = [[self.piece(f"   {titles}", style("dim"))]]
        room = max(1, height - 2)
        first = max(0, min(self._chosen - room // 2, len(entries) - room))
        now = time.time()
        for index, entry in enumerate(entries[first : first + room], start=first):
            glyph, role = _GLYPHS.get(entry.state, (entry.state, "text"))
            opened = self._open is not None and entry.run.path.name == self._open.path.name
            parameters = "  ".join(f"{k}={v}" for k, v in entry.parameters if k in differ)
            on: Role = "raised" if index == self._chosen else "ground"
            cells: list[tuple[str, Role, int]] = [
                ((" ▶ " if index == self._chosen else " · " if opened else "   "), "accent", 3),
                (glyph, role, sizes[0]),
                (entry.name, "strong", sizes[1]),
                (entry.recipe, "text", sizes[2]),
                (age(now - entry.created) if entry.created else "", "text", sizes[3]),
                (entry.metric, "text", sizes[4]),
                (parameters, "text", rest),
            ]
            rows.append(
                [self.piece(_column(text, size), style(role, on=on, bold=role == "strong")) for text, role, size in cells if size]
            )
        return rows + [blank] * (height - len(rows))


def _column(text: str, size: int) -> str:
    """Text cut to a column, with one blank between it and the next."""
    return set_cell_size(set_cell_size(text, min(size - 1, 10**4)) if size > 3 else text, size)
