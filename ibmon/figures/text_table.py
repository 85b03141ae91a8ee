"""Tables of a figure as aligned text."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .figure import Table


def aligned(figure: Table, columns: int, rows: int) -> str:
    """A table with columns two spaces apart, cut where there is no room."""
    if not figure.columns or not figure.rows:
        return "no measurement yet"
    kept = figure.rows if len(figure.rows) < rows else figure.rows[: max(rows - 2, 1)]
    cells = [[clean(row[k]) if k < len(row) else "" for k in range(len(figure.columns))] for row in (figure.columns, *kept)]
    widths = [min(max(len(row[k]) for row in cells), max(12, columns // 2)) for k in range(len(figure.columns))]
    right = [all(_numeric(row[k]) for row in cells[1:] if row[k]) for k in range(len(widths))]
    lines: list[str] = []
    for row in cells:
        parts = [c[:w].rjust(w) if r else c[:w].ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(parts).rstrip()[:columns])
    if len(kept) < len(figure.rows):
        lines.append(f"… {len(figure.rows) - len(kept)} more"[:columns])
    return "\n".join(lines)


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
