"""Tables of a figure as aligned text."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from .view import shorten

if TYPE_CHECKING:
    from .figure import Table


_GAP = 2
_LEAST = 6
"""Letters that are left of a text where there is no room."""


def aligned(figure: Table, columns: int, rows: int) -> str:
    """A table with columns two spaces apart. Where there is no room, texts are cut, then whole columns are left out at the right
    end, and rows at the lower one: part of a number would be another number."""
    if not figure.columns or not figure.rows:
        return "no measurement yet"
    kept = _first(figure.rows, rows - 1)
    cells = [[clean(row[k]) if k < len(row) else "" for k in range(len(figure.columns))] for row in (figure.columns, *kept)]
    right = [all(_numeric(row[k]) for row in cells[1:] if row[k]) for k in range(len(figure.columns))]
    widths = _widths(cells, right, columns)
    left_out = len(figure.columns) - len(widths)
    said = [shorten(f"{left_out} column{'s' if left_out > 1 else ''} left out: too narrow", columns)] if left_out else []
    if not widths:
        return said[0]
    if left_out:
        kept = _first(figure.rows, rows - 2)  # what is said of columns takes a line, too
    lines: list[str] = []
    for row in cells[: len(kept) + 1]:
        shown = [(shorten(c, w), w, r) for c, w, r in zip(row, widths, right, strict=False)]
        lines.append((" " * _GAP).join(c.rjust(w) if r else c.ljust(w) for c, w, r in shown).rstrip())
    if len(kept) < len(figure.rows):
        lines.append(shorten(f"… {len(figure.rows) - len(kept)} more", columns))
    return "\n".join([*lines, *said])


def _first(rows: tuple[tuple[str, ...], ...], room: int) -> tuple[tuple[str, ...], ...]:
    """All rows, or as many as leave a line to say how many more there are."""
    return rows if len(rows) <= room else rows[: max(room - 1, 1)]


def _widths(cells: list[list[str]], right: list[bool], columns: int) -> list[int]:
    """The widths of as many of the first columns as fit, texts as narrow as that needs, the widest ones first."""
    most = max(12, columns // 2)
    whole = [max((len(row[k]) for row in cells[1:] if _numbers(row[k])), default=0) for k in range(len(right))]
    widths = [max(min(max(len(row[k]) for row in cells), most), whole[k]) for k in range(len(right))]
    least = [w if r else min(w, max(_LEAST, n)) for w, r, n in zip(widths, right, whole, strict=True)]
    count = len(widths)
    while count and sum(least[:count]) + _GAP * (count - 1) > columns:
        count -= 1
    widths = widths[:count]
    while sum(widths) + _GAP * (count - 1) > columns:
        widest = max((k for k in range(count) if widths[k] > least[k]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _numbers(text: str) -> bool:
    """Whether a cell is nothing but numbers, such as one with its p-value in brackets."""
    parts = [part.strip("()[],;±%") for part in text.split()]
    return all(_numeric(part) for part in parts if part)


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "–"
    return True


def clean(text: str) -> str:
    """Without control characters, and without those that take no cell or two."""
    return "".join(
        c if c.isprintable() and unicodedata.category(c)[0] != "M" and unicodedata.east_asian_width(c) not in "WF" else "?"
        for c in text
    )
