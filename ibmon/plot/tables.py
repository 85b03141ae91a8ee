"""Tables in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibmon.figures.view import shorten

from .axes import EMPTY, Chart, blank_frame, message
from .canvas import Canvas, clean

if TYPE_CHECKING:
    from ibmon.figures.figure import Table, View

    from .palette import Palette
    from .scales import Frame


def widths(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], room: int) -> list[int]:
    """Widths of the columns, two apart; where there is too little room, the widest give way first."""
    wanted = [max([len(name), *(len(row[k]) for row in rows if k < len(row))]) for k, name in enumerate(columns)]
    room = max(room - 2 * (len(wanted) - 1), 0)
    while sum(wanted) > room and max(wanted) > 1:
        widest = max(wanted)
        second = max((w for w in wanted if w < widest), default=1)
        many = wanted.count(widest)
        cut = max(widest - second, 1)
        cut = min(cut, max(1, -(-(sum(wanted) - room) // many)))
        wanted = [w - cut if w == widest else w for w in wanted]
    return wanted


def numeric(text: str) -> bool:
    """Whether a cell is a number, and belongs to the right."""
    return bool(text) and (text[0].isdigit() or (text[0] in "-+.–" and (len(text) == 1 or text[1:2].isdigit())))


def draw_table(figure: Table, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Aligned columns; where not all rows have room those around the cursor, and the last line says which."""
    if not figure.columns or not figure.rows:
        return message(EMPTY, columns, rows, palette)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    cells = tuple(tuple(clean(c, palette.ascii) for c in row) for row in figure.rows)
    names = tuple(clean(c, palette.ascii) for c in figure.columns)
    room = rows - 1 if len(cells) < rows else rows - 2
    at = view.cursor[0] if view.cursor is not None else 0
    first = max(0, min(at - room // 2, len(cells) - room))
    kept = cells[first : first + room]
    wide = widths(names, cells, columns)
    right = [all(numeric(row[k]) for row in cells if k < len(row) and row[k]) for k in range(len(names))]
    column = 0
    for k, name in enumerate(names):
        for r, cell in enumerate((name, *(row[k] if k < len(row) else "" for row in kept))):
            short = shorten(cell, wide[k])
            start = column + (wide[k] - len(short) if right[k] else 0)
            marked = r > 0 and view.cursor is not None and view.cursor[0] == first + r - 1
            colour = palette.role("strong" if r == 0 or marked else "text")
            canvas.text(start, r, short, colour, bold=r == 0 or marked)
        column += wide[k] + 2
    if len(kept) < len(cells):
        note = f"{first + 1}–{first + len(kept)} of {len(cells)}"
        canvas.text(0, rows - 1, shorten(note, columns), palette.role("reference"))
    return Chart(canvas.grid(), blank_frame(columns, rows))
