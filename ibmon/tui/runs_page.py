"""The runs of a folder: which live, what they were asked, how well they do, and which are compared."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from rich.cells import cell_len, set_cell_size

from .rows import Row, Rows, spread, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibmon.runs.directory import RunDirectory

    from .look import Look, Role
    from .scanning import Entry, State

MARKS = 4
Field = Literal["state", "run", "recipe", "age", "size", "best", "parameters"]
FIELDS: tuple[Field, ...] = get_args(Field)
_STATES: dict[State, tuple[str, Role]] = {
    "live": ("● live", "good"),
    "starting": ("◐ starting", "warn"),
    "queued": ("◌ queued", "warn"),
    "lost": ("✖ lost", "bad"),
    "failed": ("✖ failed", "bad"),
    "finished": ("✔ finished", "text"),
    "damaged": ("✖ damaged", "bad"),
}
_HEADS: dict[Field, str] = {**{field: field for field in FIELDS}, "best": "best value", "parameters": "parameters that differ"}
_IMPORTANCE: dict[Field, tuple[int, int]] = {
    "run": (18, 42),
    "state": (10, 10),
    "best": (13, 34),
    "age": (6, 6),
    "parameters": (16, 200),
    "size": (8, 8),
    "recipe": (8, 20),
}
"""The columns, those that matter most first: the least and the most cells of each."""
_MARGIN = 3
_GLYPH = 2
_GAP = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A run that was marked for comparison, or all runs of a group as one."""

    name: str
    runs: tuple[RunDirectory, ...]


class RunsPage(Rows):
    """A list to choose and to mark from; the open run is shown by a diamond."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._entries: Sequence[Entry] | None = None
        self._shown: list[Entry] = []
        self._differ: set[str] = set()
        self._texts: dict[str, dict[Field, str]] = {}
        self._needed: dict[Field, int] = {}
        self._root = ""
        self._open: RunDirectory | None = None
        self._filter = ""
        self._sorted: tuple[Field, bool] = ("age", False)
        self._marked: list[tuple[str, str]] = []
        self._at = 0
        self._top = 0
        self._columns: dict[Field, int] = {}

    def show(self, entries: Sequence[Entry], root: str, opened: RunDirectory | None) -> None:
        """Show the runs; the one that was chosen stays chosen, and those that are gone are no longer marked."""
        self._entries, self._root, self._open = entries, root, opened
        self._marked = [mark for mark in self._marked if any(mark in _keys(e) for e in entries)]
        self._arrange(self.chosen or opened)

    def forget(self, run: RunDirectory) -> None:
        """Leave out a run that was deleted."""
        self.show([e for e in self._entries or () if e.run != run], self._root, self._open)

    def _arrange(self, chosen: RunDirectory | None) -> None:
        """Filter and sort anew."""
        from ibmon.runs.listing import differing

        entries = self._entries or ()
        self._differ = differing((entry.recipe, dict(entry.parameters)) for entry in entries)
        words = self._filter.casefold().split()
        self._shown = ordered([e for e in entries if fits(e, words)], *self._sorted, self._differ)
        self._texts = {e.run.id: _texts(e, self._differ) for e in self._shown}
        self._needed = {f: max([len(_HEADS[f]) + 2, *(cell_len(texts[f]) for texts in self._texts.values())]) for f in FIELDS}
        self._needed["run"] += _GLYPH
        if not self._differ:
            self._needed["parameters"] = 0
        ids = [entry.run.id for entry in self._shown]
        if chosen is not None and chosen.path.name in ids:
            self._at = ids.index(chosen.path.name)
        self._at = max(0, min(self._at, len(ids) - 1))
        self.update()

    # Choosing

    @property
    def entry(self) -> Entry | None:
        """What is said of the chosen run."""
        return self._shown[self._at] if self._shown else None

    @property
    def chosen(self) -> RunDirectory | None:
        return self.entry.run if self.entry is not None else None

    def scroll_by(self, lines: int) -> None:
        self._at = max(0, min(self._at + lines, len(self._shown) - 1))
        self.update()

    def page_by(self, pages: int) -> None:
        self.scroll_by(pages * max(1, self._room(self.content_size.height) - 1))

    @property
    def filter_text(self) -> str:
        return self._filter

    def filter(self, text: str) -> None:
        """Show only runs that have all words of a text."""
        self._filter = " ".join(text.split())
        self._arrange(self.chosen)

    def sort(self, by_next: bool) -> None:
        """Sort by the next of the columns that are shown, or the other way round."""
        field, backwards = self._sorted
        shown: list[Field] = list(self._columns or FIELDS)
        if by_next:
            self._sorted = shown[(shown.index(field) + 1) % len(shown) if field in shown else 0], False
        else:
            self._sorted = field, not backwards
        self._arrange(self.chosen)

    # Marking

    @property
    def marks(self) -> list[Mark]:
        """What is marked, in the order of marking, under names that tell apart."""
        marks: list[Mark] = []
        for mark in self._marked:
            entries = [e for e in self._entries or () if mark in _keys(e)]
            name = mark[1] if mark[0] == "group" else entries[0].name
            if name in (other.name for other in marks):
                name = f"{name} · {entries[0].id[-4:] if mark[0] == 'run' else 'group'}"
            marks.append(Mark(name, tuple(e.run for e in entries)))
        return marks

    @property
    def has_marks(self) -> bool:
        return bool(self._marked)

    def mark(self, runs: Sequence[RunDirectory]) -> None:
        """Mark these runs, in their order, and no others; the list may not have been read yet."""
        self._marked = [("run", run.id) for run in runs]
        self.update()

    def toggle_mark(self) -> str:
        """Mark the chosen run or take its mark away; a sentence where that cannot be."""
        entry = self.entry
        if entry is None:
            return "there is no run to mark"
        run, group = _keys(entry)
        if group in self._marked:
            return f"{entry.name} is marked with its group {entry.group}: M takes that mark away"
        return self._toggle(run, entry)

    def toggle_group_mark(self) -> str:
        """The same for all runs of the chosen run's group; they share one mark."""
        entry = self.entry
        if entry is None or not entry.group:
            return f"{entry.name} belongs to no group" if entry is not None else "there is no run to mark"
        return self._toggle(_keys(entry)[1], entry)

    def _toggle(self, mark: tuple[str, str], entry: Entry) -> str:
        singles = [_keys(e)[0] for e in self._entries or () if mark == _keys(e)[1]]
        kept = [m for m in self._marked if m != mark and m not in singles]
        if mark not in self._marked:
            if entry.state == "damaged":
                return f"{entry.name} is damaged: it cannot be compared"
            if len(kept) >= MARKS:
                return f"{MARKS} are marked already: take a mark away first, with m or M on its run"
            kept.append(mark)
        self._marked = kept
        self.update()
        return ""

    def unmark_all(self) -> None:
        self._marked = []
        self.update()

    def _glyphs(self) -> str:
        """One for each mark. They come with numpy, which the first paint does without."""
        if not self._marked:
            return ""
        from ibmon.figures.view import RUN_MARKS

        return RUN_MARKS[: len(self._marked)]

    def _glyph(self, entry: Entry) -> str:
        return next((glyph for glyph, mark in zip(self._glyphs(), self._marked, strict=True) if mark in _keys(entry)), " ")

    # Drawing

    def _room(self, height: int) -> int:
        """Rows for runs, below the headings and above the words on the chosen one."""
        return max(1, height - 2 - (3 if height >= 12 else 0))

    def build(self, width: int, height: int) -> list[Row]:
        if not self._shown:
            return [self._summary(width), [], *self._instead(width), *[[] for _ in range(height)]]
        room = self._room(height)
        self._top = max(0, min(self._top, self._at, len(self._shown) - room), self._at - room + 1)
        self._columns = columns(self._needed, width - _MARGIN)
        rows = [self._summary(width), self._titles()]
        rows += [self._line(entry, width) for entry in self._shown[self._top : self._top + room]]
        rows += [[] for _ in range(height - len(rows) - (3 if height >= 12 else 0))]
        return rows + (self._about(width) if height >= 12 else [])

    def _instead(self, width: int) -> list[Row]:
        """What to say where no run is listed."""
        if self._entries is None:
            text = "looking for runs …"
        elif self._entries:
            text = f"no run has all words of the filter {self._filter!r}: / changes it, an empty one shows all"
        else:
            text = f"no run in {self._root} yet; start one with: ibmon watch tishby"
        return [[self.piece(f"  {line}", self.look.style("strong"))] for line in textwrap.wrap(text, max(10, width - 4))]

    def _summary(self, width: int) -> Row:
        """How many runs there are, which of them are shown and which are marked."""
        if self._entries is None:
            return []
        style, marks, known = self.look.style, self.marks, len(self._entries)
        count = f"{len(self._shown)} of {known} runs" if self._filter else f"{known} run{'s' if known != 1 else ''}"
        left = [self.piece(f"  {count}  ", style("strong", bold=True))]
        right: Row = []
        for glyph, mark in zip(self._glyphs(), marks, strict=True):
            many = f" ({len(mark.runs)})" if len(mark.runs) > 1 else ""
            name = _cut(self.look.text(mark.name), max(6, min(24, (width - 40) // len(marks)))) + many
            right += [self.piece(f"  {glyph} ", style("accent", bold=True)), self.piece(name, style("text"))]
        what = f"/ {self._filter}" if self._filter else f"in {self._root}"
        spare = width - width_of(left) - width_of(right) - 2
        left.append(self.piece(_cut(self.look.text(what), spare), style("dim")))
        return spread(left, [*right, self.piece(" ", style())], width, style())

    def _titles(self) -> Row:
        style, (sorted_by, backwards) = self.look.style, self._sorted
        row = [self.piece(" " * _MARGIN, style())]
        for field, size in self._columns.items():
            here = field == sorted_by
            text = " " * _GLYPH * (field == "run") + _HEADS[field] + ((" ▼" if backwards else " ▲") if here else "")
            text = _cell(self.look.text(text), size, field) + " " * _GAP
            row.append(self.piece(text, style("strong" if here else "dim", bold=here)))
        return row

    def _line(self, entry: Entry, width: int) -> Row:
        chosen = entry is self.entry
        opened = self._open is not None and entry.run.path.name == self._open.path.name
        on: Role = "raised" if chosen else "ground"
        style = self.look.style
        row = [
            self.piece("▶" if chosen else " ", style("accent", on=on)),
            self.piece("◆" if opened else " ", style("accent", on=on)),
            self.piece(" ", style(on=on)),
        ]
        roles: dict[Field, Role] = {"state": _STATES[entry.state][1], "run": "strong"}
        for field, size in self._columns.items():
            if field == "run":
                row.append(self.piece(f"{self._glyph(entry)} ", style("accent", on=on, bold=True)))
                size -= _GLYPH
            text = _cell(self.look.text(self._texts[entry.run.id][field]), size, field)
            row.append(self.piece(text + " " * _GAP, style(roles.get(field, "text"), on=on, bold=field == "run")))
        return [*row, self.piece(" " * max(0, width - width_of(row)), style(on=on))]

    def _about(self, width: int) -> list[Row]:
        """A line, and below it what the columns have no room for."""
        entry, style = self.entry, self.look.style
        assert entry is not None
        facts = (entry.id, entry.detail, f"group {entry.group}" if entry.group else "")
        said = " · ".join(fact for fact in facts if fact)
        asked = "  ".join(f"{k}={v}" for k, v in entry.parameters)
        place = f" {self._at + 1} of {len(self._shown)} "
        return [
            [
                self.piece("─" * max(0, width - len(place) - 1), style("border")),
                self.piece(place, style("dim")),
                self.piece("─", style("border")),
            ],
            [self.piece("  " + _cut(self.look.text(said), width - 3), style("text"))],
            [self.piece("  " + _cut(self.look.text(asked), width - 3), style("dim"))],
        ]


def _keys(entry: Entry) -> tuple[tuple[str, str], tuple[str, str]]:
    """What a mark on the run is known by, and one on its group."""
    return ("run", entry.run.id), ("group", entry.group)


def fits(entry: Entry, words: Sequence[str]) -> bool:
    """Whether all words, in small letters, occur in what is said of a run."""
    parameters = (f"{name}={value}" for name, value in entry.parameters)
    said = " ".join((entry.name, entry.id, entry.state, entry.recipe, entry.group, *parameters)).casefold()
    return all(word in said for word in words)


def ordered(entries: Sequence[Entry], field: Field, backwards: bool, differ: set[str]) -> list[Entry]:
    """The runs by a column, the newest first among equals, those of which nothing is known always last."""

    def natural(text: str) -> tuple[float, str]:
        try:
            return float(text), ""
        except ValueError:
            return float("inf"), text.casefold()

    def key(entry: Entry) -> tuple[object, ...] | None:
        if field == "state":
            return (list(_STATES).index(entry.state),)
        if field == "age":
            return (-entry.created,) if entry.created else None
        if field == "size":
            return (-entry.size,) if entry.size is not None else None
        if field == "best":
            best = entry.best
            return (not best.accuracy, -best.value if best.accuracy else best.value) if best is not None else None
        if field == "parameters":
            return tuple((name, *natural(value)) for name, value in sorted(entry.parameters) if name in differ) or None
        text = entry.name if field == "run" else entry.recipe
        return (text.casefold(),) if text else None

    newest = sorted(entries, key=lambda entry: -entry.created)
    keys = {entry.run.id: key(entry) for entry in newest}
    known = [entry for entry in newest if keys[entry.run.id] is not None]
    known.sort(key=lambda entry: keys[entry.run.id] or (), reverse=backwards)
    return known + [entry for entry in newest if keys[entry.run.id] is None]


def columns(needed: Mapping[Field, int], width: int) -> dict[Field, int]:
    """The columns for which there is room, in their order, and the cells of each; what is needed by none gets none."""
    sizes: dict[Field, int] = {}
    for field, (least, most) in _IMPORTANCE.items():
        size = min(max(least, 1), most, max(needed[field], 1))
        if needed[field] and sum(sizes.values()) + size + _GAP * (len(sizes) + 1) <= width:
            sizes[field] = size
    if not sizes:
        return {"run": max(1, width - _GAP)}
    for field in sizes:
        spare = width - sum(sizes.values()) - _GAP * len(sizes)
        sizes[field] += max(0, min(spare, needed[field] - sizes[field], _IMPORTANCE[field][1] - sizes[field]))
    return {field: sizes[field] for field in FIELDS if field in sizes}


def _texts(entry: Entry, differ: set[str]) -> dict[Field, str]:
    from ibmon.runs.listing import age, size_words

    best = f"{entry.best.label} {entry.best.value:.4g}" if entry.best is not None else ""
    return {
        "state": _STATES[entry.state][0],
        "run": entry.name if entry.name == entry.id else f"{entry.name} · {entry.id[-4:]}",
        "recipe": entry.recipe,
        "age": age(entry.created) if entry.created else "",
        "size": size_words(entry.size) if entry.size is not None else "…",
        "best": f"{best}…" if entry.reading else best,
        "parameters": "  ".join(f"{k}={v}" for k, v in entry.parameters if k in differ),
    }


def _cell(text: str, size: int, field: Field) -> str:
    """Text as wide as its column. Numbers stand at the right; the value of a metric and the id of a run are not cut off."""
    parts = {"best": " ", "run": " · "}
    if field in parts and parts[field] in text and cell_len(text) > size:
        head, between, tail = text.rpartition(parts[field])
        text = _cut(head, size - len(between) - cell_len(tail)) + between + tail
    text = _cut(text, size)
    return " " * (size - cell_len(text)) + text if field in ("age", "size") else set_cell_size(text, size)


def _cut(text: str, size: int) -> str:
    """Text with an ellipsis where it is too long."""
    return text if cell_len(text) <= size else set_cell_size(text, max(0, size - 1)) + "…"[: max(0, size)]
