"""Lines of styled text as a widget that repaints only what changed of them. No markup anywhere: text is text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from .look import Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events

Row = list[Segment]


class Rows(Widget):
    """A widget whose content ``build`` says line by line."""

    ALLOW_SELECT = False

    def __init__(self, look: Look, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.look = look
        self._rows: list[Row] = []

    def build(self, width: int, height: int) -> list[Row]:
        """The lines to show; too long ones are cut, missing ones are blank."""
        raise NotImplementedError

    def update(self) -> None:
        """Build anew and repaint what differs."""
        width, height = self.content_size
        if not width or not height or not self.display:
            return
        rows = [fitted(row, width) for row in self.build(width, height)[:height]]
        old, self._rows = self._rows, rows
        if len(old) != len(rows):
            self.refresh()
            return
        for y, (before, after) in enumerate(zip(old, rows, strict=True)):
            extent = changed(before, after)
            if extent is not None:
                self.refresh(Region(extent[0], y, extent[1] - extent[0], 1))

    def repaint(self) -> None:
        """Build anew and repaint everything: colours have changed."""
        self._rows = []
        self.update()
        self.refresh()

    def piece(self, text: str, style: Style) -> Segment:
        return Segment(self.look.text(text), style)

    def on_resize(self, event: events.Resize) -> None:
        self._rows = []
        self.update()

    def on_show(self) -> None:
        self.update()

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        ground = self.look.style()
        return Strip(self._rows[y] if y < len(self._rows) else []).adjust_cell_length(width, ground)


def width_of(row: Sequence[Segment]) -> int:
    return sum(cell_len(segment.text) for segment in row)


def fitted(row: Row, width: int) -> Row:
    """A row cut to a width."""
    kept: Row = []
    for segment in row:
        size = cell_len(segment.text)
        if size > width:
            kept.append(Segment(set_cell_size(segment.text, width), segment.style))
            break
        kept.append(segment)
        width -= size
    return kept


def spread(left: Row, right: Row, width: int, style: Style) -> Row:
    """Two pieces of a row at its two ends; where they do not fit beside each other the right one goes."""
    gap = width - width_of(left) - width_of(right)
    if gap < 1:
        return [*left, Segment(" " * max(0, width - width_of(left)), style)]
    return [*left, Segment(" " * gap, style), *right]


def changed(before: Row, after: Row) -> tuple[int, int] | None:
    """The columns between which two rows differ, None where they are equal."""
    if before == after:
        return None
    same = 0
    for a, b in zip(before, after, strict=False):
        if a != b:
            break
        same += 1
    start = width_of(before[:same])
    whole = width_of(before), width_of(after)
    tail = 0
    if whole[0] == whole[1]:
        for a, b in zip(reversed(before[same:]), reversed(after[same:]), strict=False):
            if a != b:
                break
            tail += 1
    return start, max(whole) - width_of(after[len(after) - tail :])
